//! The keys of an experiment's file.

use std::collections::BTreeMap;
use std::path::Path;

use toml::de::DeTable;

use super::place::{KeyPath, Source};
use super::problem::{Problem, ProblemKind};
use super::reader::{Pair, Reading, Section};
use super::skip::{Known, Skip};
use super::{
    DataSettings, Experiment, GenerationSettings, ModelSettings, PromptSettings, RetrievalSettings,
    SamplingSettings, Templates, TuneSettings,
};
use crate::lamp::Task;
use crate::metrics::Parsing;
use crate::model::endpoint::{Endpoint, Kind};
use crate::model::{EarlyStopping, GenerationConfig, Precision};
use crate::prompt::PromptMode;
use crate::record::Training;

/// The greatest number of entries that anyone asks for.
const MOST_ENTRIES: u64 = 100_000;
/// The longest prompt that anyone asks for, in tokens.
const LONGEST: u64 = 1 << 20;
/// The greatest number that TOML has.
const GREATEST: u64 = i64::MAX as u64;

/// What is good in a text, and what is wrong with it.
pub(super) fn parse(text: &str, origin: &Path) -> (Experiment, Vec<Problem>) {
    let source = Source::new(origin, text);
    let reading = Reading::new(&source);
    let (document, errors) = DeTable::parse_recoverable(text);
    for error in &errors {
        let mut problem = Problem::at(
            KeyPath::default(),
            ProblemKind::Syntax(error.message().trim().replace('\n', "; ")),
            &source,
        );
        problem.place.line = error.span().and_then(|span| source.line(span.start));
        reading.add(problem);
    }
    let mut experiment = Experiment::default();
    // Keys after a mistake in the syntax may stand where they were not meant to: they are not judged.
    if errors.is_empty() {
        experiment = read(Section::new(&reading, KeyPath::default(), Some(document.get_ref())));
    }
    let problems = reading.into_problems();
    experiment.source = source;
    (experiment, problems)
}

fn read(root: Section<'_, '_>) -> Experiment {
    let (name, metrics) = (root.text("name"), root.all_parsed("metrics"));
    let (seeds, data, models) =
        (root.counts("seeds", 0, GREATEST), root.sections("data"), root.sections("models"));
    let (prompt_section, retrieval_section) = (root.section("prompt"), root.section("retrieval"));
    let (generation_section, tune_section) = (root.section("generation"), root.section("tune"));
    let skips = root.sections("skip");
    let experiment = Experiment {
        name: name.unwrap_or_default(),
        metrics: metrics.unwrap_or_default(),
        seeds: seeds.unwrap_or_default(),
        data: data.into_iter().map(data_settings).collect(),
        models: models.into_iter().map(model).collect(),
        prompt: prompt(prompt_section),
        retrieval: retrieval(retrieval_section, tune_section.is_there()),
        generation: generation(generation_section),
        tune: tune(tune_section),
        skip: skips.into_iter().map(skip).collect(),
        source: Source::default(),
    };
    for (key, what) in [
        ("name", "what the experiment is called"),
        ("data", "a table [data] with the paths of files or folders"),
        ("models", "at least one table [[models]] with a name"),
    ] {
        if root.lacks(key) {
            root.report(key, ProblemKind::Missing { what });
        }
    }
    let sound = root.is_sound();
    for (index, skip) in experiment.skip.iter().enumerate() {
        let path = KeyPath::of("skip").at(index);
        if skip.is_empty() {
            let what = "at least one of tasks, settings, models, retrievers and k, or leave the table out";
            root.report_at(&path, ProblemKind::Missing { what });
        } else if sound {
            // What could not be read is not held against what names it.
            check_skip(&root, &path, skip, &Known::of(&experiment));
        }
    }
    root.end();
    experiment
}

fn skip(section: Section<'_, '_>) -> Skip {
    let skip = Skip {
        tasks: section.all_parsed("tasks").unwrap_or_default(),
        settings: section.all_parsed("settings").unwrap_or_default(),
        models: section.texts("models").unwrap_or_default(),
        retrievers: section.texts("retrievers").unwrap_or_default(),
        k: section.counts("k", 0, MOST_ENTRIES).unwrap_or_default(),
    };
    section.end();
    skip
}

/// Reports what a skip names and the experiment does not have: a slip there would run what was not to be run.
fn check_skip(root: &Section<'_, '_>, path: &KeyPath, skip: &Skip, known: &Known) {
    let unknown = |key: &str, number: usize, what: &'static str, given: String, known: Vec<String>| {
        root.report_at(&path.key(key).at(number), ProblemKind::NotThere { what, given, known });
    };
    for (number, model) in skip.models.iter().enumerate().filter(|(_, model)| !known.model(model)) {
        unknown("models", number, "model", model.clone(), known.models.clone());
    }
    for (number, text) in skip.retrievers.iter().enumerate().filter(|(_, text)| !known.retriever(text)) {
        unknown("retrievers", number, "retriever", text.clone(), known.retrievers.clone());
    }
    for (number, k) in skip.k.iter().enumerate().filter(|(_, k)| !known.k(**k)) {
        unknown("k", number, "k", k.to_string(), known.k.iter().map(ToString::to_string).collect());
    }
}

fn data_settings(section: Section<'_, '_>) -> DataSettings {
    let data = DataSettings {
        paths: section.texts("paths").into_iter().flatten().map(Into::into).collect(),
        tasks: section.all_parsed("tasks").unwrap_or_default(),
        settings: section.all_parsed("settings").unwrap_or_default(),
        split: section.parsed("split"),
        limit: section.count("limit", 1, u64::from(u32::MAX)),
        seed: section.count("seed", 0, GREATEST),
        skip_broken: section.flag("skip_broken").unwrap_or_default(),
        unscored: section.flag("unscored").unwrap_or_default(),
    };
    if section.lacks("paths") {
        section.report("paths", ProblemKind::Missing { what: "files or folders with data" });
    }
    if data.seed.is_some() && data.limit.is_none() {
        section.report("seed", ProblemKind::Needs { needs: "limit" });
    }
    section.end();
    data
}

fn model(section: Section<'_, '_>) -> ModelSettings {
    let model = ModelSettings {
        name: section.text("name").unwrap_or_default(),
        training: section.word(
            "training",
            &[Training::ZeroShot, Training::FineTuned, Training::Lora, Training::PerUserLora]
                .map(|training| (training.id(), training)),
        ),
        device: section.parsed("device"),
        precision: section.word(
            "precision",
            &[
                ("f32", Precision::F32),
                ("bf16", Precision::Bf16),
                ("f16", Precision::F16),
                ("int8", Precision::Int8),
            ],
        ),
        batch: section.count("batch", 1, 4096),
        chat: section.flag("chat").unwrap_or_default(),
        system: section.text("system"),
        context: section.count("context", 1, LONGEST),
        tokenizer_beside: section.flag("tokenizer_beside").unwrap_or_default(),
        endpoint: endpoint(section.section("endpoint")).map(Box::new),
        generation: generation(section.section("generation")),
    };
    if section.lacks("name") {
        section.report("name", ProblemKind::Missing { what: "a model's name" });
    }
    section.end();
    model
}

/// The table [models.endpoint]. What goes together with what is checked where models are looked for.
fn endpoint(section: Section<'_, '_>) -> Option<Endpoint> {
    let default =
        Endpoint::new(section.text("url").unwrap_or_default(), section.text("model").unwrap_or_default());
    let header = |(path, name, value): Pair| Some((name, section.parse(&path, &value)?));
    let endpoint = Endpoint {
        kind: section
            .word("kind", &[Kind::Chat, Kind::Completions].map(|kind| (kind.id(), kind)))
            .unwrap_or_default(),
        system: section.text("system"),
        key: section.parsed("key"),
        concurrency: section
            .count("concurrency", 1, Endpoint::MOST_REQUESTS as u64)
            .unwrap_or(default.concurrency),
        requests_per_minute: section.count("requests_per_minute", 1, u64::from(u32::MAX)),
        tokens_per_minute: section.count("tokens_per_minute", 1, u64::from(u32::MAX)),
        timeout: section.count("timeout", 1, 86_400).unwrap_or(default.timeout),
        connect_timeout: section.count("connect_timeout", 1, 86_400).unwrap_or(default.connect_timeout),
        give_up_after: section.count("give_up_after", 0, 604_800).unwrap_or(default.give_up_after),
        attempts: section.count("attempts", 1, 1000).unwrap_or(default.attempts),
        price_in: amount(&section, "price_in"),
        price_out: amount(&section, "price_out"),
        spending_limit: amount(&section, "spending_limit"),
        tokenizer: section.text("tokenizer"),
        identity: section.text("identity"),
        omit: section.texts("omit").unwrap_or_default(),
        max_tokens_field: section
            .text("max_tokens_field")
            .unwrap_or_else(|| default.max_tokens_field.clone()),
        headers: section.named_texts("headers").into_iter().flatten().filter_map(header).collect(),
        extra: section.made("extra").unwrap_or_default(),
        ..default
    };
    let there = section.is_there();
    if there {
        for (key, what) in [("url", "the server's address"), ("model", "the model's name at the server")] {
            if section.lacks(key) {
                section.report(key, ProblemKind::Missing { what });
            }
        }
    }
    section.end();
    there.then_some(endpoint)
}

/// A sum of money from 0 on.
fn amount(section: &Section<'_, '_>, key: &'static str) -> Option<f64> {
    let amount = section.float(key)?;
    let good = amount.is_finite() && amount >= 0.0;
    if !good {
        section.report(key, ProblemKind::Negative { value: amount });
    }
    good.then_some(amount)
}

fn generation(section: Section<'_, '_>) -> GenerationSettings {
    let settings = GenerationSettings {
        beams: section.count("beams", 1, GenerationConfig::MAX_BEAMS as u64),
        max_new_tokens: section.count("max_new_tokens", 1, GenerationConfig::MAX_NEW_TOKENS as u64),
        min_new_tokens: section.count("min_new_tokens", 0, GenerationConfig::MAX_NEW_TOKENS as u64),
        length_penalty: section.float("length_penalty").map(|number| number as f32),
        early_stopping: section.word(
            "early_stopping",
            &[
                ("heuristic", EarlyStopping::Heuristic),
                ("when-full", EarlyStopping::WhenFull),
                ("never", EarlyStopping::Never),
            ],
        ),
        stop: section.texts("stop"),
        answers: section.word("answers", &Parsing::ALL.map(|parsing| (parsing.id(), parsing))),
        sampling: sampling(section.section("sampling")),
    };
    section.end();
    settings
}

fn sampling(section: Section<'_, '_>) -> Option<SamplingSettings> {
    let default = SamplingSettings::default();
    let settings = SamplingSettings {
        temperature: section.float("temperature").map_or(default.temperature, |number| number as f32),
        top_k: section.count("top_k", 0, LONGEST).unwrap_or(default.top_k),
        top_p: section.float("top_p").map_or(default.top_p, |number| number as f32),
        seed: section.count("seed", 0, GREATEST),
    };
    let there = section.is_there();
    section.end();
    there.then_some(settings)
}

fn prompt(section: Section<'_, '_>) -> PromptSettings {
    let default = PromptSettings::default();
    let template = section.pairs("template").map(|template| match template {
        Err(one) => Templates::All(one),
        Ok(pairs) => {
            let read = |(path, task, template): Pair| Some((section.parse::<Task>(&path, &task)?, template));
            Templates::PerTask(pairs.into_iter().filter_map(read).collect::<BTreeMap<_, _>>())
        }
    });
    let settings = PromptSettings {
        template: template.unwrap_or(default.template),
        mode: section
            .word("mode", &[("official", PromptMode::Official), ("clean", PromptMode::Clean)])
            .unwrap_or(default.mode),
        max_length: section.count("max_length", 1, LONGEST).unwrap_or(default.max_length),
    };
    section.end();
    settings
}

fn retrieval(section: Section<'_, '_>, tunes: bool) -> RetrievalSettings {
    let default = RetrievalSettings::default();
    let retrievers = section.texts("retrievers");
    let k = section.counts("k", 0, MOST_ENTRIES);
    if section.is_empty_list("retrievers") && !tunes {
        section.report("retrievers", ProblemKind::Missing { what: "at least one, such as \"none\"" });
    }
    if section.is_empty_list("k") {
        section.report("k", ProblemKind::Missing { what: "at least one number" });
    }
    let settings = RetrievalSettings {
        retrievers: retrievers.unwrap_or(default.retrievers),
        k: k.unwrap_or(default.k),
        use_date: section.flag("use_date").unwrap_or_default(),
    };
    section.end();
    settings
}

fn tune(section: Section<'_, '_>) -> Option<TuneSettings> {
    let default = TuneSettings::default();
    let k = section.counts("k", 0, MOST_ENTRIES);
    if section.is_empty_list("k") {
        section.report("k", ProblemKind::Missing { what: "at least one number" });
    }
    let settings = TuneSettings {
        on: section.parsed("on").unwrap_or(default.on),
        k: k.unwrap_or(default.k),
        retrievers: section.texts("retrievers").unwrap_or_default(),
    };
    let there = section.is_there();
    section.end();
    there.then_some(settings)
}
