//! What will happen, ordered by time and then by who was first to ask.

use std::collections::BTreeMap;

use protocol::Time;

/// A queue of things to come.
pub(crate) struct Queue<T> {
    waiting: BTreeMap<(Time, u64), T>,
    asked: u64,
}

impl<T> Queue<T> {
    pub fn new() -> Self {
        Self { waiting: BTreeMap::new(), asked: 0 }
    }

    pub fn push(&mut self, at: Time, thing: T) {
        self.waiting.insert((at, self.asked), thing);
        self.asked += 1;
    }

    pub fn pop(&mut self) -> Option<(Time, T)> {
        self.waiting.pop_first().map(|((at, _), thing)| (at, thing))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_first_then_order_of_asking() {
        let mut queue = Queue::new();
        queue.push(Time(5), "b");
        queue.push(Time(3), "a");
        queue.push(Time(5), "c");
        let order: Vec<_> = std::iter::from_fn(|| queue.pop()).collect();
        assert_eq!(order, [(Time(3), "a"), (Time(5), "b"), (Time(5), "c")]);
    }
}
