use proptest::prelude::*;

use super::*;

/// By the crate, whatever the bytes of the public key are.
fn by_dalek(secret: [u8; 32], public: [u8; 32]) -> [u8; 32] {
    StaticSecret::from(secret).diffie_hellman(&public.into()).to_bytes()
}

#[cfg(target_arch = "x86_64")]
fn wide(secret: [u8; 32], publics: [[u8; 32]; 4]) -> [[u8; 32]; 4] {
    match is_x86_feature_detected!("avx2") {
        true => *wide::agree(&secret, publics.each_ref()),
        false => publics.map(|public| by_dalek(secret, public)),
    }
}

fn bytes(hex: &str) -> [u8; 32] {
    data_encoding::HEXLOWER.decode(hex.as_bytes()).unwrap().try_into().unwrap()
}

/// RFC 7748 section 5.2, the two vectors and the first thousand iterations.
#[cfg(target_arch = "x86_64")]
#[test]
fn four_at_a_time_are_x25519() {
    let vectors = [
        (
            "a546e36bf0527c9d3b16154b82465edd62144c0ac1fc5a18506a2244ba449ac4",
            "e6db6867583030db3594c1a424b15f7c726624ec26b3353b10a903a6d0ab1c4c",
            "c3da55379de9c6908e94ea4df28d084f32eccf03491c71f754b4075577a28552",
        ),
        (
            "4b66e9d4d1b4673c5ad22691957d6af5c11b6421e0ea01d42ca4169e7918ba0d",
            "e5210f12786811d3f4b7959d0538ae2c31dbe7106fc03c3efc4cd549c715a493",
            "95cbde9476e8907d7aade45cb4b873f88b595a68799fa152e6f8f7647aac7957",
        ),
    ];
    for (secret, public, shared) in vectors {
        assert_eq!(wide(bytes(secret), [bytes(public); 4]), [bytes(shared); 4]);
    }
    let mut base = [0; 32];
    base[0] = 9;
    let (mut secret, mut public) = (base, base);
    for _ in 0..1000 {
        let shared = wide(secret, [[3; 32], public, public, base]);
        assert_eq!(shared[1], shared[2]);
        (secret, public) = (shared[1], secret);
    }
    let thousandth = "684cf59ba83309552800ef566f2f4d3c1c3887c49360e3875f2eb94d99532c51";
    assert_eq!(secret, bytes(thousandth));
}

/// Numbers beside 0, p, 2p and 2^255, each with the highest bit and without, and all limbs as large as they get.
#[cfg(target_arch = "x86_64")]
#[test]
fn numbers_at_the_edges_agree_with_the_crate() {
    let mut edges = Vec::new();
    for top in [0x7f, 0xff] {
        for low in 0..=255 {
            let mut near_p = [0xff; 32];
            (near_p[0], near_p[31]) = (low, top);
            let mut near_zero = [0; 32];
            (near_zero[0], near_zero[31]) = (low, top & 0x80);
            edges.extend([near_p, near_zero]);
        }
    }
    for secret in [[0; 32], [0xff; 32], [0x55; 32]] {
        for four in edges.as_chunks::<4>().0 {
            assert_eq!(wide(secret, *four), four.map(|public| by_dalek(secret, public)));
        }
    }
}

#[test]
fn a_point_of_low_order_among_others_is_refused() {
    let secret = Secret32::new(&[7; 32]);
    let good = PublicKey::new([9; 32]).unwrap();
    for length in 1..10 {
        let mut publics = vec![good; length];
        assert_eq!(agree(&secret, &publics).unwrap().len(), length);
        publics[length - 1] = PublicKey::unchecked([0; 32]);
        assert!(matches!(agree(&secret, &publics), Err(SecaggError::LowOrderKey)));
    }
    assert!(agree(&secret, &[]).unwrap().is_empty());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn both_ways_agree_on_the_same(secret: [u8; 32], publics in prop::collection::vec(any::<[u8; 32]>(), 0..10)) {
        let keys: Vec<PublicKey> =
            publics.iter().map(|public| PublicKey::unchecked(*public)).collect();
        let agreed = agree(&Secret32::new(&secret), &keys).unwrap();
        prop_assert_eq!(agreed.len(), publics.len());
        for (agreed, public) in agreed.iter().zip(publics) {
            prop_assert_eq!(*agreed.as_bytes(), by_dalek(secret, public));
        }
    }
}
