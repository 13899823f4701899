//! What this machine can do: its rate of f32 matrix multiplication.

use std::thread;
use std::time::{Duration, Instant};

use tch::{Kind, Tensor};

use crate::ModelError;
use crate::device::Device;
use crate::kernels::lanes::LANES;
use crate::kernels::product::{multiply, panels};
use crate::kernels::rows::Rows;

/// Floating-point operations a second of f32 multiplications. On a processor each of `threads` threads has its own, and
/// it is the best of eight tries, half of them with libtorch at a size that suits it, half with our own kernel at a size
/// that suits that; a bit more than a second together. On a CUDA device it is the best of four with libtorch.
///
/// Whoever else uses the machine at the time lowers it: what a run reaches can then be more than this.
///
/// # Errors
/// If the operating system gives no thread, or the device is not there.
pub fn matmul_peak(device: Device, threads: usize) -> Result<f64, ModelError> {
    let on = device.checked()?;
    let mut best: f64 = 0.0;
    for _ in 0..TRIES {
        best = best.max(match device {
            Device::Cpu => {
                together(threads, || with_libtorch(on, SIDE))?.max(together(threads, with_panels)?)
            }
            Device::Cuda(_) => together(1, || with_libtorch(on, CUDA_SIDE))?,
        });
    }
    Ok(best)
}

fn together(threads: usize, one_thread: impl Fn() -> f64 + Copy + Send) -> Result<f64, ModelError> {
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

fn with_libtorch(device: tch::Device, side: usize) -> f64 {
    tch::set_num_threads(1);
    tch::no_grad(|| {
        let square = || Tensor::ones([side as i64, side as i64], (Kind::Float, device));
        let (left, right) = (square(), square());
        let out = left.mm(&right);
        rate([side, side, side], || {
            drop(left.mm_out(&out, &right));
            if let tch::Device::Cuda(index) = device {
                tch::Cuda::synchronize(index as i64);
            }
        })
    })
}

fn with_panels() -> f64 {
    let [rows, depth, columns] = NEAR;
    let left = Rows::new(rows, depth);
    let laid = panels(depth, columns, |_, _| 1.0);
    let mut out = Rows::new(rows, columns);
    let stride = out.stride;
    rate(NEAR, || multiply(left.all(), left.stride, depth, &laid, out.all_mut(), stride, false))
}

/// Operations a second of a multiplication of this size.
fn rate(size: [usize; 3], mut multiplied: impl FnMut()) -> f64 {
    multiplied();
    let (began, mut count) = (Instant::now(), 0.0);
    while began.elapsed() < MEASURED {
        multiplied();
        count += 1.0;
    }
    let operations = 2.0 * size.iter().product::<usize>() as f64;
    count * operations / began.elapsed().as_secs_f64()
}

const TRIES: usize = 4;
const MEASURED: Duration = Duration::from_millis(140);
const SIDE: usize = 768;
const CUDA_SIDE: usize = 4096;
/// Rows, depth and columns that stay in the second cache.
const NEAR: [usize; 3] = [192, 256, 16 * LANES];
