//! What would be run, and what of it is stored already.

use serde_json::{Value, json};

use super::summary::{label, refused_json, retriever, spec_json};
use crate::cli::store_choice::StoreChoice;
use crate::cli::text::{plain, table};
use crate::cli::{CliError, Console, Outcome, Unit};
use crate::record::RunRecord;
use crate::run::experiment::Experiment;
use crate::run::plan::refused_in_words;
use crate::run::{Cell, Estimate, Plan, Workplace, estimate};
use crate::store::Reader;

/// Prints the matrix; nothing is stored.
pub(super) fn print(
    experiment: &Experiment,
    plan: &Plan,
    workplace: &Workplace,
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
    let mut estimates = Vec::new();
    for (cell, _, run) in &cells {
        let stored = run.as_ref().map_or(0, |run| run.totals.done);
        estimates.push(console.with_progress(Unit::Items, |progress| {
            estimate(cell, stored, workplace, console.cancel(), progress)
        })?);
    }
    if console.is_json() {
        let rows = cells.iter().zip(&estimates);
        let rows =
            rows.map(|((cell, grid, run), estimate)| row(cell, *grid, run.as_ref(), estimate.as_ref()));
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
    text.push_str(&cost_words(&estimates));
    for refused in refused_in_words(&plan.refused) {
        text.push_str(&format!("Left out: {}\n", plain(&refused)));
    }
    console.print(&text)?;
    Ok(Outcome::Done)
}

/// What asking endpoints would take in all.
fn cost_words(estimates: &[Option<Estimate>]) -> String {
    let known: Vec<&Estimate> = estimates.iter().flatten().collect();
    let Some(first) = known.first() else { return String::new() };
    let sum = |of: fn(&Estimate) -> u64| known.iter().map(|estimate| of(estimate)).sum::<u64>();
    let mut text = format!(
        "At endpoints: about {} tokens read and at most {} written, for {} samples, counted on {} prompts by {}.\n",
        sum(|estimate| estimate.prompt_tokens),
        sum(|estimate| estimate.most_new_tokens),
        sum(|estimate| estimate.samples),
        sum(|estimate| estimate.counted),
        plain(&first.tokenizer),
    );
    let costs: Vec<(f64, f64)> = known.iter().filter_map(|estimate| estimate.cost).collect();
    if !costs.is_empty() {
        let (least, most) = costs.iter().fold((0.0, 0.0), |(a, b), (least, most)| (a + least, b + most));
        text.push_str(&format!("Cost: {least:.4} to {most:.4}; kept answers cost nothing.\n"));
    }
    text
}

fn row(cell: &Cell, grid: bool, run: Option<&RunRecord>, estimate: Option<&Estimate>) -> Value {
    let mut row = spec_json(&cell.spec);
    row.insert("label".into(), label(&cell.spec).into());
    row.insert("samples".into(), cell.positions.len().into());
    row.insert("stored".into(), run.map_or(0, |run| run.totals.done).into());
    row.insert("status".into(), run.map(|run| run.status.id()).into());
    row.insert("grid".into(), grid.into());
    if let Some(estimate) = estimate {
        let told = json!({
            "samples": estimate.samples,
            "counted": estimate.counted,
            "prompt_tokens": estimate.prompt_tokens,
            "most_new_tokens": estimate.most_new_tokens,
            "tokenizer": estimate.tokenizer,
            "least_cost": estimate.cost.map(|cost| cost.0),
            "most_cost": estimate.cost.map(|cost| cost.1),
        });
        row.insert("estimate".into(), told);
    }
    Value::Object(row)
}
