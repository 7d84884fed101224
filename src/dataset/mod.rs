//! Files to samples: recognition, indexed reading of large files, the dataset check, getting data, the sample set.

pub mod avocado;
pub mod download;
pub mod sample_set;
pub mod splitter;
