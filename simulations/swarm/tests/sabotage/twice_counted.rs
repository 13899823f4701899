//! A coordinator that counts one contribution twice.

use protocol::job::{UnmaskJob, Unmasked};
use secagg::{KeystreamMasks, Masked, Masker, Masks, SecaggError, Unmask};
use swarm::{Behaviour, Invariant, Masking, scenario::ONE_HOT};

/// Counts the first survivor a second time.
struct CountsTwice;

impl Behaviour for CountsTwice {
    fn unmask(&mut self, job: UnmaskJob, _: Masking) -> Unmasked {
        job.run_with::<TwiceMasks>()
    }
}

/// The real masks; the sum has one contribution too many.
struct TwiceMasks;

impl Masks for TwiceMasks {
    fn mask(masker: Masker, values: Vec<u32>) -> Result<Masked, SecaggError> {
        KeystreamMasks::mask(masker, values)
    }

    fn unmask(unmask: Unmask) -> Result<Vec<u32>, SecaggError> {
        let mut sum = KeystreamMasks::unmask(unmask)?;
        if let Some(first) = sum[..ONE_HOT].iter_mut().find(|value| **value == 1) {
            *first = 2;
        }
        Ok(sum)
    }
}

#[test]
fn a_contribution_that_counts_twice_is_found() {
    super::find("counts twice", Invariant::ExactlyOnce, "counts 2 times", || Box::new(CountsTwice));
}
