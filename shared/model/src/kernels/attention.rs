//! Causal attention with rotary positions over one row of text, forth and back, for the query heads that share a key
//! head.
//!
//! Su et al. 2021 (rotary positions); Ainslie et al. 2023 (shared key heads); Dao et al. 2022 (FlashAttention): the way
//! forth keeps one logarithm a position, and the way back makes the shares anew from it. Tiles above the diagonal are
//! left out.

use super::lanes::{LANES, Line, exponentials, kernel, load, padded, sum};
use super::product::{multiply_tile, turned_tile};

/// Rows of a tile of scores.
const TILE: usize = 6;

/// Cosines and sines [positions, width / 2] of the angles by which pairs (i, i + width/2) are turned.
pub(crate) struct Angles {
    pub(crate) cosines: Vec<f32>,
    pub(crate) sines: Vec<f32>,
}

/// Where the heads lie: `table` has q, k and v in each row, `mixed` what comes out.
#[derive(Clone, Copy)]
pub(crate) struct Places {
    /// Column of the first query head in the table; the others of the group stand beside it.
    pub(crate) query: usize,
    pub(crate) key: usize,
    pub(crate) value: usize,
    pub(crate) table_stride: usize,
    /// Column of the first one's mixed values.
    pub(crate) mixed: usize,
    pub(crate) mixed_stride: usize,
}

/// Room for one head at a time.
#[derive(Default)]
pub(crate) struct Head {
    positions: usize,
    width: usize,
    /// A row of scores, with room for a tile that begins at its end.
    long: usize,
    /// [positions, padded width]: rotated, the query divided by √width.
    query: Vec<f32>,
    key: Vec<f32>,
    value: Vec<f32>,
    /// The gradient at the mixed values, and those at key and value.
    arriving: Vec<f32>,
    at_key: Vec<f32>,
    at_value: Vec<f32>,
    /// [positions, long]
    shares: Vec<f32>,
    slopes: Vec<f32>,
    key_columns: Vec<Line>,
    value_columns: Vec<Line>,
    key_rows: Vec<Line>,
    value_rows: Vec<Line>,
    query_rows: Vec<Line>,
    arriving_rows: Vec<Line>,
}

impl Head {
    pub(crate) fn new(positions: usize, width: usize) -> Head {
        let (wide, long) = (padded(width), padded(positions) + LANES);
        let numbers = || vec![0.0; positions * wide];
        let scores = || vec![0.0; positions.max(TILE) * long];
        let rows = || vec![Line::ZERO; wide / LANES * positions];
        let columns = || vec![Line::ZERO; positions.div_ceil(LANES) * width];
        Head {
            positions,
            width,
            long,
            query: numbers(),
            key: numbers(),
            value: numbers(),
            arriving: numbers(),
            at_key: numbers(),
            at_value: numbers(),
            shares: scores(),
            slopes: scores(),
            key_columns: columns(),
            value_columns: columns(),
            key_rows: rows(),
            value_rows: rows(),
            query_rows: rows(),
            arriving_rows: rows(),
        }
    }

    fn wide(&self) -> usize {
        padded(self.width)
    }
}

kernel! {
    /// Fills `mixed` [positions, ..] from `table`; `logarithms` [queries, positions]: ln of each sum of exponentials.
    fn attend(
        head: &mut Head,
        angles: &Angles,
        places: Places,
        table: &[f32],
        mixed: &mut [f32],
        logarithms: &mut [f32],
    ) {
        let (positions, width, long, wide) = (head.positions, head.width, head.long, head.wide());
        take_keys(head, angles, places, table);
        lay_columns(&head.key, width, &mut head.key_columns);
        lay_rows(&head.value, wide, &mut head.value_rows);
        let scale = 1.0 / (width as f32).sqrt();
        for (index, logarithms) in logarithms.chunks_exact_mut(positions).enumerate() {
            let column = places.query + index * width;
            rotate(table, column, places.table_stride, angles, scale, &mut head.query, width);
            let column = places.mixed + index * width;
            for first in (0..positions).step_by(TILE) {
                let count = TILE.min(positions - first);
                let end = first + count;
                let shares = &mut head.shares[..TILE * long];
                tile_times_columns(&head.query, wide, first, count, &head.key_columns, width, shares, long);
                for i in 0..count {
                    let row = &mut shares[i * long..][..padded(end)];
                    logarithms[first + i] = share_out(row, first + i + 1);
                }
                for part in 0..wide / LANES {
                    let panel = &head.value_rows[part * positions..][..end];
                    let block = tile_times_rows(shares, long, count, panel);
                    let here = LANES.min(width - part * LANES);
                    for (i, row) in block.iter().enumerate().take(count) {
                        let place = (first + i) * places.mixed_stride + column + part * LANES;
                        mixed[place..][..here].copy_from_slice(&row[..here]);
                    }
                }
            }
        }
    }
}

kernel! {
    /// Replaces q, k and v in `table` by the gradients at them, from the gradient `arriving` at `mixed`.
    fn attend_back(
        head: &mut Head,
        angles: &Angles,
        places: Places,
        table: &mut [f32],
        mixed: &[f32],
        arriving: &[f32],
        logarithms: &[f32],
    ) {
        let (positions, width, wide) = (head.positions, head.width, head.wide());
        take_keys(head, angles, places, table);
        lay_columns(&head.key, width, &mut head.key_columns);
        lay_columns(&head.value, width, &mut head.value_columns);
        lay_rows(&head.key, wide, &mut head.key_rows);
        head.at_key.fill(0.0);
        head.at_value.fill(0.0);
        let scale = 1.0 / (width as f32).sqrt();
        for (index, logarithms) in logarithms.chunks_exact(positions).enumerate() {
            let query = places.query + index * width;
            rotate(table, query, places.table_stride, angles, scale, &mut head.query, width);
            let column = places.mixed + index * width;
            for (i, row) in head.arriving.chunks_exact_mut(wide).enumerate() {
                row[..width].copy_from_slice(&arriving[i * places.mixed_stride + column..][..width]);
            }
            lay_rows(&head.query, wide, &mut head.query_rows);
            lay_rows(&head.arriving, wide, &mut head.arriving_rows);
            for first in (0..positions).step_by(TILE) {
                let count = TILE.min(positions - first);
                back_rows(head, first, count, logarithms, mixed, places.mixed_stride, column);
            }
            back_columns(head);
            head.query.iter_mut().for_each(|value| *value *= scale);
            rotate_back(&head.query, width, angles, table, query, places.table_stride);
        }
        rotate_back(&head.at_key, width, angles, table, places.key, places.table_stride);
        for (i, row) in head.at_value.chunks_exact(wide).enumerate() {
            table[i * places.table_stride + places.value..][..width].copy_from_slice(&row[..width]);
        }
    }
}

/// Shares, slopes and the gradient at the query of some rows; the last replaces the query.
#[inline(always)]
fn back_rows(
    head: &mut Head,
    first: usize,
    count: usize,
    logarithms: &[f32],
    mixed: &[f32],
    mixed_stride: usize,
    column: usize,
) {
    let (positions, width, long, wide) = (head.positions, head.width, head.long, head.wide());
    let end = first + count;
    let shares = &mut head.shares[first * long..][..count * long];
    let slopes = &mut head.slopes[first * long..][..count * long];
    tile_times_columns(&head.query, wide, first, count, &head.key_columns, width, shares, long);
    let columns = &head.value_columns;
    tile_times_columns(&head.arriving, wide, first, count, columns, width, slopes, long);
    for i in 0..count {
        let row = first + i;
        let own = &mixed[row * mixed_stride + column..][..width];
        let along: f32 = own.iter().zip(&head.arriving[row * wide..]).map(|(a, b)| a * b).sum();
        let (shares, slopes) = (&mut shares[i * long..][..long], &mut slopes[i * long..][..long]);
        let logarithm = logarithms[row];
        let lines = shares[..padded(end)].chunks_exact_mut(LANES);
        for (shares, slopes) in lines.zip(slopes.chunks_exact_mut(LANES)) {
            let own = exponentials(load(shares).map(|score| score - logarithm));
            shares.copy_from_slice(&own);
            for lane in 0..LANES {
                slopes[lane] = own[lane] * (slopes[lane] - along);
            }
        }
        // Above the diagonal, and as far as a tile of keys that begins on it reaches.
        shares[row + 1..padded(end) + LANES].fill(0.0);
        slopes[row + 1..padded(end) + LANES].fill(0.0);
    }
    for part in 0..wide / LANES {
        let panel = &head.key_rows[part * positions..][..end];
        let block = tile_times_rows(slopes, long, count, panel);
        for (i, row) in block.iter().enumerate().take(count) {
            head.query[(first + i) * wide + part * LANES..][..LANES].copy_from_slice(row);
        }
    }
}

/// Adds to the gradients at key and value what comes from shares and slopes.
#[inline(always)]
fn back_columns(head: &mut Head) {
    let (positions, long, wide) = (head.positions, head.long, head.wide());
    for first in (0..positions).step_by(TILE) {
        let count = TILE.min(positions - first);
        let from = first * long + first;
        for part in 0..wide / LANES {
            let rows = part * positions + first..(part + 1) * positions;
            let sums =
                turned_tile::<TILE>(&head.shares[from..], long, &head.arriving_rows[rows.clone()]);
            let slopes = turned_tile::<TILE>(&head.slopes[from..], long, &head.query_rows[rows]);
            for i in 0..count {
                let place = (first + i) * wide + part * LANES;
                for lane in 0..LANES {
                    head.at_value[place + lane] += sums[i][lane];
                    head.at_key[place + lane] += slopes[i][lane];
                }
            }
        }
    }
}

/// `out` [count, ..] = rows `first` … of `left` times as many columns as the last of them may look at.
#[inline(always)]
#[allow(clippy::too_many_arguments)] // slices with their strides
fn tile_times_columns(
    left: &[f32],
    stride: usize,
    first: usize,
    count: usize,
    columns: &[Line],
    depth: usize,
    out: &mut [f32],
    out_stride: usize,
) {
    let mut rows: [&[f32]; TILE] = [&[]; TILE];
    for (i, row) in rows.iter_mut().enumerate() {
        *row = &left[(first + i.min(count - 1)) * stride..][..depth];
    }
    for (part, panel) in
        columns.chunks_exact(depth).take((first + count).div_ceil(LANES)).enumerate()
    {
        let out = &mut out[part * LANES..];
        if count == TILE {
            multiply_tile::<TILE>(rows, panel, out, out_stride, TILE);
        } else {
            multiply_tile::<TILE>(rows, panel, out, out_stride, count);
        }
    }
}

/// The first rows of `left` times a panel.
#[inline(always)]
fn tile_times_rows(
    left: &[f32],
    stride: usize,
    count: usize,
    panel: &[Line],
) -> [[f32; LANES]; TILE] {
    let mut rows: [&[f32]; TILE] = [&[]; TILE];
    for (i, row) in rows.iter_mut().enumerate() {
        *row = &left[i.min(count - 1) * stride..][..panel.len()];
    }
    let mut block = [[0.0; LANES]; TILE];
    multiply_tile::<TILE>(rows, panel, block.as_flattened_mut(), LANES, TILE);
    block
}

/// Scores become shares of 1 among the first `open`; returns ln of the sum of their exponentials.
#[inline(always)]
fn share_out(row: &mut [f32], open: usize) -> f32 {
    row[open..].fill(-1e30);
    let mut highest = [f32::NEG_INFINITY; LANES];
    for lanes in row.chunks_exact(LANES) {
        for lane in 0..LANES {
            highest[lane] = if lanes[lane] > highest[lane] { lanes[lane] } else { highest[lane] };
        }
    }
    let highest = highest.iter().fold(f32::NEG_INFINITY, |most, &value| most.max(value));
    let mut total = [0.0; LANES];
    for lanes in row.chunks_exact_mut(LANES) {
        let shares = exponentials(load(lanes).map(|score| score - highest));
        lanes.copy_from_slice(&shares);
        for lane in 0..LANES {
            total[lane] += shares[lane];
        }
    }
    let total = sum(total);
    let factor = 1.0 / total;
    row[..open].iter_mut().for_each(|share| *share *= factor);
    row[open..].fill(0.0);
    highest + total.ln()
}

/// Rotated keys, and values, into the head's room.
#[inline(always)]
fn take_keys(head: &mut Head, angles: &Angles, places: Places, table: &[f32]) {
    let (width, wide) = (head.width, head.wide());
    rotate(table, places.key, places.table_stride, angles, 1.0, &mut head.key, width);
    for (i, row) in head.value.chunks_exact_mut(wide).enumerate() {
        row[..width].copy_from_slice(&table[i * places.table_stride + places.value..][..width]);
    }
}

/// Each pair (i, i + width/2) turned by its position's angle, times `scale`.
#[inline(always)]
fn rotate(
    table: &[f32],
    column: usize,
    stride: usize,
    angles: &Angles,
    scale: f32,
    out: &mut [f32],
    width: usize,
) {
    let half = width / 2;
    let turns = angles.cosines.chunks_exact(half).zip(angles.sines.chunks_exact(half));
    for ((row, out), (cosines, sines)) in
        table.chunks(stride).zip(out.chunks_exact_mut(padded(width))).zip(turns)
    {
        let (from, to) = row[column..][..width].split_at(half);
        let (first, second) = out[..width].split_at_mut(half);
        for i in 0..half {
            first[i] = (from[i] * cosines[i] - to[i] * sines[i]) * scale;
            second[i] = (to[i] * cosines[i] + from[i] * sines[i]) * scale;
        }
    }
}

/// The way back through [`rotate`], without its scale, into the table.
#[inline(always)]
fn rotate_back(
    rows: &[f32],
    width: usize,
    angles: &Angles,
    table: &mut [f32],
    column: usize,
    stride: usize,
) {
    let half = width / 2;
    let turns = angles.cosines.chunks_exact(half).zip(angles.sines.chunks_exact(half));
    for ((row, out), (cosines, sines)) in
        rows.chunks_exact(padded(width)).zip(table.chunks_mut(stride)).zip(turns)
    {
        let (from, to) = row[..width].split_at(half);
        let (first, second) = out[column..][..width].split_at_mut(half);
        for i in 0..half {
            first[i] = from[i] * cosines[i] + to[i] * sines[i];
            second[i] = to[i] * cosines[i] - from[i] * sines[i];
        }
    }
}

/// Rows [n, padded width] as columns: panel p, line d holds number d of rows 16 p ….
#[inline(always)]
fn lay_columns(rows: &[f32], width: usize, panels: &mut [Line]) {
    let wide = padded(width);
    for (panel, rows) in panels.chunks_exact_mut(width).zip(rows.chunks(LANES * wide)) {
        for (lane, row) in rows.chunks_exact(wide).enumerate() {
            for (line, &value) in panel.iter_mut().zip(row) {
                line.0[lane] = value;
            }
        }
    }
}

/// Rows [n, wide] as they are: panel p, line k holds numbers 16 p … of row k.
#[inline(always)]
fn lay_rows(rows: &[f32], wide: usize, panels: &mut [Line]) {
    let count = rows.len() / wide;
    for (part, panel) in panels.chunks_exact_mut(count).enumerate() {
        for (line, row) in panel.iter_mut().zip(rows.chunks_exact(wide)) {
            line.0 = load(&row[part * LANES..]);
        }
    }
}
