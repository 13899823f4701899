//! Each kernel against plain loops in f64, and every level against the one-by-one twin, bit by bit.

use super::attention::{self, Angles, Head, Places};
use super::elementwise::*;
use super::lanes::{LANES, Level, Line, exponential, padded};
use super::product::{self, panels};

/// Numbers between -1 and 1 that repeat themselves nowhere near (Steele, Lea & Flood 2014, SplitMix).
fn numbers(count: usize, seed: u64) -> Vec<f32> {
    let number = |index: usize| {
        let mut bits = seed.wrapping_add(index as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((bits >> 40) as f32 / (1u64 << 23) as f32) - 1.0
    };
    (0..count).map(number).collect()
}

fn assert_near(found: &[f32], expected: &[f64], tolerance: f64) {
    assert_eq!(found.len(), expected.len());
    for (index, (&found, &expected)) in found.iter().zip(expected).enumerate() {
        let far = (f64::from(found) - expected).abs();
        assert!(far <= tolerance * expected.abs().max(1.0), "{index}: {found} is not {expected}");
    }
}

#[test]
fn exponentials_are_those_of_the_library() {
    for step in -870_000..=870_000 {
        let x = step as f32 * 1e-4;
        let (found, expected) = (f64::from(exponential(x)), f64::from(x).exp());
        assert!((found / expected - 1.0).abs() < 2e-7, "e^{x}: {found}, not {expected}");
    }
    assert!(exponential(-1e30) < 2e-38 && exponential(f32::NAN).is_nan());
}

#[test]
fn numbers_are_rounded_to_bf16_as_the_library_does() {
    let mut values: Vec<f32> = (0..1u32 << 20).map(|bits| f32::from_bits(bits << 12)).collect();
    values.extend((0..1u32 << 20).map(|bits| f32::from_bits(bits << 12 | 0x7FF)));
    let expected: Vec<f32> =
        values.iter().map(|&value| half::bf16::from_f32(value).to_f32()).collect();
    for level in [Level::Plain, Level::Eight, Level::Sixteen] {
        let mut out = vec![1.0; values.len()];
        rounded_to_bf16::at(level, &values, &mut out);
        let mut own = values.clone();
        round_to_bf16::at(level, &mut own);
        for ((out, own), expected) in out.iter().zip(&own).zip(&expected) {
            assert_eq!(out.to_bits(), own.to_bits());
            assert!(out.to_bits() == expected.to_bits() || out.is_nan() && expected.is_nan());
        }
    }
}

/// Sums of products in f64.
fn product(left: &[f32], stride: usize, depth: usize, right: &[f32], columns: usize) -> Vec<f64> {
    let rows = left.len() / stride;
    let mut out = vec![0.0; rows * columns];
    for row in 0..rows {
        for column in 0..columns {
            let term = |k: usize| {
                f64::from(left[row * stride + k]) * f64::from(right[k * columns + column])
            };
            out[row * columns + column] = (0..depth).map(term).sum();
        }
    }
    out
}

#[test]
fn products_of_every_shape_are_right_at_every_level() {
    for (rows, depth, columns) in
        [(1, 1, 1), (7, 3, 16), (12, 300, 17), (101, 40, 33), (193, 513, 48)]
    {
        let stride = depth + 5;
        let (left, right) = (numbers(rows * stride, 1), numbers(depth * columns, 2));
        let laid = panels(depth, columns, |k, column| right[k * columns + column]);
        let wide = padded(columns);
        let before = numbers(rows * wide, 3);
        for add in [false, true] {
            let mut results = Vec::new();
            for level in [Level::Plain, Level::Eight, Level::Sixteen] {
                let mut out = before.clone();
                product::multiply::at(level, &left, stride, depth, &laid, &mut out, wide, add);
                results.push(out);
            }
            assert!(results.windows(2).all(|pair| pair[0] == pair[1]), "{rows} {depth} {columns}");
            let expected = product(&left, stride, depth, &right, columns);
            for (row, expected) in expected.chunks(columns).enumerate() {
                let place = row * wide;
                let had =
                    if add { &before[place..place + columns] } else { &vec![0.0; columns][..] };
                let sums: Vec<f64> =
                    had.iter().zip(expected).map(|(a, b)| f64::from(*a) + b).collect();
                assert_near(&results[0][place..place + columns], &sums, 1e-4);
            }
        }
    }
}

#[test]
fn outer_products_of_every_rank_are_right_at_every_level() {
    for (rows, rank, columns) in [(1, 1, 16), (100, 3, 32), (230, 4, 48), (97, 7, 16)] {
        let (left, right) = (numbers(rows * (rank + 2), 4), numbers(rows * (columns + 16), 5));
        let before = numbers(rank * columns, 6);
        let run = |level| {
            let mut sums = before.clone();
            product::outer::at(
                level,
                &left,
                rank + 2,
                rank,
                &right,
                columns + 16,
                columns,
                &mut sums,
            );
            sums
        };
        let found = run(Level::Plain);
        assert!(found == run(Level::Eight) && found == run(Level::Sixteen));
        let mut expected: Vec<f64> = before.iter().map(|&value| f64::from(value)).collect();
        for row in 0..rows {
            for i in 0..rank {
                for column in 0..columns {
                    expected[i * columns + column] += f64::from(left[row * (rank + 2) + i])
                        * f64::from(right[row * (columns + 16) + column]);
                }
            }
        }
        assert_near(&found, &expected, 1e-4);
    }
}

#[test]
fn a_low_rank_addition_is_worked_into_panels() {
    let (lines, rank) = (21, 3);
    let base: Vec<Line> =
        numbers(lines * LANES, 7).chunks(LANES).map(|c| Line(c.try_into().unwrap())).collect();
    let heights = numbers(rank * lines, 8);
    let widths: Vec<Line> =
        numbers(rank * LANES, 9).chunks(LANES).map(|c| Line(c.try_into().unwrap())).collect();
    let mut out = vec![Line::ZERO; lines];
    product::add_low_rank(&base, &heights, &widths, &mut out);
    for k in 0..lines {
        for lane in 0..LANES {
            let term = |r: usize| f64::from(heights[r * lines + k]) * f64::from(widths[r].0[lane]);
            let expected = f64::from(base[k].0[lane]) + (0..rank).map(term).sum::<f64>();
            assert!((f64::from(out[k].0[lane]) - expected).abs() < 1e-6);
        }
    }
}

/// Σ probe · f(x), differentiated by differences of f in f64.
fn slope(f: impl Fn(&[f64]) -> Vec<f64>, at: &[f32], probe: &[f32]) -> Vec<f64> {
    let at: Vec<f64> = at.iter().map(|&value| f64::from(value)).collect();
    let value = |x: &[f64]| -> f64 {
        f(x).iter().zip(probe).map(|(value, &probe)| value * f64::from(probe)).sum()
    };
    let step = 1e-6;
    let along = |index: usize| {
        let (mut up, mut down) = (at.clone(), at.clone());
        up[index] += step;
        down[index] -= step;
        (value(&up) - value(&down)) / (2.0 * step)
    };
    (0..at.len()).map(along).collect()
}

#[test]
fn normalisation_is_right_forth_and_back() {
    let (width, rows) = (20, 3);
    let stride = padded(width);
    let mut weight = numbers(stride, 10);
    weight[width..].fill(0.0);
    let mut input = numbers(rows * stride, 11);
    input.chunks_exact_mut(stride).for_each(|row| row[width..].fill(0.0));
    let f = |x: &[f64]| -> Vec<f64> {
        let rows = x.chunks(stride).flat_map(|row| {
            let scale = 1.0 / (row.iter().map(|v| v * v).sum::<f64>() / width as f64 + 1e-5).sqrt();
            row.iter().zip(&weight).map(move |(v, &w)| v * scale * f64::from(w)).collect::<Vec<_>>()
        });
        rows.collect()
    };
    let (mut out, mut scales) = (vec![0.0; rows * stride], vec![0.0; rows]);
    normalise(&input, &weight, width, 1e-5, &mut out, &mut scales);
    let exact: Vec<f64> = input.iter().map(|&value| f64::from(value)).collect();
    assert_near(&out, &f(&exact), 1e-6);
    let probe = numbers(rows * stride, 12);
    let mut total = vec![0.5; rows * stride];
    normalise_back(&input, &weight, width, &scales, &probe, &mut total);
    let expected: Vec<f64> = slope(f, &input, &probe).iter().map(|value| value + 0.5).collect();
    for (found, expected) in total.chunks(stride).zip(expected.chunks(stride)) {
        assert_near(&found[..width], &expected[..width], 1e-5);
    }
}

#[test]
fn the_gate_is_right_forth_and_back() {
    let (width, rows) = (32, 2);
    let both: Vec<f32> = numbers(rows * 2 * width, 13).iter().map(|value| value * 6.0).collect();
    let f = |x: &[f64]| -> Vec<f64> {
        let rows = x.chunks(2 * width).flat_map(|row| {
            let open = |i: usize| row[i] / (1.0 + (-row[i]).exp()) * row[width + i];
            (0..width).map(open).collect::<Vec<_>>()
        });
        rows.collect()
    };
    let mut out = vec![0.0; rows * width];
    open_gate(&both, width, &mut out);
    let exact: Vec<f64> = both.iter().map(|&value| f64::from(value)).collect();
    assert_near(&out, &f(&exact), 1e-6);
    let probe = numbers(rows * width, 14);
    let mut back = both.clone();
    open_gate_back(&mut back, width, &probe);
    assert_near(&back, &slope(f, &both, &probe), 1e-5);
}

#[test]
fn the_loss_is_right_and_so_is_its_slope() {
    let (vocabulary, rows) = (37, 3);
    let stride = padded(vocabulary);
    let mut scores: Vec<f32> = numbers(rows * stride, 15).iter().map(|value| value * 9.0).collect();
    let (targets, weights) = ([36i64, 0, 5], [0.5f32, 0.0, 2.0]);
    let f = |x: &[f64]| -> Vec<f64> {
        let loss = |row: usize| {
            let own = &x[row * stride..][..vocabulary];
            let total: f64 = own.iter().map(|value| value.exp()).sum();
            f64::from(weights[row]) * (total.ln() - own[targets[row] as usize])
        };
        (0..rows).map(loss).collect()
    };
    let expected_slope = slope(f, &scores, &[1.0; 3]);
    let exact: Vec<f64> = scores.iter().map(|&value| f64::from(value)).collect();
    let mut losses = vec![0.0; rows];
    cross_entropy(&mut scores, stride, vocabulary, &targets, &weights, &mut losses);
    assert_near(&losses, &f(&exact), 1e-6);
    for (found, expected) in scores.chunks(stride).zip(expected_slope.chunks(stride)) {
        assert_near(&found[..vocabulary], &expected[..vocabulary], 1e-5);
        assert!(found[vocabulary..].iter().all(|value| value.abs() < 1e-30));
    }
}

/// Two query heads share a key head; the table's other columns belong to somebody else.
fn places(width: usize, table: usize, mixed: usize) -> Places {
    Places {
        query: 3,
        key: 3 + 2 * width,
        value: 4 + 3 * width,
        table_stride: table,
        mixed: 1,
        mixed_stride: mixed,
    }
}

fn angles(positions: usize, width: usize) -> Angles {
    let angle = |index: usize| {
        let (position, pair) = (index / (width / 2), index % (width / 2));
        position as f32 * 0.7f32.powi(pair as i32)
    };
    let all: Vec<f32> = (0..positions * width / 2).map(angle).collect();
    Angles {
        cosines: all.iter().map(|angle| angle.cos()).collect(),
        sines: all.iter().map(|angle| angle.sin()).collect(),
    }
}

/// Attention as the papers write it, in f64.
fn attention_by_hand(
    x: &[f64],
    positions: usize,
    width: usize,
    at: Places,
    turns: &Angles,
) -> Vec<f64> {
    let half = width / 2;
    let turned = |position: usize, column: usize| -> Vec<f64> {
        let row = &x[position * at.table_stride + column..][..width];
        let pair = |i: usize| {
            let (c, s) = (
                f64::from(turns.cosines[position * half + i]),
                f64::from(turns.sines[position * half + i]),
            );
            (row[i] * c - row[i + half] * s, row[i + half] * c + row[i] * s)
        };
        (0..half).map(|i| pair(i).0).chain((0..half).map(|i| pair(i).1)).collect()
    };
    let mut out = vec![0.0; positions * at.mixed_stride];
    for head in 0..2 {
        for i in 0..positions {
            let query = turned(i, at.query + head * width);
            let score = |j: usize| -> f64 {
                let key = turned(j, at.key);
                query.iter().zip(&key).map(|(a, b)| a * b).sum::<f64>() / (width as f64).sqrt()
            };
            let shares: Vec<f64> = (0..=i).map(|j| score(j).exp()).collect();
            let total: f64 = shares.iter().sum();
            for (j, share) in shares.iter().enumerate() {
                for d in 0..width {
                    out[i * at.mixed_stride + at.mixed + head * width + d] +=
                        share / total * x[j * at.table_stride + at.value + d];
                }
            }
        }
    }
    out
}

#[test]
fn attention_is_right_forth_and_back_at_every_level() {
    for (positions, width) in [(1, 4), (13, 6), (40, 16), (32, 18), (19, 32)] {
        let (stride, mixed_stride) = (5 + 5 * width, 2 + 2 * width);
        let (at, turns) = (places(width, stride, mixed_stride), angles(positions, width));
        let table = numbers(positions * stride, 16);
        let probe = numbers(positions * mixed_stride, 17);
        let run = |level| {
            let mut head = Head::new(positions, width);
            let mut mixed = vec![0.0; positions * mixed_stride];
            let mut logarithms = vec![0.0; 2 * positions];
            attention::attend::at(
                level,
                &mut head,
                &turns,
                at,
                &table,
                &mut mixed,
                &mut logarithms,
            );
            let mut back = table.clone();
            attention::attend_back::at(
                level,
                &mut head,
                &turns,
                at,
                &mut back,
                &mixed,
                &probe,
                &logarithms,
            );
            (mixed, back)
        };
        let (mixed, back) = run(Level::Plain);
        assert!(run(Level::Eight) == (mixed.clone(), back.clone()));
        assert!(run(Level::Sixteen) == (mixed.clone(), back.clone()));
        let f = |x: &[f64]| attention_by_hand(x, positions, width, at, &turns);
        let exact: Vec<f64> = table.iter().map(|&value| f64::from(value)).collect();
        assert_near(&mixed, &f(&exact), 1e-5);
        let expected = slope(f, &table, &probe);
        for (row, expected) in expected.chunks(stride).enumerate() {
            let own = [
                at.query..at.query + 2 * width,
                at.key..at.key + width,
                at.value..at.value + width,
            ];
            for columns in own {
                let found = &back[row * stride..][columns.clone()];
                assert_near(found, &expected[columns], 1e-4);
            }
            assert_eq!(
                back[row * stride..][..3],
                table[row * stride..][..3],
                "columns of others stay"
            );
        }
    }
}
