//! Whole runs over the sample set, with models that follow a script.
