//! Machines that skip a floor: their owners allow no sum of fewer than seven, and a sum of six passes.

use swarm::{Behaviour, Invariant, Scenario};

/// The machines are left with the usual floor of four.
struct SkipsFloors;

impl Behaviour for SkipsFloors {
    fn floor(&self) -> usize {
        7
    }
}

#[test]
fn a_sum_below_the_floors_is_found() {
    let scenario = Scenario::rough().sized(&[8]);
    super::find_in(&scenario, "skips a floor", Invariant::OneSum, "below the floors", || {
        Box::new(SkipsFloors)
    });
}
