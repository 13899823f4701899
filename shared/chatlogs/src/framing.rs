//! Cuts a stream of JSON into conversations without parsing it: lines (JSONL), the elements of
//! one list, or values one after another. Holds one element at a time.

use std::io::BufRead;

use crate::ImportError;
use crate::report::{Place, Position, SkipReason};
use crate::source::{Limits, read_error};

/// How conversations follow each other in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Framing {
    /// One on each line; a damaged line costs that line alone.
    Lines,
    /// The elements of one JSON list.
    Array,
    /// JSON values one after another, over any number of lines: most often just one.
    Values,
}

/// One cut out piece, not yet known to be JSON; or why it was passed over.
pub(crate) struct Element<'a> {
    pub(crate) position: Position,
    pub(crate) bytes: Result<&'a [u8], SkipReason>,
}

/// The elements of one part, in order.
pub(crate) struct Elements<'a> {
    reader: &'a mut dyn BufRead,
    framing: Framing,
    limits: Limits,
    file: String,
    /// Number of the last element (or line) that was begun.
    number: u64,
    /// Bytes consumed.
    offset: u64,
    /// The list has been closed.
    closed: bool,
    buffer: Vec<u8>,
}

impl<'a> Elements<'a> {
    pub(crate) fn new(
        reader: &'a mut dyn BufRead,
        framing: Framing,
        file: String,
        limits: &Limits,
    ) -> Self {
        let buffer = Vec::new();
        Self { reader, framing, limits: *limits, file, number: 0, offset: 0, closed: false, buffer }
    }

    /// The next element; `None` at the end.
    pub(crate) fn next(&mut self) -> Result<Option<Element<'_>>, ImportError> {
        match self.framing {
            Framing::Lines => self.next_line(),
            Framing::Array => self.next_in_list(),
            Framing::Values => self.next_value(),
        }
    }

    fn next_line(&mut self) -> Result<Option<Element<'_>>, ImportError> {
        loop {
            let line = read_line(self.reader, &mut self.buffer, self.limits.element_bytes)
                .map_err(|error| read_error(&self.file, error))?;
            if line == Line::End {
                return Ok(None);
            }
            self.number += 1;
            let position = Position::Line(self.number);
            if line == Line::TooLong {
                return Ok(Some(Element { position, bytes: Err(SkipReason::TooLarge) }));
            }
            if self.number == 1 && self.buffer.starts_with(BYTE_ORDER_MARK) {
                self.buffer.drain(..BYTE_ORDER_MARK.len());
            }
            if !self.buffer.trim_ascii().is_empty() {
                break;
            }
        }
        let bytes = Ok(self.buffer.trim_ascii());
        Ok(Some(Element { position: Position::Line(self.number), bytes }))
    }

    fn next_in_list(&mut self) -> Result<Option<Element<'_>>, ImportError> {
        if self.closed {
            return Ok(None);
        }
        if self.number == 0 {
            self.expect(|byte| byte == b'[', "a list, beginning with [")?;
        }
        let ends_list = if self.number == 0 {
            self.peek()? == Some(b']')
        } else {
            self.expect(|byte| byte == b',' || byte == b']', "a comma or ]")? == b']'
        };
        if ends_list {
            self.closed = true;
            if self.number == 0 {
                self.consume(1);
            }
            return match self.peek()? {
                None => Ok(None),
                Some(_) => Err(self.syntax("nothing more after the list")),
            };
        }
        self.number += 1;
        self.cut().map(Some)
    }

    fn next_value(&mut self) -> Result<Option<Element<'_>>, ImportError> {
        if self.peek()?.is_none() {
            return Ok(None);
        }
        self.number += 1;
        self.cut().map(Some)
    }

    /// Cuts out the JSON value that begins at the next visible byte.
    fn cut(&mut self) -> Result<Element<'_>, ImportError> {
        let position = Position::Conversation(self.number);
        self.buffer.clear();
        let mut scan = Scan::default();
        let mut too_large = false;
        if self.peek()?.is_none() {
            return Err(self.truncated());
        }
        loop {
            let chunk = self.reader.fill_buf().map_err(|error| read_error(&self.file, error))?;
            if chunk.is_empty() {
                return Err(self.truncated());
            }
            let (used, done) = scan.run(chunk);
            too_large |= self.buffer.len() + used > self.limits.element_bytes;
            if too_large {
                self.buffer.clear();
            } else {
                self.buffer.extend_from_slice(&chunk[..used]);
            }
            self.consume(used);
            if done {
                break;
            }
            // A number or word may stand at the very end of a file of values.
            if !scan.nested() && self.framing == Framing::Values && self.at_end()? {
                break;
            }
        }
        let bytes = match (too_large, scan.deepest > MAX_DEPTH) {
            (true, _) => Err(SkipReason::TooLarge),
            (_, true) => Err(SkipReason::TooDeep),
            _ => Ok(self.buffer.as_slice()),
        };
        Ok(Element { position, bytes })
    }

    /// The next byte that is not white space (nor a byte order mark at the start), unconsumed.
    fn peek(&mut self) -> Result<Option<u8>, ImportError> {
        loop {
            let chunk = self.reader.fill_buf().map_err(|error| read_error(&self.file, error))?;
            if chunk.is_empty() {
                return Ok(None);
            }
            if self.offset == 0 && chunk.starts_with(BYTE_ORDER_MARK) {
                self.consume(BYTE_ORDER_MARK.len());
                continue;
            }
            let blank = chunk.iter().take_while(|byte| byte.is_ascii_whitespace()).count();
            let next = chunk.get(blank).copied();
            self.consume(blank);
            if next.is_some() {
                return Ok(next);
            }
        }
    }

    fn expect(
        &mut self,
        allowed: impl Fn(u8) -> bool,
        expected: &'static str,
    ) -> Result<u8, ImportError> {
        match self.peek()? {
            None => Err(self.truncated()),
            Some(byte) if allowed(byte) => {
                self.consume(1);
                Ok(byte)
            }
            Some(_) => Err(self.syntax(expected)),
        }
    }

    fn at_end(&mut self) -> Result<bool, ImportError> {
        let chunk = self.reader.fill_buf().map_err(|error| read_error(&self.file, error))?;
        Ok(chunk.is_empty())
    }

    fn consume(&mut self, count: usize) {
        self.reader.consume(count);
        self.offset += count as u64;
    }

    fn place(&self) -> Place {
        Place { file: self.file.clone(), position: Position::Conversation(self.number) }
    }

    fn truncated(&self) -> ImportError {
        ImportError::Truncated { place: self.place(), byte: self.offset }
    }

    fn syntax(&self, expected: &'static str) -> ImportError {
        ImportError::Syntax { place: self.place(), expected, byte: self.offset }
    }
}

/// Follows brackets and strings to the end of one JSON value.
#[derive(Default)]
struct Scan {
    depth: usize,
    deepest: usize,
    in_string: bool,
    escaped: bool,
    begun: bool,
}

impl Scan {
    /// How many bytes of `chunk` belong to the value, and whether it ends there.
    fn run(&mut self, chunk: &[u8]) -> (usize, bool) {
        for (index, &byte) in chunk.iter().enumerate() {
            if self.in_string {
                self.step_in_string(byte);
                if !self.in_string && self.depth == 0 {
                    return (index + 1, true);
                }
                continue;
            }
            let ends_word = matches!(byte, b',' | b']' | b'}') || byte.is_ascii_whitespace();
            if self.depth == 0 && self.begun && ends_word {
                return (index, true);
            }
            self.begun = true;
            match byte {
                b'"' => self.in_string = true,
                b'{' | b'[' => {
                    self.depth += 1;
                    self.deepest = self.deepest.max(self.depth);
                }
                b'}' | b']' => {
                    self.depth = self.depth.saturating_sub(1);
                    if self.depth == 0 {
                        return (index + 1, true);
                    }
                }
                _ => {}
            }
        }
        (chunk.len(), false)
    }

    fn step_in_string(&mut self, byte: u8) {
        match byte {
            _ if self.escaped => self.escaped = false,
            b'\\' => self.escaped = true,
            b'"' => self.in_string = false,
            _ => {}
        }
    }

    fn nested(&self) -> bool {
        self.depth > 0 || self.in_string
    }
}

/// What [`read_line`] found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Line {
    /// A line, without its end.
    Whole,
    /// A line longer than the limit; it was passed over.
    TooLong,
    /// The end of the file.
    End,
}

/// Reads one line into `buffer`, holding no more than `limit` bytes of it.
pub(crate) fn read_line(
    reader: &mut dyn BufRead,
    buffer: &mut Vec<u8>,
    limit: usize,
) -> std::io::Result<Line> {
    buffer.clear();
    let mut too_long = false;
    let mut read_any = false;
    loop {
        let chunk = reader.fill_buf()?;
        if chunk.is_empty() {
            break;
        }
        read_any = true;
        let end = chunk.iter().position(|&byte| byte == b'\n');
        let content = &chunk[..end.unwrap_or(chunk.len())];
        too_long |= buffer.len() + content.len() > limit;
        if too_long {
            buffer.clear();
        } else {
            buffer.extend_from_slice(content);
        }
        let used = end.map_or(chunk.len(), |end| end + 1);
        reader.consume(used);
        if end.is_some() {
            break;
        }
    }
    if buffer.last() == Some(&b'\r') {
        buffer.pop();
    }
    Ok(match (read_any, too_long) {
        (false, _) => Line::End,
        (true, true) => Line::TooLong,
        (true, false) => Line::Whole,
    })
}

/// Written by some editors at the start of a file.
pub(crate) const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Brackets within brackets; serde_json itself stops at 128.
const MAX_DEPTH: usize = 120;

#[cfg(test)]
mod tests {
    use std::io::BufReader;

    use proptest::prelude::*;

    use super::*;

    /// All elements, read through a buffer of `capacity` bytes.
    fn elements(
        text: &[u8],
        framing: Framing,
        capacity: usize,
        limits: &Limits,
    ) -> Result<Vec<Result<String, SkipReason>>, ImportError> {
        let mut reader = BufReader::with_capacity(capacity, text);
        let mut elements = Elements::new(&mut reader, framing, "f".into(), limits);
        let mut found = Vec::new();
        while let Some(element) = elements.next()? {
            found.push(element.bytes.map(|bytes| String::from_utf8_lossy(bytes).into_owned()));
        }
        Ok(found)
    }

    fn list(text: &str) -> Result<Vec<Result<String, SkipReason>>, ImportError> {
        elements(text.as_bytes(), Framing::Array, 3, &Limits::default())
    }

    #[test]
    fn cuts_lists_whatever_is_in_them() {
        let text = "\u{feff} [ {\"a\": \"]}\\\"\"} , [1,[2]],\"x\\\\\", null ,17\n] \n";
        let found: Vec<_> = list(text).unwrap().into_iter().map(Result::unwrap).collect();
        assert_eq!(found, ["{\"a\": \"]}\\\"\"}", "[1,[2]]", "\"x\\\\\"", "null", "17"]);
        assert_eq!(list("[]").unwrap(), []);
    }

    #[test]
    fn says_where_a_list_is_cut_off_or_damaged() {
        let Err(ImportError::Truncated { place, byte }) = list("[{\"a\":1},{\"b\":") else {
            panic!("it is cut off");
        };
        assert_eq!((place.position, byte), (Position::Conversation(2), 14));
        assert!(matches!(list("[{}"), Err(ImportError::Truncated { .. })));
        assert!(matches!(list("["), Err(ImportError::Truncated { .. })));
        assert!(matches!(list("[{},"), Err(ImportError::Truncated { .. })));
        let Err(ImportError::Syntax { byte, .. }) = list("[{} {}]") else {
            panic!("a comma is missing");
        };
        assert_eq!(byte, 4);
        assert!(matches!(list("[{}] x"), Err(ImportError::Syntax { .. })));
    }

    #[test]
    fn passes_over_elements_that_are_too_large_or_too_deep() {
        let limits = Limits { element_bytes: 200, ..Limits::default() };
        let large = "x".repeat(300);
        let text = format!("[\"{large}\", {}1{}, {{}}]", "[".repeat(121), "]".repeat(121));
        let limits_deep = Limits { element_bytes: 1000, ..limits };
        let found = elements(text.as_bytes(), Framing::Array, 7, &limits).unwrap();
        assert_eq!(found, [Err(SkipReason::TooLarge), Err(SkipReason::TooLarge), Ok("{}".into())]);
        let found = elements(text.as_bytes(), Framing::Array, 7, &limits_deep).unwrap();
        assert_eq!(found[1], Err(SkipReason::TooDeep));
        let lines = format!("{large}\n{{}}\r\n\n  \n[1]");
        let found = elements(lines.as_bytes(), Framing::Lines, 7, &limits).unwrap();
        assert_eq!(found, [Err(SkipReason::TooLarge), Ok("{}".into()), Ok("[1]".into())]);
    }

    #[test]
    fn reads_values_one_after_another() {
        let text = b"{\n \"a\": 1\n}\n{\"b\":2} 7";
        let found = elements(text, Framing::Values, 4, &Limits::default()).unwrap();
        let found: Vec<_> = found.into_iter().map(Result::unwrap).collect();
        assert_eq!(found, ["{\n \"a\": 1\n}", "{\"b\":2}", "7"]);
    }

    fn json() -> impl Strategy<Value = serde_json::Value> {
        let leaf = prop_oneof![
            Just(serde_json::Value::Null),
            any::<i32>().prop_map(Into::into),
            "\\PC{0,8}|[\\[\\]{},:\"\\\\]{0,6}".prop_map(Into::into),
        ];
        leaf.prop_recursive(4, 40, 5, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..5).prop_map(Into::into),
                prop::collection::btree_map("[a-z\"]{0,3}", inner, 0..5)
                    .prop_map(|map| serde_json::Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn a_list_is_cut_into_exactly_its_elements(
            values in prop::collection::vec(json(), 0..6), capacity in 1_usize..40, pretty: bool,
        ) {
            let text = if pretty {
                serde_json::to_vec_pretty(&values).unwrap()
            } else {
                serde_json::to_vec(&values).unwrap()
            };
            let found = elements(&text, Framing::Array, capacity, &Limits::default()).unwrap();
            let found: Vec<serde_json::Value> = found
                .into_iter()
                .map(|element| serde_json::from_str(&element.unwrap()).unwrap())
                .collect();
            prop_assert_eq!(found, values);
        }

        #[test]
        fn foreign_bytes_never_panic_and_always_end(
            bytes in prop::collection::vec(any::<u8>(), 0..200), capacity in 1_usize..40,
        ) {
            for framing in [Framing::Lines, Framing::Array, Framing::Values] {
                let limits = Limits { element_bytes: 50, ..Limits::default() };
                let _ = elements(&bytes, framing, capacity, &limits);
            }
        }

        #[test]
        fn bracket_soup_never_panics(text in "[\\[\\]{}\",:\\\\a1 \n]{0,60}", capacity in 1_usize..9) {
            for framing in [Framing::Lines, Framing::Array, Framing::Values] {
                let _ = elements(text.as_bytes(), framing, capacity, &Limits::default());
            }
        }
    }
}
