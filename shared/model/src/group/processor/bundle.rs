//! Projections that read the same input, as one multiplication; each with its low-rank pair.

use crate::kernels::lanes::{LANES, Line, padded};
use crate::kernels::product::{add_low_rank, multiply, outer, panels};
use crate::kernels::rows::Rows;

/// Frozen weights [outputs, inputs] side by side, every one's outputs padded to whole lines.
pub(super) struct Bundle {
    inputs: usize,
    /// Of all sites, padding included.
    pub(super) outputs: usize,
    sites: Vec<Site>,
    /// Panels of outputs, `inputs` lines each: for the way forth.
    columns: Vec<Line>,
    /// Panels of inputs, `outputs` lines each: for the way back.
    rows: Vec<Line>,
    /// The ranks of all pairs together: the width of A x.
    pub(super) inner: usize,
    /// Panels of every pair's A, where all are frozen.
    frozen: Option<Vec<Line>>,
}

/// One projection.
struct Site {
    column: usize,
    outputs: usize,
    bias: Option<Vec<f32>>,
    pair: Option<Pair>,
}

/// A low-rank pair: y += scale · B (A x). Offsets count in the node's parameters.
pub(super) struct Pair {
    pub(super) rank: usize,
    pub(super) scale: f32,
    pub(super) a: A,
    pub(super) b: usize,
    /// Its columns in A x.
    pub(super) inner: usize,
}

/// [rank, inputs]
pub(super) enum A {
    Frozen(Vec<f32>),
    Trained(usize),
}

/// A projection as the model has it: weight [outputs, inputs].
pub(super) struct Given {
    pub(super) weight: Vec<f32>,
    pub(super) outputs: usize,
    pub(super) bias: Option<Vec<f32>>,
    pub(super) pair: Option<Pair>,
}

/// Room for weights with a node's additions.
#[derive(Default)]
pub(super) struct Merged {
    panels: Vec<Line>,
    heights: Vec<f32>,
    widths: Vec<Line>,
    sums: Vec<f32>,
}

impl Pair {
    fn a<'a>(&'a self, parameters: &'a [f32], inputs: usize) -> &'a [f32] {
        match &self.a {
            A::Frozen(a) => a,
            A::Trained(offset) => &parameters[*offset..][..self.rank * inputs],
        }
    }
}

impl Bundle {
    pub(super) fn new(inputs: usize, given: Vec<Given>) -> Bundle {
        let mut sites = Vec::new();
        let (mut outputs, mut inner, mut columns) = (0, 0, Vec::new());
        for projection in &given {
            let at = |k: usize, column: usize| projection.weight[column * inputs + k];
            columns.extend(panels(inputs, projection.outputs, at));
            outputs += padded(projection.outputs);
        }
        let mut places = Vec::new();
        for (index, projection) in given.iter().enumerate() {
            let own = (0..padded(projection.outputs)).map(|row| (index, row));
            places
                .extend(own.map(|(index, row)| (row < projection.outputs).then_some((index, row))));
        }
        let row_value = |k: usize, column: usize| {
            places[k].map_or(0.0, |(index, row)| given[index].weight[row * inputs + column])
        };
        let rows = panels(outputs, inputs, row_value);
        let mut column = 0;
        for Given { outputs, bias, pair, .. } in given {
            let pair = pair.map(|pair| Pair { inner, ..pair });
            inner += pair.as_ref().map_or(0, |pair| pair.rank);
            sites.push(Site { column, outputs, bias, pair });
            column += padded(outputs);
        }
        let mut bundle = Bundle { inputs, outputs, sites, columns, rows, inner, frozen: None };
        bundle.frozen = (!bundle.trains_a()).then(|| bundle.all_a(&[]));
        bundle
    }

    /// Whether a node trains an A of its own here; the way back then needs the input.
    pub(super) fn trains_a(&self) -> bool {
        self.pairs().any(|(_, pair)| matches!(pair.a, A::Trained(_)))
    }

    /// `output` [n, outputs] = `input` [n, inputs] through the weights, or added to it; `inner` [n, ranks] = A x.
    pub(super) fn forward(
        &self,
        parameters: &[f32],
        merged: &mut Merged,
        input: &Rows,
        output: &mut Rows,
        inner: &mut Rows,
        add: bool,
    ) {
        let panels = self.merged_columns(parameters, merged);
        let stride = output.stride;
        multiply(input.all(), input.stride, self.inputs, panels, output.all_mut(), stride, add);
        for site in &self.sites {
            let Some(bias) = &site.bias else { continue };
            for row in output.all_mut().chunks_exact_mut(stride) {
                let row = row[site.column..].iter_mut().zip(bias);
                row.for_each(|(value, bias)| *value += bias);
            }
        }
        if self.inner > 0 {
            let trained = self.frozen.is_none().then(|| self.all_a(parameters));
            let a = trained.as_ref().or(self.frozen.as_ref()).expect("one of both is there");
            let stride = inner.stride;
            multiply(input.all(), input.stride, self.inputs, a, inner.all_mut(), stride, false);
        }
    }

    fn pairs(&self) -> impl Iterator<Item = (&Site, &Pair)> {
        self.sites.iter().filter_map(|site| site.pair.as_ref().map(|pair| (site, pair)))
    }

    /// Panels of every pair's A, one beside the other.
    fn all_a(&self, parameters: &[f32]) -> Vec<Line> {
        let mut rows = Vec::with_capacity(self.inner);
        for (_, pair) in self.pairs() {
            rows.extend(pair.a(parameters, self.inputs).chunks_exact(self.inputs));
        }
        panels(self.inputs, self.inner, |k, column| rows[column][k])
    }

    /// W + scale · B A in panels of outputs.
    fn merged_columns<'a>(&'a self, parameters: &[f32], merged: &'a mut Merged) -> &'a [Line] {
        if self.inner == 0 {
            return &self.columns;
        }
        merged.panels.resize(self.columns.len(), Line::ZERO);
        let Merged { panels, widths, .. } = merged;
        for site in &self.sites {
            let first = site.column / LANES * self.inputs;
            let area = first..first + padded(site.outputs) / LANES * self.inputs;
            let (base, out) = (&self.columns[area.clone()], &mut panels[area]);
            let Some(pair) = &site.pair else {
                out.copy_from_slice(base);
                continue;
            };
            let (a, b) = (pair.a(parameters, self.inputs), &parameters[pair.b..]);
            let out = out.chunks_exact_mut(self.inputs);
            for (part, (base, out)) in base.chunks_exact(self.inputs).zip(out).enumerate() {
                let at = |rank: usize, lane: usize| {
                    let row = part * LANES + lane;
                    if row < site.outputs { pair.scale * b[row * pair.rank + rank] } else { 0.0 }
                };
                widths.clear();
                widths.extend(
                    (0..pair.rank).map(|rank| Line(std::array::from_fn(|lane| at(rank, lane)))),
                );
                add_low_rank(base, a, widths, out);
            }
        }
        panels
    }

    /// The same in panels of inputs.
    fn merged_rows<'a>(&'a self, parameters: &[f32], merged: &'a mut Merged) -> &'a [Line] {
        if self.inner == 0 {
            return &self.rows;
        }
        merged.panels.resize(self.rows.len(), Line::ZERO);
        let Merged { panels, widths, heights, .. } = merged;
        for site in &self.sites {
            let area = site.column..site.column + padded(site.outputs);
            let b = site.pair.as_ref().map(|pair| (pair, &parameters[pair.b..]));
            if let Some((pair, b)) = b {
                // scale · Bᵀ, [rank, padded outputs]
                heights.clear();
                heights.resize(pair.rank * area.len(), 0.0);
                for (row, values) in b.chunks_exact(pair.rank).take(site.outputs).enumerate() {
                    for (rank, value) in values.iter().enumerate() {
                        heights[rank * area.len() + row] = pair.scale * value;
                    }
                }
            }
            let out = panels.chunks_exact_mut(self.outputs);
            for (part, (base, out)) in self.rows.chunks_exact(self.outputs).zip(out).enumerate() {
                let (base, out) = (&base[area.clone()], &mut out[area.clone()]);
                let Some((pair, _)) = b else {
                    out.copy_from_slice(base);
                    continue;
                };
                let a = pair.a(parameters, self.inputs);
                let at = |rank: usize, lane: usize| {
                    let column = part * LANES + lane;
                    if column < self.inputs { a[rank * self.inputs + column] } else { 0.0 }
                };
                widths.clear();
                widths.extend(
                    (0..pair.rank).map(|rank| Line(std::array::from_fn(|lane| at(rank, lane)))),
                );
                add_low_rank(base, heights, widths, out);
            }
        }
        panels
    }
}

/// The way back through bundles.
pub(super) struct Back<'a> {
    pub(super) parameters: &'a [f32],
    /// All of the node's.
    pub(super) gradient: &'a mut [f32],
    pub(super) merged: &'a mut Merged,
}

impl Back<'_> {
    /// Adds to the pairs' gradients what comes from the gradient `arriving` [n, outputs]; `below` [n, inputs] becomes
    /// the gradient at the input. `input` is read only where an A is trained.
    pub(super) fn through(
        &mut self,
        bundle: &Bundle,
        input: &Rows,
        inner: &Rows,
        arriving: &Rows,
        below: Option<&mut Rows>,
    ) {
        for (site, pair) in bundle.pairs() {
            self.add_b(site, pair, inner, arriving);
            if let A::Trained(offset) = pair.a {
                self.add_a(site, pair, offset, bundle.inputs, input, arriving);
            }
        }
        if let Some(below) = below {
            let panels = bundle.merged_rows(self.parameters, self.merged);
            let (stride, depth) = (below.stride, bundle.outputs);
            multiply(
                arriving.all(),
                arriving.stride,
                depth,
                panels,
                below.all_mut(),
                stride,
                false,
            );
        }
    }

    /// dB = scale · dyᵀ (x Aᵀ)
    fn add_b(&mut self, site: &Site, pair: &Pair, inner: &Rows, arriving: &Rows) {
        let (wide, rank) = (padded(site.outputs), pair.rank);
        let sums = cleared(&mut self.merged.sums, rank * wide);
        let (left, right) = (&inner.all()[pair.inner..], &arriving.all()[site.column..]);
        outer(left, inner.stride, rank, right, arriving.stride, wide, sums);
        let gradient = &mut self.gradient[pair.b..][..site.outputs * rank];
        for (row, values) in gradient.chunks_exact_mut(rank).enumerate() {
            for (i, value) in values.iter_mut().enumerate() {
                *value += pair.scale * sums[i * wide + row];
            }
        }
    }

    /// dA = (scale · dy B)ᵀ x
    fn add_a(
        &mut self,
        site: &Site,
        pair: &Pair,
        offset: usize,
        inputs: usize,
        input: &Rows,
        arriving: &Rows,
    ) {
        let (wide, rank) = (padded(inputs), pair.rank);
        let b = &self.parameters[pair.b..];
        let b = panels(site.outputs, rank, |row, column| pair.scale * b[row * rank + column]);
        let mut turned = Rows::new(input.all().len() / input.stride, rank);
        let (left, stride) = (&arriving.all()[site.column..], turned.stride);
        multiply(left, arriving.stride, site.outputs, &b, turned.all_mut(), stride, false);
        let sums = cleared(&mut self.merged.sums, rank * wide);
        outer(turned.all(), stride, rank, input.all(), input.stride, wide, sums);
        let gradient = &mut self.gradient[offset..][..rank * inputs];
        for (values, sums) in gradient.chunks_exact_mut(inputs).zip(sums.chunks_exact(wide)) {
            values.iter_mut().zip(sums).for_each(|(value, sum)| *value += sum);
        }
    }
}

fn cleared(sums: &mut Vec<f32>, count: usize) -> &mut [f32] {
    sums.clear();
    sums.resize(count, 0.0);
    sums
}
