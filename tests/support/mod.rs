//! What the end-to-end tests share: real programs, a tiny model, small chat exports.

pub mod evidence;
pub mod model_folder;
pub mod people;
pub mod process;
pub mod swarm;
