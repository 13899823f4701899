//! Files that hold a secret: created once, never overwritten, readable by their owner alone.

use std::{fs, io, path::Path};

use data_encoding::{HEXLOWER, HEXLOWER_PERMISSIVE};
use rand::{TryRng, rngs::SysRng};
use zeroize::Zeroizing;

use crate::{
    StoreError,
    disk::{check_private, read, sync_folder_of, write_temporary},
};

/// Writes a new secret file with mode 0600. It is there whole or not at all, and durable on return.
///
/// # Errors
/// [`StoreError::Exists`] if anything has that name already; it is left as it is.
pub fn create(path: &Path, secret: &[u8]) -> Result<(), StoreError> {
    let temporary = write_temporary(path, secret)?;
    // Unlike a rename, a link never replaces.
    let linked = fs::hard_link(&temporary, path);
    fs::remove_file(&temporary).map_err(StoreError::io("remove", &temporary))?;
    linked.map_err(|source| match source.kind() {
        io::ErrorKind::AlreadyExists => StoreError::Exists { path: path.into() },
        _ => StoreError::Io { doing: "create", path: path.into(), source },
    })?;
    sync_folder_of(path)
}

/// All bytes of a secret file.
///
/// # Errors
/// [`StoreError::NotPrivate`] if others on this machine can read or write it.
pub fn load(path: &Path) -> Result<Zeroizing<Vec<u8>>, StoreError> {
    check_private(path)?;
    // A process that was killed while it made the file may not have synced its name, and what is
    // about to be encrypted is lost without it.
    sync_folder_of(path)?;
    match read(path)? {
        Some(bytes) => Ok(Zeroizing::new(bytes)),
        None => Err(StoreError::io("read", path)(io::ErrorKind::NotFound.into())),
    }
}

/// Draws 32 bytes from the operating system and writes them as 64 hexadecimal digits.
///
/// # Errors
/// As [`create`]; [`StoreError::Io`] if the system has no entropy to give.
pub fn create_key(path: &Path) -> Result<Zeroizing<[u8; 32]>, StoreError> {
    let mut key = Zeroizing::new([0; 32]);
    SysRng
        .try_fill_bytes(&mut *key)
        .map_err(|_| StoreError::io("draw a key for", path)(io::ErrorKind::Other.into()))?;
    write_key(path, &key)?;
    Ok(key)
}

/// Writes a key that is known already, as [`create_key`] writes a new one.
///
/// # Errors
/// As [`create`].
pub fn write_key(path: &Path, key: &[u8; 32]) -> Result<(), StoreError> {
    let digits = Zeroizing::new(HEXLOWER.encode(key));
    create(path, digits.as_bytes())
}

/// Reads a key that [`create_key`] or [`write_key`] wrote; a newline behind it does not matter.
///
/// # Errors
/// As [`load`]; [`StoreError::NotAKey`] for anything but 64 hexadecimal digits.
pub fn load_key(path: &Path) -> Result<Zeroizing<[u8; 32]>, StoreError> {
    let bytes = load(path)?;
    let mut key = Zeroizing::new([0; 32]);
    let digits = bytes.trim_ascii_end();
    if digits.len() != 64 || HEXLOWER_PERMISSIVE.decode_mut(digits, &mut *key).is_err() {
        return Err(StoreError::NotAKey { path: path.into() });
    }
    Ok(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_read_back_and_never_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        let key = create_key(&path).unwrap();
        assert_ne!(*key, [0; 32]);
        assert_eq!(*load_key(&path).unwrap(), *key);
        assert!(matches!(create_key(&path), Err(StoreError::Exists { .. })));
        assert_eq!(*load_key(&path).unwrap(), *key);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "no temporary file stays");
        let other = folder.path().join("other");
        assert_ne!(*create_key(&other).unwrap(), *key);
        let copy = folder.path().join("copy");
        write_key(&copy, &key).unwrap();
        assert_eq!(*load_key(&copy).unwrap(), *key, "a written key is read like a drawn one");
        assert!(matches!(write_key(&other, &key), Err(StoreError::Exists { .. })));
    }

    #[test]
    fn what_is_not_a_key_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in
            [("short", "ab".repeat(31)), ("long", "ab".repeat(33)), ("text", "xy".repeat(32))]
        {
            let path = folder.path().join(name);
            create(&path, text.as_bytes()).unwrap();
            assert!(matches!(load_key(&path), Err(StoreError::NotAKey { .. })), "{name}");
        }
        assert!(matches!(load(&folder.path().join("none")), Err(StoreError::Io { .. })));
        let path = folder.path().join("newline");
        create(&path, format!("{}\n", "AB".repeat(32)).as_bytes()).unwrap();
        assert_eq!(*load_key(&path).unwrap(), [0xab; 32]);
    }

    #[cfg(unix)]
    #[test]
    fn a_file_that_others_can_read_is_refused() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        create_key(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        for mode in [0o640, 0o604, 0o620, 0o601] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            let error = load_key(&path).unwrap_err();
            assert!(error.to_string().contains("chmod 600"), "{error}");
        }
    }
}
