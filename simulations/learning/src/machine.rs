//! What this machine has, as far as a simulation must know.

use std::fs;
use std::thread;

/// Cores and memory for a simulation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Machine {
    /// Threads that can run at once.
    pub threads: usize,
    /// Bytes that are free now; none where the system does not say (only Linux does here).
    pub free_bytes: Option<u64>,
}

impl Machine {
    /// This one, now.
    pub fn here() -> Self {
        let threads = thread::available_parallelism().map_or(1, usize::from);
        let free_bytes =
            kilobytes("/proc/meminfo", "MemAvailable:").map(|kilobytes| kilobytes * 1024);
        Self { threads, free_bytes }
    }
}

/// The most memory that this process has had, in bytes; none where the system does not say.
pub fn peak_memory() -> Option<u64> {
    kilobytes("/proc/self/status", "VmHWM:").map(|kilobytes| kilobytes * 1024)
}

fn kilobytes(file: &str, key: &str) -> Option<u64> {
    let text = fs::read_to_string(file).ok()?;
    let line = text.lines().find(|line| line.starts_with(key))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_has_something() {
        let machine = Machine::here();
        assert!(machine.threads >= 1);
        if cfg!(target_os = "linux") {
            assert!(machine.free_bytes.unwrap() > 1 << 20);
            assert!(peak_memory().unwrap() > 1 << 20);
        }
    }
}
