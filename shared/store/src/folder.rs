//! A folder that belongs to one running program.

use std::{
    fs::File,
    io::{Read, Seek, Write},
    path::{Path, PathBuf},
};

use crate::{
    StoreError,
    disk::{check_private, create_private_folder, names, private_file},
};

/// A private folder (0700), locked for as long as this value lives.
///
/// The lock is the operating system's on the file `lock` (`flock`), so it ends with the process
/// however that ends; the file holds the process' number for the error that another one gets.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    _lock: File,
}

impl Folder {
    /// Creates the folder where there is none, and locks it.
    ///
    /// # Errors
    /// [`StoreError::Locked`] if another program (or this one, before) holds it;
    /// [`StoreError::NotPrivate`] if others can enter it and something is in it already.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        if !path.exists() {
            create_private_folder(path)?;
        } else if names(path)?.is_empty() {
            make_private(path)?;
        }
        check_private(path)?;
        let lock = lock(path)?;
        Ok(Self { path: path.into(), _lock: lock })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The path of something in it.
    pub fn join(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }
}

fn lock(folder: &Path) -> Result<File, StoreError> {
    let path = folder.join("lock");
    let mut options = private_file();
    let mut file = options
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(&path)
        .map_err(StoreError::io("open", &path))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(std::fs::TryLockError::WouldBlock) => {
            let mut holder = String::new();
            // A lock file that cannot be read still says that somebody holds it.
            let _ = file.read_to_string(&mut holder);
            return Err(StoreError::Locked {
                path: folder.into(),
                process: holder.trim().parse().ok(),
            });
        }
        Err(std::fs::TryLockError::Error(source)) => {
            return Err(StoreError::Io { doing: "lock", path, source });
        }
    }
    file.set_len(0)
        .and_then(|()| file.rewind())
        .and_then(|()| writeln!(file, "{}", std::process::id()))
        .map_err(StoreError::io("write", &path))?;
    Ok(file)
}

#[cfg(unix)]
fn make_private(path: &Path) -> Result<(), StoreError> {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o700))
        .map_err(StoreError::io("make private", path))
}

#[cfg(not(unix))]
fn make_private(_: &Path) -> Result<(), StoreError> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_holder_at_a_time_and_the_second_learns_who() {
        let outer = tempfile::tempdir().unwrap();
        let path = outer.path().join("a/b");
        let held = Folder::open(&path).unwrap();
        let error = Folder::open(&path).unwrap_err();
        assert!(error.to_string().contains(&format!("process {}", std::process::id())), "{error}");
        drop(held);
        assert!(Folder::open(&path).is_ok());
    }

    #[cfg(unix)]
    #[test]
    fn it_is_private_or_refused() {
        use std::{fs, os::unix::fs::PermissionsExt};
        let outer = tempfile::tempdir().unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        let open =
            |path: &Path| fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();

        let fresh = outer.path().join("fresh");
        drop(Folder::open(&fresh).unwrap());
        assert_eq!((mode(&fresh), mode(&fresh.join("lock"))), (0o700, 0o600));
        open(&fresh);
        let error = Folder::open(&fresh).unwrap_err();
        assert!(matches!(error, StoreError::NotPrivate { mode: 0o755, folder: true, .. }));
        assert!(error.to_string().contains("chmod 700"), "{error}");

        let empty = outer.path().join("empty");
        fs::create_dir(&empty).unwrap();
        open(&empty);
        drop(Folder::open(&empty).unwrap());
        assert_eq!(mode(&empty), 0o700);
    }
}
