//! The limit: how long the crate `chacha20` needs, on all cores, for the bytes that the round's masks are made of.

use std::time::Instant;

use chacha20::{
    ChaCha20,
    cipher::{KeyIvInit, StreamCipher},
};
use rayon::prelude::*;

use crate::{
    round::cpu_seconds,
    task::{BITS, Size},
};

/// Every member of R2 makes a mask for each other one and a self mask; of those that have dropped out nobody has
/// anything but shares. Unmasking makes each survivor's self mask, and its mask with each that dropped out.
fn masks(size: &Size) -> usize {
    let survivors = size.nodes - size.dropped;
    survivors * size.nodes + survivors * (1 + size.dropped)
}

/// Seconds of the bare cipher on all cores: passed, and of processors.
pub fn seconds(size: &Size) -> (f64, f64) {
    let bytes = size.padded() * BITS as usize / 8;
    let (began, cpu) = (Instant::now(), cpu_seconds());
    (0..masks(size)).into_par_iter().for_each_init(
        || vec![0; 8192],
        |buffer, mask| {
            let mut cipher = ChaCha20::new(&[mask as u8; 32].into(), &[0; 12].into());
            let mut left = bytes;
            while left > 0 {
                let now = left.min(buffer.len());
                cipher.write_keystream(&mut buffer[..now]);
                std::hint::black_box(&mut *buffer);
                left -= now;
            }
        },
    );
    (began.elapsed().as_secs_f64(), cpu_seconds() - cpu)
}
