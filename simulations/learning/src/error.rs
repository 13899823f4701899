//! Why a measurement or a yardstick could not be made.

use std::path::PathBuf;

use thiserror::Error;

/// Why a measurement or a yardstick could not be made.
#[derive(Debug, Error)]
pub enum LearningError {
    /// A file or folder of the people cannot be read.
    #[error("cannot read {file}")]
    Read {
        /// Which.
        file: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// A person's description is no `person.toml`.
    #[error("{file} does not describe a person (it needs name, me, description, format)")]
    Person {
        /// Which file.
        file: PathBuf,
        /// Line and key.
        source: Box<toml::de::Error>,
    },
    /// A folder holds nobody.
    #[error("{folder} holds no folder with a person.toml: name the folder of people with --people")]
    Nobody {
        /// Which folder.
        folder: PathBuf,
    },
    /// In reading a chat export.
    #[error(transparent)]
    Import(#[from] chatlogs::ImportError),
    /// In scrubbing.
    #[error(transparent)]
    Scrub(#[from] chatlogs::ScrubError),
    /// In the model.
    #[error(transparent)]
    Model(#[from] model::ModelError),
    /// In the integer grid.
    #[error(transparent)]
    Grid(#[from] grid::GridError),
    /// In the mechanism.
    #[error(transparent)]
    Privacy(#[from] privacy::PrivacyError),
    /// In the ledger that a release is charged to.
    #[error(transparent)]
    Ledger(#[from] privacy::LedgerError),
    /// The ledger does not admit a release.
    #[error(transparent)]
    Refused(#[from] privacy::Refusal),
    /// In the step from one version to the next.
    #[error(transparent)]
    Version(#[from] version::VersionError),
}
