//! Where and in which number format a model computes.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

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

/// Where a user wants the work done, in words: `auto`, `cpu`, `cuda` or, of several, `cuda:1`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum DeviceChoice {
    /// The first CUDA device where libtorch has CUDA and finds one, the processor otherwise.
    #[default]
    Auto,
    /// This one or none.
    On(Device),
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

impl DeviceChoice {
    /// The device that was meant, which may turn out not to be there.
    pub fn device(self) -> Device {
        match self {
            DeviceChoice::Auto if cuda_devices() > 0 => Device::Cuda(0),
            DeviceChoice::Auto => Device::Cpu,
            DeviceChoice::On(device) => device,
        }
    }
}

impl FromStr for DeviceChoice {
    type Err = ModelError;

    fn from_str(text: &str) -> Result<Self, ModelError> {
        let unknown = || ModelError::UnknownDevice { found: text.to_owned() };
        match text {
            "auto" => Ok(DeviceChoice::Auto),
            "cpu" => Ok(DeviceChoice::On(Device::Cpu)),
            "cuda" => Ok(DeviceChoice::On(Device::Cuda(0))),
            _ => {
                let index = text.strip_prefix("cuda:").ok_or_else(unknown)?;
                let index = index.parse().map_err(|_| unknown())?;
                Ok(DeviceChoice::On(Device::Cuda(index)))
            }
        }
    }
}

impl TryFrom<String> for DeviceChoice {
    type Error = ModelError;

    fn try_from(text: String) -> Result<Self, ModelError> {
        text.parse()
    }
}

impl From<DeviceChoice> for String {
    fn from(choice: DeviceChoice) -> String {
        match choice {
            DeviceChoice::Auto => "auto".to_owned(),
            DeviceChoice::On(device) => device.to_string(),
        }
    }
}

impl fmt::Display for Device {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Device::Cpu => formatter.write_str("cpu"),
            Device::Cuda(index) => write!(formatter, "cuda:{index}"),
        }
    }
}

impl Device {
    /// libtorch's name of a device that is there.
    pub(crate) fn checked(self) -> Result<tch::Device, ModelError> {
        match self {
            Device::Cpu => Ok(tch::Device::Cpu),
            Device::Cuda(index) => {
                let available = cuda_devices();
                if index < available {
                    Ok(tch::Device::Cuda(index))
                } else {
                    Err(ModelError::Device { index, available })
                }
            }
        }
    }
}

/// How many CUDA devices libtorch can use; none where it was built without CUDA.
fn cuda_devices() -> usize {
    usize::try_from(tch::Cuda::device_count()).unwrap_or(0)
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

#[cfg(test)]
mod tests {
    use super::{Device, DeviceChoice};

    #[test]
    fn devices_are_named_in_words() {
        for (text, device) in
            [("cpu", Device::Cpu), ("cuda", Device::Cuda(0)), ("cuda:3", Device::Cuda(3))]
        {
            assert_eq!(text.parse::<DeviceChoice>().unwrap(), DeviceChoice::On(device));
        }
        for choice in [DeviceChoice::Auto, DeviceChoice::On(Device::Cuda(2))] {
            assert_eq!(String::from(choice).parse::<DeviceChoice>().unwrap(), choice);
        }
        for wrong in ["gpu", "CPU", "cuda:", "cuda:-1", "cuda:x", ""] {
            let error = wrong.parse::<DeviceChoice>().unwrap_err().to_string();
            assert!(error.contains("auto, cpu, cuda"), "{error}");
        }
    }

    /// Whether a CUDA device is there or not, something is, and the processor always.
    #[test]
    fn what_is_chosen_by_itself_is_there() {
        DeviceChoice::Auto.device().checked().unwrap();
        DeviceChoice::On(Device::Cpu).device().checked().unwrap();
    }
}
