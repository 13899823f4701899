//! What this machine can do: its rate of f32 matrix multiplication.

use std::thread;
use std::time::{Duration, Instant};

use tch::{Kind, Tensor};

use crate::ModelError;

/// Floating-point operations a second of large f32 multiplications, each of `threads` threads with its own; measured
/// for about a third of a second.
///
/// # Errors
/// If the operating system gives no thread.
pub fn matmul_peak(threads: usize) -> Result<f64, ModelError> {
    thread::scope(|scope| {
        let spawned = (0..threads.max(1)).map(|_| {
            let builder = thread::Builder::new().name("peak".to_owned());
            builder.spawn_scoped(scope, one_thread).map_err(|source| ModelError::Thread { source })
        });
        let handles = spawned.collect::<Result<Vec<_>, _>>()?;
        let rates = handles.into_iter().map(|handle| {
            // A panic here is our own bug: it goes on in the caller's thread.
            handle.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        });
        Ok(rates.sum())
    })
}

fn one_thread() -> f64 {
    tch::set_num_threads(1);
    tch::no_grad(|| {
        let options = (Kind::Float, tch::Device::Cpu);
        let (left, right) =
            (Tensor::ones([SIDE, SIDE], options), Tensor::ones([SIDE, SIDE], options));
        let out = left.mm(&right);
        let (began, mut count) = (Instant::now(), 0);
        while began.elapsed() < MEASURED {
            let _ = left.mm_out(&out, &right);
            count += 1;
        }
        f64::from(count) * 2.0 * (SIDE as f64).powi(3) / began.elapsed().as_secs_f64()
    })
}

const SIDE: i64 = 768;
const MEASURED: Duration = Duration::from_millis(300);
