//! A result table as JSON.
//!
//! ```json
//! {"format": "lamplight-results", "version": 1,
//!  "sections": [{"setting": "user", "split": "dev", "blocks": [{
//!     "model": {"name": …, "training": …, "variant": …},
//!     "columns": [{"method": "bm25", "name": "BM25", "k": 4, "variant": ""}, …],
//!     "rows": [{"task": "LaMP-4", "metric": "rouge-1", "samples": {…}, "mark": null,
//!               "cells": [{"runs": [{"key": …}], "value": 0.145, "interval": {"low": …, "high": …}, …}, null, …],
//!               "published": […]}]}]}],
//!  "notes": [{"kind": …, …}], "remarks": ["…"]}
//! ```
//!
//! The fields are those of [`ResultTable`] and the types in it, whose descriptions hold here too; a row has a cell, or `null`,
//! for each of its block's columns. `remarks` says the notes in words. Fields may be added within a version.

use serde::Serialize;

use super::{ResultTable, words};

#[derive(Serialize)]
struct File<'t> {
    format: &'static str,
    version: u32,
    #[serde(flatten)]
    table: &'t ResultTable,
    remarks: Vec<String>,
}

/// The table as a value that serializes as the module says.
pub fn document(table: &ResultTable) -> impl Serialize + '_ {
    File { format: "lamplight-results", version: 1, table, remarks: words::remarks(table) }
}
