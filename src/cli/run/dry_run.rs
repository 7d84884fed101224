//! What would be run, and what of it is stored already.

use serde_json::{Value, json};

use super::summary::{label, refused_json, retriever, spec_json};
use crate::cli::store_choice::StoreChoice;
use crate::cli::text::{plain, table};
use crate::cli::{CliError, Console, Outcome};
use crate::record::RunRecord;
use crate::run::experiment::Experiment;
use crate::run::plan::refused_in_words;
use crate::run::{Cell, Plan};
use crate::store::Reader;

/// Prints the matrix; nothing is stored.
pub(super) fn print(
    experiment: &Experiment,
    plan: &Plan,
    store: &StoreChoice,
    console: &Console,
) -> Result<Outcome, CliError> {
    let path = store.path()?;
    // A store that is not there has nothing; one that cannot be read is worth knowing now.
    let reader = if path.exists() { Some(Reader::open(&path)?) } else { None };
    let known = |cell: &Cell| match &reader {
        Some(reader) => reader.run_of_key(&cell.spec.key()),
        None => Ok(None),
    };
    let grids = plan.tunings.iter().flat_map(|tuning| &tuning.grid);
    let all = plan.cells.iter().map(|cell| (cell, false)).chain(grids.map(|cell| (cell, true)));
    let mut cells = Vec::new();
    for (cell, grid) in all {
        cells.push((cell, grid, known(cell)?));
    }
    if console.is_json() {
        let rows = cells.iter().map(|(cell, grid, run)| row(cell, *grid, run.as_ref()));
        console.print_json(&json!({
            "experiment": experiment.name,
            "store": path,
            "cells": rows.collect::<Vec<_>>(),
            "refused": refused_json(plan),
            "notes": plan.notes.iter().map(ToString::to_string).collect::<Vec<_>>(),
        }))?;
        return Ok(Outcome::Done);
    }
    let mut rows = vec![["Data", "Model", "Retriever", "Samples", "Stored", ""].map(str::to_owned).to_vec()];
    for (cell, grid, run) in &cells {
        let id = cell.dataset.id();
        rows.push(vec![
            format!("{} {} {}", id.task, id.setting, id.split),
            plain(&cell.spec.model.name),
            plain(&retriever(&cell.spec)),
            cell.positions.len().to_string(),
            run.as_ref().map_or_else(String::new, |run| format!("{} ({})", run.totals.done, run.status.id())),
            if *grid { "grid".to_owned() } else { String::new() },
        ]);
    }
    let mut text = table(&rows, &[3]);
    let left: u64 = cells
        .iter()
        .map(|(cell, _, run)| {
            let done = run.as_ref().map_or(0, |run| run.totals.done);
            (cell.positions.len() as u64).saturating_sub(done)
        })
        .sum();
    text.push_str(&format!("{} runs, {left} samples to answer", cells.len()));
    let winners = plan.tunings.len();
    if winners > 0 {
        text.push_str(&format!("; then the {winners} tuned ones, chosen on the grid"));
    }
    text.push_str(".\n");
    for refused in refused_in_words(&plan.refused) {
        text.push_str(&format!("Left out: {}\n", plain(&refused)));
    }
    console.print(&text)?;
    Ok(Outcome::Done)
}

fn row(cell: &Cell, grid: bool, run: Option<&RunRecord>) -> Value {
    let mut row = spec_json(&cell.spec);
    row.insert("label".into(), label(&cell.spec).into());
    row.insert("samples".into(), cell.positions.len().into());
    row.insert("stored".into(), run.map_or(0, |run| run.totals.done).into());
    row.insert("status".into(), run.map(|run| run.status.id()).into());
    row.insert("grid".into(), grid.into());
    Value::Object(row)
}
