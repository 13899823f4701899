use chacha20::ChaCha20;
use chacha20::cipher::{KeyIvInit, StreamCipher};

use super::*;

fn modulus(bits: u32) -> Modulus {
    Modulus::new(bits).unwrap()
}

fn words(key: [u8; 32], sign: Sign, length: usize) -> Vec<u32> {
    let mut values = vec![0; length];
    apply(&[Stream { key: Secret32::new(&key), sign }], modulus(32), &mut values);
    values
}

/// RFC 8439 appendix A.1, test vectors 1 and 2 (key 0, nonce 0, counters 0 and 1): lanes 0 and 1.
#[test]
fn the_keystream_is_chacha20() {
    let values = words([0; 32], Sign::Add, 128);
    let lanes = [0, 1].map(|lane| values.iter().skip(lane).step_by(8).copied());
    let bytes: Vec<u8> = lanes.into_iter().flatten().flat_map(u32::to_le_bytes).collect();
    let expected = "76b8e0ada0f13d90405d6ae55386bd28bdd219b8a08ded1aa836efcc8b770dc7\
        da41597c5157488d7724e03fb8d84a376a43b8f41518a11cc387b669b2ee6586\
        9f07e7be5551387a98ba977c732d080dcb0f29a048e3656912c6533e32ee7aed\
        29b721769ce64e43d57133b074d839d531ed1f28510afb45ace10a1f4b794d6f";
    assert_eq!(data_encoding::HEXLOWER.encode(&bytes), expected);
}

/// A mask bit by bit, as the module's first lines say it.
fn by_definition(key: [u8; 32], bits: usize, length: usize) -> Vec<u32> {
    let strides = (length.div_ceil(8) * bits).div_ceil(512);
    let mut bytes = vec![0; strides * 512];
    ChaCha20::new(&key.into(), &[0; 12].into()).write_keystream(&mut bytes);
    let bit_of_lane = |lane: usize, bit: usize| {
        let byte = (bit / 512 * 8 + lane) * 64 + bit % 512 / 8;
        u32::from(bytes[byte] >> (bit % 8) & 1)
    };
    let value = |k: usize| (0..bits).map(|bit| bit_of_lane(k % 8, k / 8 * bits + bit) << bit).sum();
    (0..length).map(value).collect()
}

#[test]
fn every_modulus_takes_its_bits_from_the_lanes() {
    for bits in 8..=32 {
        for length in [1, 7, 8, 100, BLOCK - 3, BLOCK, 2 * BLOCK + 301] {
            let expected = by_definition([5; 32], bits as usize, length);
            for keystream in [Keystream::default(), Keystream::narrow()] {
                let mut keystream = keystream;
                let streams = [Stream { key: Secret32::new(&[5; 32]), sign: Sign::Add }];
                let mut values = vec![0; length];
                for (block, values) in values.chunks_mut(BLOCK).enumerate() {
                    apply_block(&streams, modulus(bits), block, values, &mut keystream);
                }
                assert_eq!(values, expected, "{bits} bits, {length} coordinates");
            }
        }
    }
}

/// The same words, and the same b bits of every sum. On a processor without AVX2 both are the same way.
#[test]
fn both_ways_give_the_same_words() {
    let (mut wide, mut narrow) = (Keystream::default(), Keystream::narrow());
    for (number, bits) in (8..=32).enumerate() {
        let mut values = [vec![7; BLOCK], vec![7; BLOCK]];
        let key = Secret32::new(&[number as u8; 32]);
        for (keystream, values) in [&mut wide, &mut narrow].into_iter().zip(&mut values) {
            // Far into the stream, and close to its end.
            let first = u32::MAX - 8 * bits - 8 * number as u32;
            keystream.fill(&key, first, rows(BLOCK, bits));
            keystream.combine(bits, Sign::Add, values);
            keystream.combine(bits, Sign::Subtract, &mut values[..BLOCK / 2 + number]);
        }
        assert_eq!(wide.rows, narrow.rows, "{bits} bits");
        let reduced = values.each_ref().map(|values| -> Vec<u32> {
            values.iter().map(|value| value & modulus(bits).mask()).collect()
        });
        let different = reduced[0].iter().zip(&reduced[1]).position(|(one, other)| one != other);
        assert_eq!(different, None, "{bits} bits");
    }
}

/// A fault of the incumbent (flower#7522): it folds seeds to 32 bits by XOR, so that there are only so many masks
/// to try. Here two seeds with the same fold have nothing in common, and each of 256 bits counts.
#[test]
fn masks_depend_on_every_bit_of_the_seed() {
    let masks = |key| words(key, Sign::Add, 64);
    let original = masks([0; 32]);
    for bit in 0..256 {
        let mut key = [0; 32];
        key[bit / 8] ^= 1 << (bit % 8);
        let mut same_fold = key;
        same_fold[(bit / 8 + 4) % 32] ^= 1 << (bit % 8);
        for other in [masks(key), masks(same_fold)] {
            let equal = original.iter().zip(&other).filter(|(a, b)| a == b).count();
            assert!(equal <= 2, "{equal} of 64 words are the same without bit {bit}");
        }
    }
}

/// A fault of the incumbent: its range leaves the largest value out, which biases every sum. Here the masks of 10
/// bits reach each of the 1,024 values.
#[test]
fn masks_reach_every_residue() {
    let mut seen = [false; 1024];
    let mut values = vec![0; 1 << 16];
    let streams = [Stream { key: Secret32::new(&[3; 32]), sign: Sign::Add }];
    apply(&streams, modulus(10), &mut values);
    values.iter().for_each(|word| seen[*word as usize % 1024] = true);
    assert!(seen.iter().all(|seen| *seen));
}

#[test]
fn what_is_added_is_subtracted_again() {
    for length in [1, 15, 16, 17, BLOCK - 1, BLOCK, BLOCK + 1, 3 * BLOCK + 5] {
        let added = words([9; 32], Sign::Add, length);
        let subtracted = words([9; 32], Sign::Subtract, length);
        assert!(added.iter().zip(&subtracted).all(|(a, s)| a.wrapping_add(*s) == 0));
    }
}
