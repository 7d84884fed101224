//! Files to samples: recognition, indexed reading of large files, the dataset check, getting data, the sample set.

pub mod sample_set;
