//! What this machine has, as far as a simulation must know.

use std::fs;
use std::thread;

use model::Device;

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

    /// As it is to be used where models compute on `device`: a CUDA device works for one thread at a time, and libtorch
    /// does not say how much of its memory is free.
    #[must_use]
    pub fn with(self, device: Device) -> Self {
        match device {
            Device::Cpu => self,
            Device::Cuda(_) => Self { threads: 1, free_bytes: Some(CUDA_BYTES) },
        }
    }
}

/// Of which four fifths are used: 4,096 MB.
const CUDA_BYTES: u64 = 5 * (1 << 30);

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
    fn a_cuda_device_is_used_by_one_thread_within_its_own_memory() {
        let machine = Machine { threads: 16, free_bytes: None };
        assert_eq!(machine.with(Device::Cpu), machine);
        let with = machine.with(Device::Cuda(0));
        assert_eq!((with.threads, with.free_bytes.unwrap() / 5 * 4), (1, 4 << 30));
    }

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
