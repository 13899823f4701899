//! Long work on an operating-system thread of its own, with a cap on the cores it uses.

use std::thread;

use crate::ModelError;

/// Runs `work` on its own thread and waits for it. libtorch uses at most `cores` threads for it.
pub(crate) fn on_own_thread<T: Send>(
    name: &str,
    cores: usize,
    work: impl FnOnce() -> Result<T, ModelError> + Send,
) -> Result<T, ModelError> {
    let cores = i32::try_from(cores.max(1)).unwrap_or(i32::MAX);
    thread::scope(|scope| {
        let spawned = thread::Builder::new().name(name.to_owned()).spawn_scoped(scope, move || {
            tch::set_num_threads(cores);
            work()
        });
        let handle = spawned.map_err(|source| ModelError::Thread { source })?;
        // A panic of the work is our own bug: it goes on in the caller's thread.
        handle.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}
