//! The grid that a tuning tried.

use std::collections::BTreeSet;

use super::super::method_name;
use super::scores::metric_value;
use super::spec::{About, ChartSpec, HeatCell, HeatPlot, Panel, Plot};
use crate::record::{RetrieverSpec, RunRecord, Tuning};

/// Tunings as grids of retriever by k, the winner marked. `runs` are those that a cell may lead to.
pub fn tuning_chart(tunings: &[Tuning], runs: &[RunRecord]) -> ChartSpec {
    let tried = tunings.iter().filter(|tuning| !tuning.grid.is_empty());
    let panels: Vec<Panel> = tried.map(|tuning| panel(tuning, runs)).collect();
    let mut notes = vec!["★ chosen; the darker, the better within a grid.".to_owned()];
    if tunings.iter().any(|tuning| tuning.same_data) {
        notes.push("Chosen on the data that is reported: the figures of the chosen are too good.".to_owned());
    }
    ChartSpec {
        title: "Tuning of retriever and k".to_owned(),
        notes: if panels.is_empty() { Vec::new() } else { vec![notes.join(" ")] },
        panels,
        abreast: 1,
        empty: "Nothing was tuned yet. `lamplight tune` chooses retriever and k.".to_owned(),
    }
}

fn panel(tuning: &Tuning, runs: &[RunRecord]) -> Panel {
    let name = |cell: usize| {
        let cell = &tuning.grid[cell];
        method_name(&RetrieverSpec { config: cell.retriever.clone(), k: cell.k, ..RetrieverSpec::none() })
    };
    let names: Vec<String> = (0..tuning.grid.len()).map(name).collect();
    let mut rows: Vec<String> = Vec::new();
    for name in &names {
        if !rows.contains(name) {
            rows.push(name.clone());
        }
    }
    let ks: BTreeSet<usize> = tuning.grid.iter().map(|cell| cell.k).collect();
    let sign = if tuning.metric.higher_is_better() { 1.0 } else { -1.0 };
    let values = || tuning.grid.iter().map(|cell| sign * cell.value).filter(|value| value.is_finite());
    let (worst, best) = (values().fold(f64::INFINITY, f64::min), values().fold(f64::NEG_INFINITY, f64::max));
    // Equal values have equal shades, and small differences do not look large.
    let shade =
        |value: f64| if best > worst { 0.1 + 0.7 * (sign * value - worst) / (best - worst) } else { 0.3 };
    let cells = rows.iter().map(|row| {
        let cell = |k: &usize| {
            let at = tuning.grid.iter().zip(&names).position(|(cell, name)| cell.k == *k && name == row)?;
            let value = tuning.grid[at].value;
            let cell = HeatCell {
                text: metric_value(tuning.metric, value),
                shade: shade(value),
                marked: at == tuning.winner,
                about: about(tuning, at, row, runs),
            };
            value.is_finite().then_some(cell)
        };
        ks.iter().map(cell).collect()
    });
    let way = if tuning.metric.higher_is_better() { "higher is better" } else { "lower is better" };
    let plot = HeatPlot {
        down: String::new(),
        across: "k (retrieved entries)".to_owned(),
        cells: cells.collect(),
        rows,
        columns: ks.iter().map(ToString::to_string).collect(),
        apart: None,
    };
    Panel {
        title: format!("{} · {}", tuning.task, tuning.setting),
        subtitle: format!("{}, {way}; {}, {} split", tuning.metric.name(), tuning.model, tuning.tuned_on),
        corner: String::new(),
        plot: Plot::Heat(plot),
    }
}

/// What a cell of the grid is.
fn about(tuning: &Tuning, at: usize, name: &str, runs: &[RunRecord]) -> About {
    let cell = &tuning.grid[at];
    let k = if cell.k == 0 { String::new() } else { format!(", k {}", cell.k) };
    let chosen = if at == tuning.winner { ", chosen" } else { "" };
    let words = format!(
        "{} {}, {}, {name}{k}: {} {} on {}{chosen}",
        tuning.task,
        tuning.setting,
        tuning.model,
        tuning.metric.name(),
        metric_value(tuning.metric, cell.value),
        tuning.tuned_on
    );
    let run = runs.iter().find(|run| run.key == cell.run).map(|run| run.id);
    About { words, run, against: None }
}
