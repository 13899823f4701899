use ed25519_dalek::SigningKey;
use grid::{Q40, Ratio};
use proptest::prelude::*;
use wire::{Checked, ContentHash, LedgerHash, LedgerHead, NodeId, PlanHash, Round, TaskId};

use super::*;
use crate::ChargeTerms;

const TASK: TaskId = TaskId([1; 32]);
const OTHER_TASK: TaskId = TaskId([2; 32]);
const CONTRIBUTION: ContentHash = ContentHash([9; 32]);
const NOW: u64 = 1_795_000_000_000;
const LARGEST: Q40 = Q40::from_raw(5 << 40);

fn key() -> SigningKey {
    SigningKey::from_bytes(&[7; 32])
}

fn node() -> NodeId {
    NodeId(key().verifying_key().to_bytes())
}

fn limited(rho: u64) -> Budget {
    Budget::Limited { rho: Q40::from_raw(rho << 40), delta: 1e-6 }
}

fn limits(lifetime: u64, task: u64) -> Limits {
    Limits { lifetime: limited(lifetime), task: limited(task), largest_charge: LARGEST }
}

fn wide() -> Limits {
    Limits { lifetime: Budget::Unlimited, task: Budget::Unlimited, largest_charge: LARGEST }
}

/// ρ = 2 and next to nothing.
fn terms(task: TaskId, round: u64) -> ChargeTerms {
    ChargeTerms {
        task,
        round: Round(round),
        plan: PlanHash([3; 32]),
        squared_norm_bound: 10_000,
        sigma: Ratio::new(50, 1).unwrap(),
        honest: 1,
        padded: 1024,
    }
}

fn open(bytes: &[u8], limits: Limits) -> Ledger {
    let (ledger, recovery) =
        Ledger::open(bytes, key(), limits, SavedState::NothingSent, NOW).unwrap();
    assert_eq!(recovery.replacement, None);
    ledger
}

fn spend(ledger: &mut Ledger, task: TaskId, round: u64) -> Vec<u8> {
    let charge = ledger.admit(&terms(task, round)).unwrap();
    ledger.record(charge, CONTRIBUTION, NOW).unwrap().into_vec()
}

/// Four entries in two tasks, one of them a penalty.
fn sample() -> Vec<u8> {
    let mut ledger = open(&[], wide());
    let mut bytes = spend(&mut ledger, TASK, 1);
    bytes.extend(spend(&mut ledger, OTHER_TASK, 4));
    let mut ledger = open(&bytes, wide());
    let seen = head(&key(), TASK, 3, 5);
    bytes.extend(ledger.reconcile(&seen, NOW).unwrap().unwrap().into_vec());
    bytes.extend(spend(&mut ledger, TASK, 2));
    bytes
}

fn head(key: &SigningKey, task: TaskId, sequence: u64, hash: u8) -> Checked<LedgerHead> {
    Checked::sign(LedgerHead { task, sequence, head: LedgerHash([hash; 32]) }, key)
}

fn units(rho: Q40) -> f64 {
    (rho.to_f64() * 1e6).round() / 1e6
}

/// Where each entry begins, and the end.
fn boundaries(bytes: &[u8]) -> Vec<usize> {
    let mut all = vec![0];
    while *all.last().unwrap() < bytes.len() {
        let at = *all.last().unwrap();
        let body = usize::from(u16::from_le_bytes([bytes[at], bytes[at + 1]]));
        all.push(at + 4 + body + 64);
    }
    all
}

mod spending {
    use super::*;

    #[test]
    fn what_was_recorded_is_counted_and_read_back() {
        let mut ledger = open(&[], wide());
        let mut bytes = spend(&mut ledger, TASK, 1);
        bytes.extend(spend(&mut ledger, OTHER_TASK, 1));
        bytes.extend(spend(&mut ledger, TASK, 5));
        assert_eq!(units(ledger.lifetime()), 6.0);
        assert_eq!(units(ledger.spent(TASK)), 4.0);
        assert_eq!(ledger.tasks().collect::<Vec<_>>(), [TASK, OTHER_TASK]);

        let again = open(&bytes, wide());
        assert_eq!(again.entries(), ledger.entries());
        assert_eq!(again.lifetime(), ledger.lifetime());
        assert_eq!(*again.head(TASK), *ledger.head(TASK));
        assert_eq!(read_ledger(&bytes, node()).unwrap().entries, ledger.entries());
        let EntryKind::Charged { terms: read, contribution } = &again.entries()[2].kind else {
            panic!("a charge was recorded");
        };
        assert_eq!((read, contribution), (&terms(TASK, 5), &CONTRIBUTION));
        assert!(again.names_contribution(CONTRIBUTION));
        assert!(!again.names_contribution(ContentHash([0; 32])));
    }

    #[test]
    fn the_lifetime_spans_all_tasks_and_restarts() {
        let mut ledger = open(&[], limits(5, 5));
        let mut bytes = spend(&mut ledger, TASK, 1);
        bytes.extend(spend(&mut ledger, OTHER_TASK, 1));
        let mut ledger = open(&bytes, limits(5, 5));
        let refusal = ledger.admit(&terms(TaskId([8; 32]), 1)).unwrap_err();
        assert!(
            matches!(refusal, Refusal::Lifetime { spent, .. } if units(spent) == 4.0),
            "{refusal}"
        );
    }

    #[test]
    fn a_task_has_its_own_budget() {
        let mut ledger = open(&[], limits(100, 3));
        let _ = spend(&mut ledger, TASK, 1);
        let refusal = ledger.admit(&terms(TASK, 2)).unwrap_err();
        assert!(matches!(refusal, Refusal::Task { spent, .. } if units(spent) == 2.0), "{refusal}");
        let _ = spend(&mut ledger, OTHER_TASK, 2);
    }

    #[test]
    fn no_round_costs_more_than_a_lost_one_would() {
        let mut ledger = open(&[], Limits { largest_charge: Q40::from_raw(1 << 40), ..wide() });
        assert!(matches!(ledger.admit(&terms(TASK, 1)), Err(Refusal::LargestCharge { .. })));
        let bad = ChargeTerms { honest: 0, ..terms(TASK, 1) };
        assert!(matches!(ledger.admit(&bad), Err(Refusal::Terms(_))));
    }

    #[test]
    fn a_round_is_charged_once_and_never_again() {
        let mut ledger = open(&[], wide());
        let bytes = spend(&mut ledger, TASK, 4);
        for round in [1, 4] {
            let refusal = ledger.admit(&terms(TASK, round)).unwrap_err();
            assert_eq!(refusal, Refusal::RoundCharged { asked: Round(round), charged: Round(4) });
        }
        assert!(open(&bytes, wide()).admit(&terms(TASK, 4)).is_err());
        assert!(ledger.admit(&terms(OTHER_TASK, 4)).is_ok());
    }

    #[test]
    fn one_charge_at_a_time_and_a_withdrawn_one_is_worthless() {
        let mut ledger = open(&[], wide());
        let first = ledger.admit(&terms(TASK, 1)).unwrap();
        let refusal = ledger.admit(&terms(OTHER_TASK, 1)).unwrap_err();
        assert_eq!(refusal, Refusal::Outstanding { task: TASK, round: Round(1) });
        assert_eq!(ledger.afford(&terms(OTHER_TASK, 1)), Ok(first.rho()));
        ledger.withdraw();
        let second = ledger.admit(&terms(TASK, 1)).unwrap();
        let error = ledger.record(first, CONTRIBUTION, NOW).unwrap_err();
        assert_eq!(error, LedgerError::NotOutstanding { task: TASK, round: Round(1) });
        assert_eq!(ledger.lifetime(), Q40::ZERO);
        assert!(ledger.record(second, CONTRIBUTION, NOW).is_ok());
    }

    #[test]
    fn costs_beyond_all_numbers_do_not_wrap() {
        let everything = Limits { largest_charge: Q40::MAXIMUM, ..wide() };
        let mut ledger = open(&[], everything);
        let vast = ChargeTerms { squared_norm_bound: 1 << 100, ..terms(TASK, 1) };
        let charge = ledger.admit(&vast).unwrap();
        let mut bytes = ledger.record(charge, CONTRIBUTION, NOW).unwrap().into_vec();
        bytes.extend(spend(&mut ledger, TASK, 2));
        assert_eq!(ledger.lifetime(), Q40::MAXIMUM);
        assert!(open(&bytes, limits(100, 100)).admit(&terms(TASK, 3)).is_err());
    }
}

mod damage {
    use super::*;

    #[test]
    fn every_flipped_bit_is_found_and_located() {
        let bytes = sample();
        let ends = boundaries(&bytes);
        assert_eq!(ends.len(), 5);
        for bit in 0..bytes.len() * 8 {
            let mut damaged = bytes.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            let entry = ends.partition_point(|&end| end <= bit / 8) as u64;
            match read_ledger(&damaged, node()) {
                Err(LedgerError::Damaged { entry: found, offset, .. }) => {
                    assert_eq!(
                        (found, offset as usize),
                        (entry, ends[entry as usize - 1]),
                        "bit {bit}"
                    );
                }
                other => panic!("bit {bit}: {other:?}"),
            }
        }
    }

    #[test]
    fn a_missing_doubled_or_moved_entry_is_found() {
        let bytes = sample();
        let ends = boundaries(&bytes);
        let entry = |index: usize| &bytes[ends[index]..ends[index + 1]];
        for order in
            [&[1, 2, 3][..], &[0, 2, 3], &[0, 1, 3], &[0, 0, 1], &[0, 2, 1], &[0, 1, 2, 3, 3]]
        {
            let moved: Vec<u8> = order.iter().flat_map(|&index| entry(index).to_vec()).collect();
            let error = read_ledger(&moved, node()).unwrap_err();
            assert!(
                matches!(error, LedgerError::Damaged { fault: Fault::Link(_), .. }),
                "{order:?}: {error}"
            );
        }
    }

    #[test]
    fn entries_of_two_copies_of_a_ledger_cannot_be_mixed() {
        // Both are second entries of this node, first of their task, and rightly signed.
        let (mut one, mut other) = (open(&[], wide()), open(&[], wide()));
        let first = spend(&mut one, TaskId([5; 32]), 1);
        let mut mixed = spend(&mut other, TaskId([6; 32]), 1);
        let (of_one, of_other) = (spend(&mut one, TASK, 1), spend(&mut other, TASK, 1));
        assert!(read_ledger(&[first, of_one.clone()].concat(), node()).is_ok());
        assert!(read_ledger(&[mixed.clone(), of_other].concat(), node()).is_ok());
        mixed.extend(of_one);
        let fault = Fault::Link("hash of the entry before");
        let found = read_ledger(&mixed, node()).unwrap_err();
        assert!(
            matches!(found, LedgerError::Damaged { entry: 2, fault: f, .. } if f == fault),
            "{found}"
        );
    }

    #[test]
    fn another_nodes_ledger_is_refused_and_damage_names_place_and_fix() {
        let other = SigningKey::from_bytes(&[8; 32]);
        let error =
            Ledger::open(&sample(), other, wide(), SavedState::NothingSent, NOW).unwrap_err();
        let text = error.to_string();
        assert!(
            text.starts_with("ledger entry 1, at byte 0: its signature does not fit"),
            "{text}"
        );
        assert!(text.contains("Nothing was changed"), "{text}");
        let no_key = NodeId([2; 32]);
        assert_eq!(read_ledger(&sample(), no_key), Err(LedgerError::NotAKey));
    }

    #[test]
    fn signed_entries_that_do_not_follow_are_refused() {
        // Only this node could sign them: a bug, or a copy that went on by itself.
        let seal = |body: &entry::Body| body.seal(&key()).0;
        let chain = chain::Chain::new(node());
        let good = chain.next(
            Some(TASK),
            NOW,
            LARGEST,
            EntryKind::Charged { terms: terms(TASK, 1), contribution: CONTRIBUTION },
        );
        assert!(read_ledger(&seal(&good), node()).is_ok());
        let wrong_task = entry::Body {
            kind: EntryKind::Charged { terms: terms(OTHER_TASK, 1), contribution: CONTRIBUTION },
            ..good.clone()
        };
        let place = good.place.unwrap();
        let skipped = entry::Body { place: Some(Place { sequence: 2, ..place }), ..good.clone() };
        let previous = LedgerHash([0; 32]);
        let unlinked = entry::Body { place: Some(Place { previous, ..place }), ..good.clone() };
        let homeless = entry::Body { place: None, ..good };
        for bad in [wrong_task, skipped, unlinked, homeless] {
            let error = read_ledger(&seal(&bad), node()).unwrap_err();
            assert!(matches!(error, LedgerError::Damaged { fault: Fault::Link(_), .. }), "{error}");
        }
    }
}

mod torn {
    use super::*;

    fn recovered(bytes: &[u8], saved: SavedState) -> (Ledger, Recovery) {
        Ledger::open(bytes, key(), wide(), saved, NOW + 60_000).unwrap()
    }

    #[test]
    fn a_last_entry_torn_anywhere_counts_as_the_largest_charge() {
        let bytes = sample();
        let ends = boundaries(&bytes);
        let whole = open(&bytes[..ends[3]], wide());
        for end in ends[3] + 1..bytes.len() {
            let (ledger, recovery) =
                recovered(&bytes[..end], SavedState::Unknown { task: Some(TASK) });
            let torn = TornTail { offset: ends[3] as u64, length: (end - ends[3]) as u64 };
            assert_eq!(recovery.torn, Some(torn));
            assert_eq!(recovery.charged, Some(LARGEST));
            assert_eq!(ledger.lifetime(), whole.lifetime().saturating_add(LARGEST));
            assert_eq!(ledger.spent(TASK), whole.spent(TASK).saturating_add(LARGEST));
            assert_eq!(ledger.spent(OTHER_TASK), whole.spent(OTHER_TASK));
            // And the replacement is a whole ledger that says so.
            let again = open(&recovery.replacement.unwrap(), wide());
            assert_eq!(again.entries(), ledger.entries());
        }
    }

    #[test]
    fn nothing_is_charged_where_saved_state_proves_that_nothing_was_sent() {
        let bytes = sample();
        let ends = boundaries(&bytes);
        let (ledger, recovery) = recovered(&bytes[..ends[3] + 9], SavedState::NothingSent);
        assert_eq!(recovery.charged, None);
        assert_eq!(recovery.replacement.as_deref(), Some(&bytes[..ends[3]]));
        assert_eq!(ledger.lifetime(), open(&bytes[..ends[3]], wide()).lifetime());
    }

    #[test]
    fn a_loss_of_an_unknown_task_counts_in_every_task() {
        let bytes = sample();
        let cut = bytes.len() - 1;
        let (mut ledger, recovery) = recovered(&bytes[..cut], SavedState::Unknown { task: None });
        assert_eq!(ledger.spent(TaskId([77; 32])), LARGEST);
        let mut file = recovery.replacement.unwrap();
        file.extend(spend(&mut ledger, TASK, 9));
        assert_eq!(open(&file, wide()).spent(TaskId([77; 32])), LARGEST);
    }

    #[test]
    fn a_tail_that_was_never_written_is_torn_and_not_damage() {
        let bytes = sample();
        let ends = boundaries(&bytes);
        let block = ends[3].next_multiple_of(512);
        assert!(block < bytes.len(), "the last entry spans a block boundary");
        for zeros_from in [ends[3], block] {
            let mut file = bytes.clone();
            file[zeros_from..].fill(0);
            let (_, recovery) = recovered(&file, SavedState::NothingSent);
            assert_eq!(recovery.torn.unwrap().offset, ends[3] as u64, "zeros from {zeros_from}");
        }
        // Zeros from elsewhere are no unwritten block: damage.
        let mut file = bytes.clone();
        file[block + 5..].fill(0);
        file[block] |= 1;
        assert!(read_ledger(&file, node()).is_err());
        // Nor is a signature that happens to end in few of them.
        let mut file = sample();
        let end = file.len() - 1;
        file[end - 1] ^= 1;
        file[end] = 0;
        assert!(read_ledger(&file, node()).is_err());
        // Nor is a long run of zeros one entry.
        let mut file = bytes;
        file.extend([0; 4096]);
        assert!(read_ledger(&file, node()).is_err());
    }

    #[test]
    fn an_interrupted_first_entry_is_torn_too() {
        let bytes = sample();
        let (ledger, recovery) = recovered(&bytes[..3], SavedState::Unknown { task: Some(TASK) });
        assert_eq!(ledger.lifetime(), LARGEST);
        assert_eq!(recovery.torn, Some(TornTail { offset: 0, length: 3 }));
    }
}

mod backups {
    use super::*;

    /// A ledger that went on to `rounds` entries, and its bytes after `kept` of them.
    fn restored(rounds: u64, kept: usize) -> (Ledger, Ledger) {
        let mut ledger = open(&[], wide());
        let bytes: Vec<u8> =
            (1..=rounds).flat_map(|round| spend(&mut ledger, TASK, round)).collect();
        let backup = open(&bytes[..boundaries(&bytes)[kept]], wide());
        (ledger, backup)
    }

    fn lost(ledger: &Ledger, before: Q40) -> f64 {
        units(ledger.lifetime()) - units(before)
    }

    #[test]
    fn missing_rounds_are_charged_once_at_the_largest_cost() {
        let (original, mut backup) = restored(5, 2);
        let (before, seen) = (backup.lifetime(), original.head(TASK));
        let penalty = backup.reconcile(&seen, NOW).unwrap().unwrap();
        assert_eq!(lost(&backup, before), 15.0);
        assert!(!penalty.as_ref().is_empty());
        let reason = PenaltyReason::RestoredBackup { from: 3, to: 5, seen: seen.head };
        assert_eq!(backup.entries()[2].kind, EntryKind::Penalty(reason));
        // Its own head is now later than what was seen, and says nothing new to itself.
        assert_eq!(backup.head(TASK).sequence, 6);
        let own = backup.head(TASK);
        assert_eq!(backup.reconcile(&own, NOW), Ok(None));
        assert_eq!(backup.reconcile(&seen, NOW), Ok(None));
    }

    #[test]
    fn heads_seen_late_or_in_any_order_are_charged_in_full() {
        let (mut original, mut backup) = restored(5, 2);
        let before = backup.lifetime();
        let early = original.head(TASK);
        let _ = spend(&mut original, TASK, 6);
        let _ = spend(&mut original, TASK, 7);
        // Seen at 5, charged; the own penalty has number 6; then seen at 7: 6 and 7 of the lost branch.
        let _ = backup.reconcile(&early, NOW).unwrap().unwrap();
        let _ = backup.reconcile(&original.head(TASK), NOW).unwrap().unwrap();
        assert_eq!(lost(&backup, before), 25.0);
        assert_eq!(backup.reconcile(&early, NOW), Ok(None));
    }

    /// Nobody who knew better was there when the backup took part again: its new entries do not stand for
    /// any of those that are missing.
    #[test]
    fn what_a_backup_did_unnoticed_is_charged_besides_what_it_lacks() {
        let (original, mut backup) = restored(6, 2);
        let _ = spend(&mut backup, TASK, 9);
        let _ = spend(&mut backup, TASK, 10);
        let before = backup.lifetime();
        let _ = backup.reconcile(&original.head(TASK), NOW).unwrap().unwrap();
        assert_eq!(lost(&backup, before), 20.0, "3 to 6 of the lost branch");
    }

    #[test]
    fn a_head_that_contradicts_our_own_is_two_histories() {
        let (original, mut backup) = restored(3, 2);
        let _ = spend(&mut backup, TASK, 9);
        let before = backup.lifetime();
        // Both have a third entry, and not the same one: all three are charged.
        let _ = backup.reconcile(&original.head(TASK), NOW).unwrap().unwrap();
        assert_eq!(lost(&backup, before), 15.0);
        assert_eq!(backup.head(TASK).sequence, 4);
    }

    #[test]
    fn what_the_ledger_holds_is_not_charged_again() {
        let mut ledger = open(&[], wide());
        let empty = ledger.head(TASK);
        assert_eq!((empty.sequence, empty.head), (0, LedgerHash(TASK.0)));
        let _ = spend(&mut ledger, TASK, 1);
        let first = ledger.head(TASK);
        let _ = spend(&mut ledger, TASK, 2);
        let before = ledger.lifetime();
        for seen in [empty, first, ledger.head(TASK)] {
            assert_eq!(ledger.reconcile(&seen, NOW), Ok(None));
        }
        assert_eq!(ledger.lifetime(), before);
    }

    #[test]
    fn another_nodes_head_is_nothing_to_us() {
        let mut ledger = open(&[], wide());
        let foreign = head(&SigningKey::from_bytes(&[8; 32]), TASK, 9, 1);
        assert_eq!(ledger.reconcile(&foreign, NOW), Err(LedgerError::ForeignHead));
    }

    #[test]
    fn a_penalty_withdraws_what_was_admitted_before_it() {
        let mut ledger = open(&[], wide());
        let charge = ledger.admit(&terms(TASK, 1)).unwrap();
        let _ = ledger.reconcile(&head(&key(), TASK, 1, 1), NOW).unwrap().unwrap();
        assert!(ledger.record(charge, CONTRIBUTION, NOW).is_err());
    }

    #[test]
    fn the_largest_sequence_number_does_no_harm() {
        let mut ledger = open(&[], wide());
        let bytes = ledger.reconcile(&head(&key(), TASK, u64::MAX, 1), NOW).unwrap().unwrap();
        assert_eq!(ledger.lifetime(), Q40::MAXIMUM);
        assert_eq!(open(bytes.as_ref(), wide()).lifetime(), Q40::MAXIMUM);
    }
}

#[test]
fn golden_bytes() {
    let bytes = sample();
    assert_eq!(bytes.len(), GOLDEN_LENGTH);
    assert_eq!(blake3::hash(&bytes).to_hex().as_str(), GOLDEN_HASH);
}

/// Of [`sample`]: a change here is a change of the file format, and needs a new version byte.
const GOLDEN_LENGTH: usize = 1072;
const GOLDEN_HASH: &str = "0a99bc3d1b7071b2404179b2d6ddffdd4ec6beffa06022d6fb40e1f3a1405eaf";

proptest! {
    #[test]
    fn foreign_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        prop_assume!(!bytes.is_empty());
        let reading = read_ledger(&bytes, node());
        prop_assert!(reading.is_err() || reading.unwrap().torn.is_some());
    }

    #[test]
    fn foreign_tails_never_panic(
        tail in prop::collection::vec(any::<u8>(), 1..300), length in 0_u16..300, honest_prefix: bool
    ) {
        let mut bytes = sample();
        if honest_prefix {
            bytes.extend(length.to_le_bytes());
            bytes.extend((!length).to_le_bytes());
        }
        bytes.extend(tail);
        let reading = read_ledger(&bytes, node());
        prop_assert!(reading.is_err() || reading.unwrap().torn.is_some());
    }

    /// Whatever happens, a reopened ledger counts no less than what was made durable.
    #[test]
    fn never_below_what_was_recorded(
        steps in prop::collection::vec((0..4_u8, 0_u8..2, 0_usize..1000), 1..12)
    ) {
        let (mut ledger, mut file, mut durable) = (open(&[], wide()), Vec::new(), Q40::ZERO);
        for (round, (action, task, cut)) in (1_u64..).zip(steps) {
            let charge = ledger.admit(&terms(TaskId([task; 32]), round)).unwrap();
            let rho = charge.rho();
            let bytes = match action {
                0 => { ledger.withdraw(); continue }
                _ => ledger.record(charge, CONTRIBUTION, NOW).unwrap().into_vec(),
            };
            if action == 1 {
                // Torn, and perhaps sent.
                file.extend(&bytes[..1 + cut % (bytes.len() - 1)]);
                let saved = SavedState::Unknown { task: Some(TaskId([task; 32])) };
                let (reopened, recovery) = Ledger::open(&file, key(), wide(), saved, NOW).unwrap();
                file = recovery.replacement.unwrap();
                ledger = reopened;
            } else {
                file.extend(bytes);
            }
            durable = durable.saturating_add(rho);
            prop_assert!(ledger.lifetime() >= durable);
        }
        let reopened = open(&file, wide());
        prop_assert_eq!(reopened.entries(), ledger.entries());
    }
}
