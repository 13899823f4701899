//! X25519 (RFC 7748 section 5) of one secret with four public keys at a time, where the processor has AVX2.
#![allow(
    unsafe_code,
    reason = "instructions that were looked for, and registers written to memory"
)]

use std::arch::x86_64::*;

use zeroize::Zeroizing;

use super::field::{
    Four, LIMBS, add, add_a24_times, bits, invert, multiply, small, square, subtract, swap, times,
};

/// How many public keys are done at a time.
pub const LANES: usize = 4;

/// The 32 bytes that the owner of `secret` shares with each of the four; zeros with a point of low order.
///
/// # Panics
/// On a processor without AVX2.
pub fn agree(secret: &[u8; 32], publics: [&[u8; 32]; LANES]) -> Zeroizing<[[u8; 32]; LANES]> {
    assert!(is_x86_feature_detected!("avx2"), "asked for what this processor does not have");
    // SAFETY: the processor has AVX2.
    unsafe { agree_avx2(secret, publics) }
}

#[target_feature(enable = "avx2")]
fn agree_avx2(secret: &[u8; 32], publics: [&[u8; 32]; LANES]) -> Zeroizing<[[u8; 32]; LANES]> {
    let mut scalar = Zeroizing::new(*secret);
    scalar[0] &= 248;
    scalar[31] = scalar[31] & 127 | 64;
    let (x, z) = ladder(&scalar, &from_bytes(publics));
    to_bytes(&times(&x, &invert(&z)))
}

/// The Montgomery ladder of RFC 7748 section 5: x and z of scalar · point.
#[target_feature(enable = "avx2")]
fn ladder(scalar: &[u8; 32], point: &Four) -> (Four, Four) {
    let (mut x2, mut z2, mut x3, mut z3) = (small(1), small(0), *point, small(1));
    let mut before = 0;
    for place in (0..255).rev() {
        let bit = i64::from(scalar[place / 8] >> (place % 8) & 1);
        let mask = _mm256_sub_epi64(_mm256_setzero_si256(), _mm256_set1_epi64x(bit ^ before));
        swap(mask, &mut x2, &mut x3);
        swap(mask, &mut z2, &mut z3);
        before = bit;
        step(&mut [&mut x2, &mut z2, &mut x3, &mut z3], point);
    }
    // The lowest bit of a scalar is 0: what would be exchanged last has been.
    (x2, z2)
}

/// One step of the ladder (RFC 7748 section 5): doubles (x2 : z2) and adds both into (x3 : z3).
#[target_feature(enable = "avx2")]
fn step([x2, z2, x3, z3]: &mut [&mut Four; 4], point: &Four) {
    let [mut a, mut b, mut c, mut d, mut da, mut cb, mut aa, mut bb] = [small(0); 8];
    add(&mut a, x2, z2);
    subtract(&mut b, x2, z2);
    add(&mut c, x3, z3);
    subtract(&mut d, x3, z3);
    multiply(&mut da, &d, &a);
    multiply(&mut cb, &c, &b);
    square(&mut aa, &a);
    square(&mut bb, &b);
    add(&mut c, &da, &cb);
    subtract(&mut d, &da, &cb);
    square(x3, &c);
    square(&mut da, &d);
    multiply(z3, &da, point);
    let e = &mut cb;
    subtract(e, &aa, &bb);
    multiply(x2, &aa, &bb);
    add_a24_times(&mut bb, &aa, e);
    multiply(z2, &bb, e);
}

/// Little-endian numbers; the highest bit is ignored (RFC 7748 section 5).
#[target_feature(enable = "avx2")]
fn from_bytes(numbers: [&[u8; 32]; LANES]) -> Four {
    let mut limbs = [_mm256_setzero_si256(); LIMBS];
    let mut position = 0;
    for (place, limb) in limbs.iter_mut().enumerate() {
        let size = bits(place) as usize;
        let of = |number: &[u8; 32]| {
            let mut word = [0; 8];
            let from = position / 8;
            let length = word.len().min(32 - from);
            word[..length].copy_from_slice(&number[from..from + length]);
            (u64::from_le_bytes(word) >> (position % 8) & ((1 << size) - 1)) as i64
        };
        let [a, b, c, d] = numbers.map(of);
        *limb = _mm256_setr_epi64x(a, b, c, d);
        position += size;
    }
    limbs
}

/// The one number below p that each stands for, little-endian; of tight limbs.
#[target_feature(enable = "avx2")]
fn to_bytes(numbers: &Four) -> Zeroizing<[[u8; 32]; LANES]> {
    let mut words = Zeroizing::new([[0_u64; LANES]; LIMBS]);
    for (words, limb) in words.iter_mut().zip(numbers) {
        // SAFETY: four words of 64 bits are 32 bytes, and the instruction asks for no alignment.
        unsafe { _mm256_storeu_si256(words.as_mut_ptr().cast(), *limb) };
    }
    let mut bytes = Zeroizing::new([[0; 32]; LANES]);
    for (lane, bytes) in bytes.iter_mut().enumerate() {
        let mut limbs = Zeroizing::new([0; LIMBS]);
        limbs.iter_mut().zip(words.iter()).for_each(|(limb, words)| *limb = words[lane]);
        reduce(&mut limbs);
        write(&limbs, bytes);
    }
    bytes
}

/// Takes p off where the number is p or more: then 19 more than it reaches 2^255. Tight limbs are below 2p.
fn reduce(limbs: &mut [u64; LIMBS]) {
    let above = (0..LIMBS).fold(19, |carry, place| (limbs[place] + carry) >> bits(place));
    let mut carry = 19 * above;
    for (place, limb) in limbs.iter_mut().enumerate() {
        let sum = *limb + carry;
        carry = sum >> bits(place);
        *limb = sum & ((1 << bits(place)) - 1);
    }
}

/// Writes 255 bits, from the lowest on.
fn write(limbs: &[u64; LIMBS], bytes: &mut [u8; 32]) {
    let (mut waiting, mut filled, mut to) = (0_u64, 0, bytes.iter_mut());
    for (place, limb) in limbs.iter().enumerate() {
        waiting |= limb << filled;
        filled += bits(place);
        while filled >= 8 || place == LIMBS - 1 && filled > 0 {
            *to.next().expect("255 bits are 32 bytes") = waiting as u8;
            waiting >>= 8;
            filled = filled.saturating_sub(8);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The canonical bytes of limbs of any size below 2^32.
    fn canonical(mut limbs: [u64; LIMBS]) -> [u8; 32] {
        for _ in 0..3 {
            for place in 0..LIMBS {
                let above = limbs[place] >> bits(place);
                limbs[place] &= (1 << bits(place)) - 1;
                let last = place == LIMBS - 1;
                limbs[(place + 1) % LIMBS] += if last { 19 * above } else { above };
            }
        }
        let mut bytes = [0; 32];
        reduce(&mut limbs);
        write(&limbs, &mut bytes);
        bytes
    }

    #[target_feature(enable = "avx2")]
    fn of(limbs: [u64; LIMBS]) -> Four {
        limbs.map(|limb| _mm256_set1_epi64x(limb as i64))
    }

    /// A product of loose limbs is that of the same numbers in tight ones, which X25519 itself is tested with.
    #[target_feature(enable = "avx2")]
    fn compare(f: [u64; LIMBS], g: [u64; LIMBS]) {
        let tight = |limbs| from_bytes([&canonical(limbs); LANES]);
        let expected = to_bytes(&times(&tight(f), &tight(g)));
        assert_eq!(*to_bytes(&times(&of(f), &of(g))), *expected, "{f:?} times {g:?}");
        let mut squared = small(0);
        square(&mut squared, &of(f));
        let expected = to_bytes(&times(&tight(f), &tight(f)));
        assert_eq!(*to_bytes(&squared), *expected, "{f:?} squared");
    }

    #[test]
    fn products_hold_for_the_largest_loose_limbs() {
        if !is_x86_feature_detected!("avx2") {
            return;
        }
        let largest: [u64; LIMBS] = std::array::from_fn(|place| match place % 2 {
            0 => (3 << 26) - 1,
            _ => (3 << 25) + (1 << 18) - 1,
        });
        // All of them, one of them, and all but one.
        for place in 0..LIMBS {
            let (mut one, mut rest) = ([0; LIMBS], largest);
            (one[place], rest[place]) = (largest[place], 0);
            for (f, g) in [(largest, largest), (one, largest), (largest, rest), (rest, one)] {
                // SAFETY: the processor has AVX2.
                unsafe { compare(f, g) };
            }
        }
    }
}
