//! Figures in, something to read out: terminal tables, SVG charts, one self-contained HTML file.
//!
//! It never computes a result, touches no file and no network, and trusts no text: names that came from other people
//! cannot break out of a table, a chart or the page. Used by `murmur-node`, `murmur-coordinator`, `murmur-simulate`
//! and `murmur-audit`.
//!
//! ```
//! use report::{Axis, Cell, Column, LineChart, Page, Series, Table};
//!
//! let table = Table::new([Column::text("node"), Column::number("ε")]).row(["ada".into(), Cell::bad("∞")]);
//! println!("{}", table.for_terminal());
//!
//! let chart = LineChart::new("Loss on held-out conversations")
//!     .x(Axis::new("round"))
//!     .y(Axis::new("loss").unit("nats per token"))
//!     .series(Series::new("private", [(0.0, 3.4), (1.0, 3.1)]).band([(3.3, 3.5), (3.0, 3.2)]));
//! let page = Page::new("What the swarm learned").lead("Eight nodes, five rounds.").line_chart(chart).table(table);
//! assert!(page.to_html().starts_with("<!doctype html>"));
//! ```

mod bar_chart;
mod interval;
mod line_chart;
mod number;
mod page;
mod scale;
mod svg;
mod table;
mod text;

pub use bar_chart::{Bar, BarChart};
pub use interval::{Interval, mean_interval};
pub use line_chart::{Axis, LineChart, Series};
pub use page::{Fact, Page};
pub use table::{Cell, Column, PIPE_COLUMNS, Table};

/// What a figure means to the reader; it chooses the colour.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Tone {
    /// Nothing special.
    #[default]
    Plain,
    /// As hoped for.
    Good,
    /// To be looked at.
    Warning,
    /// Wrong, or without protection. Every sentence about missing privacy has this tone.
    Bad,
    /// Context, such as a yardstick.
    Muted,
}

impl Tone {
    /// The CSS class of this tone.
    pub(crate) const fn class(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Good => "good",
            Self::Warning => "warning",
            Self::Bad => "bad",
            Self::Muted => "muted",
        }
    }
}
