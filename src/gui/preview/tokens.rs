//! What counts a preview's tokens: the tokenizer of the draft's model, else one that is near, else words.

use std::path::Path;
use std::sync::Arc;

use super::WordTokenizer;
use crate::gui::loadable::Trouble;
use crate::model::endpoint::{self, EstimatingTokenizer};
use crate::model::gguf::{ChatTemplate, GgufFile, GgufTokenizer};
use crate::model::lora::home;
use crate::model::registry::{Entry, Source};
use crate::model::scripted::{self, CharacterTokenizer};
use crate::model::{HfTokenizer, ModelError, ModelKind, TextTokenizer, load_tokenizer};
use crate::run::experiment::ModelSettings;
use crate::run::{Baseline, Workplace, in_full};

/// The environment's tokenizer, which the command line reads too.
const VARIABLE: &str = "LAMPLIGHT_TOKENIZER";

/// What a person wants tokens to be counted by.
#[derive(Debug, Clone, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CounterChoice {
    /// The experiment's first model that reads prompts, else what is near.
    #[default]
    Automatic,
    /// A model by its name.
    Model(String),
    /// Words.
    Words,
}

/// All that the choice of a tokenizer depends on.
#[derive(Debug, Clone, PartialEq)]
pub struct CounterSubject {
    /// What is wanted.
    pub choice: CounterChoice,
    /// The experiment's models.
    pub models: Vec<ModelSettings>,
}

/// What counts tokens.
pub struct Counter {
    /// The tokenizer.
    pub tokenizer: Arc<dyn TextTokenizer>,
    /// Whose tokens they are: `tokens of google/flan-t5-base`, `words`.
    pub name: String,
    /// What a person should know about the choice.
    pub note: Option<String>,
    /// The model's chat template, where it has one.
    pub chat: Option<Chat>,
}

/// A chat template with what it needs.
pub struct Chat {
    template: ChatTemplate,
    tokenizer: Arc<GgufTokenizer>,
    system: Option<String>,
    /// Whether the experiment puts prompts into it.
    pub in_use: bool,
}

impl Chat {
    /// A prompt in the template: as text, and its tokens.
    ///
    /// # Errors
    /// The template's own.
    pub fn apply(&self, prompt: &str) -> Result<(String, usize), Trouble> {
        let system = self.system.as_deref();
        let text = self.template.text(&self.tokenizer, system, prompt)?;
        let tokens = self.template.encode(&self.tokenizer, system, prompt)?;
        Ok((text, tokens.len()))
    }
}

/// Finds it.
///
/// # Errors
/// A model that was asked for by name and cannot be had.
pub fn find_counter(subject: &CounterSubject, workplace: &Workplace) -> Result<Counter, Trouble> {
    match &subject.choice {
        CounterChoice::Words => return Ok(words(None)),
        CounterChoice::Model(name) => {
            let known = subject.models.iter().find(|model| model.name.trim() == name);
            let settings = known.cloned().unwrap_or_else(|| named(name));
            return of_model(&settings, workplace);
        }
        CounterChoice::Automatic => {}
    }
    let reads = |model: &&ModelSettings| {
        let name = model.name.trim().to_lowercase();
        !name.is_empty() && !name.starts_with(Baseline::PREFIX)
    };
    let mut note = None;
    if let Some(model) = subject.models.iter().find(reads) {
        match of_model(model, workplace) {
            Ok(counter) => return Ok(counter),
            Err(trouble) => {
                note = Some(format!("The tokenizer of {} cannot be read: {}", model.name, trouble.0))
            }
        }
    }
    let without = match &note {
        Some(note) => note.clone(),
        None if subject.models.is_empty() => "No model is chosen yet.".to_owned(),
        None => "The chosen models answer by rules and read no prompt.".to_owned(),
    };
    if let Some((tokenizer, name)) = near(workplace) {
        let note = Some(format!("{without} Tokens are those of {name}."));
        return Ok(Counter { tokenizer, name: format!("tokens of {name}"), note, chat: None });
    }
    Ok(words(Some(format!("{without} Words stand in for tokens, of which a model counts more."))))
}

fn words(note: Option<String>) -> Counter {
    Counter { tokenizer: Arc::new(WordTokenizer::default()), name: "words".to_owned(), note, chat: None }
}

fn named(name: &str) -> ModelSettings {
    ModelSettings { name: name.to_owned(), ..ModelSettings::default() }
}

/// The tokenizer that the environment names, else that of the first installed T5; that of the program's own says nothing of real
/// models.
fn near(workplace: &Workplace) -> Option<(Arc<dyn TextTokenizer>, String)> {
    if let Some(path) = std::env::var_os(VARIABLE).filter(|path| !path.is_empty()) {
        let path = Path::new(&path);
        let read = if path.is_dir() { HfTokenizer::from_folder(path) } else { HfTokenizer::from_file(path) };
        if let Ok(tokenizer) = read {
            return Some((Arc::new(tokenizer), format!("{} ({VARIABLE})", path.display())));
        }
    }
    let installed = workplace.registry().list().ok()?;
    installed.into_iter().find_map(|entry| match entry {
        Entry::Installed(manifest)
            if manifest.kind == ModelKind::T5 && manifest.source != Source::Program =>
        {
            let tokenizer =
                HfTokenizer::from_folder(&home(&workplace.registry().path(&manifest)).ok()?).ok()?;
            Some((Arc::new(tokenizer) as Arc<dyn TextTokenizer>, manifest.name.clone()))
        }
        _ => None,
    })
}

fn of_model(settings: &ModelSettings, workplace: &Workplace) -> Result<Counter, Trouble> {
    let name = settings.name.trim();
    let path = Path::new(name);
    let last = path.file_name().filter(|_| path.is_absolute()).map(|last| last.to_string_lossy());
    let short = last.as_deref().unwrap_or(name);
    let counter = |tokenizer: Arc<dyn TextTokenizer>| Counter {
        tokenizer,
        name: format!("tokens of {short}"),
        note: None,
        chat: None,
    };
    if name.starts_with(scripted::PREFIX) {
        let note = Some("A scripted model\u{2019}s tokens are characters.".to_owned());
        return Ok(Counter { note, name: "characters".to_owned(), ..counter(Arc::new(CharacterTokenizer)) });
    }
    if name.starts_with(endpoint::PREFIX) || settings.endpoint.is_some() {
        let saved = || workplace.registry().endpoints().find(name).map_err(ModelError::from);
        let served = settings.endpoint.as_ref().map_or_else(saved, |endpoint| Ok((**endpoint).clone()))?;
        if let Some(named) = &served.tokenizer {
            let path = Path::new(named);
            let path = if path.is_file() { path.to_owned() } else { workplace.resolve(named)?.path };
            return Ok(counter(load_tokenizer(&path)?));
        }
        let note = Some(
            "The endpoint\u{2019}s tokens are not known here; four bytes are counted as one.".to_owned(),
        );
        return Ok(Counter { note, ..counter(Arc::new(EstimatingTokenizer)) });
    }
    let found = workplace.resolve(name)?;
    if found.path.is_dir() {
        return Ok(counter(Arc::new(HfTokenizer::from_folder(&home(&found.path)?)?)));
    }
    let file = GgufFile::open(&found.path)?;
    let read = if settings.tokenizer_beside { GgufTokenizer::read_beside } else { GgufTokenizer::read };
    let tokenizer = Arc::new(read(&file)?);
    let in_use = settings.chat || settings.system.is_some();
    let template = ChatTemplate::read(&file, &tokenizer);
    let note = match &template {
        Err(error) if in_use => Some(format!("The chat template cannot be used: {}", in_full(error))),
        _ => None,
    };
    let chat = template.ok().map(|template| Chat {
        template,
        tokenizer: tokenizer.clone(),
        system: settings.system.clone(),
        in_use,
    });
    Ok(Counter { chat, note, ..counter(tokenizer) })
}
