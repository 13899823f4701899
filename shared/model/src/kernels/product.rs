//! Matrix multiplication by panels: a weight is laid out once in columns of sixteen, and tiles of the result stay in
//! registers.
//!
//! Goto & van de Geijn 2008, "Anatomy of high-performance matrix multiplication": a panel of the right side stays in
//! the first cache, a block of rows of the left side in the second. The left side is read where it lies.

use super::lanes::{LANES, Level, Line, kernel, level, load, multiply_add};

/// Depth of a panel that stays in the first cache with its rows of the left side: 16 KiB.
const DEPTH: usize = 256;
/// Rows that stay in the second cache; a whole number of tiles of either height.
const ROWS: usize = 96;
/// Rows of a tile whose accumulators fill the registers: 12 of 16 with eight lanes, 12 of 32 with sixteen.
const TILE_EIGHT: usize = 6;
const TILE_SIXTEEN: usize = 12;

/// The rows of a tile one after the other, written out: a loop over them would keep the sums in memory.
macro_rules! each_row {
    ($row:ident < $tile:ident => $body:expr) => {
        each_row!(@ $row, $tile, $body; 0 1 2 3 4 5 6 7 8 9 10 11)
    };
    (@ $row:ident, $tile:ident, $body:expr; $($number:literal)*) => {
        $({
            const $row: usize = $number;
            if $row < $tile {
                $body
            }
        })*
    };
}
pub(super) use each_row;

/// Lays out a matrix [depth, columns] in panels: line k of panel p holds columns 16 p … of row k; zeros where there
/// are none. `at(k, column)` reads it.
pub(crate) fn panels(depth: usize, columns: usize, at: impl Fn(usize, usize) -> f32) -> Vec<Line> {
    let mut lines = Vec::with_capacity(columns.div_ceil(LANES) * depth);
    for first in (0..columns).step_by(LANES) {
        for k in 0..depth {
            let here = (columns - first).min(LANES);
            let value = |lane: usize| if lane < here { at(k, first + lane) } else { 0.0 };
            lines.push(Line(std::array::from_fn(value)));
        }
    }
    lines
}

kernel! {
    /// `out` = `left` · `panels`, or, with `add`, added to `out`.
    ///
    /// `left`: [rows, depth], `left_stride` numbers from row to row; `panels`: as [`panels`] lays them out, each `depth`
    /// lines; `out`: [rows, 16 · number of panels], `out_stride` numbers from row to row.
    fn multiply(
        left: &[f32],
        left_stride: usize,
        depth: usize,
        panels: &[Line],
        out: &mut [f32],
        out_stride: usize,
        add: bool,
    ) {
        let shape = Shape { left_stride, depth, out_stride };
        match level() {
            Level::Sixteen => blocks::<TILE_SIXTEEN>(left, panels, out, shape, add),
            _ => blocks::<TILE_EIGHT>(left, panels, out, shape, add),
        }
    }
}

#[derive(Clone, Copy)]
struct Shape {
    left_stride: usize,
    depth: usize,
    out_stride: usize,
}

#[inline(always)]
fn blocks<const TILE: usize>(
    left: &[f32],
    panels: &[Line],
    out: &mut [f32],
    shape: Shape,
    add: bool,
) {
    let rows = out.len().div_ceil(shape.out_stride);
    for start in (0..shape.depth).step_by(DEPTH) {
        let part = start..(start + DEPTH).min(shape.depth);
        for first in (0..rows).step_by(ROWS) {
            let last = (first + ROWS).min(rows);
            for (column, panel) in panels.chunks_exact(shape.depth).enumerate() {
                let panel = &panel[part.clone()];
                let add = add || start > 0;
                for row in (first..last).step_by(TILE) {
                    let mut rows: [&[f32]; TILE] = [&[]; TILE];
                    each_row!(I < TILE => {
                        let from = (row + I).min(last - 1) * shape.left_stride + start;
                        rows[I] = &left[from..][..panel.len()];
                    });
                    let place = row * shape.out_stride + column * LANES;
                    let count = TILE.min(last - row);
                    let out = &mut out[place..];
                    if count == TILE {
                        tile::<TILE>(rows, panel, out, shape.out_stride, add, TILE);
                    } else {
                        tile::<TILE>(rows, panel, out, shape.out_stride, add, count);
                    }
                }
            }
        }
    }
}

/// One tile: `count` of its rows are wanted.
#[inline(always)]
fn tile<const TILE: usize>(
    left: [&[f32]; TILE],
    panel: &[Line],
    out: &mut [f32],
    stride: usize,
    add: bool,
    count: usize,
) {
    let mut sums = [[0.0f32; LANES]; TILE];
    if add {
        each_row!(I < TILE => if I < count {
            sums[I] = load(&out[I * stride..]);
        });
    }
    let sums = summed(left, panel, sums);
    each_row!(I < TILE => if I < count {
        out[I * stride..][..LANES].copy_from_slice(&sums[I]);
    });
}

/// `sums` + `left` · `panel`
#[inline(always)]
pub(super) fn summed<const TILE: usize>(
    left: [&[f32]; TILE],
    panel: &[Line],
    mut sums: [[f32; LANES]; TILE],
) -> [[f32; LANES]; TILE] {
    let mut left = left;
    each_row!(I < TILE => left[I] = &left[I][..panel.len()]);
    for (k, line) in panel.iter().enumerate() {
        each_row!(I < TILE => sums[I] = times(left[I][k], line, sums[I]));
    }
    sums
}

/// sum + value · line
#[inline(always)]
fn times(value: f32, line: &Line, sum: [f32; LANES]) -> [f32; LANES] {
    multiply_add([value; LANES], line.0, sum)
}

/// Columns FIRST … of `left`, turned, times `panel`: [TILE, 16] from as many lines of both.
#[inline(always)]
pub(super) fn turned_tile<const FIRST: usize, const TILE: usize>(
    left: &[Line],
    panel: &[Line],
) -> [[f32; LANES]; TILE] {
    let mut sums = [[0.0f32; LANES]; TILE];
    for (own, line) in left.iter().zip(panel) {
        each_row!(I < TILE => sums[I] = times(own.0[FIRST + I], line, sums[I]));
    }
    sums
}

kernel! {
    /// `sums` [rank, columns] += `left`ᵀ · `right` over all rows: what a low-rank pair's gradient is made of.
    ///
    /// `left`: [rows, rank], `right`: [rows, columns], each with numbers from row to row; `columns` a multiple of 16.
    fn outer(
        left: &[f32],
        left_stride: usize,
        rank: usize,
        right: &[f32],
        right_stride: usize,
        columns: usize,
        sums: &mut [f32],
    ) {
        let rows = right.len().div_ceil(right_stride);
        // Rows whose right side stays in the second cache.
        for first in (0..rows).step_by(ROWS) {
            let last = (first + ROWS).min(rows);
            for column in (0..columns).step_by(LANES) {
                let mut i = 0;
                while i < rank {
                    let left = &left[first * left_stride + i..];
                    let right = &right[first * right_stride + column..];
                    let sums = &mut sums[i * columns + column..];
                    let (strides, count) = ((left_stride, right_stride), last - first);
                    i += match rank - i {
                        1 => outer_tile::<1>(left, right, strides, count, sums, columns),
                        2 | 3 => outer_tile::<2>(left, right, strides, count, sums, columns),
                        _ => outer_tile::<4>(left, right, strides, count, sums, columns),
                    };
                }
            }
        }
    }
}

#[inline(always)]
fn outer_tile<const RANK: usize>(
    left: &[f32],
    right: &[f32],
    strides: (usize, usize),
    count: usize,
    sums: &mut [f32],
    columns: usize,
) -> usize {
    let mut own = [[0.0f32; LANES]; RANK];
    for (left, right) in left.chunks(strides.0).zip(right.chunks(strides.1)).take(count) {
        let (left, right) = (&left[..RANK], Line(load(right)));
        each_row!(I < RANK => own[I] = times(left[I], &right, own[I]));
    }
    for i in 0..RANK {
        for lane in 0..LANES {
            sums[i * columns + lane] += own[i][lane];
        }
    }
    RANK
}

kernel! {
    /// `out` = `base` + scale · (`columns` · `rows`), line by line: a weight's panels with a low-rank addition.
    ///
    /// `base` and `out` are one panel, a line for each of `heights`' entries in the first row; `heights`: [rank, lines],
    /// `widths`: a line for each rank; line k becomes base + Σ heights[r][k] · widths[r].
    fn add_low_rank(base: &[Line], heights: &[f32], widths: &[Line], out: &mut [Line]) {
        let lines = base.len();
        out.copy_from_slice(base);
        for (height, width) in heights.chunks_exact(lines).zip(widths) {
            for (line, &height) in out.iter_mut().zip(height) {
                for lane in 0..LANES {
                    line.0[lane] = height.mul_add(width.0[lane], line.0[lane]);
                }
            }
        }
    }
}
