//! What the instants of messages may tell.

use std::{cell::RefCell, rc::Rc};

use protocol::node::{Effect, Job};
use swarm::{Actor, Behaviour};
use wire::ToCoordinator;

use crate::play;

/// Watches in which batch of effects noise is ordered.
#[derive(Default)]
struct Watch {
    with_signature: u32,
    otherwise: u32,
}

struct Watches(Rc<RefCell<Watch>>);

impl Behaviour for Watches {
    fn node_effects(&mut self, _: &Actor<'_>, effects: &mut Vec<Effect>) {
        let orders = |effect: &Effect| matches!(effect, Effect::Work(Job::Contribute(_)));
        let signs = |effect: &Effect| matches!(effect, Effect::Send(ToCoordinator::Consistency(_)));
        let mut watch = self.0.borrow_mut();
        match (effects.iter().any(orders), effects.iter().any(signs)) {
            (true, true) => watch.with_signature += 1,
            (true, false) => watch.otherwise += 1,
            _ => {}
        }
    }
}

/// How long noise takes depends on what is drawn: it is ordered with the signature on R2, a whole phase
/// before the window opens in which the contribution leaves.
#[test]
fn noise_is_ordered_before_the_window_opens() {
    let watch = Rc::new(RefCell::new(Watch::default()));
    let outcome = play(Watches(watch.clone()));
    let watch = watch.borrow();
    assert!(watch.with_signature >= 8 && watch.otherwise == 0, "{outcome}");
}
