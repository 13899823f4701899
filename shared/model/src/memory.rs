//! A tensor's numbers where they lie, without a copy.

use tch::{Kind, Tensor};

use crate::vector::Stored;

/// A matrix in the processor's memory, row-major; `inputs` numbers a row.
#[derive(Clone, Copy)]
pub(crate) struct Matrix<'a> {
    pub(crate) numbers: Numbers<'a>,
    pub(crate) inputs: usize,
}

/// Numbers in one of the formats that weights are held in.
#[derive(Clone, Copy)]
pub(crate) enum Numbers<'a> {
    F32(&'a [f32]),
    Bf16(&'a [half::bf16]),
}

impl<'a> Matrix<'a> {
    /// A tensor [outputs, inputs]; None where it lies elsewhere, in another format or with gaps.
    ///
    /// The tensor must not be written to while the matrix is used: weights of a model never are.
    pub(crate) fn of(tensor: &'a Tensor) -> Option<Matrix<'a>> {
        let shape = tensor.size();
        let near = tensor.device() == tch::Device::Cpu && tensor.is_contiguous();
        if !near || shape.len() != 2 || tensor.requires_grad() {
            return None;
        }
        let numbers = match tensor.kind() {
            Kind::Float => Numbers::F32(slice(tensor)),
            Kind::BFloat16 => Numbers::Bf16(slice(tensor)),
            _ => return None,
        };
        Some(Matrix { numbers, inputs: shape[1] as usize })
    }

    /// Number of rows.
    pub(crate) fn outputs(&self) -> usize {
        let count = match self.numbers {
            Numbers::F32(numbers) => numbers.len(),
            Numbers::Bf16(numbers) => numbers.len(),
        };
        count / self.inputs
    }

    /// One row in f32.
    pub(crate) fn row(&self, index: usize) -> Vec<f32> {
        let range = index * self.inputs..(index + 1) * self.inputs;
        match self.numbers {
            Numbers::F32(numbers) => numbers[range].to_vec(),
            Numbers::Bf16(numbers) => numbers[range].iter().map(|number| number.wide()).collect(),
        }
    }
}

/// All numbers of a contiguous tensor in the processor's memory, whose format is that of `T`.
#[expect(unsafe_code, reason = "libtorch hands out its memory as a bare pointer")]
fn slice<T: Stored>(tensor: &Tensor) -> &[T] {
    let (address, count) = (tensor.data_ptr().cast::<T>(), tensor.numel());
    assert!(address.is_aligned() && !address.is_null(), "libtorch aligns what it allocates");
    // SAFETY: the tensor is contiguous and of this format, so `count` numbers lie at `address`; it keeps its storage
    // for as long as it is borrowed; and nothing writes to the weights of a model (see `Matrix::of`).
    unsafe { std::slice::from_raw_parts(address, count) }
}
