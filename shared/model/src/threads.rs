//! Long work on an operating-system thread of its own, with a cap on the cores it uses.

use std::thread;

use crate::ModelError;

/// Runs `work` on its own thread and waits for it. libtorch uses at most `cores` threads for it.
pub(crate) fn on_own_thread<T: Send>(
    name: &str,
    cores: usize,
    work: impl FnOnce() -> Result<T, ModelError> + Send,
) -> Result<T, ModelError> {
    thread::scope(|scope| joined(spawn(scope, name, cores, work)?))
}

/// The same for several pieces of work at once, each with `cores` threads of libtorch. Results in their order.
pub(crate) fn on_own_threads<P: Send, T: Send>(
    name: &str,
    cores: usize,
    pieces: Vec<P>,
    work: impl Fn(P) -> Result<T, ModelError> + Sync,
) -> Result<Vec<T>, ModelError> {
    let work = &work;
    thread::scope(|scope| {
        let spawned =
            pieces.into_iter().map(|piece| spawn(scope, name, cores, move || work(piece)));
        let handles = spawned.collect::<Result<Vec<_>, _>>()?;
        handles.into_iter().map(joined).collect()
    })
}

type Handle<'scope, T> = thread::ScopedJoinHandle<'scope, Result<T, ModelError>>;

fn spawn<'scope, T: Send + 'scope>(
    scope: &'scope thread::Scope<'scope, '_>,
    name: &str,
    cores: usize,
    work: impl FnOnce() -> Result<T, ModelError> + Send + 'scope,
) -> Result<Handle<'scope, T>, ModelError> {
    let cores = i32::try_from(cores.max(1)).unwrap_or(i32::MAX);
    let builder = thread::Builder::new().name(name.to_owned());
    let spawned = builder.spawn_scoped(scope, move || {
        tch::set_num_threads(cores);
        work()
    });
    spawned.map_err(|source| ModelError::Thread { source })
}

fn joined<T>(handle: Handle<'_, T>) -> Result<T, ModelError> {
    // A panic of the work is our own bug: it goes on in the caller's thread.
    handle.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}
