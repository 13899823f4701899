//! One small value that is replaced as a whole.

use std::path::{Path, PathBuf};

use crate::{
    StoreError,
    disk::{check_private, folder_of, read, remove, remove_leftovers, replace, sync_folder_of},
};

const BEGINNING: [u8; 8] = *b"mursnap\x01";
const HEAD: usize = BEGINNING.len() + 32;

/// A file that holds one opaque value or none. A crash leaves the old value or the new one.
///
/// The file is 8 fixed bytes, the value's BLAKE3 hash (keyed by a domain), the value.
#[derive(Debug)]
pub struct Snapshot {
    path: PathBuf,
}

impl Snapshot {
    /// The value kept at `path`, in a folder that exists. Removes what an interrupted write left.
    ///
    /// # Errors
    /// [`StoreError::Io`].
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        if let Some(name) = path.file_name().and_then(|name| name.to_str()) {
            remove_leftovers(folder_of(path), &format!("{name}."))?;
        }
        // A process that was killed may have replaced the file without syncing the new name.
        sync_folder_of(path)?;
        Ok(Self { path: path.into() })
    }

    /// The value; none if nothing has been written or it was removed.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] if it does not verify, [`StoreError::WrongKind`] for another file,
    /// [`StoreError::NotPrivate`], [`StoreError::Io`].
    pub fn read(&self) -> Result<Option<Vec<u8>>, StoreError> {
        let Some(mut bytes) = read(&self.path)? else {
            return Ok(None);
        };
        check_private(&self.path)?;
        if !bytes.starts_with(&BEGINNING) {
            return Err(StoreError::WrongKind { path: self.path.clone(), expected: "snapshot" });
        }
        let value = bytes.get(HEAD..).filter(|value| bytes[BEGINNING.len()..HEAD] == hash(value));
        if value.is_none() {
            let (path, offset) = (self.path.clone(), BEGINNING.len() as u64);
            return Err(StoreError::Damaged { path, offset, remedy: "restore it from a backup" });
        }
        bytes.drain(..HEAD);
        Ok(Some(bytes))
    }

    /// Replaces the value; durable on return.
    ///
    /// # Errors
    /// [`StoreError::Io`]; the old value is then still there.
    pub fn write(&self, value: &[u8]) -> Result<(), StoreError> {
        replace(&self.path, &[&BEGINNING[..], &hash(value), value].concat())
    }

    /// Removes the value, durably. Whether there was one.
    ///
    /// # Errors
    /// [`StoreError::Io`].
    pub fn remove(&self) -> Result<bool, StoreError> {
        remove(&self.path)
    }
}

fn hash(value: &[u8]) -> [u8; 32] {
    blake3::derive_key("murmuration snapshot v1", value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn the_last_value_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let snapshot = Snapshot::open(&folder.path().join("state")).unwrap();
        assert_eq!(snapshot.read().unwrap(), None);
        for value in [&b"first"[..], b"", b"third"] {
            snapshot.write(value).unwrap();
            assert_eq!(snapshot.read().unwrap().unwrap(), value);
        }
        assert!(snapshot.remove().unwrap());
        assert!(!snapshot.remove().unwrap());
        assert_eq!(snapshot.read().unwrap(), None);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn what_a_crash_left_is_removed_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state");
        Snapshot::open(&path).unwrap().write(b"old").unwrap();
        for name in ["state.77-3.tmp", "state.other", "statement.1-1.tmp"] {
            fs::write(folder.path().join(name), b"x").unwrap();
        }
        let snapshot = Snapshot::open(&path).unwrap();
        assert_eq!(snapshot.read().unwrap().unwrap(), b"old");
        let left = crate::disk::names(folder.path()).unwrap();
        assert_eq!(left, ["state", "state.other", "statement.1-1.tmp"]);
    }

    #[test]
    fn every_flipped_bit_and_every_cut_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state");
        let snapshot = Snapshot::open(&path).unwrap();
        snapshot.write(b"value").unwrap();
        let bytes = fs::read(&path).unwrap();
        for bit in 0..bytes.len() * 8 {
            let mut changed = bytes.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            fs::write(&path, changed).unwrap();
            assert!(snapshot.read().is_err(), "bit {bit}");
        }
        for length in 0..bytes.len() {
            fs::write(&path, &bytes[..length]).unwrap();
            assert!(snapshot.read().is_err(), "length {length}");
        }
    }
}
