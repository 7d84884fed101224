//! Full-text search over samples and profiles; the only module that names tantivy.
