//! End to end: the programs as people run them, the files that people edit, and the arrows between the crates.

mod configs;
mod layout;
