//! One-time secrets that let a node enrol.
//!
//! The folder `invites` has a file for each that was issued: its name is the secret's hash, its
//! text the time at which it expires. The secret itself is printed once and kept nowhere. Whether
//! it was used stands with the members, in one file ([`crate::members`]), so issuing and enrolling
//! never write the same file and need no lock between them.
//!
//! A secret has 256 random bits and is only ever compared as a hash, so the time that a comparison
//! takes tells nothing of use.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::Context as _;
use rand::{TryRng, rngs::SysRng};
use wire::NodeId;

use crate::members::{InviteHash, Members};

/// Whether somebody with a secret may become a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// Yes, with this invite.
    Welcome(InviteHash),
    /// It is one already, through this same invite: its request is repeated.
    Already,
    /// The secret is unknown, expired or used.
    Refused,
}

/// The issued invites.
pub struct Invites {
    folder: PathBuf,
}

impl Invites {
    /// Opens the folder, or creates it within a private one.
    ///
    /// # Errors
    /// If it cannot be created.
    pub fn open(folder: &Path) -> anyhow::Result<Self> {
        fs::create_dir_all(folder)
            .with_context(|| format!("cannot create the folder {}", folder.display()))?;
        Ok(Self { folder: folder.into() })
    }

    /// Draws a secret and keeps its hash, durably.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn issue(&self, expires_unix: u64) -> anyhow::Result<[u8; 32]> {
        let mut secret = [0; 32];
        SysRng.try_fill_bytes(&mut secret).context("the operating system gives no randomness")?;
        let file = self.file(InviteHash::of(&secret));
        program::create_secret(&file, format!("{expires_unix}\n").as_bytes())?;
        Ok(secret)
    }

    /// Decides about a request to enrol; changes nothing.
    pub fn admit(
        &self,
        secret: &[u8; 32],
        node: NodeId,
        members: &Members,
        now_unix: u64,
    ) -> Admission {
        let invite = InviteHash::of(secret);
        match members.user_of(invite) {
            Some(user) if user == node && members.contains(node) => Admission::Already,
            Some(_) => Admission::Refused,
            None if self.expiry(invite).is_some_and(|expires| now_unix < expires) => {
                Admission::Welcome(invite)
            }
            None => Admission::Refused,
        }
    }

    /// Removes invites that expired unused or used. How many.
    ///
    /// # Errors
    /// If the folder cannot be read.
    pub fn sweep(&self, now_unix: u64) -> anyhow::Result<usize> {
        let mut swept = 0;
        for entry in fs::read_dir(&self.folder)? {
            let file = entry?.path();
            if read_expiry(&file).is_some_and(|expires| expires <= now_unix) {
                fs::remove_file(&file)?;
                swept += 1;
            }
        }
        Ok(swept)
    }

    fn expiry(&self, invite: InviteHash) -> Option<u64> {
        read_expiry(&self.file(invite))
    }

    fn file(&self, invite: InviteHash) -> PathBuf {
        self.folder.join(wire::ContentHash(invite.0).to_string())
    }
}

fn read_expiry(file: &Path) -> Option<u64> {
    fs::read_to_string(file).ok()?.trim().parse().ok()
}

/// Reads a time span such as `45s`, `30m`, `12h` or `7d`.
///
/// # Errors
/// If it is none, with how to write one.
pub fn parse_span(text: &str) -> Result<Duration, String> {
    let wrong = || format!("\"{text}\" is not a time span: write for example 30m, 12h or 7d");
    let unit = text.chars().last().ok_or_else(wrong)?;
    let seconds = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3600,
        'd' => 86_400,
        _ => return Err(wrong()),
    };
    let number: u32 = text[..text.len() - unit.len_utf8()].parse().map_err(|_| wrong())?;
    match number {
        0 => Err(wrong()),
        number => Ok(Duration::from_secs(u64::from(number) * seconds)),
    }
}

#[cfg(test)]
mod tests {
    use ed25519_dalek::SigningKey;
    use wire::TaskId;

    use super::*;

    const ADA: NodeId = NodeId([9; 32]);
    const EVE: NodeId = NodeId([3; 32]);

    fn made() -> (tempfile::TempDir, Invites, Members) {
        let folder = tempfile::tempdir().unwrap();
        let invites = Invites::open(&folder.path().join("invites")).unwrap();
        let key = SigningKey::from_bytes(&[4; 32]);
        let members =
            Members::create(&folder.path().join("members"), key, TaskId([5; 32])).unwrap();
        (folder, invites, members)
    }

    #[test]
    fn an_invite_works_once_and_for_whoever_used_it_again() {
        let (_folder, invites, mut members) = made();
        let secret = invites.issue(100).unwrap();
        let admission = invites.admit(&secret, ADA, &members, 99);
        let Admission::Welcome(invite) = admission else { panic!("{admission:?}") };
        members.enrol(ADA, invite).unwrap();
        assert_eq!(invites.admit(&secret, ADA, &members, 99), Admission::Already);
        assert_eq!(invites.admit(&secret, ADA, &members, 101), Admission::Already);
        assert_eq!(invites.admit(&secret, EVE, &members, 99), Admission::Refused);
        members.remove(ADA).unwrap();
        let again = invites.admit(&secret, ADA, &members, 99);
        assert_eq!(again, Admission::Refused, "who was removed needs a new invite");
    }

    #[test]
    fn unknown_expired_and_garbage_are_refused() {
        let (_folder, invites, members) = made();
        let secret = invites.issue(100).unwrap();
        assert_eq!(invites.admit(&secret, ADA, &members, 100), Admission::Refused);
        assert_eq!(invites.admit(&[0; 32], ADA, &members, 1), Admission::Refused);
        fs::write(invites.file(InviteHash::of(&secret)), b"soon").unwrap();
        assert_eq!(invites.admit(&secret, ADA, &members, 1), Admission::Refused);
    }

    #[test]
    fn the_secret_is_kept_nowhere_and_expired_ones_are_swept() {
        let (folder, invites, _members) = made();
        let secret = invites.issue(100).unwrap();
        invites.issue(200).unwrap();
        let hex = wire::ContentHash(secret).to_string();
        for entry in fs::read_dir(folder.path().join("invites")).unwrap() {
            let path = entry.unwrap().path();
            assert!(!path.display().to_string().contains(&hex));
            assert!(!fs::read_to_string(path).unwrap().contains(&hex));
        }
        assert_eq!(invites.sweep(150).unwrap(), 1);
        assert_eq!(invites.sweep(150).unwrap(), 0);
    }

    #[test]
    fn spans_are_read_strictly() {
        let seconds = |text| parse_span(text).map(|span| span.as_secs());
        assert_eq!(seconds("90s"), Ok(90));
        assert_eq!(seconds("7d"), Ok(604_800));
        for bad in ["", "7", "d", "0h", "-1h", "1.5h", "7days", "1ü"] {
            assert!(parse_span(bad).is_err(), "{bad:?}");
        }
    }
}
