//! Bars beside each other, with intervals.

use crate::Tone;
use crate::number;
use crate::scale::{Ends, Kind, Scale};
use crate::svg::{Anchor, CHARACTER_WIDTH, Drawing};
use crate::text::shorten;

/// One bar.
#[derive(Debug, Clone, PartialEq)]
pub struct Bar {
    label: String,
    value: f64,
    interval: Option<(f64, f64)>,
    tone: Tone,
}

impl Bar {
    /// A bar from 0 to `value`.
    pub fn new(label: impl Into<String>, value: f64) -> Self {
        Self { label: label.into(), value, interval: None, tone: Tone::Plain }
    }

    /// A whisker from `low` to `high`.
    #[must_use]
    pub fn interval(mut self, low: f64, high: f64) -> Self {
        self.interval = Some((low, high));
        self
    }

    /// Its meaning, shown as colour.
    #[must_use]
    pub fn tone(mut self, tone: Tone) -> Self {
        self.tone = tone;
        self
    }

    fn values(&self) -> impl Iterator<Item = f64> {
        let ends = self.interval.map(|(low, high)| [low, high]);
        [self.value].into_iter().chain(ends.into_iter().flatten())
    }
}

/// A chart of horizontal bars, 720 units wide, all from 0.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct BarChart {
    title: String,
    unit: String,
    bars: Vec<Bar>,
}

impl BarChart {
    /// A chart without bars.
    pub fn new(title: impl Into<String>) -> Self {
        Self { title: title.into(), ..Self::default() }
    }

    /// What the lengths mean, such as `nats per token`.
    #[must_use]
    pub fn unit(mut self, unit: impl Into<String>) -> Self {
        self.unit = unit.into();
        self
    }

    /// Adds a bar below the others.
    #[must_use]
    pub fn bar(mut self, bar: Bar) -> Self {
        self.bars.push(bar);
        self
    }

    /// A complete SVG file.
    pub fn to_svg(&self) -> String {
        self.draw().alone()
    }

    /// An SVG element for the page.
    pub(crate) fn inline(&self) -> String {
        self.draw().inline()
    }

    fn draw(&self) -> Drawing {
        let top = if self.unit.is_empty() { 34.0 } else { 52.0 };
        let height = top + self.bars.len().max(1) as f64 * ROW + 8.0;
        let mut drawing = Drawing::new(WIDTH, height, &self.title);
        drawing.text((0.0, 15.0), Anchor::Start, "title", &self.title);
        if !self.unit.is_empty() {
            drawing.text((0.0, 36.0), Anchor::Start, "faint", &self.unit);
        }
        let values = self.bars.iter().flat_map(Bar::values).chain([0.0]);
        let scale = Scale::fit(Kind::Linear, Ends::Data, values).filter(|_| !self.bars.is_empty());
        let Some(scale) = scale else {
            drawing.text((0.0, top + 12.0), Anchor::Start, "faint", "There are no values to draw.");
            return drawing;
        };
        let longest = self
            .bars
            .iter()
            .map(|bar| bar.label.chars().count().min(LABEL_LIMIT))
            .max()
            .unwrap_or(0);
        let labels = longest as f64 * CHARACTER_WIDTH;
        let below_zero = self.bars.iter().flat_map(Bar::values).any(|value| value < 0.0);
        let left = labels + 12.0 + if below_zero { NUMBER } else { 0.0 };
        let rows = Rows { labels, left, scale };
        for (i, bar) in self.bars.iter().enumerate() {
            rows.draw(&mut drawing, bar, top + i as f64 * ROW);
        }
        let zero = rows.x_of(0.0);
        drawing.line((zero, top - 4.0), (zero, top + self.bars.len() as f64 * ROW - 2.0), "base");
        drawing
    }
}

const WIDTH: f64 = 720.0;
const ROW: f64 = 30.0;
const BAR: f64 = 18.0;
const LABEL_LIMIT: usize = 36;
/// Room for the numbers at both ends of the bars.
const NUMBER: f64 = 60.0;

/// Where bars lie.
struct Rows {
    /// Where labels end.
    labels: f64,
    left: f64,
    scale: Scale,
}

impl Rows {
    /// 0 is always on the scale, so only values that are not finite have no place: they stand at 0.
    fn x_of(&self, value: f64) -> f64 {
        let place = self.scale.place(value).or_else(|| self.scale.place(0.0)).unwrap_or(0.0);
        self.left + place * (WIDTH - NUMBER - self.left)
    }

    fn draw(&self, drawing: &mut Drawing, bar: &Bar, top: f64) {
        let middle = top + BAR / 2.0;
        drawing.text(
            (self.labels, middle + 4.0),
            Anchor::End,
            "name",
            &shorten(&bar.label, LABEL_LIMIT),
        );
        let (zero, end) = (self.x_of(0.0), self.x_of(bar.value));
        if bar.value.is_finite() {
            drawing.rectangle((zero.min(end), top), ((end - zero).abs(), BAR), bar.tone.class());
        }
        let mut outermost = end;
        if let Some((low, high)) =
            bar.interval.filter(|(low, high)| low.is_finite() && high.is_finite())
        {
            let (low, high) = (self.x_of(low), self.x_of(high));
            drawing.line((low, middle), (high, middle), "whisker");
            for x in [low, high] {
                drawing.line((x, middle - 4.0), (x, middle + 4.0), "whisker");
            }
            outermost = if bar.value < 0.0 { low.min(end) } else { high.max(end) };
        }
        let (x, anchor) = if bar.value < 0.0 {
            (outermost - 8.0, Anchor::End)
        } else {
            (outermost + 8.0, Anchor::Start)
        };
        drawing.text((x, middle + 4.0), anchor, "value", &number::value(bar.value));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn odd_values_are_named_and_not_drawn() {
        let chart = BarChart::new("x")
            .bar(Bar::new("a", f64::INFINITY))
            .bar(Bar::new("b", f64::NAN).interval(0.0, f64::NAN));
        let svg = chart.inline();
        assert_eq!(svg.matches("<rect").count(), 0);
        assert!(
            svg.contains(">∞<")
                && svg.contains(">–<")
                && !svg.contains("NaN")
                && !svg.contains("inf"),
            "{svg}"
        );
        assert!(BarChart::new("x").to_svg().contains("There are no values to draw."));
    }

    #[test]
    fn bars_start_at_zero_and_grow_with_their_values() {
        let svg = BarChart::new("x").bar(Bar::new("a", 1.0)).bar(Bar::new("b", 2.0)).inline();
        let width = |bar: &str| -> f64 {
            let after = bar.split("width=\"").nth(1).unwrap();
            after.split('"').next().unwrap().parse().unwrap()
        };
        let widths: Vec<f64> = svg.split("<rect").skip(1).map(width).collect();
        assert!((widths[1] / widths[0] - 2.0).abs() < 0.01, "{widths:?}");
    }

    #[test]
    fn foreign_labels_cannot_act() {
        let svg = BarChart::new("<b>").unit("<u>").bar(Bar::new("</text><script>", 1.0)).to_svg();
        assert!(!svg.contains("<script") && !svg.contains("<b>") && !svg.contains("<u>"), "{svg}");
    }
}
