//! Data, models and retrievers multiplied into cells.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::Path;

use super::data::{Dates, Opened, PlannedData};
use super::models::PlannedModel;
use super::retrievers::PlannedRetriever;
use super::{Fate, Note, Plan, PlannedSlot, Planner, Refused, TunePlan};
use crate::dataset::DatasetId;
use crate::jobs::Canceled;
use crate::lamp::{Setting, Task};
use crate::prompt::{Preset, PromptBuilder, PromptMode, PromptOptions, Template};
use crate::record::{PromptSpec, RetrieverSpec, RunSpec};
use crate::retrieval::RetrieverConfig;
use crate::run::experiment::skip::{Skips, Slot, Way};
use crate::run::experiment::{KeyPath, ProblemKind, Templates, TuneSettings};
use crate::run::{BaselineError, Cell, Experiment};

/// What becomes of one combination.
enum Made {
    Cell(Box<Cell>),
    Refused(Refused),
}

/// One combination of the matrix.
#[derive(Clone, Copy)]
struct Combination<'p> {
    model: &'p PlannedModel,
    data: &'p PlannedData,
    retriever: &'p PlannedRetriever,
    k: usize,
    seed: Option<u64>,
}

/// The experiment's skips, and which of them left something out.
struct Skipping {
    skips: Skips,
    names: Vec<String>,
    used: Vec<bool>,
}

impl Skipping {
    fn of(experiment: &Experiment) -> Self {
        let names = experiment.models.iter().map(|model| model.name.clone()).collect();
        Self { skips: Skips::of(experiment), names, used: vec![false; experiment.skip.len()] }
    }

    fn takes(&mut self, model: &PlannedModel, data: &PlannedData, way: Way<'_>) -> bool {
        let DatasetId { task, setting, .. } = data.id();
        let mut taken = false;
        for number in self.skips.matching(Slot { task, setting, model: &self.names[model.index], way }) {
            self.used[number] = true;
            taken = true;
        }
        taken
    }
}

impl Planner<'_> {
    /// The cells, and whatever is wrong reported. `None` where something is.
    pub(super) fn matrix(&self) -> Result<Option<Plan>, Canceled> {
        let experiment = self.experiment;
        let models = self.models()?;
        let retrieval = &experiment.retrieval;
        let retrievers =
            self.retrievers(&retrieval.retrievers, &KeyPath::of("retrieval").key("retrievers"))?;
        let opened = self.open()?;
        let mut data = Vec::new();
        for table in &opened {
            data.extend(self.choose(table)?.into_iter().map(|data| (table, data)));
        }
        let templates = self.templates(&data)?;
        for (_, data) in &data {
            for model in &models {
                self.check_prompt(data.id().task, model, templates.get(&data.id().task));
            }
        }
        self.check_seeds(&models, &retrievers);
        if retrieval.use_date && !data.is_empty() && data.iter().all(|(_, data)| data.dates == Dates::None) {
            let kind = ProblemKind::NowherePossible {
                retriever: "the date in documents".to_owned(),
                reason: "no entry of the data has a date".to_owned(),
            };
            self.report(&KeyPath::of("retrieval").key("use_date"), kind);
        }
        let mut plan = Plan {
            cells: Vec::new(),
            refused: Vec::new(),
            notes: Vec::new(),
            tunings: Vec::new(),
            slots: Vec::new(),
        };
        let mut skipping = Skipping::of(experiment);
        self.multiply(&models, &data, &retrievers, &templates, &mut skipping, &mut plan);
        if let Some(tune) = &experiment.tune {
            let own = self.retrievers(&tune.retrievers, &KeyPath::of("tune").key("retrievers"))?;
            let tried = if tune.retrievers.is_empty() { &retrievers } else { &own };
            let given = if tune.retrievers.is_empty() { &retrieval.retrievers } else { &tune.retrievers };
            if tried.len() == given.len() && tried.iter().all(PlannedRetriever::is_none) {
                let what = "at least one retriever beside none, here or in [retrieval]";
                self.report(&KeyPath::of("tune").key("retrievers"), ProblemKind::Missing { what });
            }
            self.tunings(tune, &models, &data, tried, &templates, &mut skipping, &mut plan)?;
        }
        // Where something is wrong, what is not there may only be missing for that.
        if self.problems.borrow().is_empty() {
            let idle = skipping.used.iter().enumerate().filter(|(_, used)| !**used);
            idle.for_each(|(number, _)| self.note(Note::IdleSkip { number }));
        }
        if plan.cells.is_empty() && plan.tunings.is_empty() && self.problems.borrow().is_empty() {
            let skipped = plan.slots.iter().any(|slot| slot.fate == Fate::Skipped);
            let reason = match plan.refused.first() {
                _ if skipped => "every cell that could be run is left out by [[skip]]".to_owned(),
                refused => refused.map(ToString::to_string).unwrap_or_default(),
            };
            self.report(&KeyPath::of("retrieval"), ProblemKind::Nothing { reason });
        }
        Ok(Some(plan))
    }

    fn multiply(
        &self,
        models: &[PlannedModel],
        data: &[(&Opened<'_>, PlannedData)],
        retrievers: &[PlannedRetriever],
        templates: &BTreeMap<Task, Template>,
        skipping: &mut Skipping,
        plan: &mut Plan,
    ) {
        let mut keys: HashMap<String, usize> = HashMap::new();
        let mut ways = Vec::new();
        for seed in self.seeds() {
            for (number, retriever) in retrievers.iter().enumerate() {
                ways.extend(self.experiment.retrieval.k.iter().map(|&k| (number, retriever, k, seed)));
            }
        }
        let mut possible = vec![false; retrievers.len()];
        let mut reasons = vec![None; retrievers.len()];
        for model in models {
            let mut answers = false;
            let mut refusal = None;
            for (_, data) in data {
                for &(number, retriever, k, seed) in &ways {
                    let given = &self.experiment.retrieval.retrievers[retriever.index];
                    let skipped = skipping.takes(model, data, Way::of(given, k));
                    let fate = match self.make(Combination { model, data, retriever, k, seed }, templates) {
                        Some(Made::Cell(cell)) => {
                            answers = true;
                            possible[number] = true;
                            if skipped {
                                Fate::Skipped
                            } else {
                                let place = keys.entry(cell.spec.key()).or_insert(plan.cells.len());
                                if *place == plan.cells.len() {
                                    plan.cells.push(*cell);
                                }
                                Fate::Cell(*place)
                            }
                        }
                        Some(Made::Refused(refused)) => {
                            match refused.model {
                                None => reasons[number] = Some(refused.reason.clone()),
                                Some(_) => {
                                    possible[number] = true; // for another model, perhaps
                                    refusal = Some(refused.reason.clone());
                                }
                            }
                            let known = plan.refused.iter().position(|other| *other == refused);
                            Fate::Refused(known.unwrap_or_else(|| {
                                plan.refused.push(refused);
                                plan.refused.len() - 1
                            }))
                        }
                        None => continue,
                    };
                    let (dataset, model, retriever) = (data.id(), model.index, retriever.index);
                    plan.slots.push(PlannedSlot { dataset, model, retriever, k, fate });
                }
            }
            if let Some(error) = refusal.filter(|_| !answers)
                && let Some((_, data)) = data.first()
                && let Some(baseline) = model.baseline()
            {
                match baseline.supports(data.id().task) {
                    Err(error) => self.report(&model.path.key("name"), error),
                    Ok(()) => self.report(&model.path.key("name"), ProblemKind::Nothing { reason: error }),
                }
            }
        }
        for ((retriever, possible), reason) in retrievers.iter().zip(possible).zip(reasons) {
            if let Some(reason) = reason.filter(|_| !possible) {
                let retriever_name = retriever.short(None);
                let kind = ProblemKind::NowherePossible { retriever: retriever_name, reason };
                self.report(&retriever.path, kind);
            }
        }
    }

    /// The seeds that cells are repeated for; once without one if there are none.
    fn seeds(&self) -> Vec<Option<u64>> {
        let seeds = &self.experiment.seeds;
        if seeds.is_empty() { vec![None] } else { seeds.iter().copied().map(Some).collect() }
    }

    fn check_seeds(&self, models: &[PlannedModel], retrievers: &[PlannedRetriever]) {
        let drawn = |model: &PlannedModel| {
            model.baseline().is_none() && model.generation.sampling.is_some_and(|how| how.seed.is_none())
        };
        let used = models.iter().any(drawn) || retrievers.iter().any(|retriever| retriever.unseeded);
        let whole = models.len() == self.experiment.models.len()
            && retrievers.len() == self.experiment.retrieval.retrievers.len();
        if !self.experiment.seeds.is_empty() && !used && whole {
            self.report(&KeyPath::of("seeds"), ProblemKind::IdleSeeds);
        }
    }

    /// One cell, or why it cannot be; `None` where its template is wrong, which was reported.
    fn make(&self, wanted: Combination<'_>, templates: &BTreeMap<Task, Template>) -> Option<Made> {
        let Combination { model, data, retriever, k, seed } = wanted;
        let id = data.id();
        let none = k == 0 || retriever.is_none();
        if !none && retriever.needs_dates() && data.dates == Dates::None {
            let which = match id.setting {
                Setting::User => "profiles of the user setting carry none",
                Setting::Time => "these files carry none",
            };
            return Some(Made::Refused(Refused {
                dataset: id,
                model: None,
                retriever: Some(retriever.short(seed)),
                reason: format!("recency is undefined where entries have no dates, and {which}"),
            }));
        }
        if let Some(baseline) = model.baseline()
            && let Err(error) = baseline.supports(id.task)
        {
            return Some(Made::Refused(Refused {
                dataset: id,
                model: Some(model.spec.name.clone()),
                retriever: None,
                reason: match error {
                    BaselineError::Unsupported { reason, .. } => reason.to_owned(),
                    other => other.to_string(),
                },
            }));
        }
        if let (Dates::Some(samples @ 1..), false, true) = (data.dates, none, retriever.needs_dates()) {
            self.note(Note::PartlyUndated { dataset: id, samples, of: data.positions.len() });
        }
        let use_date = self.experiment.retrieval.use_date && !none && data.dates != Dates::None;
        let settings = &self.experiment.prompt;
        let reads = model.baseline().is_none();
        let generation = model.generation.config(model.greedy, seed.unwrap_or(0));
        let prompt = match (reads, templates.get(&id.task)) {
            (false, _) => None,
            (true, None) => return None,
            (true, Some(template)) => {
                let options = PromptOptions { mode: settings.mode, max_length: settings.max_length };
                Some((template.clone(), options))
            }
        };
        let spec = RunSpec {
            program: env!("CARGO_PKG_VERSION").to_owned(),
            dataset: data.spec.clone(),
            model: model.spec.clone(),
            retriever: if none {
                RetrieverSpec::none()
            } else {
                let (config, encoders) = (retriever.short(seed), retriever.encoders.clone());
                RetrieverSpec { config, k, use_date, encoders }
            },
            prompt: prompt.as_ref().map(|(template, options)| PromptSpec {
                template: template.name().to_owned(),
                template_toml: template.to_toml().unwrap_or_default(),
                mode: match options.mode {
                    PromptMode::Official => "official".to_owned(),
                    PromptMode::Clean => "clean".to_owned(),
                },
                max_length: options.max_length,
            }),
            generation: reads.then(|| serde_json::to_value(&generation).unwrap_or_default()),
            parsing: model.generation.answers.filter(|_| reads).unwrap_or_default().id().to_owned(),
        };
        Some(Made::Cell(Box::new(Cell {
            spec,
            dataset: data.dataset.clone(),
            positions: data.positions.clone(),
            retriever: if none { RetrieverConfig::None {} } else { retriever.config(seed) },
            use_date,
            k: if none { 0 } else { k },
            prompt,
            generation,
            model: model.model.clone(),
            batch: model.batch,
        })))
    }

    /// The template of each task that there are data for.
    fn templates(&self, data: &[(&Opened<'_>, PlannedData)]) -> Result<BTreeMap<Task, Template>, Canceled> {
        let mut all = BTreeMap::new();
        let path = KeyPath::of("prompt").key("template");
        if let Templates::PerTask(templates) = &self.experiment.prompt.template {
            // Those of tasks without data are looked at as well: a slip shows whatever is run today.
            for (task, name) in templates {
                if let Some(template) = self.template(*task, name, &path.key(task.id())) {
                    all.insert(*task, template);
                }
            }
        }
        for (_, data) in data {
            self.cancel.check()?;
            let task = data.id().task;
            let template = match &self.experiment.prompt.template {
                Templates::All(name) if !all.contains_key(&task) => self.template(task, name, &path),
                Templates::PerTask(templates) if !templates.contains_key(&task) => {
                    Template::preset(task, Preset::Official)
                }
                _ => None,
            };
            if let Some(template) = template {
                all.insert(task, template);
            }
        }
        Ok(all)
    }

    fn template(&self, task: Task, name: &str, path: &KeyPath) -> Option<Template> {
        if let Ok(preset) = name.parse::<Preset>() {
            // Where the paper has no wording of its own, the official one is the paper's.
            return Template::preset(task, preset).or_else(|| Template::preset(task, Preset::Official));
        }
        let file = Path::new(name);
        if !file.exists() {
            let kind = ProblemKind::NoTemplate { given: name.to_owned(), path: file.to_owned() };
            self.report(path, kind);
            return None;
        }
        match Template::read(file) {
            Ok(template) if template.task() == task => Some(template),
            Ok(template) => {
                let (name, made_for) = (template.name().to_owned(), template.task());
                let error = crate::prompt::PromptError::WrongTask { template: name, made_for, task };
                self.report(path, error);
                None
            }
            Err(error) => {
                self.report(path, error);
                None
            }
        }
    }

    /// Reports a length that leaves no room for text.
    fn check_prompt(&self, task: Task, model: &PlannedModel, template: Option<&Template>) {
        let settings = &self.experiment.prompt;
        let options = PromptOptions { mode: settings.mode, max_length: settings.max_length };
        let (Some(template), Some(tokenizer)) = (template, &model.tokenizer) else { return };
        if let Err(error) = PromptBuilder::new(task, template, options, &**tokenizer) {
            self.report(&KeyPath::of("prompt").key("max_length"), error);
        }
    }

    #[allow(clippy::too_many_arguments, reason = "all that a plan is made of, each once")]
    fn tunings(
        &self,
        tune: &TuneSettings,
        models: &[PlannedModel],
        data: &[(&Opened<'_>, PlannedData)],
        retrievers: &[PlannedRetriever],
        templates: &BTreeMap<Task, Template>,
        skipping: &mut Skipping,
        plan: &mut Plan,
    ) -> Result<(), Canceled> {
        // Smaller k first, then the earlier retriever: the order in which ties are decided.
        let mut ks = tune.k.clone();
        ks.sort_unstable();
        ks.dedup();
        let seed = self.seeds()[0];
        for (table, reported) in data {
            let Some(tuned) = self.tuning_data(table, reported, tune.on)? else { continue };
            let same_data =
                tuned.spec.fingerprint == reported.spec.fingerprint && tuned.positions == reported.positions;
            if same_data {
                self.note(Note::SameData { dataset: reported.id() });
            }
            for model in models {
                if skipping.takes(model, reported, Way::Tuned) {
                    continue;
                }
                let id = reported.id();
                let mut group = TunePlan {
                    task: id.task,
                    setting: id.setting,
                    model: model.spec.name.clone(),
                    model_number: model.index,
                    metric: id.task.primary_metric(),
                    on: tune.on,
                    same_data,
                    grid: Vec::new(),
                    applied: Vec::new(),
                };
                let mut keys = HashSet::new();
                for &k in &ks {
                    // Without a k there is nothing that retrievers could differ in, and `none` is the k of 0.
                    let tried = retrievers.iter().filter(|retriever| k == 0 || !retriever.is_none());
                    for retriever in tried {
                        let make =
                            |data| self.make(Combination { model, data, retriever, k, seed }, templates);
                        if let (Some(Made::Cell(one)), Some(Made::Cell(other))) =
                            (make(&tuned), make(reported))
                            && keys.insert(one.spec.key())
                        {
                            group.grid.push(*one);
                            group.applied.push(*other);
                        }
                    }
                }
                if !group.grid.is_empty() {
                    plan.tunings.push(group);
                }
            }
        }
        Ok(())
    }
}
