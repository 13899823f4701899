//! One token that says "stop", raised by SIGINT, SIGTERM or the program itself.

use std::io;
use std::thread;

use tokio_util::sync::CancellationToken;

use crate::{Exit, ProgramError, output::note};

/// Asks everything in a program to end in order. Clones share one token.
#[derive(Debug, Clone, Default)]
pub struct Shutdown {
    token: CancellationToken,
}

impl Shutdown {
    /// A shutdown that only the program itself asks for.
    pub fn new() -> Self {
        Self::default()
    }

    /// A shutdown that SIGINT (Ctrl-C) and SIGTERM ask for too. A second signal ends the process at once, code 130.
    ///
    /// Signals are heard on a thread of their own: also while the program computes, with or without a runtime.
    ///
    /// # Errors
    /// The system refuses the handlers or the thread.
    pub fn on_signals() -> Result<Self, ProgramError> {
        let shutdown = Self::new();
        let listener = shutdown.clone();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(ProgramError::Signals)?;
        let mut signals = {
            let _inside = runtime.enter();
            Signals::listen().map_err(ProgramError::Signals)?
        };
        thread::Builder::new()
            .name("signals".to_owned())
            .spawn(move || {
                runtime.block_on(async {
                    let name = signals.next().await;
                    note(format!("{name}: stopping in order; once more stops at once"));
                    listener.request();
                    signals.next().await;
                    std::process::exit(Exit::Interrupted.code().into());
                });
            })
            .map_err(ProgramError::Signals)?;
        Ok(shutdown)
    }

    /// Asks for it.
    pub fn request(&self) {
        self.token.cancel();
    }

    /// Whether it has been asked for; for work on threads, between two steps.
    pub fn is_requested(&self) -> bool {
        self.token.is_cancelled()
    }

    /// Ends when it is asked for.
    ///
    /// # Cancel safety
    /// Safe to cancel.
    pub async fn requested(&self) {
        self.token.cancelled().await;
    }

    /// The token itself, for libraries that take one.
    pub fn token(&self) -> &CancellationToken {
        &self.token
    }
}

#[cfg(unix)]
struct Signals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    fn listen() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }

    async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.interrupt.recv() => "interrupt",
            _ = self.terminate.recv() => "asked to end",
        }
    }
}

#[cfg(not(unix))]
struct Signals;

#[cfg(not(unix))]
impl Signals {
    fn listen() -> io::Result<Self> {
        Ok(Self)
    }

    async fn next(&mut self) -> &'static str {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
        "interrupt"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn clones_stop_together() {
        let shutdown = Shutdown::new();
        let clone = shutdown.clone();
        assert!(!clone.is_requested());
        shutdown.request();
        clone.requested().await;
        assert!(clone.is_requested() && clone.token().is_cancelled());
    }
}
