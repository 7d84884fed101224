//! What can answer: installed models, saved endpoints, those that the draft names by path or script, and the rules; looked at by a job.

use std::path::{Path, PathBuf};

use super::words;
use crate::gui::loadable::Trouble;
use crate::jobs::CancelToken;
use crate::model::endpoint::{Endpoint, PREFIX};
use crate::model::gguf::GgufFile;
use crate::model::lora::home;
use crate::model::registry::{Entry, Manifest, Registry, Source};
use crate::model::weights::Checkpoint;
use crate::model::{ModelKind, describe, scripted};
use crate::run::experiment::ModelSettings;
use crate::run::{Baseline, Experiment};

/// What a card shows of a model.
#[derive(Debug, Clone)]
pub(super) struct Card {
    /// What it is called here and in the draft.
    pub name: String,
    /// What it is.
    pub what: What,
    /// The repository, where it came from a hub and no other model did.
    pub repository: Option<String>,
    /// Why it cannot be used.
    pub trouble: Option<Trouble>,
}

/// What answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum What {
    /// A model with weights.
    Model(Box<Facts>),
    /// A rule in a model's place.
    Rule(Baseline),
    /// A model that another program serves.
    Endpoint(Box<Served>),
    /// A scripted model.
    Script,
    /// Nobody knows.
    Unknown,
}

/// What is known of an endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Served {
    /// Its settings; `None` where they cannot be read.
    pub endpoint: Option<Endpoint>,
    /// Whether it is saved, so that it can be edited and removed.
    pub saved: bool,
}

/// What is known of a model with weights.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Facts {
    pub kind: ModelKind,
    pub architecture: String,
    pub parameters: u64,
    pub bytes: Option<u64>,
    /// The kind of numbers that its weights are stored as; empty where that cannot be read.
    pub stored: String,
    pub license: Option<String>,
    pub origin: String,
    pub path: PathBuf,
    pub context: Option<usize>,
    /// Whether it is in the registry, so that it can be removed.
    pub installed: bool,
}

impl Facts {
    /// Family, size and numbers in a line.
    pub fn line(&self) -> String {
        let mut parts = vec![family(self.kind, &self.architecture), words::count(self.parameters)];
        parts.extend((!self.stored.is_empty()).then(|| self.stored.to_uppercase()));
        parts.extend(self.bytes.map(words::size));
        parts.join(" \u{b7} ")
    }

    /// License and origin in a line.
    pub fn source(&self) -> String {
        let license = self.license.as_deref().unwrap_or("license not named");
        format!("{license} \u{b7} {}", self.origin)
    }
}

/// The family with its form: `T5`, `gemma3 (GGUF)`.
fn family(kind: ModelKind, architecture: &str) -> String {
    match kind {
        ModelKind::T5 => architecture.to_uppercase().replace("MT5", "mT5"),
        ModelKind::Gguf => format!("{architecture} (GGUF)"),
        ModelKind::Bert => architecture.to_uppercase(),
    }
}

/// Something in the folder of models that is none yet, or none any more.
#[derive(Debug, Clone)]
pub(super) struct Remains {
    /// What it is called.
    pub name: String,
    /// What is wrong.
    pub what: Rest,
}

/// Why it is no model.
#[derive(Debug, Clone)]
pub(super) enum Rest {
    /// Its manifest cannot be used.
    Broken(Trouble),
    /// Its download has not ended.
    Unfinished {
        /// What to ask the hub for.
        wanted: Option<String>,
        /// Bytes that are there.
        bytes: u64,
    },
}

/// All of it.
#[derive(Debug, Default)]
pub(super) struct Stock {
    /// Installed models that answer.
    pub models: Vec<Card>,
    /// Saved endpoints.
    pub endpoints: Vec<Card>,
    /// Installed models that make vectors.
    pub encoders: Vec<Card>,
    /// What is broken or unfinished.
    pub remains: Vec<Remains>,
    /// What the draft names beside these and the rules.
    pub others: Vec<Card>,
}

impl Stock {
    /// Looks at the entries, and at what else the draft names.
    pub fn look(registry: &Registry, entries: &[Entry], named: &[Named], cancel: &CancelToken) -> Self {
        let mut stock = Self { endpoints: endpoints(registry), ..Self::default() };
        for entry in entries {
            if cancel.is_canceled() {
                break;
            }
            match entry {
                Entry::Installed(manifest) => {
                    let card = installed(registry, manifest, entries);
                    if manifest.kind.is_encoder() { &mut stock.encoders } else { &mut stock.models }
                        .push(card);
                }
                Entry::Broken { name, error } => {
                    let what = Rest::Broken(words::trouble(error));
                    stock.remains.push(Remains { name: name.clone(), what });
                }
                Entry::Unfinished { name, repository, bytes } => {
                    let what = Rest::Unfinished { wanted: repository.clone(), bytes: *bytes };
                    stock.remains.push(Remains { name: name.clone(), what });
                }
            }
        }
        let known: Vec<&Card> = stock.models.iter().chain(&stock.encoders).chain(&stock.endpoints).collect();
        let strangers = named.iter().filter(|named| !known.iter().any(|card| card.is(&named.name)));
        stock.others = strangers.map(|named| other(registry, named)).collect();
        stock
    }

    /// The card of this name, rules included.
    pub fn find(&self, name: &str) -> Option<Card> {
        let all = self.models.iter().chain(&self.endpoints).chain(&self.others).chain(&self.encoders);
        let rule = || rules().into_iter().find(|rule| rule.is(name));
        all.clone().find(|card| card.is(name)).cloned().or_else(rule)
    }
}

/// A model as the draft names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Named {
    /// Its name.
    pub name: String,
    /// The settings that the draft itself has for it.
    pub endpoint: Option<Box<Endpoint>>,
}

/// Names in the draft that are no rules, each once.
pub(super) fn named(experiment: &Experiment) -> Vec<Named> {
    let mut names: Vec<Named> = Vec::new();
    for model in &experiment.models {
        let name = model.name.trim();
        let rule = name.parse::<Baseline>().is_ok();
        if !name.is_empty() && !rule && !names.iter().any(|known| known.name == name) {
            names.push(Named { name: name.to_owned(), endpoint: model.endpoint.clone() });
        }
    }
    names
}

impl Card {
    /// Whether a name means this one.
    pub fn is(&self, name: &str) -> bool {
        let name = name.trim();
        let same = |own: &str| own.eq_ignore_ascii_case(name);
        same(&self.name) || self.repository.as_deref().is_some_and(same)
    }

    /// Where the draft has it, and how.
    pub fn in_draft<'e>(&self, experiment: &'e Experiment) -> Vec<(usize, &'e ModelSettings)> {
        experiment.models.iter().enumerate().filter(|(_, model)| self.is(&model.name)).collect()
    }

    /// What is known of its weights.
    pub fn facts(&self) -> Option<&Facts> {
        match &self.what {
            What::Model(facts) => Some(facts),
            _ => None,
        }
    }

    /// Whether it follows one hypothesis only.
    pub fn is_greedy(&self) -> bool {
        self.served().is_some() || self.facts().is_some_and(|facts| facts.kind == ModelKind::Gguf)
    }

    /// What is known of it as an endpoint.
    pub fn served(&self) -> Option<&Served> {
        match &self.what {
            What::Endpoint(served) => Some(served),
            _ => None,
        }
    }
}

/// The rules, a card each.
pub(super) fn rules() -> Vec<Card> {
    let card = |rule: Baseline| Card {
        name: rule.id().to_owned(),
        what: What::Rule(rule),
        repository: None,
        trouble: None,
    };
    Baseline::ALL.map(card).into()
}

/// What a rule does, in a line, and which tasks it answers.
pub(super) const fn explained(rule: Baseline) -> (&'static str, &'static str) {
    match rule {
        Baseline::Majority => (
            "The commonest label of the retrieved entries; without a retriever, of all profiles.",
            "Classification and rating: LaMP-1, 2 and 3",
        ),
        Baseline::Copy => ("The text that the input asks about, unchanged.", "Generation: LaMP-4 to 7"),
        Baseline::Nearest => (
            "What the best retrieved entry says: its label, title or text.",
            "All tasks; without a retriever as majority or copy",
        ),
    }
}

fn installed(registry: &Registry, manifest: &Manifest, entries: &[Entry]) -> Card {
    let path = registry.path(manifest);
    let repository = match &manifest.source {
        Source::Hub { repository, .. } => Some(repository.clone()),
        _ => None,
    };
    let of_same = |entry: &&Entry| match entry {
        Entry::Installed(other) => {
            matches!(&other.source, Source::Hub { repository: other, .. } if Some(other) == repository.as_ref())
        }
        _ => false,
    };
    let alone = entries.iter().filter(of_same).count() == 1;
    let (stored, trouble) = match stored(manifest.kind, &path) {
        Ok(stored) => (stored, None),
        Err(_) if !path.exists() => {
            let text =
                format!("Its files are gone from {}. Get or add it again, or remove it.", path.display());
            (String::new(), Some(Trouble(text)))
        }
        Err(trouble) => (String::new(), Some(trouble)),
    };
    let facts = Facts {
        kind: manifest.kind,
        architecture: manifest.architecture.clone(),
        parameters: manifest.parameters,
        bytes: Some(manifest.size()),
        stored,
        license: manifest.license.clone(),
        origin: words::origin(&manifest.source),
        path,
        context: manifest.context,
        // What is part of the program cannot be removed.
        installed: manifest.source != Source::Program,
    };
    let what = What::Model(Box::new(facts));
    Card { name: manifest.name.clone(), what, repository: repository.filter(|_| alone), trouble }
}

/// The kind of numbers that most weights are stored as, from headers alone: a list of models should not wait for their tokenizers.
fn stored(kind: ModelKind, path: &Path) -> Result<String, Trouble> {
    match kind {
        ModelKind::Gguf => Ok(GgufFile::open(path)?.main_format()),
        ModelKind::T5 | ModelKind::Bert => Ok(Checkpoint::open(&home(path)?)?.main_format()),
    }
}

/// The saved endpoints, those that cannot be read included.
fn endpoints(registry: &Registry) -> Vec<Card> {
    let saved = registry.endpoints();
    let names = saved.names().unwrap_or_default();
    let card = |name: String| {
        let (endpoint, trouble) = match saved.find(&name) {
            Ok(endpoint) => (Some(endpoint), None),
            Err(error) => (None, Some(Trouble(crate::gui::words::endpoint_words(&error)))),
        };
        let what = What::Endpoint(Box::new(Served { endpoint, saved: true }));
        Card { name: format!("{PREFIX}{name}"), what, repository: None, trouble }
    };
    names.into_iter().map(card).collect()
}

/// What the draft names beside installed models, saved endpoints and rules.
fn other(registry: &Registry, Named { name, endpoint }: &Named) -> Card {
    if endpoint.is_some() || name.starts_with(PREFIX) {
        let trouble = match registry.endpoints().find(name) {
            Err(error) if endpoint.is_none() => Some(Trouble(crate::gui::words::endpoint_words(&error))),
            _ => None,
        };
        let served = Served { endpoint: endpoint.as_deref().cloned(), saved: false };
        let what = What::Endpoint(Box::new(served));
        return Card { name: name.clone(), what, repository: None, trouble };
    }
    let card = |what, trouble| Card { name: name.to_owned(), what, repository: None, trouble };
    if name.starts_with(scripted::PREFIX) {
        let parsed = scripted::Scripted::parse(name);
        return card(What::Script, parsed.err().map(|error| words::model_trouble(&error)));
    }
    let path = match registry.resolve(name) {
        Ok(found) => found.path,
        Err(error) => return card(What::Unknown, Some(words::trouble(&error))),
    };
    match describe(&path) {
        Ok(description) => {
            let trouble = description.kind.is_encoder().then(|| {
                Trouble(
                    "It makes vectors of texts and cannot answer. Choose it on the screen Retriever."
                        .to_owned(),
                )
            });
            let facts = Facts {
                kind: description.kind,
                architecture: description.architecture,
                parameters: description.parameters,
                bytes: None,
                stored: description.stored,
                license: description.license,
                origin: "not installed, by its path".to_owned(),
                path,
                context: description.context,
                installed: false,
            };
            card(What::Model(Box::new(facts)), trouble)
        }
        Err(error) => card(What::Unknown, Some(words::model_trouble(&error))),
    }
}
