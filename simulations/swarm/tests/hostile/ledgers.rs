//! Ledgers restored from a backup: promise 3's "noticed at the next Advertise".

use std::{cell::RefCell, rc::Rc};

use privacy::{EntryKind, PenaltyReason, read_ledger};
use protocol::node::Effect;
use swarm::{
    Actor, Behaviour, Boundary, Moment, Scenario, Side,
    disk::NodeDisk,
    run_with,
    scenario::{node_id, policy},
};
use wire::{ToCoordinator, ToNode};

/// Somebody stops in the third round, after it has revealed.
const IN_ROUND_THREE: &[(Boundary, u32)] =
    &[(Boundary { side: Side::Node, effect: "sending Reveal", moment: Moment::After }, 20)];

/// Puts a backup from before the first round in place of the disk of whoever starts again.
#[derive(Default)]
struct RestoresBackups {
    /// How many warnings get lost on their way.
    warnings_lost: u32,
    seen: Rc<RefCell<Seen>>,
}

#[derive(Default)]
struct Seen {
    restored: Option<usize>,
    /// Rounds charged as lost, and at which cost in all.
    charged: Vec<(u64, f64)>,
    contributed_after: u32,
}

impl Behaviour for RestoresBackups {
    fn starting(&mut self, node: usize, disk: &mut NodeDisk) {
        let mut seen = self.seen.borrow_mut();
        if !disk.ledger.is_empty() && seen.restored.is_none() {
            *disk = NodeDisk::default();
            seen.restored = Some(node);
        }
    }

    fn node_effects(&mut self, actor: &Actor<'_>, _: &mut Vec<Effect>) {
        let mut seen = self.seen.borrow_mut();
        if seen.restored != Some(actor.node) {
            return;
        }
        let reading = read_ledger(&actor.disk.ledger, node_id(actor.node)).expect("a whole ledger");
        let penalties = reading.entries.iter().filter_map(|entry| match entry.kind {
            EntryKind::Penalty(PenaltyReason::RestoredBackup { from, to, .. }) => {
                Some((to + 1 - from, entry.rho.to_f64()))
            }
            _ => None,
        });
        seen.charged = penalties.collect();
    }

    fn to_node(&mut self, _: usize, message: ToNode) -> Vec<ToNode> {
        if matches!(message, ToNode::LaterHead(_)) && self.warnings_lost > 0 {
            self.warnings_lost -= 1;
            return Vec::new();
        }
        vec![message]
    }

    fn to_coordinator(&mut self, node: usize, message: ToCoordinator) -> Vec<ToCoordinator> {
        let mut seen = self.seen.borrow_mut();
        let contributes = matches!(message, ToCoordinator::Contribution(_));
        if contributes && seen.restored == Some(node) && !seen.charged.is_empty() {
            seen.contributed_after += 1;
        }
        vec![message]
    }

    fn keeps_disks(&self) -> bool {
        false
    }
}

/// Plays with a backup restored in the third round; says what was charged for it.
fn restored(warnings_lost: u32, faulty_ms: u32) -> (Seen, swarm::Outcome) {
    let seen = Rc::new(RefCell::new(Seen::default()));
    let behaviour = RestoresBackups { warnings_lost, seen: seen.clone() };
    let scenario = Scenario { faulty_ms, ..Scenario::calm().crashing(IN_ROUND_THREE) };
    let outcome = run_with(&scenario, 2, Box::new(behaviour));
    assert_eq!(outcome.violations, [], "{outcome}");
    (seen.take(), outcome)
}

#[test]
fn a_restored_backup_is_charged_at_the_largest_cost() {
    let (seen, outcome) = restored(0, 45_000);
    let largest = policy().rho_per_round_max.to_f64();
    assert!(outcome.reports["its ledger was restored from a backup"] > 0, "{outcome}");
    // Three rounds were charged, and each charge was shown to the coordinator with its contribution.
    assert_eq!(seen.charged, [(3, 3.0 * largest)], "{outcome}");
    assert!(seen.contributed_after > 0, "it takes part again: {outcome}");
}

/// The warnings get lost until the restored ledger is as long as the one that was seen: now the two
/// contradict each other, and the node must still learn of it.
#[test]
fn a_ledger_that_has_grown_again_is_told_that_it_contradicts() {
    let (seen, outcome) = restored(3, 80_000);
    assert!(outcome.rejected("coordinator: a fork") > 0, "{outcome}");
    assert!(!seen.charged.is_empty() && seen.contributed_after > 0, "{outcome}");
}
