//! A stream's words by the crate `chacha20`, on any machine.

use chacha20::ChaCha20;
use chacha20::cipher::{KeyIvInit, StreamCipher, StreamCipherSeek};
use zeroize::Zeroizing;

use super::{LANES, Row, Sign, WORDS};
use crate::Secret32;

/// Bytes of one ChaCha20 block.
const BYTES: usize = 4 * WORDS;

/// Fills strides of eight blocks, beginning with the block `first`: row i of a stride holds word i of each.
pub fn fill(key: &Secret32, first: u32, strides: &mut [[Row; WORDS]]) {
    let mut cipher = ChaCha20::new(key.as_bytes().into(), &[0; 12].into());
    cipher.seek(u64::from(first) * BYTES as u64);
    let mut bytes = Zeroizing::new([0; LANES * BYTES]);
    for rows in strides {
        cipher.write_keystream(&mut *bytes);
        let (blocks, _) = bytes.as_chunks::<BYTES>();
        for (lane, block) in blocks.iter().enumerate() {
            let (words, _) = block.as_chunks::<4>();
            for (row, word) in rows.iter_mut().zip(words) {
                row[lane] = u32::from_le_bytes(*word);
            }
        }
    }
}

/// Adds or subtracts field j of every lane to the values 8·j and following. Behind the rows that hold
/// fields there is one more.
pub fn combine(rows: &[Row], bits: u32, sign: Sign, values: &mut [u32]) {
    let mut position = 0;
    for values in values.chunks_mut(LANES) {
        let (row, shift) = ((position / u32::BITS) as usize, position % u32::BITS);
        for (lane, value) in values.iter_mut().enumerate() {
            let pair = u64::from(rows[row][lane]) | u64::from(rows[row + 1][lane]) << u32::BITS;
            let field = (pair >> shift) as u32;
            *value = match sign {
                Sign::Add => value.wrapping_add(field),
                Sign::Subtract => value.wrapping_sub(field),
            };
        }
        position += bits;
    }
}
