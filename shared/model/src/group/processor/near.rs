//! What a matrix is multiplied by, rounded to the precision that is asked for.

use crate::device::Precision;
use crate::kernels::elementwise::{round_to_bf16, rounded_to_bf16};
use crate::kernels::rows::Rows;

/// Room for one table of rounded activations or gradients; none is taken for f32.
pub(super) struct Near {
    precision: Precision,
    rows: Rows,
}

impl Near {
    pub(super) fn new(precision: Precision) -> Near {
        Near { precision, rows: Rows::default() }
    }

    /// The same rows, or rounded ones until the next call.
    pub(super) fn of<'a>(&'a mut self, rows: &'a Rows) -> &'a Rows {
        match self.precision {
            Precision::F32 => rows,
            Precision::Bf16 => {
                if self.rows.stride != rows.stride || self.rows.all().len() != rows.all().len() {
                    self.rows = Rows::new(rows.all().len() / rows.stride.max(1), rows.stride);
                }
                rounded_to_bf16(rows.all(), self.rows.all_mut());
                &self.rows
            }
        }
    }

    /// Rounds in place.
    pub(super) fn round(&self, values: &mut [f32]) {
        match self.precision {
            Precision::F32 => {}
            Precision::Bf16 => round_to_bf16(values),
        }
    }
}
