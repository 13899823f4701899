//! The few things done to files directly: private creation, replacement, syncing of folders.

use std::{
    fs::{self, DirBuilder, OpenOptions},
    io::{self, Write},
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
};

use crate::StoreError;

/// How temporary files end; they are removed when what they were made for is opened again.
const TEMPORARY: &str = ".tmp";

/// Options that create files which only their owner can read (0600).
pub(crate) fn private_file() -> OpenOptions {
    let mut options = OpenOptions::new();
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

/// Creates a folder, and those above it that are missing, which only their owner can enter (0700).
/// Durable on return.
pub(crate) fn create_private_folder(path: &Path) -> Result<(), StoreError> {
    if path.is_dir() {
        return Ok(());
    }
    let above = folder_of(path);
    create_private_folder(above)?;
    let mut builder = DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path).map_err(StoreError::io("create the folder", path))?;
    sync_folder(above)
}

/// Refuses a file or folder that others on this machine can reach.
pub(crate) fn check_private(path: &Path) -> Result<(), StoreError> {
    let about = fs::metadata(path).map_err(StoreError::io("look at", path))?;
    match mode(&about) {
        mode if mode & 0o077 != 0 => {
            Err(StoreError::NotPrivate { path: path.into(), mode, folder: about.is_dir() })
        }
        _ => Ok(()),
    }
}

#[cfg(unix)]
fn mode(about: &fs::Metadata) -> u32 {
    std::os::unix::fs::PermissionsExt::mode(&about.permissions()) & 0o777
}

/// Other systems have no such bits: the user's own folders are private by their lists.
#[cfg(not(unix))]
fn mode(_: &fs::Metadata) -> u32 {
    0o700
}

/// Makes new, renamed and removed names in the folder of `path` durable.
pub(crate) fn sync_folder_of(path: &Path) -> Result<(), StoreError> {
    sync_folder(folder_of(path))
}

/// Makes new, renamed and removed names in a folder durable.
#[cfg(unix)]
pub(crate) fn sync_folder(folder: &Path) -> Result<(), StoreError> {
    fs::File::open(folder)
        .and_then(|opened| opened.sync_all())
        .map_err(StoreError::io("sync the folder", folder))
}

/// Other systems cannot open a folder to sync it; theirs journal their names.
#[cfg(not(unix))]
pub(crate) fn sync_folder(_: &Path) -> Result<(), StoreError> {
    Ok(())
}

/// The folder that holds `path`.
pub(crate) fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    }
}

/// A new private file beside `path`, with all of `bytes` in it and synced. The caller renames or
/// links it into place.
pub(crate) fn write_temporary(path: &Path, bytes: &[u8]) -> Result<PathBuf, StoreError> {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{}-{number}{TEMPORARY}", std::process::id()));
    let temporary = PathBuf::from(name);
    let written =
        private_file().write(true).create_new(true).open(&temporary).and_then(|mut file| {
            file.write_all(bytes)?;
            file.sync_all()
        });
    if let Err(source) = written {
        // A half-written temporary file is of no use; the first error is the one to tell.
        let _ = fs::remove_file(&temporary);
        return Err(StoreError::Io { doing: "write", path: temporary, source });
    }
    Ok(temporary)
}

/// Replaces the file at `path` by `bytes`: a reader, also one after a crash, sees all of the old or
/// all of the new. Durable on return.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> Result<(), StoreError> {
    let temporary = write_temporary(path, bytes)?;
    fs::rename(&temporary, path).map_err(StoreError::io("replace", path))?;
    sync_folder_of(path)
}

/// Moves a file to another name, which may be taken; durable on return.
pub(crate) fn move_to(from: &Path, to: &Path) -> Result<(), StoreError> {
    fs::rename(from, to).map_err(StoreError::io("move", from))?;
    sync_folder_of(to)?;
    sync_folder_of(from)
}

/// Removes a file, durably. Whether it was there.
pub(crate) fn remove(path: &Path) -> Result<bool, StoreError> {
    match fs::remove_file(path) {
        Ok(()) => sync_folder_of(path).map(|()| true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(StoreError::io("remove", path)(error)),
    }
}

/// All of a file; none if there is no such file.
pub(crate) fn read(path: &Path) -> Result<Option<Vec<u8>>, StoreError> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(StoreError::io("read", path)(error)),
    }
}

/// Removes temporary files in a folder whose names begin with `prefix`: what a crash left.
pub(crate) fn remove_leftovers(folder: &Path, prefix: &str) -> Result<(), StoreError> {
    for name in names(folder)? {
        if name.starts_with(prefix) && name.ends_with(TEMPORARY) {
            remove(&folder.join(name))?;
        }
    }
    Ok(())
}

/// The names in a folder that are valid Unicode, in order.
pub(crate) fn names(folder: &Path) -> Result<Vec<String>, StoreError> {
    let entries = fs::read_dir(folder).map_err(StoreError::io("list", folder))?;
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry.map_err(StoreError::io("list", folder))?;
        names.extend(entry.file_name().into_string());
    }
    names.sort();
    Ok(names)
}
