//! How long work is watched and ended.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::ModelError;

/// A switch that ends training, evaluation or generation soon after it is thrown. Clones share the switch.
#[derive(Clone, Debug, Default)]
pub struct StopToken(Arc<AtomicBool>);

impl StopToken {
    /// A token that nobody has used yet.
    pub fn new() -> StopToken {
        StopToken::default()
    }

    /// Asks the work to end.
    pub fn stop(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether somebody asked.
    pub fn is_stopped(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    pub(crate) fn check(&self) -> Result<(), ModelError> {
        if self.is_stopped() { Err(ModelError::Stopped) } else { Ok(()) }
    }
}
