//! Blobs in slices, each of which verifies by itself against the blob's hash.
//!
//! The encoding is bao's (`bao-tree`): the inner hashes on the way to the slice, in pre-order, then
//! its bytes. The leaves of the tree are [`SLICE_BYTES`] long, so that a slice is one leaf: a version
//! of our adapters (0.1 to 3 MB) comes in a few of them, which different peers can send at once; a
//! peer on a 10 Mbit/s uplink gets one out in 0.2 s; a bad one costs no more than that; and the hashes
//! add 64 bytes for each doubling of the blob, under 0.3 % for anything below 1 TB.

use std::{
    fs::{self, File},
    io::Read,
    path::{Path, PathBuf},
};

use bao_tree::{
    BaoTree, BlockSize, ChunkNum, ChunkRanges,
    io::{
        BaoContentItem, EncodeError,
        outboard::PreOrderOutboard,
        sync::{
            CreateOutboard, DecodeResponseIter, OutboardMut, WriteAt, encode_ranges_validated,
            valid_ranges,
        },
    },
};
use wire::ContentHash;

use crate::{
    Contents, StoreError,
    contents::{PART, PART_TREE, REMEDY, TREE},
    disk::{private_file, read, remove, replace, sync_folder_of},
};

/// Bytes of a slice; only the last one of a blob is shorter.
pub const SLICE_BYTES: u64 = 1024 << GROUP_LOG;
/// A leaf is 2⁸ chunks of 1024 bytes.
const GROUP_LOG: u8 = 8;
const GROUP: BlockSize = BlockSize::from_chunk_log(GROUP_LOG);
/// The largest blob that is assembled: 64 GiB, a far larger model than a device can train.
const LARGEST: u64 = 64 << 30;

impl Contents {
    /// The slice of a blob that begins at `offset`, with the hashes that prove it; none if the blob is
    /// not kept. The inner hashes of the blob are computed once and kept beside it.
    ///
    /// # Errors
    /// [`StoreError::SliceOffset`] if no slice begins there; [`StoreError::Damaged`] if the bytes do
    /// not verify: nothing wrong is ever sent.
    pub fn slice(&self, content: ContentHash, offset: u64) -> Result<Option<Vec<u8>>, StoreError> {
        let Some(length) = self.length(content)? else {
            return Ok(None);
        };
        check_offset(content, length, offset)?;
        let path = self.path(content, "");
        let file = File::open(&path).map_err(StoreError::io("open", &path))?;
        let outboard = self.outboard(content, length, &file)?;
        let mut slice = Vec::new();
        encode_ranges_validated(&file, &outboard, &chunks(offset), &mut slice).map_err(
            |error| match error {
                EncodeError::Io(source) => StoreError::io("read", &path)(source),
                EncodeError::ParentHashMismatch(_) => {
                    let (path, remedy) = (self.path(content, TREE), "remove it: it is made again");
                    StoreError::Damaged { path, offset: 0, remedy }
                }
                _ => StoreError::Damaged { path: path.clone(), offset, remedy: REMEDY },
            },
        )?;
        Ok(Some(slice))
    }

    /// Begins to assemble a blob of `length` bytes from slices, or goes on where an earlier assembly
    /// stopped: what is on the disk is verified, not trusted. Of one blob there must be one assembly at
    /// a time.
    ///
    /// # Errors
    /// [`StoreError::TooLarge`] beyond 64 GiB; [`StoreError::Io`].
    pub fn assemble(&self, content: ContentHash, length: u64) -> Result<Assembly, StoreError> {
        if length > LARGEST {
            return Err(StoreError::TooLarge { content, length, limit: LARGEST });
        }
        let (data_path, tree_path) = (self.path(content, PART), self.path(content, PART_TREE));
        if fs::metadata(&data_path).is_ok_and(|about| about.len() != length) {
            // Begun with another length: at least one of the two was a lie.
            remove(&data_path)?;
            remove(&tree_path)?;
        }
        let data = open_part(&data_path)?;
        data.set_len(length).map_err(StoreError::io("reserve", &data_path))?;
        let outboard = PreOrderOutboard {
            root: content.0.into(),
            tree: BaoTree::new(length, GROUP),
            data: open_part(&tree_path)?,
        };
        let mut have = vec![false; slice_count(length)];
        for range in valid_ranges(&outboard, &data, &ChunkRanges::all()) {
            let range = range.map_err(StoreError::io("read", &data_path))?;
            let (from, to) = (range.start.to_bytes(), range.end.to_bytes());
            mark(&mut have, from.div_ceil(SLICE_BYTES)..to.div_ceil(SLICE_BYTES));
        }
        Ok(Assembly { content, length, data, outboard, have, paths: self.assembly_paths(content) })
    }

    fn assembly_paths(&self, content: ContentHash) -> AssemblyPaths {
        AssemblyPaths {
            part: self.path(content, PART),
            part_tree: self.path(content, PART_TREE),
            whole: self.path(content, ""),
            tree: self.path(content, TREE),
        }
    }

    /// The inner hashes of a blob, kept in a file if there are any.
    fn outboard(
        &self,
        content: ContentHash,
        length: u64,
        file: &File,
    ) -> Result<PreOrderOutboard<Vec<u8>>, StoreError> {
        let tree = BaoTree::new(length, GROUP);
        let path = self.path(content, TREE);
        if let Some(data) = read(&path)?.filter(|data| data.len() as u64 == tree.outboard_size()) {
            return Ok(PreOrderOutboard { root: content.0.into(), tree, data });
        }
        let blob = self.path(content, "");
        let made = PreOrderOutboard::<Vec<u8>>::create_sized(file, length, GROUP)
            .map_err(StoreError::io("read", &blob))?;
        if *made.root.as_bytes() != content.0 {
            return Err(StoreError::Damaged { path: blob, offset: 0, remedy: REMEDY });
        }
        if !made.data.is_empty() {
            replace(&path, &made.data)?;
        }
        Ok(made)
    }
}

/// A blob that is being put together; dropped, it can be taken up again with
/// [`Contents::assemble`], also by another process.
#[derive(Debug)]
pub struct Assembly {
    content: ContentHash,
    length: u64,
    data: File,
    outboard: PreOrderOutboard<File>,
    have: Vec<bool>,
    paths: AssemblyPaths,
}

#[derive(Debug)]
struct AssemblyPaths {
    part: PathBuf,
    part_tree: PathBuf,
    whole: PathBuf,
    tree: PathBuf,
}

impl Assembly {
    /// The offsets of the slices that are missing, ascending.
    pub fn missing(&self) -> impl Iterator<Item = u64> {
        let offsets = (0_u64..).step_by(SLICE_BYTES as usize);
        offsets.zip(&self.have).filter_map(|(offset, &have)| (!have).then_some(offset))
    }

    /// Verifies a slice as [`Contents::slice`] made it, and only then writes it.
    ///
    /// # Errors
    /// [`StoreError::Slice`] if it is not the slice of this blob at this offset, whole and alone;
    /// [`StoreError::SliceOffset`] if none begins there; [`StoreError::Io`].
    pub fn add(&mut self, offset: u64, slice: &[u8]) -> Result<(), StoreError> {
        check_offset(self.content, self.length, offset)?;
        for item in self.verified(offset, slice)? {
            match item {
                BaoContentItem::Parent(parent) => self
                    .outboard
                    .save(parent.node, &parent.pair)
                    .map_err(StoreError::io("write", &self.paths.part_tree))?,
                BaoContentItem::Leaf(leaf) => {
                    WriteAt::write_all_at(&mut self.data, leaf.offset, &leaf.data)
                        .map_err(StoreError::io("write", &self.paths.part))?
                }
            }
        }
        let index = offset / SLICE_BYTES;
        mark(&mut self.have, index..index + 1);
        Ok(())
    }

    fn verified(&self, offset: u64, mut slice: &[u8]) -> Result<Vec<BaoContentItem>, StoreError> {
        let (root, tree, wanted) = (self.outboard.root, self.outboard.tree, chunks(offset));
        let items: Result<Vec<_>, _> =
            DecodeResponseIter::new(root, tree, &mut slice, &wanted).collect();
        match items {
            Ok(items) if slice.is_empty() => Ok(items),
            _ => Err(StoreError::Slice { content: self.content, offset }),
        }
    }

    /// Whether nothing is missing.
    pub fn is_complete(&self) -> bool {
        self.have.iter().all(|&have| have)
    }

    /// Turns the complete assembly into a blob; durable on return.
    ///
    /// # Errors
    /// [`StoreError::Incomplete`]; [`StoreError::Damaged`] if the disk did not keep what was written.
    pub fn finish(self) -> Result<ContentHash, StoreError> {
        let missing = self.missing().count();
        if missing > 0 {
            return Err(StoreError::Incomplete { content: self.content, missing });
        }
        let part = &self.paths.part;
        self.data.sync_all().map_err(StoreError::io("sync", part))?;
        if hash_file(part)? != self.content {
            return Err(StoreError::Damaged { path: part.clone(), offset: 0, remedy: REMEDY });
        }
        fs::rename(part, &self.paths.whole).map_err(StoreError::io("rename", part))?;
        if self.outboard.tree.outboard_size() == 0 {
            remove(&self.paths.part_tree)?;
        } else {
            self.outboard.data.sync_all().map_err(StoreError::io("sync", &self.paths.part_tree))?;
            fs::rename(&self.paths.part_tree, &self.paths.tree)
                .map_err(StoreError::io("rename", &self.paths.part_tree))?;
        }
        sync_folder_of(&self.paths.whole)?;
        Ok(self.content)
    }
}

fn open_part(path: &Path) -> Result<File, StoreError> {
    private_file()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(path)
        .map_err(StoreError::io("open", path))
}

fn hash_file(path: &Path) -> Result<ContentHash, StoreError> {
    let mut file = File::open(path).map_err(StoreError::io("open", path))?;
    let mut hasher = blake3::Hasher::new();
    let mut buffer = vec![0; SLICE_BYTES as usize];
    loop {
        match file.read(&mut buffer).map_err(StoreError::io("read", path))? {
            0 => return Ok(ContentHash(*hasher.finalize().as_bytes())),
            read => hasher.update(&buffer[..read]),
        };
    }
}

/// An empty blob has one empty slice.
fn slice_count(length: u64) -> usize {
    length.div_ceil(SLICE_BYTES).max(1) as usize
}

fn check_offset(content: ContentHash, length: u64, offset: u64) -> Result<(), StoreError> {
    if !offset.is_multiple_of(SLICE_BYTES) || offset / SLICE_BYTES >= slice_count(length) as u64 {
        return Err(StoreError::SliceOffset { content, length, offset });
    }
    Ok(())
}

/// The chunks of the slice at a checked offset; those behind the end do not count.
fn chunks(offset: u64) -> ChunkRanges {
    let first = offset / 1024;
    ChunkRanges::from(ChunkNum(first)..ChunkNum(first + (1 << GROUP_LOG)))
}

fn mark(have: &mut [bool], slices: std::ops::Range<u64>) {
    let end = (slices.end as usize).min(have.len());
    let start = (slices.start as usize).min(end);
    have[start..end].fill(true);
}
