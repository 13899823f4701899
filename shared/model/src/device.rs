//! Where and in which number format a model computes.

use crate::ModelError;
use crate::multiply::activations;

/// Where tensors live.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Device {
    /// The processor.
    Cpu,
    /// The n-th CUDA device, where this libtorch has CUDA.
    Cuda(usize),
}

/// The number format of frozen weights, on CUDA devices of activations too. Trained parameters are always f32, and on a
/// processor so are activations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Precision {
    /// IEEE single precision.
    F32,
    /// bfloat16: half the memory, and generation is faster for it; training where the device multiplies it natively.
    Bf16,
}

impl Device {
    /// libtorch's name of a device that is there.
    pub(crate) fn checked(self) -> Result<tch::Device, ModelError> {
        match self {
            Device::Cpu => Ok(tch::Device::Cpu),
            Device::Cuda(index) => {
                let available = usize::try_from(tch::Cuda::device_count()).unwrap_or(0);
                if index < available {
                    Ok(tch::Device::Cuda(index))
                } else {
                    Err(ModelError::Device { index, available })
                }
            }
        }
    }
}

impl Precision {
    pub(crate) fn kind(self) -> tch::Kind {
        match self {
            Precision::F32 => tch::Kind::Float,
            Precision::Bf16 => tch::Kind::BFloat16,
        }
    }

    /// A weight in this format; vectors (norms, biases) in that of the activations.
    pub(crate) fn hold(self, weight: tch::Tensor) -> tch::Tensor {
        let kind = match weight.dim() {
            1 => activations(self.kind(), weight.device()),
            _ => self.kind(),
        };
        weight.to_kind(kind)
    }

    /// A tensor with its numbers rounded to this format, held in f32.
    pub(crate) fn rounded(self, tensor: &tch::Tensor) -> tch::Tensor {
        match self {
            Precision::F32 => tensor.shallow_clone(),
            Precision::Bf16 => tensor.to_kind(self.kind()).to_kind(tch::Kind::Float),
        }
    }

    /// The name in config.json.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Precision::F32 => "float32",
            Precision::Bf16 => "bfloat16",
        }
    }
}
