//! What is asked of a judge, and asking it: the work of jobs. Draws nothing.

use std::path::PathBuf;

use crate::gui::kit;
use crate::gui::loadable::Trouble;
use crate::jobs::{CancelToken, Progress};
use crate::record::{JudgeMethod, RunId, RunRecord};
use crate::run::experiment::ModelSettings;
use crate::run::judge::{Judge, JudgeSettings, template};
use crate::run::{Control, Estimate, Places, Settings};
use crate::store::{Reader, Store};

/// Which runs are meant.
#[derive(Debug, Clone, PartialEq)]
pub enum Meant {
    /// Each by itself.
    Shown(Vec<RunId>),
    /// Against each other.
    Pair(RunId, RunId),
}

impl Meant {
    pub const fn method(&self) -> JudgeMethod {
        match self {
            Self::Shown(_) => JudgeMethod::Rubric,
            Self::Pair(..) => JudgeMethod::Pairwise,
        }
    }

    pub fn groups(&self) -> Vec<Vec<RunId>> {
        match self {
            Self::Shown(runs) => runs.iter().map(|run| vec![*run]).collect(),
            Self::Pair(first, second) => vec![vec![*first, *second]],
        }
    }

    pub fn runs(&self) -> Vec<RunId> {
        self.groups().concat()
    }
}

/// What is asked, of whom.
#[derive(Debug, Clone, PartialEq)]
pub struct Order {
    pub meant: Meant,
    pub model: String,
    pub chat: bool,
    pub template: Option<PathBuf>,
    pub limit: Option<usize>,
    pub spending_limit: Option<f64>,
}

/// How judging ended.
#[derive(Debug)]
pub struct Ended {
    pub judged: usize,
    pub reasons: Vec<String>,
    pub canceled: bool,
}

impl Order {
    fn settings(&self) -> Result<JudgeSettings, Trouble> {
        let model = ModelSettings { name: self.model.clone(), chat: self.chat, ..ModelSettings::default() };
        Ok(JudgeSettings { model, template: template(self.meant.method(), self.template.as_deref())? })
    }

    fn runs(&self, reader: &Reader) -> Result<Vec<Vec<RunRecord>>, Trouble> {
        let gone = || Trouble("A run is no longer in the store. Choose others.".to_owned());
        let of = |ids: &Vec<RunId>| -> Result<Vec<RunRecord>, Trouble> {
            ids.iter().map(|id| reader.run(*id)?.ok_or_else(gone)).collect()
        };
        self.meant.groups().iter().map(of).collect()
    }

    /// What all of it would take together.
    pub fn estimate(
        &self,
        places: &Places,
        cancel: &CancelToken,
        progress: &Progress,
    ) -> Result<Estimate, Trouble> {
        let reader = Reader::open(&places.store)?;
        let judge = Judge::new(self.settings()?, &places.workplace(), cancel, progress)?;
        let mut whole: Option<Estimate> = None;
        let all = self.runs(&reader)?;
        progress.start("Judging", all.len() as u64);
        for runs in all {
            let cases = judge.cases(&reader, &runs, self.limit, cancel)?;
            let one = judge.estimate(&reader, &cases, cancel, progress)?;
            whole = Some(match whole {
                None => one,
                Some(all) => Estimate {
                    samples: all.samples + one.samples,
                    counted: all.counted + one.counted,
                    prompt_tokens: all.prompt_tokens + one.prompt_tokens,
                    most_new_tokens: all.most_new_tokens + one.most_new_tokens,
                    tokenizer: one.tokenizer,
                    cost: all.cost.zip(one.cost).map(|(a, b)| (a.0 + b.0, a.1 + b.1)),
                },
            });
        }
        whole.ok_or_else(|| Trouble("No run is chosen.".to_owned()))
    }

    pub fn judge(
        &self,
        places: &Places,
        threads: usize,
        settings: Settings,
        control: &Control,
        cancel: &CancelToken,
        progress: &Progress,
    ) -> Result<Ended, Trouble> {
        let mut store = Store::open(&places.store)?;
        let reader = store.reader()?;
        let workplace = places.workplace().with_threads(threads);
        let mut judge = Judge::new(self.settings()?, &workplace, cancel, progress)?;
        let mut ended = Ended { judged: 0, reasons: Vec::new(), canceled: false };
        let all = self.runs(&reader)?;
        progress.start("Judging", all.len() as u64);
        for runs in all {
            let cases = judge.cases(&reader, &runs, self.limit, control.cancel())?;
            let judged = judge.judge(&mut store, &cases, settings, control)?;
            ended.judged += 1;
            progress.add(1);
            ended.reasons.extend(judged.reason);
            if judged.canceled {
                ended.canceled = true;
                break;
            }
        }
        Ok(ended)
    }
}

/// What it would take, in words.
pub fn in_words(estimate: &Estimate) -> String {
    if estimate.samples == 0 {
        return "Every verdict is stored already; nothing would be asked.".to_owned();
    }
    let mut words = format!(
        "{} to be asked: about {} tokens read, at most {} written.",
        kit::counted(estimate.samples as usize, "verdict", "verdicts"),
        kit::count(estimate.prompt_tokens),
        kit::count(estimate.most_new_tokens)
    );
    if let Some((least, most)) = estimate.cost {
        words.push_str(&format!(" Cost {least:.4} to {most:.4}; kept answers cost nothing."));
    }
    words
}
