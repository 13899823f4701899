//! chatlogs
