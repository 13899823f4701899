//! Who may take part: the signed list, and which invite each member has used.
//!
//! Both stand in one file that is replaced as a whole, so that after any crash a node is enrolled
//! and its invite used, or neither. Used invites stay used when their member is removed.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use ed25519_dalek::SigningKey;
use serde::{Deserialize, Serialize};
use wire::{Checked, CoordinatorId, MemberList, NodeId, Signable as _, Signed, TaskId};

/// The hash that names an invite's secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct InviteHash(pub [u8; 32]);

impl InviteHash {
    /// The name of a secret.
    pub fn of(secret: &[u8; 32]) -> Self {
        Self(blake3::derive_key("murmuration invite secret v1", secret))
    }
}

/// The list with as many used invites as a list can have members, with room.
const LIMIT: usize = 4 * MemberList::LIMIT;

/// The bytes of the file `members`: plain `wire` encoding.
#[derive(Clone, Serialize, Deserialize)]
struct Kept {
    list: Signed<MemberList>,
    used: Vec<(InviteHash, NodeId)>,
}

/// The members of a task, on disk and in memory alike.
pub struct Members {
    file: PathBuf,
    key: SigningKey,
    list: Checked<MemberList>,
    used: BTreeMap<InviteHash, NodeId>,
}

impl Members {
    /// A new task's empty list, revision 0.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn create(file: &Path, key: SigningKey, task: TaskId) -> anyhow::Result<Self> {
        let list = MemberList { task, revision: 0, members: Vec::new() };
        let list = Checked::sign(list, &key);
        let members = Self { file: file.into(), key, list, used: BTreeMap::new() };
        members.write(&members.list, &members.used)?;
        Ok(members)
    }

    /// Reads the list.
    ///
    /// # Errors
    /// If it is missing, damaged or not signed by this coordinator for this task.
    pub fn open(file: &Path, key: SigningKey, task: TaskId) -> anyhow::Result<Self> {
        let (list, used) = read(file, protocol::coordinator::coordinator_id(&key), task)?;
        Ok(Self { file: file.into(), key, list, used })
    }

    /// The signed list.
    pub fn signed(&self) -> &Signed<MemberList> {
        self.list.signed()
    }

    /// Who is on it.
    pub fn ids(&self) -> BTreeSet<NodeId> {
        self.list.members.iter().copied().collect()
    }

    /// Whether a node is on it.
    pub fn contains(&self, node: NodeId) -> bool {
        self.list.members.binary_search(&node).is_ok()
    }

    /// Who used an invite.
    pub fn user_of(&self, invite: InviteHash) -> Option<NodeId> {
        self.used.get(&invite).copied()
    }

    /// Adds a node and marks its invite used, durably. Whether the list has changed.
    ///
    /// # Errors
    /// If it cannot be written; nothing has changed then.
    pub fn enrol(&mut self, node: NodeId, invite: InviteHash) -> anyhow::Result<bool> {
        let mut used = self.used.clone();
        used.insert(invite, node);
        let mut ids = self.ids();
        let new = ids.insert(node);
        self.replace(ids, used, new)?;
        Ok(new)
    }

    /// Takes a node off the list, durably. Whether it was on it.
    ///
    /// # Errors
    /// If it cannot be written; nothing has changed then.
    pub fn remove(&mut self, node: NodeId) -> anyhow::Result<bool> {
        let mut ids = self.ids();
        let was = ids.remove(&node);
        if was {
            self.replace(ids, self.used.clone(), true)?;
        }
        Ok(was)
    }

    fn replace(
        &mut self,
        ids: BTreeSet<NodeId>,
        used: BTreeMap<InviteHash, NodeId>,
        changed: bool,
    ) -> anyhow::Result<()> {
        let list = MemberList {
            task: self.list.task,
            revision: self.list.revision + u64::from(changed),
            members: ids.into_iter().collect(),
        };
        let list = Checked::sign(list, &self.key);
        self.write(&list, &used)?;
        (self.list, self.used) = (list, used);
        Ok(())
    }

    fn write(
        &self,
        list: &Checked<MemberList>,
        used: &BTreeMap<InviteHash, NodeId>,
    ) -> anyhow::Result<()> {
        let used = used.iter().map(|(&invite, &node)| (invite, node)).collect();
        let kept = Kept { list: list.signed().clone(), used };
        Ok(program::write_secret(&self.file, &wire::encode(&kept))?)
    }
}

/// Who is on the list of a file, without changing anything.
///
/// # Errors
/// As [`Members::open`].
pub fn read_ids(
    file: &Path,
    coordinator: CoordinatorId,
    task: TaskId,
) -> anyhow::Result<Vec<NodeId>> {
    Ok(read(file, coordinator, task)?.0.into_value().members)
}

type Contents = (Checked<MemberList>, BTreeMap<InviteHash, NodeId>);

fn read(file: &Path, coordinator: CoordinatorId, task: TaskId) -> anyhow::Result<Contents> {
    let wrong = || {
        format!("{} is not this task's list of members: restore it from a backup", file.display())
    };
    let bytes = fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
    let kept: Kept = wire::decode(&bytes, LIMIT).with_context(wrong)?;
    let list = kept.list.check(coordinator).with_context(wrong)?;
    let ascending = list.members.windows(2).all(|pair| pair[0] < pair[1]);
    if list.task != task || !ascending {
        anyhow::bail!(wrong());
    }
    Ok((list, kept.used.into_iter().collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TASK: TaskId = TaskId([5; 32]);
    const INVITE: InviteHash = InviteHash([1; 32]);
    const ADA: NodeId = NodeId([9; 32]);
    const BOB: NodeId = NodeId([3; 32]);

    fn key() -> SigningKey {
        SigningKey::from_bytes(&[4; 32])
    }

    #[test]
    fn what_was_changed_is_read_back() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("members");
        let mut members = Members::create(&file, key(), TASK).unwrap();
        assert!(members.enrol(ADA, INVITE).unwrap());
        assert!(members.enrol(BOB, InviteHash([2; 32])).unwrap());
        assert!(!members.enrol(ADA, INVITE).unwrap(), "again is no change");
        let again = Members::open(&file, key(), TASK).unwrap();
        assert_eq!(again.list.members, [BOB, ADA]);
        assert_eq!((again.list.revision, again.user_of(INVITE)), (2, Some(ADA)));
        assert_eq!(again.signed(), members.signed());

        let mut again = again;
        assert!(again.remove(ADA).unwrap() && !again.remove(ADA).unwrap());
        let last = Members::open(&file, key(), TASK).unwrap();
        assert_eq!((last.ids(), last.list.revision), (BTreeSet::from([BOB]), 3));
        assert_eq!(last.user_of(INVITE), Some(ADA), "a used invite stays used");
    }

    #[test]
    fn a_list_of_another_hand_or_task_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("members");
        Members::create(&file, key(), TASK).unwrap();
        assert!(Members::open(&file, SigningKey::from_bytes(&[8; 32]), TASK).is_err());
        let error = Members::open(&file, key(), TaskId([6; 32])).err().unwrap().to_string();
        assert!(error.contains("members") && error.contains("backup"), "{error}");
        let bytes = fs::read(&file).unwrap();
        for length in 0..bytes.len() {
            fs::write(&file, &bytes[..length]).unwrap();
            assert!(Members::open(&file, key(), TASK).is_err(), "cut to {length}");
        }
    }
}
