//! Tensors to a safetensors file in 32-bit numbers, as Python's libraries read them.

use std::io::{self, Write};
use std::path::Path;

use candle_core::{DType, Device, Tensor};
use serde_json::{Map, Value, json};

use super::TensorView;
use crate::whole_file::WholeFile;

/// The numbers of a tensor to be written.
#[derive(Debug, Clone, Copy)]
pub enum Values<'a> {
    /// A tensor on any device, in any precision.
    Tensor(&'a Tensor),
    /// Numbers in memory, row by row.
    Slice(&'a [f32]),
    /// A tensor of a checkpoint, read when its turn comes.
    View(TensorView<'a>),
}

/// A tensor to be written.
#[derive(Debug, Clone)]
pub struct NamedTensor<'a> {
    /// Its name.
    pub name: String,
    /// Its shape.
    pub shape: Vec<usize>,
    /// Its numbers, as many as the shape says.
    pub values: Values<'a>,
}

/// Writes a file of `f32` tensors that appears whole or not at all. Equal tensors give equal bytes.
///
/// # Errors
/// What the system says of the file, or candle of a tensor on a device; then what was there before still is.
pub fn write_safetensors(path: &Path, tensors: &[NamedTensor<'_>]) -> io::Result<()> {
    let mut header = Map::new();
    // What transformers asks for before it reads a file.
    header.insert("__metadata__".to_owned(), json!({"format": "pt"}));
    let mut offset = 0_usize;
    for tensor in tensors {
        let end = offset + 4 * tensor.shape.iter().product::<usize>();
        let entry = json!({"dtype": "F32", "shape": tensor.shape, "data_offsets": [offset, end]});
        header.insert(tensor.name.clone(), entry);
        offset = end;
    }
    let mut header = serde_json::to_vec(&Value::Object(header))?;
    header.resize(header.len().next_multiple_of(8), b' ');
    let mut file = WholeFile::create(path)?;
    file.write_all(&(header.len() as u64).to_le_bytes())?;
    file.write_all(&header)?;
    let mut bytes = Vec::new();
    for tensor in tensors {
        let read;
        let values = match tensor.values {
            Values::Slice(values) => values,
            Values::View(view) => {
                let mut values = vec![0.0; view.elements()];
                view.read(&mut values);
                read = values;
                &read
            }
            Values::Tensor(tensor) => {
                read = numbers(tensor).map_err(io::Error::other)?;
                &read
            }
        };
        if values.len() != tensor.shape.iter().product::<usize>() {
            return Err(io::Error::other(format!("{} has another shape than its numbers", tensor.name)));
        }
        for part in values.chunks(1 << 18) {
            bytes.clear();
            bytes.extend(part.iter().flat_map(|value| value.to_le_bytes()));
            file.write_all(&bytes)?;
        }
    }
    file.finish()
}

fn numbers(tensor: &Tensor) -> candle_core::Result<Vec<f32>> {
    tensor.to_device(&Device::Cpu)?.to_dtype(DType::F32)?.flatten_all()?.to_vec1()
}

#[cfg(test)]
mod tests {
    use super::super::Checkpoint;
    use super::*;

    #[test]
    fn what_is_written_is_read_back_to_the_bit() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.safetensors");
        let tensor = Tensor::new(&[[1f32, -2.5], [f32::MIN_POSITIVE, 0.1]], &Device::Cpu).unwrap();
        let slice = [3f32, 4.0, 5.0];
        let named = |name: &str, shape: &[usize], values| NamedTensor {
            name: name.to_owned(),
            shape: shape.to_owned(),
            values,
        };
        let all = [
            named("b.weight", &[2, 2], Values::Tensor(&tensor)),
            named("a.weight", &[3], Values::Slice(&slice)),
        ];
        write_safetensors(&path, &all).unwrap();
        let read = Checkpoint::open(&path).unwrap();
        assert_eq!(read.vector("a.weight", 3).unwrap(), slice);
        let back = read.tensor("b.weight", &[2, 2], DType::F32, &Device::Cpu).unwrap();
        assert_eq!(back.to_vec2::<f32>().unwrap(), tensor.to_vec2::<f32>().unwrap());
        let (_, metadata) = safetensors::SafeTensors::read_metadata(&std::fs::read(&path).unwrap()).unwrap();
        assert_eq!(metadata.metadata().as_ref().unwrap()["format"], "pt");
        let wrong = [named("c", &[4], Values::Slice(&slice))];
        assert!(write_safetensors(&path, &wrong).is_err());
        assert!(Checkpoint::open(&path).unwrap().has("a.weight"), "what was there still is");
    }
}
