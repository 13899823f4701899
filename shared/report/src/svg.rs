//! A small writer of SVG: numbers rounded to tenths, all text escaped.

use std::fmt::Write as _;

use crate::text::escape;

/// The colours and letters of charts, light and dark; part of the page's style too.
pub(crate) const STYLE: &str = include_str!("chart.css");

/// Average width of a character of 12 px text in a wide font; labels are laid out by it.
pub(crate) const CHARACTER_WIDTH: f64 = 6.8;

/// The same of bold text.
pub(crate) const BOLD_WIDTH: f64 = 7.6;

/// Where a text stands from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Anchor {
    Start,
    Middle,
    End,
}

/// A drawing that grows.
#[derive(Debug)]
pub(crate) struct Drawing {
    width: f64,
    height: f64,
    title: String,
    body: String,
}

impl Drawing {
    pub(crate) fn new(width: f64, height: f64, title: &str) -> Self {
        Self { width, height, title: title.to_owned(), body: String::new() }
    }

    pub(crate) fn text(&mut self, (x, y): (f64, f64), anchor: Anchor, class: &str, text: &str) {
        let anchor = match anchor {
            Anchor::Start => "",
            Anchor::Middle => " text-anchor=\"middle\"",
            Anchor::End => " text-anchor=\"end\"",
        };
        let (x, y, text) = (tenths(x), tenths(y), escape(text));
        let _ = writeln!(
            self.body,
            "<text x=\"{x}\" y=\"{y}\"{anchor} class=\"{class}\">{text}</text>"
        );
    }

    pub(crate) fn line(&mut self, from: (f64, f64), to: (f64, f64), class: &str) {
        let (x1, y1, x2, y2) = (tenths(from.0), tenths(from.1), tenths(to.0), tenths(to.1));
        let _ = writeln!(
            self.body,
            "<line x1=\"{x1}\" y1=\"{y1}\" x2=\"{x2}\" y2=\"{y2}\" class=\"{class}\"/>"
        );
    }

    pub(crate) fn rectangle(&mut self, corner: (f64, f64), size: (f64, f64), class: &str) {
        let (x, y, width, height) =
            (tenths(corner.0), tenths(corner.1), tenths(size.0), tenths(size.1));
        let _ = writeln!(
            self.body,
            "<rect x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\" rx=\"2\" class=\"{class}\"/>"
        );
    }

    pub(crate) fn polyline(&mut self, points: &[(f64, f64)], class: &str) {
        let _ = writeln!(self.body, "<polyline points=\"{}\" class=\"{class}\"/>", list(points));
    }

    pub(crate) fn polygon(&mut self, points: &[(f64, f64)], class: &str) {
        let _ = writeln!(self.body, "<polygon points=\"{}\" class=\"{class}\"/>", list(points));
    }

    /// A point; `hint` shows when the pointer rests on it.
    pub(crate) fn dot(&mut self, (x, y): (f64, f64), class: &str, hint: &str) {
        let (x, y, hint) = (tenths(x), tenths(y), escape(hint));
        let _ = writeln!(
            self.body,
            "<circle cx=\"{x}\" cy=\"{y}\" r=\"3\" class=\"{class}\"><title>{hint}</title></circle>"
        );
    }

    /// For a page that has [`STYLE`].
    pub(crate) fn inline(&self) -> String {
        self.element("", 0.0, "")
    }

    /// As a file of its own, on its own ground.
    pub(crate) fn alone(&self) -> String {
        let (width, height) =
            (tenths(self.width + 2.0 * MARGIN), tenths(self.height + 2.0 * MARGIN));
        let ground = format!(
            "<style>\n{STYLE}</style>\n\
             <rect x=\"-{MARGIN}\" y=\"-{MARGIN}\" width=\"{width}\" height=\"{height}\" class=\"ground\"/>\n"
        );
        self.element(" xmlns=\"http://www.w3.org/2000/svg\"", MARGIN, &ground)
    }

    fn element(&self, namespace: &str, margin: f64, ground: &str) -> String {
        let (corner, title) = (tenths(-margin), escape(&self.title));
        let (width, height) =
            (tenths(self.width + 2.0 * margin), tenths(self.height + 2.0 * margin));
        format!(
            "<svg{namespace} viewBox=\"{corner} {corner} {width} {height}\" class=\"chart\" role=\"img\" \
             aria-label=\"{title}\">\n{ground}{}</svg>\n",
            self.body
        )
    }
}

/// Around a chart that is a file of its own.
const MARGIN: f64 = 20.0;

fn list(points: &[(f64, f64)]) -> String {
    let texts: Vec<String> =
        points.iter().map(|(x, y)| format!("{},{}", tenths(*x), tenths(*y))).collect();
    texts.join(" ")
}

/// At most one decimal: half a tenth of a pixel is nothing, and files stay small and equal on every machine.
fn tenths(value: f64) -> String {
    let rounded = (value * 10.0).round() / 10.0;
    // not "-0"
    format!("{}", if rounded == 0.0 { 0.0 } else { rounded })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short() {
        assert_eq!([1.0, 2.04, 2.06, -0.01, -3.25].map(tenths), ["1", "2", "2.1", "0", "-3.3"]);
    }
}
