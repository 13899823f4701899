//! Sealed shares open for their target alone, and only unchanged.

use rand::SeedableRng;
use rand_chacha::ChaCha20Rng;
use secagg::{EphemeralSecrets, SEALED_BYTES, SealContext, SecaggError};
use wire::{PlanHash, RosterHash, ShareKind};

use crate::cohort::{Cohort, SEAL, member};

#[test]
fn what_was_dealt_arrives() {
    let mut cohort = Cohort::new(5, 1);
    for kind in [ShareKind::Seed, ShareKind::MaskKey] {
        let pair = cohort.pair(3, 1);
        assert_eq!(pair.owner(), member(1));
        let share = pair.reveal(kind);
        assert_eq!(share.member(), member(3));
    }
    let seed = cohort.pair(3, 1).reveal(ShareKind::Seed);
    let mask_key = cohort.pair(3, 1).reveal(ShareKind::MaskKey);
    assert!(!seed.value().matches(mask_key.value()));
}

#[test]
fn any_changed_byte_and_any_other_length_is_refused() {
    let cohort = Cohort::new(4, 2);
    let (target, source) = (&cohort.secrets[2], member(0));
    let sealed = cohort.sealed[0][2].unwrap();
    assert!(target.open(source, &sealed).is_ok());
    for byte in 0..SEALED_BYTES {
        let mut changed = sealed;
        changed[byte] ^= 0x40;
        let error = target.open(source, &changed).unwrap_err();
        assert_eq!(error, SecaggError::SealBroken { source_member: source });
    }
    let longer = [&sealed[..], &[0]].concat();
    for bytes in [&sealed[..SEALED_BYTES - 1], &longer, &[]] {
        let error = target.open(source, bytes).unwrap_err();
        let length = bytes.len();
        assert_eq!(error, SecaggError::SealedLength { source_member: source, length });
    }
}

#[test]
fn nobody_else_opens_it_and_nobody_else_can_have_sent_it() {
    let cohort = Cohort::new(5, 3);
    let sealed = cohort.sealed[0][2].unwrap();
    for (holder, source) in [(3, 0), (2, 1), (2, 4), (1, 0), (0, 2)] {
        let error = cohort.secrets[holder].open(member(source), &sealed).unwrap_err();
        assert_eq!(error, SecaggError::SealBroken { source_member: member(source) });
    }
    for source in [2, 5, 63, 255] {
        let error = cohort.secrets[2].open(member(source), &sealed).unwrap_err();
        assert_eq!(error, SecaggError::NotANeighbour { member: member(source) });
    }
}

#[test]
fn shares_of_another_plan_or_roster_do_not_open() {
    let others = [
        SealContext { plan: PlanHash([9; 32]), ..SEAL },
        SealContext { roster: RosterHash([9; 32]), ..SEAL },
    ];
    for context in others {
        // the same keys as in the cohort, dealt under another context
        let mut rng = ChaCha20Rng::seed_from_u64(4);
        let cohort = Cohort::new(4, 4);
        let (roster, numbers) = (cohort.public.clone(), cohort.thresholds);
        let again = EphemeralSecrets::generate(&mut rng);
        let (_, dealt) = again.deal(context, roster, member(0), numbers, &mut rng).unwrap();
        let (target, sealed) = &dealt.sealed[1];
        let error = cohort.secrets[target.get()].open(member(0), sealed).unwrap_err();
        assert_eq!(error, SecaggError::SealBroken { source_member: member(0) });
    }
}
