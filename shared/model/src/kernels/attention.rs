//! Causal attention with rotary positions over one row of text, forth and back, for the query heads that share a key
//! head.
//!
//! Su et al. 2021 (rotary positions); Ainslie et al. 2023 (shared key heads); Dao et al. 2022 (FlashAttention): the way
//! forth keeps one logarithm a position, and the way back makes the shares anew from it. Keys after a panel's last query
//! are left out.

// `each_row!` writes out more rows than a tile has; those beyond it are never compiled.
#![allow(clippy::out_of_bounds_indexing)]

use super::lanes::{LANES, Line, exponentials, kernel, load, multiply_add, padded, sum};
use super::product::{each_row, summed, turned_tile};

/// Keys of a tile of scores.
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

/// Room for one head at a time, all of it in lines.
///
/// Rows: for each sixteen numbers of the width a line for each position. Columns: for each panel of sixteen queries a
/// line for each number of the width. Shares and slopes of a panel lie turned, a line for each key, so that what is done
/// for each query by itself is done in its lane. What stands for no position or no number is zero.
#[derive(Default)]
pub(crate) struct Head {
    positions: usize,
    width: usize,
    /// Rotated, the query divided by √width; on the way back the gradients at it.
    query_rows: Vec<Line>,
    key_rows: Vec<Line>,
    value_rows: Vec<Line>,
    /// The gradient at the mixed values.
    arriving_rows: Vec<Line>,
    query_columns: Vec<Line>,
    arriving_columns: Vec<Line>,
    at_key: Vec<Line>,
    at_value: Vec<Line>,
    shares: Vec<Line>,
    slopes: Vec<Line>,
    /// A lane for each position: the logarithm, and the arriving gradient along what was mixed.
    logarithms: Vec<Line>,
    along: Vec<Line>,
}

impl Head {
    pub(crate) fn new(positions: usize, width: usize) -> Head {
        let (panels, parts) = (positions.div_ceil(LANES), width.div_ceil(LANES));
        let lines = |count: usize| vec![Line::ZERO; count];
        let (rows, columns) = (parts * long(positions), panels * padded(width));
        Head {
            positions,
            width,
            query_rows: lines(rows),
            key_rows: lines(rows),
            value_rows: lines(rows),
            arriving_rows: lines(rows),
            query_columns: lines(columns),
            arriving_columns: lines(columns),
            at_key: lines(rows),
            at_value: lines(rows),
            shares: lines(long(positions)),
            slopes: lines(long(positions)),
            logarithms: lines(panels),
            along: lines(panels),
        }
    }

    /// First query of every panel, with the number of keys that its last one may look at.
    fn panels(&self) -> impl Iterator<Item = (usize, usize)> + use<> {
        let positions = self.positions;
        (0..positions).step_by(LANES).map(move |first| (first, (first + LANES).min(positions)))
    }
}

/// Lines for so many positions: whole panels, and room for a tile that begins at their end.
#[inline(always)]
fn long(positions: usize) -> usize {
    padded(positions) + TILE
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
        let (positions, width, stride) = (head.positions, head.width, places.table_stride);
        rotate(table, places.key, stride, angles, 1.0, &mut head.key_rows, width);
        take(table, places.value, stride, &mut head.value_rows, width);
        let scale = 1.0 / (width as f32).sqrt();
        for (index, logarithms) in logarithms.chunks_exact_mut(positions).enumerate() {
            let column = places.query + index * width;
            rotate(table, column, stride, angles, scale, &mut head.query_rows, width);
            lay_columns(&head.query_rows, padded(width), &mut head.query_columns);
            let column = places.mixed + index * width;
            for (first, end) in head.panels() {
                score(head, first, end);
                let (parts, sums) = share_out(&mut head.shares[..end], first);
                logarithms[first..end].copy_from_slice(&sums[..end - first]);
                for (part, values) in head.value_rows.chunks_exact(long(positions)).enumerate() {
                    let room = (width - part * LANES).min(LANES);
                    let rows = turned(&head.shares[..end], &values[..end]);
                    for (lane, row) in rows.iter().enumerate().take(end - first) {
                        let row = row.map(|value| value * parts[lane]);
                        let place = (first + lane) * places.mixed_stride + column + part * LANES;
                        put(&row, &mut mixed[place..], room);
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
        let (positions, width, stride) = (head.positions, head.width, places.table_stride);
        rotate(table, places.key, stride, angles, 1.0, &mut head.key_rows, width);
        take(table, places.value, stride, &mut head.value_rows, width);
        head.at_key.fill(Line::ZERO);
        head.at_value.fill(Line::ZERO);
        let scale = 1.0 / (width as f32).sqrt();
        for (index, logarithms) in logarithms.chunks_exact(positions).enumerate() {
            let query = places.query + index * width;
            rotate(table, query, stride, angles, scale, &mut head.query_rows, width);
            lay_columns(&head.query_rows, padded(width), &mut head.query_columns);
            let column = places.mixed + index * width;
            take(arriving, column, places.mixed_stride, &mut head.arriving_rows, width);
            lay_columns(&head.arriving_rows, padded(width), &mut head.arriving_columns);
            take_along(head, mixed, places.mixed_stride, column, logarithms);
            for (first, end) in head.panels() {
                back_shares(head, first, end);
                back_keys(head, first, end);
                back_queries(head, first, end);
            }
            rotate_back(&head.query_rows, width, angles, scale, table, query, stride);
        }
        rotate_back(&head.at_key, width, angles, 1.0, table, places.key, stride);
        for (part, lines) in head.at_value.chunks_exact(long(positions)).enumerate() {
            let room = (width - part * LANES).min(LANES);
            for (i, line) in lines[..positions].iter().enumerate() {
                put(&line.0, &mut table[i * stride + places.value + part * LANES..], room);
            }
        }
    }
}

/// Fills `shares` with the scores of a panel of queries, and hides keys after each.
#[inline(always)]
fn score(head: &mut Head, first: usize, end: usize) {
    let wide = padded(head.width);
    let queries = &head.query_columns[first / LANES * wide..][..wide];
    for key in (0..end).step_by(TILE) {
        let scores = tile_scores(&head.key_rows, head.positions, key, queries);
        for (share, scores) in head.shares[key..][..TILE].iter_mut().zip(scores) {
            share.0 = scores;
        }
    }
    close(&mut head.shares[first..], HIDDEN);
}

/// Logarithms by lanes, and for every query what arrives along what was mixed.
#[inline(always)]
fn take_along(head: &mut Head, mixed: &[f32], stride: usize, column: usize, logarithms: &[f32]) {
    let (width, long) = (head.width, long(head.positions));
    for (line, own) in head.logarithms.iter_mut().zip(logarithms.chunks(LANES)) {
        line.0[..own.len()].copy_from_slice(own);
    }
    for i in 0..head.positions {
        let own = &mixed[i * stride + column..][..width];
        let mut sums = [0.0; LANES];
        for (part, own) in own.chunks(LANES).enumerate() {
            let arriving = &head.arriving_rows[part * long + i].0;
            match own.len() {
                LANES => sums = multiply_add(load(own), *arriving, sums),
                _ => own.iter().zip(arriving).for_each(|(a, b)| sums[0] = a.mul_add(*b, sums[0])),
            }
        }
        head.along[i / LANES].0[i % LANES] = sum(sums);
    }
}

/// Shares of a panel of queries, made anew from their logarithms, and the slopes at their scores.
#[inline(always)]
fn back_shares(head: &mut Head, first: usize, end: usize) {
    let (positions, wide, panel) = (head.positions, padded(head.width), first / LANES);
    let queries = &head.query_columns[panel * wide..][..wide];
    let arriving = &head.arriving_columns[panel * wide..][..wide];
    let (logarithm, along) = (head.logarithms[panel].0, head.along[panel].0);
    for key in (0..end).step_by(TILE) {
        let shares = &mut head.shares[key..][..TILE];
        let scores = tile_scores(&head.key_rows, positions, key, queries);
        each_row!(I < TILE => shares[I].0 = exponentials(minus(scores[I], logarithm)));
        let gained = tile_scores(&head.value_rows, positions, key, arriving);
        let slopes = &mut head.slopes[key..][..TILE];
        each_row!(I < TILE => slopes[I].0 = product(shares[I].0, minus(gained[I], along)));
    }
    close(&mut head.shares[first..], 0.0);
    close(&mut head.slopes[first..], 0.0);
}

#[inline(always)]
fn minus(mut left: [f32; LANES], right: [f32; LANES]) -> [f32; LANES] {
    for lane in 0..LANES {
        left[lane] -= right[lane];
    }
    left
}

#[inline(always)]
fn product(mut left: [f32; LANES], right: [f32; LANES]) -> [f32; LANES] {
    for lane in 0..LANES {
        left[lane] *= right[lane];
    }
    left
}

/// Adds to the gradients at key and value what comes from a panel of queries.
#[inline(always)]
fn back_keys(head: &mut Head, first: usize, end: usize) {
    let long = long(head.positions);
    for part in (0..head.query_rows.len()).step_by(long) {
        let panel = part + first..part + first + LANES;
        let (arriving, queries) = (&head.arriving_rows[panel.clone()], &head.query_rows[panel]);
        for key in (0..end).step_by(TILE) {
            add_tile(&head.shares[key..], arriving, &mut head.at_value[part + key..]);
            add_tile(&head.slopes[key..], queries, &mut head.at_key[part + key..]);
        }
    }
}

/// Replaces a panel of queries by the gradients at them.
#[inline(always)]
fn back_queries(head: &mut Head, first: usize, end: usize) {
    let long = long(head.positions);
    for part in (0..head.query_rows.len()).step_by(long) {
        let sums = turned(&head.slopes[..end], &head.key_rows[part..][..end]);
        for (line, sums) in head.query_rows[part + first..part + end].iter_mut().zip(sums) {
            line.0 = sums;
        }
    }
}

/// Rows `first` … times a panel of columns.
#[inline(always)]
fn tile_scores(
    rows: &[Line],
    positions: usize,
    first: usize,
    columns: &[Line],
) -> [[f32; LANES]; TILE] {
    let mut sums = [[0.0; LANES]; TILE];
    for (part, columns) in columns.chunks_exact(LANES).enumerate() {
        let rows = &rows[part * long(positions) + first..][..TILE];
        sums = summed(std::array::from_fn(|i| &rows[i].0[..]), columns, sums);
    }
    sums
}

/// `out` += `left` · `right`, of a tile's lines.
#[inline(always)]
fn add_tile(left: &[Line], right: &[Line], out: &mut [Line]) {
    let (left, out) = (&left[..TILE], &mut out[..TILE]);
    let sums = std::array::from_fn(|i| out[i].0);
    let sums: [_; TILE] = summed(std::array::from_fn(|i| &left[i].0[..]), right, sums);
    each_row!(I < TILE => out[I].0 = sums[I]);
}

/// What a query may not look at: keys after it. `lines` are the keys from the panel's first query on; a tile may have
/// reached over the last.
#[inline(always)]
fn close(lines: &mut [Line], value: f32) {
    for (key, line) in lines.iter_mut().enumerate().take(LANES + TILE) {
        for lane in 0..LANES {
            line.0[lane] = if lane < key { value } else { line.0[lane] };
        }
    }
}

/// Scores become exponentials that are to be multiplied by what is returned first; second the logarithms of their sums.
#[inline(always)]
fn share_out(lines: &mut [Line], first: usize) -> ([f32; LANES], [f32; LANES]) {
    let mut highest = [f32::NEG_INFINITY; LANES];
    for line in &*lines {
        for lane in 0..LANES {
            let (most, value) = (highest[lane], line.0[lane]);
            highest[lane] = if value > most { value } else { most };
        }
    }
    let mut total = [0.0; LANES];
    for line in &mut *lines {
        line.0 = exponentials(minus(line.0, highest));
        for lane in 0..LANES {
            total[lane] += line.0[lane];
        }
    }
    close(&mut lines[first..], 0.0);
    let mut sums = highest;
    for lane in 0..LANES {
        sums[lane] += total[lane].ln();
    }
    (total.map(|total| 1.0 / total), sums)
}

/// `left`ᵀ · `right`: [16, 16] from as many lines of both.
#[inline(always)]
fn turned(left: &[Line], right: &[Line]) -> [[f32; LANES]; LANES] {
    let mut out = [[0.0; LANES]; LANES];
    out[..6].copy_from_slice(&turned_tile::<0, 6>(left, right));
    out[6..12].copy_from_slice(&turned_tile::<6, 6>(left, right));
    out[12..].copy_from_slice(&turned_tile::<12, 4>(left, right));
    out
}

/// `room` of a line's numbers to the start of a row.
#[inline(always)]
fn put(line: &[f32; LANES], row: &mut [f32], room: usize) {
    match room {
        LANES => row[..LANES].copy_from_slice(line),
        _ => row[..room].copy_from_slice(&line[..room]),
    }
}

/// One head's numbers of every row.
#[inline(always)]
fn take(table: &[f32], column: usize, stride: usize, rows: &mut [Line], width: usize) {
    let positions = table.len().div_ceil(stride);
    for (part, lines) in rows.chunks_exact_mut(long(positions)).enumerate() {
        let room = (width - part * LANES).min(LANES);
        for (line, row) in lines.iter_mut().zip(table.chunks(stride)) {
            let own = &row[column + part * LANES..][..room];
            match room {
                LANES => line.0 = load(own),
                _ => line.0[..room].copy_from_slice(own),
            }
        }
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
    rows: &mut [Line],
    width: usize,
) {
    let half = width / 2;
    let long = long(table.len().div_ceil(stride));
    let turns = angles.cosines.chunks_exact(half).zip(angles.sines.chunks_exact(half));
    for (i, (row, (cosines, sines))) in table.chunks(stride).zip(turns).enumerate() {
        let (from, to) = row[column..][..width].split_at(half);
        if half.is_multiple_of(LANES) {
            for part in (0..half).step_by(LANES) {
                let (from, to) = (load(&from[part..]), load(&to[part..]));
                let (cosines, sines) = (load(&cosines[part..]), load(&sines[part..]));
                let first = &mut rows[part / LANES * long + i].0;
                for lane in 0..LANES {
                    first[lane] = (from[lane] * cosines[lane] - to[lane] * sines[lane]) * scale;
                }
                let second = &mut rows[(half + part) / LANES * long + i].0;
                for lane in 0..LANES {
                    second[lane] = (to[lane] * cosines[lane] + from[lane] * sines[lane]) * scale;
                }
            }
            continue;
        }
        // What is beside the width may have become no number on the last way back.
        rows.iter_mut().skip(i).step_by(long).for_each(|line| *line = Line::ZERO);
        let mut set = |number: usize, value: f32| {
            rows[number / LANES * long + i].0[number % LANES] = value * scale;
        };
        for pair in 0..half {
            set(pair, from[pair] * cosines[pair] - to[pair] * sines[pair]);
            set(pair + half, to[pair] * cosines[pair] + from[pair] * sines[pair]);
        }
    }
}

/// The way back through [`rotate`] into the table.
#[inline(always)]
fn rotate_back(
    rows: &[Line],
    width: usize,
    angles: &Angles,
    scale: f32,
    table: &mut [f32],
    column: usize,
    stride: usize,
) {
    let half = width / 2;
    let long = long(table.len().div_ceil(stride));
    let turns = angles.cosines.chunks_exact(half).zip(angles.sines.chunks_exact(half));
    for (i, (out, (cosines, sines))) in table.chunks_mut(stride).zip(turns).enumerate() {
        let (first, second) = out[column..][..width].split_at_mut(half);
        if half.is_multiple_of(LANES) {
            for part in (0..half).step_by(LANES) {
                let from = rows[part / LANES * long + i].0;
                let to = rows[(half + part) / LANES * long + i].0;
                let (cosines, sines) = (load(&cosines[part..]), load(&sines[part..]));
                let (first, second) = (&mut first[part..][..LANES], &mut second[part..][..LANES]);
                for lane in 0..LANES {
                    first[lane] = (from[lane] * cosines[lane] + to[lane] * sines[lane]) * scale;
                    second[lane] = (to[lane] * cosines[lane] - from[lane] * sines[lane]) * scale;
                }
            }
            continue;
        }
        let number = |number: usize| rows[number / LANES * long + i].0[number % LANES] * scale;
        for pair in 0..half {
            let (from, to) = (number(pair), number(pair + half));
            first[pair] = from * cosines[pair] + to * sines[pair];
            second[pair] = to * cosines[pair] - from * sines[pair];
        }
    }
}

/// Rows as columns: line d of a panel holds number d of its sixteen positions.
#[inline(always)]
fn lay_columns(rows: &[Line], wide: usize, panels: &mut [Line]) {
    let long = rows.len() / (wide / LANES);
    for (panel, columns) in panels.chunks_exact_mut(wide).enumerate() {
        for (part, columns) in columns.chunks_exact_mut(LANES).enumerate() {
            let rows = &rows[part * long + panel * LANES..][..LANES];
            for d in 0..LANES {
                columns[d].0 = std::array::from_fn(|lane| rows[lane].0[d]);
            }
        }
    }
}

/// A score that has no share.
const HIDDEN: f32 = -1e30;
