//! One file per command.

pub mod estimate;
pub mod init;
pub mod invite;
pub mod remove;
pub mod rollback;
pub mod run;
pub mod status;
pub mod versions;
