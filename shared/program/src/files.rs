//! Whole files or none: a reader never sees half of one, a crash leaves the old or the new one.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::ProgramError;

/// Who may read a file that we make.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Readers {
    /// Whoever the umask allows.
    Usual,
    /// The owner only (0600).
    Owner,
}

/// Replaces a file: temporary file beside it, fsync, rename, fsync of the folder.
///
/// # Errors
/// The folder is missing, closed to us or full; the old file is untouched then.
pub fn write_atomically(path: &Path, bytes: &[u8]) -> Result<(), ProgramError> {
    replace(path, bytes, Readers::Usual)
        .map_err(|source| ProgramError::Write { path: path.to_owned(), source })
}

/// [`write_atomically`] for what only the owner may read (mode 0600 from the first byte on).
///
/// # Errors
/// As for [`write_atomically`].
pub fn write_secret(path: &Path, bytes: &[u8]) -> Result<(), ProgramError> {
    replace(path, bytes, Readers::Owner)
        .map_err(|source| ProgramError::Write { path: path.to_owned(), source })
}

/// Makes a new secret file (mode 0600) and never replaces one: a key that is overwritten is lost.
///
/// # Errors
/// The file exists, or cannot be written.
pub fn create_secret(path: &Path, bytes: &[u8]) -> Result<(), ProgramError> {
    create_new(path, bytes).map_err(|source| match source.kind() {
        io::ErrorKind::AlreadyExists => ProgramError::SecretExists { path: path.to_owned() },
        _ => ProgramError::Write { path: path.to_owned(), source },
    })
}

fn replace(path: &Path, bytes: &[u8], readers: Readers) -> io::Result<()> {
    let temporary = Temporary::write(path, bytes, readers)?;
    fs::rename(&temporary.path, path)?;
    sync_folder(path)
}

/// A hard link appears with all its bytes and fails where a name is taken.
fn create_new(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let temporary = Temporary::write(path, bytes, Readers::Owner)?;
    fs::hard_link(&temporary.path, path)?;
    sync_folder(path)
}

/// A durable file beside the one it will become; removed when dropped, if it is still there.
struct Temporary {
    path: PathBuf,
}

impl Temporary {
    fn write(beside: &Path, bytes: &[u8], readers: Readers) -> io::Result<Self> {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let name = beside.file_name().ok_or(io::ErrorKind::InvalidInput)?.to_string_lossy();
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let path = beside.with_file_name(format!(".{name}.{}-{number}.new", std::process::id()));
        // Left over by an earlier process with our id.
        let _ = fs::remove_file(&path);
        let mut file = open_new(&path, readers)?;
        let temporary = Self { path };
        file.write_all(bytes)?;
        file.sync_all()?;
        Ok(temporary)
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

fn open_new(path: &Path, readers: Readers) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    if readers == Readers::Owner {
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    }
    #[cfg(not(unix))]
    let _ = readers;
    options.open(path)
}

/// Makes a rename durable. Only Unix lets a folder be opened for that.
fn sync_folder(path: &Path) -> io::Result<()> {
    #[cfg(unix)]
    {
        let folder =
            path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        File::open(folder)?.sync_all()?;
    }
    #[cfg(not(unix))]
    let _ = path;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect()
    }

    #[test]
    fn a_file_is_replaced_whole_and_nothing_else_is_left() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state");
        write_atomically(&path, b"old and longer").unwrap();
        write_atomically(&path, b"new").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
        assert_eq!(names(folder.path()), ["state"]);
    }

    #[test]
    fn a_failure_keeps_the_old_file_and_names_the_path() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state");
        fs::create_dir(&path).unwrap();
        let error = write_atomically(&path, b"new").unwrap_err();
        assert!(error.to_string().contains("state"), "{error}");
        assert_eq!(names(folder.path()), ["state"]);
        assert!(write_atomically(&folder.path().join("none/state"), b"new").is_err());
        assert!(write_atomically(Path::new("/"), b"new").is_err());
    }

    #[cfg(unix)]
    #[test]
    fn secrets_are_for_the_owner_only_and_a_new_one_replaces_none() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        let mode = || fs::metadata(&path).unwrap().permissions().mode() & 0o777;
        create_secret(&path, b"one").unwrap();
        assert_eq!(mode(), 0o600);
        let error = create_secret(&path, b"two").unwrap_err();
        assert!(matches!(error, ProgramError::SecretExists { .. }), "{error}");
        assert_eq!(fs::read(&path).unwrap(), b"one");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        write_secret(&path, b"two").unwrap();
        assert_eq!((mode(), fs::read(&path).unwrap()), (0o600, b"two".to_vec()));
        assert_eq!(names(folder.path()), ["key"]);
    }
}
