//! A program that waits says for what.

use std::fmt::Display;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::{Progress, human, output::note};

/// Silence before the first word, and between two words about the same thing.
const PATIENCE: Patience =
    Patience { first: Duration::from_secs(2), again: Duration::from_secs(30) };

#[derive(Debug, Clone, Copy)]
struct Patience {
    first: Duration,
    again: Duration,
}

/// Awaits a future; if that takes longer than two seconds, says what is awaited, and again every half minute.
///
/// # Cancel safety
/// As safe to cancel as `future` itself.
pub async fn waiting<F: Future>(what: impl Display, future: F) -> F::Output {
    waiting_with(&what, future, PATIENCE, note).await
}

async fn waiting_with<F: Future>(
    what: &impl Display,
    future: F,
    patience: Patience,
    mut say: impl FnMut(String),
) -> F::Output {
    let started = Instant::now();
    let mut pause = patience.first;
    tokio::pin!(future);
    loop {
        tokio::select! {
            biased;
            output = &mut future => return output,
            () = tokio::time::sleep(pause) => say(sentence(what, started.elapsed(), pause == patience.first)),
        }
        pause = patience.again;
    }
}

fn sentence(what: &impl Display, elapsed: Duration, first: bool) -> String {
    if first {
        format!("waiting for {what}")
    } else {
        format!("still waiting for {what} ({})", human::duration(elapsed))
    }
}

/// Says what a program waits for while that changes: `3 of 8 nodes`, then `4 of 8 nodes`.
///
/// On a terminal it is a line that is drawn anew; elsewhere a line is printed whenever the text changes.
#[derive(Debug)]
pub struct Waiting {
    spinner: Progress,
    said: Mutex<String>,
}

impl Waiting {
    /// Starts to wait for `what`.
    pub fn on(what: impl Display) -> Self {
        let waiting = Self { spinner: Progress::waiting(), said: Mutex::default() };
        waiting.now(what);
        waiting
    }

    /// It waits for this now.
    pub fn now(&self, what: impl Display) {
        let text = format!("waiting for {what}");
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        if *said != text {
            self.spinner.show(&text);
            *said = text;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::RefCell;
    use tokio::sync::Notify;

    /// The future ends when three sentences have been said, so the test does not depend on speed.
    #[tokio::test]
    async fn it_says_what_it_waits_for_until_that_is_there() {
        let (said, enough) = (RefCell::new(Vec::new()), Notify::new());
        let patience =
            Patience { first: Duration::from_millis(1), again: Duration::from_millis(2) };
        let say = |text| {
            said.borrow_mut().push(text);
            if said.borrow().len() == 3 {
                enough.notify_one();
            }
        };
        let future = async {
            enough.notified().await;
            7
        };
        assert_eq!(waiting_with(&"3 more nodes", future, patience, say).await, 7);
        let said = said.into_inner();
        assert_eq!(said[0], "waiting for 3 more nodes");
        assert!(said[1].starts_with("still waiting for 3 more nodes ("), "{said:?}");
    }

    #[tokio::test]
    async fn what_is_ready_is_not_waited_for() {
        let patience = Patience { first: Duration::ZERO, again: Duration::ZERO };
        let output =
            waiting_with(&"nothing", async { 7 }, patience, |text| panic!("said {text}")).await;
        assert_eq!(output, 7);
    }

    #[test]
    fn a_changing_wait_remembers_its_last_word() {
        let waiting = Waiting::on("3 of 8 nodes");
        waiting.now("4 of 8 nodes");
        assert_eq!(*waiting.said.lock().unwrap(), "waiting for 4 of 8 nodes");
    }
}
