//! Why an adapter cannot be used, in words for a person.

use std::path::PathBuf;

/// Why an adapter cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum AdapterError {
    /// Its configuration asks for something that is not computed here.
    #[error("{path}: {key} is {value}, but {rule}", path = path.display())]
    Unsupported {
        /// The configuration.
        path: PathBuf,
        /// The key.
        key: String,
        /// Its value.
        value: String,
        /// What would be read, and what to do.
        rule: &'static str,
    },
    /// Neither of the files that hold an adapter's numbers is there.
    #[error("{folder} has an adapter_config.json, but no adapter_model.safetensors or adapter_model.bin", folder = folder.display())]
    NoWeights {
        /// The folder.
        folder: PathBuf,
    },
    /// A tensor that is no part of an adapter of a T5 model's matrices.
    #[error(
        "{path}: {key} is for no matrix of the base model; adapters are read for q, k, v, o, wi, wi_0, wi_1 and wo of {base}, \
         without biases, magnitudes or whole modules",
        path = path.display(), base = base.display()
    )]
    Key {
        /// The file.
        path: PathBuf,
        /// The tensor's name.
        key: String,
        /// The base model's configuration.
        base: PathBuf,
    },
    /// One half of a product.
    #[error("{path}: {key} is there, but {other} is not; the file is incomplete", path = path.display())]
    Half {
        /// The file.
        path: PathBuf,
        /// The half that is there.
        key: String,
        /// The half that is not.
        other: String,
    },
    /// A tensor of another shape than rank and base model have.
    #[error("{path}: {key} has the shape {found:?}, but with this base model and this r it must be {expected:?}", path = path.display())]
    Shape {
        /// The file.
        path: PathBuf,
        /// The tensor's name.
        key: String,
        /// In the file.
        found: Vec<usize>,
        /// By configuration and base.
        expected: Vec<usize>,
    },
    /// A tensor with numbers that are none.
    #[error("{path}: {key} has numbers that are not finite; the adapter was spoiled in training", path = path.display())]
    NotFinite {
        /// The file.
        path: PathBuf,
        /// The tensor's name.
        key: String,
    },
    /// A file without any tensor of an adapter.
    #[error("{path} holds no adapter: it has no tensor", path = path.display())]
    Empty {
        /// The file.
        path: PathBuf,
    },
    /// The model that it is for is not where it says.
    #[error(
        "the adapter {folder} is for {base}, which is no folder here; get that model, then `lamplight models add {folder} --base MODEL`",
        folder = folder.display()
    )]
    NoBase {
        /// The adapter's folder.
        folder: PathBuf,
        /// What it says of its base.
        base: String,
    },
    /// An adapter for an adapter.
    #[error(
        "{folder} is for {base}, which is an adapter itself; merge that one first with `lamplight lora merge`",
        folder = folder.display(), base = base.display()
    )]
    Nested {
        /// The adapter's folder.
        folder: PathBuf,
        /// The adapter below it.
        base: PathBuf,
    },
    /// A user whom no adapter of a collection is for.
    #[error(
        "no adapter of {collection} is for {user}; `lamplight lora users` trains adapters for the samples that a recipe names, \
         so answer those, or train more",
        collection = collection.display()
    )]
    NoUser {
        /// The collection's folder.
        collection: PathBuf,
        /// Whose prompt it is.
        user: String,
    },
    /// A collection was asked without saying for whom.
    #[error("{collection} has an adapter for each user, so it answers samples of datasets only", collection = collection.display())]
    Anonymous {
        /// The collection's folder.
        collection: PathBuf,
    },
    /// A matrix whose adapter can only be merged into the base.
    #[error(
        "an adapter for {matrix} can only be merged into its base, not applied beside it for each user; train adapters for \
         users on q, k, v, o or wo"
    )]
    Inner {
        /// The matrix.
        matrix: String,
    },
    /// What only a single adapter or only a collection can be used for.
    #[error("{folder} is {what}", folder = folder.display())]
    Other {
        /// The folder.
        folder: PathBuf,
        /// What it is, and what to do instead.
        what: &'static str,
    },
}
