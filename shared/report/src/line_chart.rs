//! Lines over a common axis, with bands of confidence.

use crate::number;
use crate::scale::{Ends, Kind, Scale};
use crate::svg::{Anchor, BOLD_WIDTH, CHARACTER_WIDTH, Drawing};
use crate::text::shorten;

/// What an axis shows, and how.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Axis {
    label: String,
    unit: String,
    kind: Kind,
    from_zero: bool,
}

impl Axis {
    /// A linear axis.
    pub fn new(label: impl Into<String>) -> Self {
        Self { label: label.into(), ..Self::default() }
    }

    /// The unit of its values.
    #[must_use]
    pub fn unit(mut self, unit: impl Into<String>) -> Self {
        self.unit = unit.into();
        self
    }

    /// Powers of ten are equally far apart; values at or below 0 are left out.
    #[must_use]
    pub fn logarithmic(mut self) -> Self {
        self.kind = Kind::Logarithmic;
        self
    }

    /// Begins at 0, so that lengths compare as values do. A logarithmic axis has no 0.
    #[must_use]
    pub fn from_zero(mut self) -> Self {
        self.from_zero = true;
        self
    }

    fn caption(&self) -> String {
        if self.unit.is_empty() {
            self.label.clone()
        } else {
            format!("{} ({})", self.label, self.unit)
        }
    }

    fn fit(&self, ends: Ends, values: impl Iterator<Item = f64>) -> Option<Scale> {
        Scale::fit(self.kind, ends, values.chain(self.from_zero.then_some(0.0)))
    }
}

/// One line. Points that are not finite are gaps.
#[derive(Debug, Clone, PartialEq)]
pub struct Series {
    name: String,
    points: Vec<(f64, f64)>,
    band: Vec<(f64, f64)>,
    dashed: bool,
    muted: bool,
}

impl Series {
    /// A line through these (x, y), in this order.
    pub fn new(name: impl Into<String>, points: impl IntoIterator<Item = (f64, f64)>) -> Self {
        let points = points.into_iter().collect();
        Self { name: name.into(), points, band: Vec::new(), dashed: false, muted: false }
    }

    /// A band around it: the (low, high) of each point, in order.
    #[must_use]
    pub fn band(mut self, band: impl IntoIterator<Item = (f64, f64)>) -> Self {
        self.band = band.into_iter().collect();
        self
    }

    /// Dashed, for what was computed rather than measured, or for a yardstick.
    #[must_use]
    pub fn dashed(mut self) -> Self {
        self.dashed = true;
        self
    }

    /// Grey, for context.
    #[must_use]
    pub fn muted(mut self) -> Self {
        self.muted = true;
        self
    }

    fn values(&self) -> impl Iterator<Item = f64> {
        self.points
            .iter()
            .map(|point| point.1)
            .chain(self.band.iter().flat_map(|(low, high)| [*low, *high]))
    }
}

/// A chart of lines, 720 units wide; colours follow the reader's light or dark scheme.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct LineChart {
    title: String,
    x: Axis,
    y: Axis,
    series: Vec<Series>,
}

impl LineChart {
    /// A chart without lines.
    pub fn new(title: impl Into<String>) -> Self {
        Self { title: title.into(), ..Self::default() }
    }

    /// The horizontal axis.
    #[must_use]
    pub fn x(mut self, axis: Axis) -> Self {
        self.x = axis;
        self
    }

    /// The vertical axis.
    #[must_use]
    pub fn y(mut self, axis: Axis) -> Self {
        self.y = axis;
        self
    }

    /// Adds a line; its name stands at its end.
    #[must_use]
    pub fn series(mut self, series: Series) -> Self {
        self.series.push(series);
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
        let mut drawing = Drawing::new(WIDTH, HEIGHT, &self.title);
        drawing.text((0.0, 15.0), Anchor::Start, "title", &self.title);
        let x = self.x.fit(
            Ends::Data,
            self.series.iter().flat_map(|series| series.points.iter().map(|point| point.0)),
        );
        let y = self.y.fit(Ends::Ticks, self.series.iter().flat_map(Series::values));
        let (Some(x), Some(y)) = (x, y) else {
            drawing.text((0.0, 60.0), Anchor::Start, "faint", "There are no values to draw.");
            return drawing;
        };
        let plot = Plot::around(&self.series, x, y);
        self.draw_axes(&mut drawing, &plot);
        draw_omissions(&mut drawing, &plot, &self.series);
        let styles: Vec<String> = styles(&self.series);
        for (series, style) in self.series.iter().zip(&styles) {
            draw_band(&mut drawing, &plot, series, style);
        }
        for (series, style) in self.series.iter().zip(&styles) {
            draw_line(&mut drawing, &plot, series, style);
        }
        if self.series.len() > 1 {
            draw_names(&mut drawing, &plot, &self.series, &styles);
        }
        drawing
    }

    fn draw_axes(&self, drawing: &mut Drawing, plot: &Plot) {
        drawing.text((0.0, 36.0), Anchor::Start, "faint", &self.y.caption());
        for (value, label) in &plot.y.ticks {
            let Some(y) = plot.y_of(*value) else { continue };
            drawing.line((plot.left, y), (plot.right, y), "grid");
            drawing.text((plot.left - 8.0, y + 4.0), Anchor::End, "faint", label);
        }
        drawing.line((plot.left, BOTTOM), (plot.right, BOTTOM), "base");
        for (value, label) in &plot.x.ticks {
            let Some(x) = plot.x_of(*value) else { continue };
            drawing.line((x, BOTTOM), (x, BOTTOM + 4.0), "base");
            drawing.text((x, BOTTOM + 18.0), Anchor::Middle, "faint", label);
        }
        let middle = f64::midpoint(plot.left, plot.right);
        drawing.text((middle, BOTTOM + 38.0), Anchor::Middle, "faint", &self.x.caption());
    }
}

const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 380.0;
const TOP: f64 = 54.0;
const BOTTOM: f64 = 334.0;
/// Characters of a line's name.
const NAME_LIMIT: usize = 26;
/// Distance between two names.
const NAME_HEIGHT: f64 = 17.0;
/// More points than this are drawn without dots.
const DOT_LIMIT: usize = 40;
const STYLES: usize = 7;

/// Where values lie on the drawing.
struct Plot {
    left: f64,
    right: f64,
    x: Scale,
    y: Scale,
}

impl Plot {
    /// Leaves room for the labels of the vertical axis on the left and for the names of lines on the right.
    fn around(series: &[Series], x: Scale, y: Scale) -> Self {
        let longest =
            |ticks: &[(f64, String)]| ticks.iter().map(|(_, label)| label.chars().count()).max();
        let label = longest(&y.ticks).unwrap_or(0) as f64 * CHARACTER_WIDTH;
        // Half of the last label of the horizontal axis stands beyond its tick.
        let overhang = longest(&x.ticks).unwrap_or(0) as f64 * CHARACTER_WIDTH / 2.0 + 2.0;
        let name = series
            .iter()
            .map(|series| series.name.chars().count().min(NAME_LIMIT))
            .max()
            .unwrap_or(0);
        let names = if series.len() > 1 { name as f64 * BOLD_WIDTH + 24.0 } else { overhang };
        Self { left: label + 12.0, right: WIDTH - names, x, y }
    }

    fn x_of(&self, value: f64) -> Option<f64> {
        Some(self.left + self.x.place(value)? * (self.right - self.left))
    }

    fn y_of(&self, value: f64) -> Option<f64> {
        Some(BOTTOM - self.y.place(value)? * (BOTTOM - TOP))
    }

    fn place(&self, (x, y): (f64, f64)) -> Option<(f64, f64)> {
        Some((self.x_of(x)?, self.y_of(y)?))
    }
}

/// The classes of each line: colours in order, dashes where asked for and where colours repeat.
fn styles(series: &[Series]) -> Vec<String> {
    let mut coloured = 0;
    let style = |series: &Series| {
        let colour = if series.muted { 8 } else { coloured % STYLES + 1 };
        let dashed = series.dashed || (!series.muted && coloured >= STYLES);
        coloured += usize::from(!series.muted);
        format!("s{colour}{}", if dashed { " dashed" } else { "" })
    };
    series.iter().map(style).collect()
}

/// A chart that leaves something out says so.
fn draw_omissions(drawing: &mut Drawing, plot: &Plot, series: &[Series]) {
    let points = series.iter().flat_map(|series| &series.points);
    let omitted = points
        .filter(|(x, y)| x.is_finite() && y.is_finite() && plot.place((*x, *y)).is_none())
        .count();
    if omitted > 0 {
        let what =
            if omitted == 1 { "1 point has".to_owned() } else { format!("{omitted} points have") };
        let text = format!("{what} no place on a logarithmic axis");
        drawing.text((WIDTH, 36.0), Anchor::End, "faint", &text);
    }
}

fn draw_band(drawing: &mut Drawing, plot: &Plot, series: &Series, style: &str) {
    let ends = series
        .points
        .iter()
        .zip(&series.band)
        .map(|((x, _), (low, high))| plot.place((*x, *low)).zip(plot.place((*x, *high))));
    for run in runs(ends) {
        let mut outline: Vec<(f64, f64)> = run.iter().map(|(low, _)| *low).collect();
        outline.extend(run.iter().rev().map(|(_, high)| *high));
        drawing.polygon(&outline, style);
    }
}

fn draw_line(drawing: &mut Drawing, plot: &Plot, series: &Series, style: &str) {
    for run in runs(series.points.iter().map(|point| plot.place(*point))) {
        drawing.polyline(&run, style);
    }
    let drawn = || series.points.iter().filter_map(|point| Some((point, plot.place(*point)?)));
    if drawn().count() <= DOT_LIMIT {
        for ((x, y), place) in drawn() {
            let hint = format!("{}: {} at {}", series.name, number::value(*y), number::value(*x));
            drawing.dot(place, style, &hint);
        }
    }
}

/// The stretches between gaps.
fn runs<T>(places: impl Iterator<Item = Option<T>>) -> Vec<Vec<T>> {
    let mut runs = vec![Vec::new()];
    for place in places {
        match (place, runs.last_mut()) {
            (Some(place), Some(run)) => run.push(place),
            _ => runs.push(Vec::new()),
        }
    }
    runs.retain(|run| !run.is_empty());
    runs
}

/// Each name stands beside the end of its line; names that would touch are moved apart.
fn draw_names(drawing: &mut Drawing, plot: &Plot, series: &[Series], styles: &[String]) {
    let end = |series: &Series| series.points.iter().rev().find_map(|point| plot.place(*point));
    let mut named: Vec<_> = series
        .iter()
        .zip(styles)
        .filter_map(|(series, style)| Some((end(series)?, series, style)))
        .collect();
    named.sort_by(|a, b| a.0.1.total_cmp(&b.0.1));
    let wanted: Vec<f64> = named.iter().map(|(end, ..)| end.1).collect();
    for ((end, series, style), y) in named.into_iter().zip(apart(&wanted)) {
        drawing.line((end.0 + 6.0, end.1), (plot.right + 16.0, y), &format!("leader {style}"));
        let name = shorten(&series.name, NAME_LIMIT);
        drawing.text((plot.right + 22.0, y + 4.0), Anchor::Start, &format!("label {style}"), &name);
    }
}

/// Moves sorted positions at least [`NAME_HEIGHT`] apart and keeps them above the bottom.
fn apart(wanted: &[f64]) -> Vec<f64> {
    let mut places = wanted.to_vec();
    for i in 1..places.len() {
        places[i] = places[i].max(places[i - 1] + NAME_HEIGHT);
    }
    let mut limit = BOTTOM;
    for place in places.iter_mut().rev() {
        *place = place.min(limit);
        limit = *place - NAME_HEIGHT;
    }
    places
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_split_a_line() {
        let svg = LineChart::new("x")
            .series(Series::new("a", [(0.0, 1.0), (1.0, f64::NAN), (2.0, 3.0)]))
            .to_svg();
        assert_eq!(svg.matches("<polyline").count(), 2);
        assert_eq!(svg.matches("<circle").count(), 2);
        assert!(!svg.contains("NaN"), "{svg}");
    }

    #[test]
    fn an_empty_chart_says_so() {
        for chart in
            [LineChart::new("x"), LineChart::new("x").series(Series::new("a", [(f64::NAN, 1.0)]))]
        {
            assert!(chart.to_svg().contains("There are no values to draw."));
        }
        let below = LineChart::new("x")
            .y(Axis::new("ε").logarithmic())
            .series(Series::new("a", [(1.0, -1.0)]));
        assert!(below.to_svg().contains("There are no values to draw."));
    }

    #[test]
    fn names_never_touch() {
        assert_eq!(apart(&[100.0, 101.0, 102.0]), [100.0, 117.0, 134.0]);
        let crowded = apart(&[BOTTOM - 1.0; 5]);
        assert!(
            crowded.windows(2).all(|pair| pair[1] - pair[0] >= NAME_HEIGHT - 1e-9),
            "{crowded:?}"
        );
        assert!(crowded[4] <= BOTTOM);
    }

    #[test]
    fn colours_repeat_with_dashes() {
        let series: Vec<Series> = (0..9).map(|i| Series::new(i.to_string(), [])).collect();
        let mut styles = styles(&series);
        assert_eq!((styles[0].as_str(), styles[7].as_str()), ("s1", "s1 dashed"));
        styles.sort();
        styles.dedup();
        assert_eq!(styles.len(), 9);
    }

    #[test]
    fn foreign_names_cannot_act() {
        let hostile = "</text><script>alert(1)</script>\x1b";
        let chart = LineChart::new(hostile)
            .x(Axis::new(hostile))
            .y(Axis::new("y").unit(hostile))
            .series(Series::new(hostile, [(0.0, 1.0)]))
            .series(Series::new("\"onload=\"x", [(0.0, 1.0)]));
        let svg = chart.to_svg();
        assert!(
            !svg.contains("<script") && !svg.contains('\x1b') && !svg.contains("\"onload"),
            "{svg}"
        );
    }
}
