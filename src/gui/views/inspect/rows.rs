//! A run's predictions as compact rows: all that the list, its filters and its order need of a million of them, read once in a
//! job. Knows no window.

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::Arc;

use serde_json::Value;

use crate::gui::loadable::Trouble;
use crate::jobs::{CancelToken, Progress};
use crate::lamp::{Metric, TaskKind, python_strip};
use crate::record::{Difference, Prediction, RunId, RunRecord, diff};
use crate::report::compare::difference_words;
use crate::store::Reader;

/// How often a stream looks whether it is canceled, in rows.
pub(super) const LOOK: u32 = 512;

/// Something that is or is not so of a sample.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mark {
    /// Scored, and not as the reference.
    Wrong,
    /// As the reference.
    Right,
    /// Retrieved entries did not fit: the bare input was asked.
    FellBack,
    /// The answer is none of the task's kind.
    Unparsed,
    /// There is no answer.
    Failed,
    /// The model did not read the end of the input.
    InputCut,
    /// Better than the other run by the main score.
    Improved,
    /// Worse than the other run.
    Worsened,
    /// Scored the same by both.
    Unchanged,
}

impl Mark {
    /// All, as they are offered.
    pub const ALL: [Self; 9] = [
        Self::Wrong,
        Self::Right,
        Self::FellBack,
        Self::Unparsed,
        Self::Failed,
        Self::InputCut,
        Self::Improved,
        Self::Worsened,
        Self::Unchanged,
    ];

    /// In words.
    pub const fn words(self) -> &'static str {
        match self {
            Self::Wrong => "Wrong",
            Self::Right => "Right",
            Self::FellBack => "Fell back",
            Self::Unparsed => "Unparsed",
            Self::Failed => "Failed",
            Self::InputCut => "Input cut",
            Self::Improved => "Improved",
            Self::Worsened => "Worsened",
            Self::Unchanged => "Unchanged",
        }
    }

    /// What it means, in a sentence.
    pub const fn meaning(self, kind: TaskKind) -> &'static str {
        match (self, kind) {
            (Self::Wrong, TaskKind::Classification) => "The answer is not the reference.",
            (Self::Wrong, TaskKind::Rating) => "The rating is not the reference.",
            (Self::Wrong, TaskKind::Generation) => "The text is not the reference word for word.",
            (Self::Right, TaskKind::Generation) => "The text is the reference word for word.",
            (Self::Right, _) => "The answer is the reference.",
            (Self::FellBack, _) => "Entries were retrieved, and the prompt carries none of them.",
            (Self::Unparsed, _) => "The answer is none of the task's kind.",
            (Self::Failed, _) => "There is no answer; the sample tells why.",
            (Self::InputCut, _) => "The model did not read the end of the input.",
            (Self::Improved, _) => "Better than in the other run by the main score.",
            (Self::Worsened, _) => "Worse than in the other run by the main score.",
            (Self::Unchanged, _) => "The same main score in both runs.",
        }
    }

    /// Its place in the bits of a row.
    pub(super) const fn bit(self) -> u16 {
        1 << self as u16
    }

    /// Filters of one group widen each other, filters of different groups narrow each other.
    pub(super) const fn group(self) -> usize {
        match self {
            Self::Wrong | Self::Right => 0,
            Self::FellBack | Self::Unparsed | Self::Failed | Self::InputCut => 1,
            Self::Improved | Self::Worsened | Self::Unchanged => 2,
        }
    }

    /// Whether it is about another run.
    pub(super) const fn compares(self) -> bool {
        self.group() == 2
    }
}

/// The marks of a prediction by itself.
pub(super) fn marks_of(prediction: &Prediction, value: Option<f64>, metric: Metric) -> u16 {
    let mut marks = 0;
    let mut set = |mark: Mark, holds: bool| marks |= if holds { mark.bit() } else { 0 };
    let failed = prediction.error.is_some();
    let right = value.map(|value| match metric {
        Metric::Accuracy | Metric::MacroF1 => value == 1.0,
        Metric::Mae | Metric::Rmse => value == 0.0 && prediction.parsed,
        _ => prediction
            .reference
            .as_deref()
            .is_some_and(|wanted| python_strip(&prediction.answer) == python_strip(wanted)),
    });
    set(Mark::Right, right == Some(true));
    set(Mark::Wrong, right == Some(false));
    set(Mark::FellBack, prediction.fell_back);
    set(Mark::Unparsed, !failed && !prediction.parsed);
    set(Mark::Failed, failed);
    set(Mark::InputCut, prediction.input_cut);
    marks
}

/// What a run's rows are read for.
#[derive(Debug, Clone)]
pub(super) struct Wanted {
    /// The store.
    pub store: PathBuf,
    /// The run.
    pub run: Arc<RunRecord>,
    /// The run to compare with.
    pub against: Option<Arc<RunRecord>>,
    /// Told apart from rows read before by this.
    pub serial: u64,
}

/// Rows in ascending positions.
#[derive(Debug, Default)]
pub(super) struct Rows {
    /// Another one for each reading.
    pub serial: u64,
    positions: Vec<u32>,
    values: Vec<f64>,
    others: Vec<f64>,
    marks: Vec<u16>,
    profiles: Vec<u32>,
    ids: String,
    id_ends: Vec<u32>,
    counts: [u32; Mark::ALL.len()],
    /// In what the two runs differ, in words.
    pub differences: Vec<String>,
    /// Whether both runs are over the same samples.
    pub same_data: bool,
}

impl Rows {
    /// Reads them.
    pub(super) fn read(wanted: &Wanted, cancel: &CancelToken, progress: &Progress) -> Result<Self, Trouble> {
        let reader = Reader::open(&wanted.store)?;
        let run = &wanted.run;
        let metric = run.spec.dataset.task.primary_metric();
        let mut rows = Self { serial: wanted.serial, ..Self::default() };
        let others = match &wanted.against {
            Some(against) => {
                rows.differences = differences(against, run);
                rows.same_data = against.spec.dataset.fingerprint == run.spec.dataset.fingerprint;
                Others::read(&reader, against, metric, rows.same_data, cancel, progress)?
            }
            None => Others::None,
        };
        progress.start("Reading the samples", run.totals.done);
        let mut since_look = 0;
        reader.predictions(run.id, false, &mut |prediction| {
            since_look += 1;
            if since_look == LOOK {
                since_look = 0;
                progress.add(u64::from(LOOK));
                if cancel.is_canceled() {
                    return ControlFlow::Break(());
                }
            }
            rows.add(&prediction, metric, &others);
            // Half a gigabyte of ids is beyond any benchmark, and beyond what a list is for.
            if rows.ids.len() > 1 << 29 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })?;
        cancel.check()?;
        Ok(rows)
    }

    fn add(&mut self, prediction: &Prediction, metric: Metric, others: &Others) {
        let value = prediction.score.as_ref().and_then(|score| score.value(metric));
        let mut marks = marks_of(prediction, value, metric);
        let other = others.of(prediction.position, &prediction.sample_id);
        if let (Some(value), Some(other)) = (value, other) {
            marks |= compared(metric, value, other).bit();
        }
        if !matches!(others, Others::None) {
            self.others.push(other.unwrap_or(f64::NAN));
        }
        self.positions.push(prediction.position);
        self.values.push(value.unwrap_or(f64::NAN));
        self.marks.push(marks);
        self.profiles.push(prediction.profile_entries);
        self.ids.push_str(&prediction.sample_id);
        self.id_ends.push(u32::try_from(self.ids.len()).unwrap_or(u32::MAX));
        for mark in Mark::ALL {
            self.counts[mark as usize] += u32::from(marks & mark.bit() != 0);
        }
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.positions.len()
    }

    /// How many have a mark.
    pub(super) fn count(&self, mark: Mark) -> u32 {
        self.counts[mark as usize]
    }

    /// The row of a position.
    pub(super) fn row_of(&self, position: u32) -> Option<usize> {
        self.positions.binary_search(&position).ok()
    }

    pub(super) fn position(&self, row: usize) -> u32 {
        self.positions.get(row).copied().unwrap_or_default()
    }

    pub(super) fn id(&self, row: usize) -> &str {
        let end = self.id_ends.get(row).map_or(0, |&end| end as usize);
        let start =
            row.checked_sub(1).and_then(|before| self.id_ends.get(before)).map_or(0, |&end| end as usize);
        self.ids.get(start..end).unwrap_or_default()
    }

    /// The main score.
    pub(super) fn value(&self, row: usize) -> Option<f64> {
        self.values.get(row).copied().filter(|value| !value.is_nan())
    }

    /// By how much the main score is above the other run's.
    pub(super) fn difference(&self, row: usize) -> Option<f64> {
        let other = self.others.get(row).copied().filter(|value| !value.is_nan())?;
        Some(self.value(row)? - other)
    }

    pub(super) fn profile(&self, row: usize) -> u32 {
        self.profiles.get(row).copied().unwrap_or_default()
    }

    pub(super) fn bits(&self, row: usize) -> u16 {
        self.marks.get(row).copied().unwrap_or_default()
    }

    pub(super) fn has(&self, row: usize, mark: Mark) -> bool {
        self.bits(row) & mark.bit() != 0
    }
}

/// In what two runs differ, in words; of hashes their beginnings.
fn differences(from: &RunRecord, to: &RunRecord) -> Vec<String> {
    let short = |value: Option<Value>| match value {
        Some(Value::String(hash)) => Some(Value::String(hash.chars().take(8).collect())),
        other => other,
    };
    let found = diff(&from.spec, &to.spec).into_iter().map(|difference| {
        if !difference.path.ends_with("fingerprint") {
            return difference_words(&difference);
        }
        let Difference { path, first, second } = difference;
        difference_words(&Difference { path, first: short(first), second: short(second) })
    });
    found.collect()
}

/// How a value stands to that of the other run.
fn compared(metric: Metric, value: f64, other: f64) -> Mark {
    let order = value.total_cmp(&other);
    match if metric.higher_is_better() { order } else { order.reverse() } {
        std::cmp::Ordering::Greater => Mark::Improved,
        std::cmp::Ordering::Less => Mark::Worsened,
        std::cmp::Ordering::Equal => Mark::Unchanged,
    }
}

/// The other run's main scores.
enum Others {
    None,
    /// Over the same data, by position, ascending.
    ByPosition(Vec<u32>, Vec<f64>),
    /// Over other data, by the sample's id.
    ById(HashMap<String, f64>),
}

impl Others {
    fn read(
        reader: &Reader,
        run: &RunRecord,
        metric: Metric,
        same_data: bool,
        cancel: &CancelToken,
        progress: &Progress,
    ) -> Result<Self, Trouble> {
        if same_data && let Some(column) = reader.column(run.id, metric)? {
            return Ok(Self::ByPosition(column.positions, column.values));
        }
        progress.start("Reading the other run", run.totals.done);
        let (mut positions, mut values, mut by_id) = (Vec::new(), Vec::new(), HashMap::new());
        let mut seen = 0_u32;
        reader.predictions(run.id, false, &mut |prediction| {
            seen = seen.wrapping_add(1);
            if seen.is_multiple_of(LOOK) {
                progress.add(u64::from(LOOK));
                if cancel.is_canceled() {
                    return ControlFlow::Break(());
                }
            }
            if let Some(value) = prediction.score.as_ref().and_then(|score| score.value(metric)) {
                if same_data {
                    positions.push(prediction.position);
                    values.push(value);
                } else {
                    // Of several samples of one id the first counts.
                    by_id.entry(prediction.sample_id).or_insert(value);
                }
            }
            ControlFlow::Continue(())
        })?;
        cancel.check()?;
        Ok(if same_data { Self::ByPosition(positions, values) } else { Self::ById(by_id) })
    }

    fn of(&self, position: u32, id: &str) -> Option<f64> {
        match self {
            Self::None => None,
            Self::ByPosition(positions, values) => {
                positions.binary_search(&position).ok().and_then(|at| values.get(at)).copied()
            }
            Self::ById(values) => values.get(id).copied(),
        }
    }
}

/// Where the sample of a position is in the other run.
pub(super) fn position_in(
    reader: &Reader,
    run: (RunId, &str),
    other: (RunId, &str),
    (position, id): (u32, &str),
) -> Result<Option<u32>, Trouble> {
    if run.1 == other.1 { Ok(Some(position)) } else { Ok(reader.position_of(other.0, id)?) }
}
