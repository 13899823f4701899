//! One HTML file that holds everything it shows: no script, no font, no picture from elsewhere.

use std::fmt::Write as _;

use crate::text::{escape, prose};
use crate::{BarChart, LineChart, Table, Tone, svg};

const STYLE: &str = include_str!("page.css");

/// A number that a reader should not miss.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fact {
    name: String,
    value: String,
    note: String,
    tone: Tone,
}

impl Fact {
    /// A name and its value, such as `loss after` and `3.07`.
    pub fn new(name: impl Into<String>, value: impl Into<String>) -> Self {
        Self { name: name.into(), value: value.into(), note: String::new(), tone: Tone::Plain }
    }

    /// A few words below it.
    #[must_use]
    pub fn note(mut self, note: impl Into<String>) -> Self {
        self.note = note.into();
        self
    }

    /// Its meaning, shown as colour.
    #[must_use]
    pub fn tone(mut self, tone: Tone) -> Self {
        self.tone = tone;
        self
    }
}

/// A report that grows from top to bottom. Every text may come from a stranger: it is shown, never obeyed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    title: String,
    body: String,
    contents: Vec<String>,
}

impl Page {
    /// A page with a title.
    pub fn new(title: impl Into<String>) -> Self {
        Self { title: title.into(), body: String::new(), contents: Vec::new() }
    }

    /// The summary: what a reader with one minute should know.
    #[must_use]
    pub fn lead(self, text: &str) -> Self {
        self.element("p", " class=\"lead\"", text)
    }

    /// A heading; all headings are listed at the top when there are more than two.
    #[must_use]
    pub fn section(mut self, heading: &str) -> Self {
        let heading = escape(heading);
        let number = self.contents.len() + 1;
        let _ = writeln!(self.body, "<h2 id=\"section-{number}\">{heading}</h2>");
        self.contents.push(heading);
        self
    }

    /// A paragraph; an empty line begins another one.
    #[must_use]
    pub fn text(self, text: &str) -> Self {
        text.split("\n\n")
            .filter(|paragraph| !paragraph.trim().is_empty())
            .fold(self, |page, paragraph| page.element("p", "", paragraph.trim()))
    }

    /// A red box: what is wrong, or not protected.
    #[must_use]
    pub fn warning(mut self, text: &str) -> Self {
        let _ = writeln!(
            self.body,
            "<div class=\"box bad\" role=\"note\"><strong>Warning</strong> {}</div>",
            prose(text)
        );
        self
    }

    /// A quiet box: what to keep in mind.
    #[must_use]
    pub fn remark(self, text: &str) -> Self {
        self.element("div", " class=\"box\" role=\"note\"", text)
    }

    /// A row of large numbers.
    #[must_use]
    pub fn facts(mut self, facts: impl IntoIterator<Item = Fact>) -> Self {
        self.body.push_str("<dl class=\"facts\">\n");
        for fact in facts {
            let (name, value, class) = (escape(&fact.name), escape(&fact.value), fact.tone.class());
            let _ = write!(self.body, "<div><dt>{name}</dt><dd class=\"{class}\">{value}</dd>");
            if !fact.note.is_empty() {
                let _ = write!(self.body, "<dd class=\"note\">{}</dd>", prose(&fact.note));
            }
            self.body.push_str("</div>\n");
        }
        self.body.push_str("</dl>\n");
        self
    }

    /// A table.
    #[must_use]
    pub fn table(mut self, table: Table) -> Self {
        self.body.push_str(&table.to_html());
        self
    }

    /// A chart of lines.
    #[must_use]
    pub fn line_chart(self, chart: LineChart) -> Self {
        self.figure(&chart.inline())
    }

    /// A chart of bars.
    #[must_use]
    pub fn bar_chart(self, chart: BarChart) -> Self {
        self.figure(&chart.inline())
    }

    /// Texts beside each other, raw, such as replies before and after: (heading, text) each.
    #[must_use]
    pub fn beside(mut self, texts: &[(&str, &str)]) -> Self {
        self.body.push_str("<div class=\"beside\">\n");
        for (heading, text) in texts {
            let (heading, text) = (escape(heading), escape(text));
            let _ = writeln!(
                self.body,
                "<figure><figcaption>{heading}</figcaption><pre dir=\"auto\">{text}</pre></figure>"
            );
        }
        self.body.push_str("</div>\n");
        self
    }

    /// Text as it is, such as a command to run.
    #[must_use]
    pub fn code(mut self, text: &str) -> Self {
        let _ = writeln!(self.body, "<pre>{}</pre>", escape(text));
        self
    }

    /// The whole file.
    pub fn to_html(&self) -> String {
        let title = escape(&self.title);
        format!(
            "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
             <meta name=\"color-scheme\" content=\"light dark\">\n\
             <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n\
             <title>{title}</title>\n<style>\n{STYLE}{}</style>\n</head>\n<body>\n<main>\n<h1>{title}</h1>\n{}</main>\n\
             </body>\n</html>\n",
            svg::STYLE,
            self.body_with_contents(),
        )
    }

    /// The list of sections stands before the first of them.
    fn body_with_contents(&self) -> String {
        let first = self.body.find("<h2 ").filter(|_| self.contents.len() > 2);
        let Some(first) = first else { return self.body.clone() };
        let mut list = String::from("<nav aria-label=\"Contents\"><ol>\n");
        for (i, heading) in self.contents.iter().enumerate() {
            let _ = writeln!(list, "<li><a href=\"#section-{}\">{heading}</a></li>", i + 1);
        }
        list.push_str("</ol></nav>\n");
        format!("{}{list}{}", &self.body[..first], &self.body[first..])
    }

    fn figure(mut self, svg: &str) -> Self {
        let _ = writeln!(self.body, "<figure>{svg}</figure>");
        self
    }

    fn element(mut self, name: &str, attributes: &str, text: &str) -> Self {
        let _ = writeln!(self.body, "<{name}{attributes}>{}</{name}>", prose(text));
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Axis, Bar, Column, Series};

    /// Every door for text, each with the same text.
    fn page_saying(text: &str) -> String {
        Page::new(text)
            .lead(text)
            .section(text)
            .section(text)
            .section(text)
            .text(text)
            .warning(text)
            .remark(text)
            .facts([Fact::new(text, text).note(text).tone(Tone::Bad)])
            .table(Table::new([Column::text(text)]).caption(text).row([text]))
            .line_chart(
                LineChart::new(text).x(Axis::new(text)).series(Series::new(text, [(0.0, 1.0)])),
            )
            .bar_chart(BarChart::new(text).unit(text).bar(Bar::new(text, 1.0)))
            .beside(&[(text, text)])
            .code(text)
            .to_html()
    }

    #[test]
    fn no_text_can_become_markup() {
        let calm = page_saying("calm");
        for hostile in [
            "<script>alert(1)</script>",
            "</title></style><img src=x onerror=alert(1)>",
            "\"><a href='https://example.org'>",
            "'\"&<>",
            "]]><!--",
        ] {
            let html = page_saying(hostile);
            let count = |text: &str, what: char| text.matches(what).count();
            assert_eq!(count(&html, '<'), count(&calm, '<'), "{hostile}");
            assert_eq!(count(&html, '>'), count(&calm, '>'), "{hostile}");
            assert_eq!(count(&html, '"'), count(&calm, '"'), "{hostile}");
        }
        assert!(!page_saying("a\0b\x1b\u{202e}").contains(['\0', '\x1b', '\u{202e}']));
    }

    #[test]
    fn nothing_is_fetched_from_elsewhere() {
        let html = page_saying("calm");
        for door in
            ["http:", "https:", "//", "src=", "url(", "@import", "<script", "<link", "javascript:"]
        {
            assert!(!html.contains(door), "{door}");
        }
        assert!(html.contains("default-src 'none'"));
    }

    #[test]
    fn sections_are_listed_before_the_first() {
        let page = Page::new("t").lead("l").section("one").section("two & a half");
        assert!(!page.to_html().contains("<nav"));
        let html = page.section("three").to_html();
        let place = |text: &str| html.find(text).unwrap_or_else(|| panic!("no {text}"));
        assert!(
            place("class=\"lead\"") < place("<nav")
                && place("<nav") < place("<h2 id=\"section-1\">one")
        );
        assert!(html.contains("<a href=\"#section-2\">two &amp; a half</a>"));
    }

    #[test]
    fn an_empty_line_begins_a_paragraph() {
        let html = Page::new("t").text("one\n\ntwo\n\n\n").to_html();
        assert!(html.contains("<p>one</p>\n<p>two</p>\n</main>"), "{html}");
    }
}
