//! Tensors ↔ safetensors files: read one by one, so that a model is never in memory twice.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use safetensors::SafeTensorError;
use safetensors::tensor::{Dtype, Metadata, View};
use serde_json::Value;
use tch::{Kind, Tensor};

use crate::ModelError;

/// Whole files are far below this; a longer header is damage or an attack.
const LARGEST_HEADER_BYTES: u64 = 100_000_000;

/// One opened safetensors file whose header is checked against its length.
pub(crate) struct TensorFile {
    path: PathBuf,
    file: File,
    metadata: Metadata,
    data_start: u64,
}

/// A tensor as it is stored.
pub(crate) struct Stored {
    pub(crate) dtype: Dtype,
    pub(crate) shape: Vec<usize>,
    pub(crate) bytes: Vec<u8>,
}

impl TensorFile {
    /// Opens a file and checks its header and length.
    pub(crate) fn open(path: &Path) -> Result<TensorFile, ModelError> {
        let read = |source| ModelError::Read { file: path.to_owned(), source };
        let damaged = |source| ModelError::Safetensors { file: path.to_owned(), source };
        let mut file = File::open(path).map_err(read)?;
        let length = file.metadata().map_err(read)?.len();
        if length < 8 {
            return Err(damaged(SafeTensorError::HeaderTooSmall));
        }
        let mut prefix = [0; 8];
        file.read_exact(&mut prefix).map_err(read)?;
        let header_bytes = u64::from_le_bytes(prefix);
        if header_bytes > LARGEST_HEADER_BYTES || header_bytes > length - 8 {
            return Err(damaged(SafeTensorError::InvalidHeaderLength));
        }
        let mut header = vec![0; header_bytes as usize];
        file.read_exact(&mut header).map_err(read)?;
        let metadata: Metadata = serde_json::from_slice(&header)
            .map_err(|source| damaged(SafeTensorError::InvalidHeaderDeserialization(source)))?;
        let data_start = 8 + header_bytes;
        if metadata.data_len() as u64 != length - data_start {
            return Err(damaged(SafeTensorError::MetadataIncompleteBuffer));
        }
        Ok(TensorFile { path: path.to_owned(), file, metadata, data_start })
    }

    /// The file's path.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Names of all tensors, in order of their places in the file.
    pub(crate) fn names(&self) -> Vec<String> {
        self.metadata.offset_keys()
    }

    /// One entry of the file's own `__metadata__`.
    pub(crate) fn note(&self, key: &str) -> Option<&str> {
        self.metadata.metadata().as_ref()?.get(key).map(String::as_str)
    }

    /// Reads one tensor's bytes.
    pub(crate) fn read(&mut self, name: &str) -> Result<Stored, ModelError> {
        let missing =
            || ModelError::MissingTensor { place: self.path.clone(), name: name.to_owned() };
        let info = self.metadata.info(name).ok_or_else(missing)?;
        let (start, end) = info.data_offsets;
        let mut stored =
            Stored { dtype: info.dtype, shape: info.shape.clone(), bytes: vec![0; end - start] };
        let read = |source| ModelError::Read { file: self.path.clone(), source };
        self.file.seek(SeekFrom::Start(self.data_start + start as u64)).map_err(read)?;
        self.file.read_exact(&mut stored.bytes).map_err(read)?;
        Ok(stored)
    }

    /// Reads one tensor of a known shape and a format that we compute with.
    pub(crate) fn read_as(&mut self, name: &str, shape: &[usize]) -> Result<Stored, ModelError> {
        let stored = self.read(name)?;
        if stored.shape != shape {
            return Err(ModelError::TensorShape {
                place: self.path.clone(),
                name: name.to_owned(),
                found: stored.shape,
                expected: shape.to_vec(),
            });
        }
        if kind_of(stored.dtype).is_none() {
            let found = format!("{:?}", stored.dtype);
            return Err(ModelError::TensorType {
                place: self.path.clone(),
                name: name.to_owned(),
                found,
            });
        }
        Ok(stored)
    }
}

impl Stored {
    /// What a tensor would be in a file of f32 numbers.
    pub(crate) fn of_f32(tensor: &Tensor) -> Stored {
        let Saved { dtype, shape, bytes } = Saved::from_tensor(&tensor.to_kind(Kind::Float));
        Stored { dtype, shape, bytes }
    }

    /// As a tensor in the CPU's memory, in the number format of the file.
    pub(crate) fn to_tensor(&self) -> Tensor {
        let shape: Vec<i64> = self.shape.iter().map(|&side| side as i64).collect();
        let kind = kind_of(self.dtype).expect("read_as lets only formats through that have a kind");
        Tensor::from_data_size(&self.bytes, &shape, kind)
    }
}

/// All tensor files of a model folder: the single file, or the shards that the index names.
pub(crate) fn open_folder(folder: &Path) -> Result<Vec<TensorFile>, ModelError> {
    let index = folder.join("model.safetensors.index.json");
    if folder.join("model.safetensors").exists() || !index.exists() {
        return Ok(vec![TensorFile::open(&folder.join("model.safetensors"))?]);
    }
    let mut files: Vec<String> = shard_names(&index)?;
    files.sort();
    files.dedup();
    files.iter().map(|name| TensorFile::open(&folder.join(name))).collect()
}

/// Which shard holds which tensor is read from the shards themselves; the index only names the files.
fn shard_names(index: &Path) -> Result<Vec<String>, ModelError> {
    let bytes = std::fs::read(index)
        .map_err(|source| ModelError::Read { file: index.to_owned(), source })?;
    let parsed: Value = serde_json::from_slice(&bytes)
        .map_err(|source| ModelError::Json { file: index.to_owned(), source })?;
    let Some(map) = parsed.get("weight_map").and_then(Value::as_object) else {
        return Err(ModelError::MissingKey {
            file: index.to_owned(),
            key: "weight_map".to_owned(),
        });
    };
    map.values()
        .map(|name| match name.as_str() {
            Some(name) if is_plain_name(name) => Ok(name.to_owned()),
            _ => Err(ModelError::Unsupported {
                file: index.to_owned(),
                key: "weight_map".to_owned(),
                found: name.to_string().chars().take(80).collect(),
                supported: "names of .safetensors files in the same folder",
            }),
        })
        .collect()
}

/// A foreign index must not lead us out of its folder.
fn is_plain_name(name: &str) -> bool {
    name.ends_with(".safetensors") && !name.contains(['/', '\\', ':']) && !name.starts_with('.')
}

/// Our kind for a stored number format.
pub(crate) fn kind_of(dtype: Dtype) -> Option<Kind> {
    match dtype {
        Dtype::F32 => Some(Kind::Float),
        Dtype::F16 => Some(Kind::Half),
        Dtype::BF16 => Some(Kind::BFloat16),
        _ => None,
    }
}

/// A tensor on its way into a file.
pub(crate) struct Saved {
    dtype: Dtype,
    shape: Vec<usize>,
    bytes: Vec<u8>,
}

impl Saved {
    /// From a tensor, in its own number format (f32 or bf16).
    pub(crate) fn from_tensor(tensor: &Tensor) -> Saved {
        let tensor = tensor.detach().to_device(tch::Device::Cpu).contiguous();
        let shape = tensor.size().iter().map(|&side| side as usize).collect();
        let dtype = if tensor.kind() == Kind::BFloat16 { Dtype::BF16 } else { Dtype::F32 };
        let kind = kind_of(dtype).expect("F32 and BF16 have kinds");
        let tensor = tensor.to_kind(kind);
        let mut bytes = vec![0; tensor.numel() * kind.elt_size_in_bytes()];
        tensor.copy_data_u8(&mut bytes, tensor.numel());
        Saved { dtype, shape, bytes }
    }

    /// From plain f32 numbers in row-major order.
    pub(crate) fn from_slice(values: &[f32], shape: &[usize]) -> Saved {
        let bytes = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        Saved { dtype: Dtype::F32, shape: shape.to_vec(), bytes }
    }
}

impl View for &Saved {
    fn dtype(&self) -> Dtype {
        self.dtype
    }
    fn shape(&self) -> &[usize] {
        &self.shape
    }
    fn data(&self) -> Cow<'_, [u8]> {
        Cow::Borrowed(&self.bytes)
    }
    fn data_len(&self) -> usize {
        self.bytes.len()
    }
}

/// Writes a file; notes go into its `__metadata__`. An existing file is replaced as a whole or not at all.
pub(crate) fn write(
    path: &Path,
    tensors: &BTreeMap<String, Saved>,
    notes: &[(&str, String)],
) -> Result<(), ModelError> {
    let notes = notes.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect();
    safetensors::serialize_to_file(tensors.iter(), Some(notes), path).map_err(|source| match source
    {
        SafeTensorError::IoError(source) => ModelError::Write { file: path.to_owned(), source },
        source => ModelError::Safetensors { file: path.to_owned(), source },
    })
}

/// Reads a whole small file.
pub(crate) fn read_file(path: &Path) -> Result<Vec<u8>, ModelError> {
    std::fs::read(path).map_err(|source| ModelError::Read { file: path.to_owned(), source })
}

/// Writes a whole small file.
pub(crate) fn write_file(path: &Path, bytes: &[u8]) -> Result<(), ModelError> {
    std::fs::write(path, bytes)
        .map_err(|source| ModelError::Write { file: path.to_owned(), source })
}
