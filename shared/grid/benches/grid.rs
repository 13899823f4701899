//! Speed of what every node does with every coordinate: `cargo bench -p grid`.

use divan::Bencher;
use divan::counter::{BytesCount, ItemsCount};
use grid::{Modulus, Rotation, RotationSeed, pack, unpack};

const COORDINATES: usize = 1 << 20;

fn main() {
    divan::main();
}

fn values() -> Vec<u32> {
    (0..COORDINATES as u32).map(|i| i.wrapping_mul(2_654_435_761) >> 12).collect()
}

fn twenty_bits() -> Modulus {
    Modulus::new(20).expect("20 is within 8 to 32")
}

#[divan::bench]
fn rotate_forward(bencher: Bencher) {
    let rotation = Rotation::new(RotationSeed([1; 32]), COORDINATES).expect("a power of two");
    let update: Vec<f32> = values().iter().map(|&value| value as f32).collect();
    bencher.counter(ItemsCount::new(COORDINATES)).bench(|| rotation.forward(&update));
}

#[divan::bench]
fn rotate_back_exactly(bencher: Bencher) {
    let rotation = Rotation::new(RotationSeed([1; 32]), COORDINATES).expect("a power of two");
    let sum: Vec<i64> = values().iter().map(|&value| i64::from(value)).collect();
    bencher
        .counter(ItemsCount::new(COORDINATES))
        .with_inputs(|| sum.clone())
        .bench_values(|mut sum| rotation.invert_exact(&mut sum).map(|()| sum));
}

#[divan::bench]
fn pack_20_bits(bencher: Bencher) {
    let values = values();
    bencher.counter(BytesCount::new(4 * COORDINATES)).bench(|| pack(&values, twenty_bits()));
}

#[divan::bench]
fn unpack_20_bits(bencher: Bencher) {
    let bytes = pack(&values(), twenty_bits()).expect("20-bit values");
    bencher
        .counter(BytesCount::new(4 * COORDINATES))
        .bench(|| unpack(&bytes, COORDINATES, twenty_bits()));
}

#[divan::bench]
fn add_modulo(bencher: Bencher) {
    let values = values();
    bencher
        .counter(BytesCount::new(4 * COORDINATES))
        .with_inputs(|| values.clone())
        .bench_values(|mut sum| twenty_bits().add_assign(&mut sum, &values).map(|()| sum));
}

#[divan::bench]
fn add_packed_20_bits(bencher: Bencher) {
    let bytes = pack(&values(), twenty_bits()).expect("20-bit values");
    bencher
        .counter(BytesCount::new(4 * COORDINATES))
        .with_inputs(values)
        .bench_values(|mut sum| grid::add_packed(&mut sum, &bytes, twenty_bits()).map(|()| sum));
}
