//! What can be wrong with a file of weights.

use std::path::PathBuf;

/// What is wrong with a checkpoint: which file, which tensor, and what to do.
#[derive(Debug, thiserror::Error)]
pub enum WeightsError {
    /// The folder holds no weights of a known name.
    #[error(
        "{folder} has no weights: expected model.safetensors, pytorch_model.bin or the index of their shards",
        folder = folder.display()
    )]
    None {
        /// The folder.
        folder: PathBuf,
    },
    /// A file cannot be opened or mapped.
    #[error("cannot read {path}: {source}", path = path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A safetensors file whose header or length is wrong.
    #[error("{path} is cut off or damaged ({source}); get the file again", path = path.display())]
    Safetensors {
        /// The file.
        path: PathBuf,
        /// What the reader said.
        source: safetensors::SafeTensorError,
    },
    /// An index of shards that is no such JSON.
    #[error("{path} is no index of weights: {source}", path = path.display())]
    Index {
        /// The index.
        path: PathBuf,
        /// What the reader said.
        source: serde_json::Error,
    },
    /// A shard that is not a plain file name.
    #[error("{path} names the shard {shard:?}, which is not a file beside it", path = path.display())]
    ShardName {
        /// The index.
        path: PathBuf,
        /// The name.
        shard: String,
    },
    /// More parts than any model has.
    #[error("{path} declares more than {limit} {what}", path = path.display())]
    TooMany {
        /// The file.
        path: PathBuf,
        /// Of what.
        what: &'static str,
        /// The most that is read.
        limit: usize,
    },
    /// A tensor whose declared place or size does not fit into its file.
    #[error("{path} is cut off or damaged: its tensor {tensor} does not fit into it; get the file again", path = path.display())]
    Bounds {
        /// The file.
        path: PathBuf,
        /// The tensor.
        tensor: String,
    },
    /// A tensor that the model needs is not there.
    #[error("{path} has no tensor {tensor}; are config.json and the weights of the same model?", path = path.display())]
    Missing {
        /// The file, or the index of several.
        path: PathBuf,
        /// The tensor.
        tensor: String,
    },
    /// A tensor of another shape than the configuration says.
    #[error(
        "{path}: the tensor {tensor} has the shape {found:?}, but config.json says {expected:?}",
        path = path.display()
    )]
    Shape {
        /// The file.
        path: PathBuf,
        /// The tensor.
        tensor: String,
        /// In the file.
        found: Vec<usize>,
        /// By the configuration.
        expected: Vec<usize>,
    },
    /// A weight that is not of a floating-point type.
    #[error("{path}: the tensor {tensor} holds {dtype}, not f32, f16, bf16 or f64", path = path.display())]
    Type {
        /// The file.
        path: PathBuf,
        /// The tensor.
        tensor: String,
        /// What it holds.
        dtype: String,
    },
    /// A PyTorch file that is no archive or pickle of the known forms.
    #[error("{path} is not a PyTorch state dictionary: {what} at byte {at}", path = path.display())]
    Pickle {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        what: &'static str,
        /// Where, in bytes from the pickle's beginning.
        at: usize,
    },
    /// A PyTorch file that would run code, or holds something other than tensors.
    #[error(
        "{path} asks for {name}, which a state dictionary does not need; it was not run. \
         Get the model's safetensors instead", path = path.display()
    )]
    Forbidden {
        /// The file.
        path: PathBuf,
        /// The global or instruction.
        name: String,
    },
    /// The archive around a PyTorch state dictionary is damaged.
    #[error("{path} is cut off or damaged ({source}); get the file again", path = path.display())]
    Archive {
        /// The file.
        path: PathBuf,
        /// What the reader said.
        source: zip::result::ZipError,
    },
    /// A device did not take a tensor.
    #[error("cannot place the tensor {tensor} on the device: {source}")]
    Place {
        /// The tensor.
        tensor: String,
        /// What the device's library said.
        source: candle_core::Error,
    },
}
