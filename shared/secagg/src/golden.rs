//! Golden vectors: `golden/vectors.txt`, computed by `golden/make.py` with other libraries.

use grid::{Modulus, Ratio};
use sha2::{Digest, Sha256};
use wire::{ClosedHash, MemberIndex, MemberSet, ModelHash, PlanHash, RosterHash};

use crate::scripted::Scripted;
use crate::{
    Dealt, DealtSecrets, EphemeralPublic, EphemeralSecrets, MaskContext, Masker, SealContext,
    Secret32, inbox_hash, merkle, split, thresholds,
};

const MEMBERS: usize = 4;

#[test]
fn public_keys_and_commitments() {
    for member in 0..MEMBERS {
        let public = secrets(member).public();
        let bytes =
            [public.mask_key.as_bytes(), public.seal_key.as_bytes(), &public.seed_commitment];
        assert_eq!(bytes.map(|part| &part[..]).concat(), golden(&format!("public.{member}")));
    }
}

#[test]
fn shares() {
    let mut rng = Scripted::new(["coefficient 1", "coefficient 2"].map(made_up).concat());
    let made = split(&Secret32::new(&made_up("secret")), 3, 4, &mut rng).unwrap();
    for (place, share) in made.iter().enumerate() {
        assert_eq!(share.value().as_bytes()[..], golden(&format!("share.{place}")));
    }
}

#[test]
fn sealed_shares() {
    let (_, dealt) = deal(1);
    assert_eq!(dealt.sealed.len(), MEMBERS - 1);
    for (target, sealed) in dealt.sealed {
        assert_eq!(sealed[..], golden(&format!("sealed.1.{target}")));
    }
}

#[test]
fn masked_values() {
    for (own, members) in [(0, "0123"), (2, "0123"), (2, "123")] {
        let context = MaskContext {
            plan: PlanHash([0x11; 32]),
            closed: ClosedHash([0x33; 32]),
            model: ModelHash([0x44; 32]),
        };
        let set: MemberSet = members.bytes().map(|digit| MemberIndex(digit - b'0')).collect();
        let modulus = Modulus::new(20).unwrap();
        let masker = Masker::new(deal(own).0, context, set, modulus).unwrap();
        // More than one block.
        let masked = masker.mask((0..5_000).map(|k| 7 * k).collect()).unwrap();
        let bytes: Vec<u8> = masked.values().iter().flat_map(|word| word.to_le_bytes()).collect();
        assert_eq!(bytes[..160], golden(&format!("masked.{own}.{members}")));
        assert_eq!(Sha256::digest(&bytes)[..], golden(&format!("all.{own}.{members}")));
    }
}

#[test]
fn inbox() {
    let (first, second) = ([b'a'; 80], [b'b'; 80]);
    let inbox = [(MemberIndex(0), &first[..]), (MemberIndex(3), &second[..])];
    assert_eq!(inbox_hash(MemberIndex(1), &inbox).unwrap()[..], golden("inbox.1"));
}

#[test]
fn merkle_roots() {
    for count in 1..8 {
        let leaves: Vec<[u8; 32]> = (0..count).map(|i| made_up(&format!("leaf {i}"))).collect();
        assert_eq!(merkle::root(&leaves).unwrap()[..], golden(&format!("merkle.{count}")));
    }
}

fn secrets(member: usize) -> EphemeralSecrets {
    let bytes = ["mask", "seal", "seed"].map(|name| made_up(&format!("{name} {member}"))).concat();
    EphemeralSecrets::generate(&mut Scripted::new(bytes))
}

fn deal(own: usize) -> (DealtSecrets, Dealt) {
    let context = SealContext { plan: PlanHash([0x11; 32]), roster: RosterHash([0x22; 32]) };
    let roster: Vec<EphemeralPublic> = (0..MEMBERS).map(|i| secrets(i).public()).collect();
    let none = Ratio::new(0, 1).unwrap();
    let numbers = thresholds(MEMBERS, none, none).unwrap();
    let drawn = (0..4).flat_map(|k| made_up(&format!("drawn {k}"))).collect();
    let own_index = MemberIndex(own as u8);
    secrets(own).deal(context, roster, own_index, numbers, &mut Scripted::new(drawn)).unwrap()
}

fn made_up(name: &str) -> [u8; 32] {
    Sha256::digest(name).into()
}

fn golden(name: &str) -> Vec<u8> {
    let vectors = include_str!("../golden/vectors.txt").lines();
    let mut named = vectors.filter_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    let text = named.next().expect("the vector exists");
    data_encoding::HEXLOWER.decode(text.as_bytes()).unwrap()
}
