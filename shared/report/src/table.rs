//! Tables, for a terminal and for the page.

use std::fmt::Write as _;
use std::io::IsTerminal;

use comfy_table::{
    Attribute, CellAlignment, Color, ContentArrangement, ContentLineStyle, LineStyle, TableStyle,
};

use crate::Tone;
use crate::text::{escape, plain};

/// A heading and how its column stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    heading: String,
    number: bool,
}

impl Column {
    /// A column of words, to the left.
    pub fn text(heading: impl Into<String>) -> Self {
        Self { heading: heading.into(), number: false }
    }

    /// A column of numbers, to the right.
    pub fn number(heading: impl Into<String>) -> Self {
        Self { heading: heading.into(), number: true }
    }
}

/// One text in a table, with its meaning.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cell {
    text: String,
    tone: Tone,
}

impl Cell {
    /// A cell of any tone.
    pub fn new(text: impl Into<String>, tone: Tone) -> Self {
        Self { text: text.into(), tone }
    }

    /// As hoped for.
    pub fn good(text: impl Into<String>) -> Self {
        Self::new(text, Tone::Good)
    }

    /// Wrong, or without protection: red.
    pub fn bad(text: impl Into<String>) -> Self {
        Self::new(text, Tone::Bad)
    }
}

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        Self::new(text, Tone::Plain)
    }
}

impl From<String> for Cell {
    fn from(text: String) -> Self {
        Self::new(text, Tone::Plain)
    }
}

/// Width of a table in a pipe or a file: what a page of text or a log viewer shows without scrolling.
pub const PIPE_COLUMNS: u16 = 100;

/// Rows under headings. A row that is too short ends in empty cells; cells beyond the last column are dropped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    columns: Vec<Column>,
    rows: Vec<Vec<Cell>>,
    caption: String,
}

impl Table {
    /// A table without rows.
    pub fn new(columns: impl IntoIterator<Item = Column>) -> Self {
        Self { columns: columns.into_iter().collect(), rows: Vec::new(), caption: String::new() }
    }

    /// A line that says what the table shows.
    #[must_use]
    pub fn caption(mut self, caption: impl Into<String>) -> Self {
        self.caption = caption.into();
        self
    }

    /// Adds a row.
    #[must_use]
    pub fn row(mut self, cells: impl IntoIterator<Item = impl Into<Cell>>) -> Self {
        self.push(cells);
        self
    }

    /// Adds a row in place.
    pub fn push(&mut self, cells: impl IntoIterator<Item = impl Into<Cell>>) {
        let mut row: Vec<Cell> = cells.into_iter().map(Into::into).collect();
        row.resize(self.columns.len(), Cell::default());
        self.rows.push(row);
    }

    /// For standard output: as wide as the terminal allows, in a pipe at most [`PIPE_COLUMNS`]; coloured unless it is a
    /// pipe or `NO_COLOR` is set. What is longer goes on in the next line of its cell.
    pub fn for_terminal(&self) -> String {
        let no_colour = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        if !std::io::stdout().is_terminal() {
            return self.within(PIPE_COLUMNS);
        }
        let mut table = self.drawn();
        table.set_content_arrangement(ContentArrangement::Dynamic);
        if no_colour {
            table.force_no_tty();
        }
        self.with_caption(&table)
    }

    /// Without colours, at most so many columns wide; cells go on in lines of their own.
    pub fn within(&self, columns: u16) -> String {
        let mut table = self.drawn();
        table.set_content_arrangement(ContentArrangement::Dynamic).set_width(columns);
        table.force_no_tty();
        self.with_caption(&table)
    }

    /// Without colours, as wide as it needs.
    pub fn to_text(&self) -> String {
        let mut table = self.drawn();
        table.set_content_arrangement(ContentArrangement::Disabled).force_no_tty();
        self.with_caption(&table)
    }

    fn with_caption(&self, table: &comfy_table::Table) -> String {
        let lines: Vec<String> = table.lines().map(|line| line.trim_end().to_owned()).collect();
        let body = lines.join("\n");
        if self.caption.is_empty() { body } else { format!("{}\n\n{body}", plain(&self.caption)) }
    }

    fn drawn(&self) -> comfy_table::Table {
        let mut table = comfy_table::Table::new();
        table.load_style(ruled());
        table.set_header(self.columns.iter().map(|column| {
            let cell =
                comfy_table::Cell::new(plain(&column.heading)).add_attribute(Attribute::Bold);
            cell.set_alignment(alignment(column))
        }));
        for row in &self.rows {
            table.add_row(
                self.columns.iter().zip(row).map(|(column, cell)| drawn_cell(column, cell)),
            );
        }
        table
    }

    /// For the page.
    pub(crate) fn to_html(&self) -> String {
        let mut html = String::from("<div class=\"table\"><table>");
        if !self.caption.is_empty() {
            let _ = write!(html, "<caption>{}</caption>", escape(&self.caption));
        }
        html.push_str("\n<thead><tr>");
        for column in &self.columns {
            let class = if column.number { " class=\"number\"" } else { "" };
            let _ = write!(html, "<th scope=\"col\"{class}>{}</th>", escape(&column.heading));
        }
        html.push_str("</tr></thead>\n<tbody>\n");
        for row in &self.rows {
            html.push_str("<tr>");
            for (column, cell) in self.columns.iter().zip(row) {
                let _ = write!(html, "<td{}>{}</td>", classes(column, cell), escape(&cell.text));
            }
            html.push_str("</tr>\n");
        }
        html.push_str("</tbody></table></div>\n");
        html
    }
}

/// A line under the headings, none elsewhere.
fn ruled() -> TableStyle {
    TableStyle::new()
        .header_lines(ContentLineStyle::none())
        .header_separator(LineStyle::none().fill('─').junction('─'))
        .content_lines(ContentLineStyle::none())
}

fn alignment(column: &Column) -> CellAlignment {
    if column.number { CellAlignment::Right } else { CellAlignment::Left }
}

fn drawn_cell(column: &Column, cell: &Cell) -> comfy_table::Cell {
    let drawn = comfy_table::Cell::new(plain(&cell.text)).set_alignment(alignment(column));
    match cell.tone {
        Tone::Plain => drawn,
        Tone::Good => drawn.fg(Color::Green),
        Tone::Warning => drawn.fg(Color::Yellow),
        Tone::Bad => drawn.fg(Color::Red).add_attribute(Attribute::Bold),
        Tone::Muted => drawn.add_attribute(Attribute::Dim),
    }
}

fn classes(column: &Column, cell: &Cell) -> String {
    let mut classes = Vec::new();
    if column.number {
        classes.push("number");
    }
    if cell.tone != Tone::Plain {
        classes.push(cell.tone.class());
    }
    if classes.is_empty() { String::new() } else { format!(" class=\"{}\"", classes.join(" ")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Table {
        Table::new([Column::text("node"), Column::number("rounds"), Column::number("ε")])
            .caption("What it cost")
            .row(["ada".into(), "5".into(), Cell::bad("1,230")])
            .row(["žofie", "12"])
    }

    #[test]
    fn text_is_aligned_under_one_rule() {
        let expected = [
            "What it cost",
            "",
            " node    rounds       ε",
            "────────────────────────",
            " ada          5   1,230",
            " žofie       12",
        ]
        .join("\n");
        assert_eq!(sample().to_text(), expected);
    }

    #[test]
    fn what_is_too_long_goes_on_in_the_next_line_of_its_cell() {
        let words = "only while they do no more than look: a coordinator that lies to others takes masks off";
        let table = sample().row(["bo", "7", words]);
        assert!(table.to_text().lines().any(|line| line.chars().count() > 60));
        let narrow = table.within(60);
        assert!(narrow.lines().all(|line| line.chars().count() <= 60), "{narrow}");
        let all: Vec<&str> = narrow.split_whitespace().collect();
        assert!(words.split(' ').all(|word| all.contains(&word)), "{narrow}");
        assert_eq!(sample().within(60), sample().to_text(), "what fits stays as it is");
    }

    #[test]
    fn html_carries_alignment_and_meaning() {
        let html = sample().to_html();
        assert!(html.contains("<caption>What it cost</caption>"), "{html}");
        assert!(html.contains("<td class=\"number bad\">1,230</td>"), "{html}");
        assert!(
            html.contains("<td>žofie</td><td class=\"number\">12</td><td class=\"number\"></td>"),
            "{html}"
        );
    }

    #[test]
    fn foreign_text_cannot_act() {
        let table =
            Table::new([Column::text("<th>")]).row(["\x1b[2J</td><script>alert(1)</script>\nx"]);
        assert!(!table.to_text().contains('\x1b'));
        assert_eq!(table.to_text().lines().count(), 3);
        let html = table.to_html();
        assert!(!html.contains("<script") && !html.contains("<th>"), "{html}");
    }
}
