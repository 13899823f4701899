//! Members of one round's roster, by their place in it.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The largest roster: above it the complete graph of neighbours is too dear, and the sparse
/// graph has not been built yet (ARCHITECTURE.md, *A round*).
pub const MAX_MEMBERS: usize = 64;

/// A place in the roster, which is sorted by node id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct MemberIndex(pub u8);

impl MemberIndex {
    /// The place as an index.
    pub fn get(self) -> usize {
        usize::from(self.0)
    }
}

impl fmt::Display for MemberIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A set of members: bit i stands for place i.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct MemberSet(pub u64);

impl MemberSet {
    /// Nobody.
    pub const EMPTY: Self = Self(0);

    /// The first `count` places.
    pub fn first(count: usize) -> Self {
        debug_assert!(count <= MAX_MEMBERS);
        Self(if count >= 64 { u64::MAX } else { (1 << count) - 1 })
    }

    /// Whether the member is in the set; places beyond 63 never are.
    pub fn contains(self, member: MemberIndex) -> bool {
        member.get() < MAX_MEMBERS && self.0 >> member.0 & 1 == 1
    }

    /// Adds a member.
    pub fn insert(&mut self, member: MemberIndex) {
        debug_assert!(member.get() < MAX_MEMBERS);
        self.0 |= 1 << member.0;
    }

    /// How many there are.
    pub fn len(self) -> usize {
        self.0.count_ones() as usize
    }

    /// Whether there is nobody.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Whether everybody in `self` is in `other` too.
    pub fn is_subset(self, other: Self) -> bool {
        self.0 & !other.0 == 0
    }

    /// Who is in `self` and not in `other`.
    pub fn minus(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// The members in ascending order.
    pub fn iter(self) -> impl Iterator<Item = MemberIndex> {
        (0..64).map(MemberIndex).filter(move |&member| self.contains(member))
    }
}

impl FromIterator<MemberIndex> for MemberSet {
    fn from_iter<I: IntoIterator<Item = MemberIndex>>(members: I) -> Self {
        let mut set = Self::EMPTY;
        members.into_iter().for_each(|member| set.insert(member));
        set
    }
}

impl fmt::Debug for MemberSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter().map(|member| member.0)).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_behave_like_sets() {
        let all = MemberSet::first(64);
        let some: MemberSet = [3, 5, 63].map(MemberIndex).into_iter().collect();
        assert_eq!((all.len(), some.len(), all.minus(some).len()), (64, 3, 61));
        assert!(some.is_subset(all) && !all.is_subset(some));
        assert_eq!(some.iter().map(|m| m.0).collect::<Vec<_>>(), [3, 5, 63]);
        assert!(!some.contains(MemberIndex(64)) && !some.contains(MemberIndex(200)));
    }
}
