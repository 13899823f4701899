//! Where everything of a demo lies.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};

/// Says that a folder was made by this command and may be replaced by it.
const MARK: &str = ".murmur-demo";

/// The folders of a demo, all absolute.
pub struct Place {
    /// The demo's folder.
    pub root: PathBuf,
    /// The base model.
    pub model: PathBuf,
    /// The gate's conversations.
    pub gate: PathBuf,
}

impl Place {
    /// An empty folder; what an earlier demo left there is removed, and nothing else ever is.
    ///
    /// # Errors
    /// If the folder holds something else, or an input is missing.
    pub fn prepare(root: &Path, model: &Path, gate: &Path) -> anyhow::Result<Self> {
        let root = std::path::absolute(root)?;
        for (what, path, option) in
            [("base model", model, "--model"), ("gate data", gate, "--gate")]
        {
            if !path.exists() {
                bail!(
                    "the {what} {} is not there: run this in the repository's folder, or name it with {option}",
                    path.display()
                );
            }
        }
        if root.join(MARK).exists() {
            std::fs::remove_dir_all(&root)
                .with_context(|| format!("cannot remove the last demo in {}", root.display()))?;
        } else if root.exists() && std::fs::read_dir(&root)?.next().is_some() {
            bail!("{} holds something that is no demo: choose another --folder", root.display());
        }
        std::fs::create_dir_all(&root)
            .and_then(|()| std::fs::write(root.join(MARK), ""))
            .with_context(|| format!("cannot create {}", root.display()))?;
        Ok(Self { root, model: std::path::absolute(model)?, gate: std::path::absolute(gate)? })
    }

    /// The coordinator's folder.
    pub fn coordinator(&self) -> PathBuf {
        self.root.join("coordinator")
    }

    /// A person's node.
    pub fn node(&self, name: &str) -> PathBuf {
        self.root.join("nodes").join(name.to_lowercase())
    }

    /// A person's held-out conversations.
    pub fn held_out(&self, name: &str) -> PathBuf {
        self.root.join("held-out").join(format!("{}.jsonl", name.to_lowercase()))
    }

    /// A version as a PEFT folder.
    pub fn version(&self, version: u64) -> PathBuf {
        self.versions().join(format!("v{version:04}"))
    }

    /// Where versions are left.
    pub fn versions(&self) -> PathBuf {
        self.root.join("versions")
    }

    /// What a program said.
    pub fn log(&self, name: &str) -> PathBuf {
        self.root.join("logs").join(format!("{}.log", name.to_lowercase()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_earlier_demo_is_replaced() {
        let base = tempfile::tempdir().unwrap();
        let (model, gate) = (base.path().join("model"), base.path().join("gate"));
        std::fs::write(&model, "").unwrap();
        std::fs::write(&gate, "").unwrap();
        let root = base.path().join("demo");
        let prepare = || Place::prepare(&root, &model, &gate);
        std::fs::create_dir(&root).unwrap();
        std::fs::write(root.join("thesis.txt"), "years of work").unwrap();
        assert!(prepare().is_err());
        assert!(root.join("thesis.txt").exists());
        std::fs::remove_file(root.join("thesis.txt")).unwrap();
        prepare().unwrap();
        std::fs::write(root.join("old"), "").unwrap();
        prepare().unwrap();
        assert!(!root.join("old").exists());
        assert!(Place::prepare(&root, &base.path().join("missing"), &gate).is_err());
    }
}
