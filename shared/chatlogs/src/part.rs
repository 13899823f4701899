//! One part of an export (a file, or a member of an archive), read element by element or line by line.

use std::io::BufRead;

use serde_json::Value;

use crate::ImportError;
use crate::framing::{Elements, Framing, Line, read_line};
use crate::json::parse;
use crate::report::{ImportReport, Place, Position, Tally};
use crate::source::{Limits, Source, read_error};

/// A part with conversations in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Part {
    pub(crate) index: usize,
    pub(crate) framing: Framing,
}

/// Hands the parsed elements of a part to `work`; those that are not JSON are counted.
pub(crate) fn each_value<E: From<ImportError>>(
    source: &mut Source,
    part: Part,
    limits: &Limits,
    report: &mut ImportReport,
    mut work: impl FnMut(&Value, &mut Tally<'_>) -> Result<(), E>,
) -> Result<(), E> {
    let file = source.name(part.index);
    source.read(part.index, limits, |reader| {
        let mut elements = Elements::new(reader, part.framing, file.clone(), limits);
        let place = Place { file, position: Position::Whole };
        let mut tally = Tally { report, place };
        while let Some(element) = elements.next()? {
            tally.place.position = element.position;
            match element.bytes.and_then(parse) {
                Ok(value) => work(&value, &mut tally)?,
                Err(reason) => tally.skip(reason),
            }
        }
        Ok(())
    })
}

/// Hands the lines of a part to `work`, numbered from 1; `None` for one that is too long.
pub(crate) fn each_line<E: From<ImportError>>(
    reader: &mut dyn BufRead,
    file: &str,
    limits: &Limits,
    mut work: impl FnMut(u64, Option<&[u8]>) -> Result<(), E>,
) -> Result<(), E> {
    let mut buffer = Vec::new();
    let mut number = 0;
    loop {
        let line = read_line(reader, &mut buffer, limits.element_bytes)
            .map_err(|error| read_error(file, error))?;
        number += 1;
        match line {
            Line::Whole => work(number, Some(&buffer))?,
            Line::TooLong => work(number, None)?,
            Line::End => return Ok(()),
        }
    }
}
