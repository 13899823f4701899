//! Where the bytes are: one file, the files of a folder, the entries of a zip archive. Each is a
//! *part*, read as a stream, as often as needed. Files that are packed with Zstandard (RFC 8878) are
//! unpacked on the way.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use zip::ZipArchive;
use zip::result::ZipError;

use crate::ImportError;

/// How much of a foreign file is believed. The defaults are far above any real export.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of one line or one conversation; larger ones are skipped and counted.
    pub element_bytes: usize,
    /// Files of a folder or entries of an archive.
    pub files: usize,
    /// Bytes that one archive entry or packed file may unpack to, whatever its size...
    pub free_unpacked_bytes: u64,
    /// ...and beyond that, how many times its packed size (text packs 3 to 20 times).
    pub unpacked_ratio: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            element_bytes: 64 << 20,
            files: 100_000,
            free_unpacked_bytes: 64 << 20,
            unpacked_ratio: 200,
        }
    }
}

/// An opened export.
pub(crate) enum Source {
    /// Plain files, in the order of their paths.
    Files(Vec<PathBuf>),
    /// A zip archive and the entries of it that are files.
    Zip { path: PathBuf, archive: ZipArchive<BufReader<File>>, entries: Vec<Entry> },
}

/// A file in an archive.
pub(crate) struct Entry {
    index: usize,
    name: String,
    packed_bytes: u64,
}

impl Source {
    /// Opens `path` and lists its parts. Whether it is an archive is told from its first bytes.
    pub(crate) fn open(path: &Path, limits: &Limits) -> Result<Self, ImportError> {
        let failed = |source| ImportError::Read { place: path.display().to_string(), source };
        let kind = fs::metadata(path).map_err(failed)?;
        if kind.is_dir() {
            let mut files = Vec::new();
            list(path, path, 0, limits, &mut files)?;
            return Ok(Self::Files(files));
        }
        if !kind.is_file() {
            return Err(ImportError::NotAFile { path: path.to_owned() });
        }
        let mut file = File::open(path).map_err(failed)?;
        let mut head = Vec::new();
        (&mut file).take(4).read_to_end(&mut head).map_err(failed)?;
        if head.starts_with(b"PK\x03\x04") || head.starts_with(b"PK\x05\x06") {
            return open_archive(path, limits);
        }
        Ok(Self::Files(vec![path.to_owned()]))
    }

    pub(crate) fn parts(&self) -> usize {
        match self {
            Self::Files(files) => files.len(),
            Self::Zip { entries, .. } => entries.len(),
        }
    }

    /// How reports and errors name a part.
    pub(crate) fn name(&self, part: usize) -> String {
        match self {
            Self::Files(files) => files[part].display().to_string(),
            Self::Zip { path, entries, .. } => {
                format!("{}/{}", path.display(), entries[part].name)
            }
        }
    }

    /// Hands the bytes of a part to `work`, from its start.
    pub(crate) fn read<T, E: From<ImportError>>(
        &mut self,
        part: usize,
        limits: &Limits,
        work: impl FnOnce(&mut dyn BufRead) -> Result<T, E>,
    ) -> Result<T, E> {
        let place = self.name(part);
        match self {
            Self::Files(files) => {
                let path = &files[part];
                let failed = |source| ImportError::Read { place: place.clone(), source };
                let file = File::open(path).map_err(failed)?;
                let packed_bytes = file.metadata().map_err(failed)?.len();
                let mut reader = BufReader::with_capacity(BUFFER_BYTES, file);
                if !reader.fill_buf().map_err(failed)?.starts_with(&ZSTANDARD) {
                    return work(&mut reader);
                }
                let inner = zstd::Decoder::with_buffer(reader).map_err(failed)?;
                let guarded = Guarded::new(inner, packed_bytes, limits);
                work(&mut BufReader::with_capacity(BUFFER_BYTES, guarded))
            }
            Self::Zip { archive, entries, .. } => {
                let entry = &entries[part];
                let inner =
                    archive.by_index(entry.index).map_err(|source| archive_error(place, source))?;
                let guarded = Guarded::new(inner, entry.packed_bytes, limits);
                work(&mut BufReader::with_capacity(BUFFER_BYTES, guarded))
            }
        }
    }
}

/// The import error behind a failed read: a broken limit, or what the system says.
pub(crate) fn read_error(place: &str, source: io::Error) -> ImportError {
    let bomb = source.get_ref().and_then(|inner| inner.downcast_ref::<Unpacked>());
    let place = place.to_owned();
    match bomb {
        Some(&Unpacked { limit_bytes }) => ImportError::Bomb { place, limit_bytes },
        None => ImportError::Read { place, source },
    }
}

/// All regular files under `folder`; links are not followed.
fn list(
    root: &Path,
    folder: &Path,
    depth: usize,
    limits: &Limits,
    files: &mut Vec<PathBuf>,
) -> Result<(), ImportError> {
    let failed = |source| ImportError::Read { place: folder.display().to_string(), source };
    let mut entries = fs::read_dir(folder)
        .and_then(|entries| entries.collect::<io::Result<Vec<_>>>())
        .map_err(failed)?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let kind = entry.file_type().map_err(failed)?;
        if kind.is_dir() && depth < MAX_DEPTH {
            list(root, &entry.path(), depth + 1, limits, files)?;
        } else if kind.is_file() {
            if files.len() >= limits.files {
                return Err(ImportError::TooManyFiles { path: root.into(), limit: limits.files });
            }
            files.push(entry.path());
        }
    }
    Ok(())
}

fn open_archive(path: &Path, limits: &Limits) -> Result<Source, ImportError> {
    let place = || path.display().to_string();
    let failed = |source| ImportError::Read { place: place(), source };
    let file = File::open(path).map_err(failed)?;
    let file_bytes = file.metadata().map_err(failed)?.len();
    let archive = ZipArchive::new(BufReader::with_capacity(BUFFER_BYTES, file))
        .map_err(|source| archive_error(place(), source))?;
    if archive.len() > limits.files {
        return Err(ImportError::TooManyFiles { path: path.into(), limit: limits.files });
    }
    let mut entries = Vec::with_capacity(archive.len());
    for index in 0..archive.len() {
        let entry =
            archive.by_index_data(index).map_err(|source| archive_error(place(), source))?;
        if entry.is_dir() {
            continue;
        }
        let name = String::from_utf8_lossy(entry.name_raw()).into_owned();
        entries.push(Entry { index, name, packed_bytes: entry.compressed_size() });
    }
    // Entries that share their packed bytes can hold more than the file does: a known bomb.
    let packed = entries.iter().try_fold(0_u64, |sum, entry| sum.checked_add(entry.packed_bytes));
    if packed.is_none_or(|packed| packed > file_bytes) {
        return Err(ImportError::Bomb { place: place(), limit_bytes: file_bytes });
    }
    entries.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(Source::Zip { path: path.to_owned(), archive, entries })
}

fn archive_error(place: String, source: ZipError) -> ImportError {
    match source {
        ZipError::UnsupportedArchive(ZipError::PASSWORD_REQUIRED) => {
            ImportError::Encrypted { place }
        }
        ZipError::Io(source) => ImportError::Read { place, source },
        source => ImportError::Archive { place, source },
    }
}

/// Ends in an error when something packed unpacks to more than its limit: counts the bytes that
/// really come out, not the size that an archive declares.
struct Guarded<R> {
    inner: R,
    left: u64,
    limit_bytes: u64,
}

impl<R> Guarded<R> {
    fn new(inner: R, packed_bytes: u64, limits: &Limits) -> Self {
        let limit_bytes =
            packed_bytes.saturating_mul(limits.unpacked_ratio).max(limits.free_unpacked_bytes);
        Self { inner, left: limit_bytes, limit_bytes }
    }
}

impl<R: Read> Read for Guarded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        match self.left.checked_sub(count as u64) {
            Some(left) => self.left = left,
            None => return Err(io::Error::other(Unpacked { limit_bytes: self.limit_bytes })),
        }
        Ok(count)
    }
}

#[derive(Debug, thiserror::Error)]
#[error("unpacks to more than {limit_bytes} bytes")]
struct Unpacked {
    limit_bytes: u64,
}

const BUFFER_BYTES: usize = 256 << 10;

/// How a Zstandard frame begins.
const ZSTANDARD: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

/// How deep folders are searched.
const MAX_DEPTH: usize = 8;
