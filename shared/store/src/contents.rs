//! Blobs, each under the plain BLAKE3 hash of its bytes (what `b3sum` prints).
//!
//! In the folder: `HASH` is a blob, `HASH.tree` the inner hashes of one that has been served in
//! slices, `HASH.part` and `HASH.part.tree` one that is being assembled. Other names are left alone.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use wire::ContentHash;

use crate::{
    StoreError,
    disk::{
        check_private, create_private_folder, names, read, remove, remove_leftovers, replace,
        sync_folder,
    },
};

pub(crate) const TREE: &str = ".tree";
pub(crate) const PART: &str = ".part";
pub(crate) const PART_TREE: &str = ".part.tree";

/// A folder of content-addressed blobs.
#[derive(Debug)]
pub struct Contents {
    folder: PathBuf,
}

impl Contents {
    /// Opens the folder, or creates it with mode 0700. Removes what interrupted writes left.
    ///
    /// # Errors
    /// [`StoreError::NotPrivate`], [`StoreError::Io`].
    pub fn open(folder: &Path) -> Result<Self, StoreError> {
        create_private_folder(folder)?;
        check_private(folder)?;
        remove_leftovers(folder, "")?;
        // A process that was killed may have left names that were not synced.
        sync_folder(folder)?;
        Ok(Self { folder: folder.into() })
    }

    /// Keeps a blob; durable on return. One that is there already is left as it is, unless it has
    /// been damaged: then it is replaced.
    ///
    /// # Errors
    /// [`StoreError::Io`].
    pub fn put(&self, bytes: &[u8]) -> Result<ContentHash, StoreError> {
        let content = hash(bytes);
        let path = self.path(content, "");
        if read(&path)?.as_deref() != Some(bytes) {
            replace(&path, bytes)?;
        }
        Ok(content)
    }

    /// A blob; none if it is not kept.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] if its bytes no longer have this hash.
    pub fn get(&self, content: ContentHash) -> Result<Option<Vec<u8>>, StoreError> {
        let path = self.path(content, "");
        match read(&path)? {
            Some(bytes) if hash(&bytes) != content => {
                Err(StoreError::Damaged { path, offset: 0, remedy: REMEDY })
            }
            found => Ok(found),
        }
    }

    /// How many bytes a blob has; none if it is not kept.
    ///
    /// # Errors
    /// [`StoreError::Io`].
    pub fn length(&self, content: ContentHash) -> Result<Option<u64>, StoreError> {
        let path = self.path(content, "");
        match fs::metadata(&path) {
            Ok(about) => Ok(Some(about.len())),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(StoreError::io("look at", path)(error)),
        }
    }

    /// All blobs, ascending by hash.
    ///
    /// # Errors
    /// [`StoreError::Io`].
    pub fn list(&self) -> Result<Vec<ContentHash>, StoreError> {
        Ok(names(&self.folder)?.iter().filter_map(|name| named(name, "")).collect())
    }

    /// Removes a blob and what belongs to it. Whether it was kept.
    ///
    /// # Errors
    /// [`StoreError::Io`].
    pub fn remove(&self, content: ContentHash) -> Result<bool, StoreError> {
        for ending in [TREE, PART, PART_TREE] {
            remove(&self.path(content, ending))?;
        }
        remove(&self.path(content, ""))
    }

    /// Removes every blob, also half-assembled ones, that is not in `keep`. How many blobs went.
    ///
    /// # Errors
    /// [`StoreError::Io`].
    pub fn prune(&self, keep: &BTreeSet<ContentHash>) -> Result<usize, StoreError> {
        let mut removed = 0;
        let all: BTreeSet<ContentHash> = names(&self.folder)?
            .iter()
            .filter_map(|name| ["", PART].iter().find_map(|ending| named(name, ending)))
            .collect();
        for &content in all.difference(keep) {
            removed += usize::from(self.remove(content)?);
        }
        Ok(removed)
    }

    /// The path of a blob or of what belongs to it.
    pub(crate) fn path(&self, content: ContentHash, ending: &str) -> PathBuf {
        self.folder.join(format!("{content}{ending}"))
    }
}

/// What to do about a blob that is damaged.
pub(crate) const REMEDY: &str = "remove it and fetch it again";

pub(crate) fn hash(bytes: &[u8]) -> ContentHash {
    ContentHash(*blake3::hash(bytes).as_bytes())
}

/// The hash in a name of ours: exactly as it is written, so that one blob has one name.
fn named(name: &str, ending: &str) -> Option<ContentHash> {
    let digits = name.strip_suffix(ending)?;
    ContentHash::from_hex(digits).filter(|content| content.to_string() == digits)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contents() -> (tempfile::TempDir, Contents) {
        let folder = tempfile::tempdir().unwrap();
        let contents = Contents::open(&folder.path().join("contents")).unwrap();
        (folder, contents)
    }

    #[test]
    fn blobs_come_back_by_their_plain_hash() {
        let (_folder, contents) = contents();
        // The published BLAKE3 hash of no bytes.
        let empty = "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262";
        assert_eq!(contents.put(b"").unwrap().to_string(), empty);
        let content = contents.put(b"a version").unwrap();
        assert_eq!(contents.put(b"a version").unwrap(), content);
        assert_eq!(contents.get(content).unwrap().unwrap(), b"a version");
        assert_eq!(contents.length(content).unwrap(), Some(9));
        assert_eq!(contents.list().unwrap().len(), 2);
        let unknown = ContentHash([1; 32]);
        assert_eq!(contents.get(unknown).unwrap(), None);
        assert_eq!(contents.length(unknown).unwrap(), None);
    }

    #[test]
    fn a_damaged_blob_is_named_and_can_be_put_again() {
        let (_folder, contents) = contents();
        let content = contents.put(b"a version").unwrap();
        let path = contents.path(content, "");
        fs::write(&path, b"a Version").unwrap();
        let error = contents.get(content).unwrap_err();
        assert!(error.to_string().contains(&content.to_string()), "{error}");
        assert!(matches!(error, StoreError::Damaged { .. }));
        contents.put(b"a version").unwrap();
        assert_eq!(contents.get(content).unwrap().unwrap(), b"a version");
    }

    #[test]
    fn pruning_keeps_what_it_is_told_and_foreign_files() {
        let (_folder, contents) = contents();
        let kept: Vec<ContentHash> = (0..5).map(|i| contents.put(&[i]).unwrap()).collect();
        let half = ContentHash([9; 32]);
        fs::write(contents.path(half, PART), b"half").unwrap();
        fs::write(contents.path(half, PART_TREE), b"").unwrap();
        fs::write(contents.folder.join("README"), b"mine").unwrap();
        fs::write(contents.folder.join(kept[0].to_string().to_uppercase()), b"mine").unwrap();
        let keep: BTreeSet<ContentHash> = kept[..2].iter().copied().collect();
        assert_eq!(contents.prune(&keep).unwrap(), 3);
        assert_eq!(contents.list().unwrap(), keep.into_iter().collect::<Vec<_>>());
        assert_eq!(names(&contents.folder).unwrap().len(), 4);
        assert!(contents.remove(kept[0]).unwrap() && !contents.remove(kept[0]).unwrap());
    }

    #[test]
    fn an_interrupted_write_leaves_nothing_behind() {
        let (_folder, contents) = contents();
        let content = contents.put(b"whole").unwrap();
        fs::write(contents.path(content, ".12-0.tmp"), b"who").unwrap();
        let again = Contents::open(&contents.folder).unwrap();
        assert_eq!(names(&again.folder).unwrap(), [content.to_string()]);
    }
}
