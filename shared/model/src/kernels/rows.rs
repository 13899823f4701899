//! A table of activations: rows padded to whole lines, the first one where a line of the cache starts.

use super::lanes::{LANES, padded};

/// `stride` numbers a row, of which the last few may be padding and are then zero.
#[derive(Default)]
pub(crate) struct Rows {
    values: Vec<f32>,
    start: usize,
    pub(crate) stride: usize,
}

impl Rows {
    /// Zeros.
    pub(crate) fn new(rows: usize, width: usize) -> Rows {
        let stride = padded(width);
        // Memory that was never written costs nothing until it is.
        let values = vec![0.0; rows * stride + LANES];
        let start = values.as_ptr().align_offset(LANES * size_of::<f32>()).min(LANES);
        Rows { values, start, stride }
    }

    pub(crate) fn all(&self) -> &[f32] {
        let end = self.values.len() - LANES + self.start;
        &self.values[self.start..end]
    }

    pub(crate) fn all_mut(&mut self) -> &mut [f32] {
        let end = self.values.len() - LANES + self.start;
        &mut self.values[self.start..end]
    }
}
