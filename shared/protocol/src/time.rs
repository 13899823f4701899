//! Time as the rules see it: a number that the caller passes in.

use std::ops::Add;

/// Milliseconds since an epoch of the caller's choosing; it never goes back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time(pub u64);

impl Time {
    /// Milliseconds from `earlier` to this time; 0 if it is not earlier.
    pub fn since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

impl Add<u32> for Time {
    type Output = Self;

    fn add(self, milliseconds: u32) -> Self {
        Self(self.0.saturating_add(u64::from(milliseconds)))
    }
}

/// A place in a window, drawn once: 0 is its opening, `u32::MAX` its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Instant(pub u32);

impl Instant {
    /// The drawn time in a window that opens at `opening`.
    pub fn within(self, opening: Time, window_ms: u32) -> Time {
        let offset = (u64::from(window_ms) * u64::from(self.0)) >> 32;
        Time(opening.0.saturating_add(offset))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_stay_inside_their_window() {
        let opening = Time(1_000);
        assert_eq!(Instant(0).within(opening, 500), Time(1_000));
        assert_eq!(Instant(u32::MAX).within(opening, 500), Time(1_499));
        assert_eq!(Instant(1 << 31).within(opening, 500), Time(1_250));
    }
}
