//! The models of an experiment: found, described and identified; no weights are read.

use std::path::Path;
use std::sync::Arc;

use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use super::Planner;
use crate::jobs::Canceled;
use crate::model::endpoint::{self, EstimatingTokenizer};
use crate::model::gguf::{GgufFile, GgufOptions, GgufTokenizer, PromptStyle};
use crate::model::lora::{AdapterConfig, Collection, home, is_adapter};
use crate::model::scripted::{self, CharacterTokenizer, Scripted};
use crate::model::t5::T5Options;
use crate::model::{
    DeviceChoice, EndpointOptions, HfTokenizer, LoadOptions, ModelError, ModelKind, RECIPE, TextTokenizer,
    describe, load_tokenizer,
};
use crate::record::{ModelSpec, Training};
use crate::run::experiment::{GenerationSettings, KeyPath, ModelSettings, ProblemKind};
use crate::run::{Baseline, CellModel};

/// A model that cells use.
pub(super) struct PlannedModel {
    pub(super) path: KeyPath,
    /// Which of the experiment's models it is.
    pub(super) index: usize,
    pub(super) spec: ModelSpec,
    pub(super) model: CellModel,
    pub(super) batch: Option<usize>,
    pub(super) generation: GenerationSettings,
    /// Whether it follows one hypothesis only.
    pub(super) greedy: bool,
    /// `None` for baselines, which read no prompt.
    pub(super) tokenizer: Option<Arc<dyn TextTokenizer>>,
    /// What prompt and answer may have together, where there is such a limit.
    context: Option<usize>,
}

/// What a run has to know of a model behind an endpoint: how it is recorded, how it is loaded, and what counts its tokens.
type Served = (ModelSpec, LoadOptions, Arc<dyn TextTokenizer>);

impl PlannedModel {
    pub(super) const fn baseline(&self) -> Option<Baseline> {
        match &self.model {
            CellModel::Baseline(baseline) => Some(*baseline),
            CellModel::Load { .. } => None,
        }
    }
}

impl Planner<'_> {
    /// The models that can be had; what is wrong with the others is reported.
    pub(super) fn models(&self) -> Result<Vec<PlannedModel>, Canceled> {
        let mut all = Vec::new();
        for (index, settings) in self.experiment.models.iter().enumerate() {
            let path = KeyPath::of("models").at(index);
            if let Some(model) = self.model(settings, index, path)? {
                self.check_generation(&model, settings);
                all.push(model);
            }
        }
        Ok(all)
    }

    fn model(
        &self,
        settings: &ModelSettings,
        index: usize,
        path: KeyPath,
    ) -> Result<Option<PlannedModel>, Canceled> {
        let name = settings.name.trim();
        if name.is_empty() {
            return Ok(None); // missing, which was said
        }
        // Where a model was trained by this program its folder says so.
        let training = |path: &Path| match path {
            path if Collection::is_at(path) => Training::PerUserLora,
            path if is_adapter(path) => Training::Lora,
            path if path.join(RECIPE).is_file() => Training::FineTuned,
            _ => Training::ZeroShot,
        };
        let planned = |spec: ModelSpec, model: CellModel, tokenizer: Option<Arc<dyn TextTokenizer>>| {
            let generation = settings.generation.over(&self.experiment.generation);
            let (batch, greedy, context) = (settings.batch, false, None);
            PlannedModel {
                path: path.clone(),
                index,
                spec,
                model,
                batch,
                generation,
                greedy,
                tokenizer,
                context,
            }
        };
        let by_rule = |training: Training, name: &str| ModelSpec {
            name: name.to_owned(),
            fingerprint: hex::encode(Sha256::digest(name)),
            training,
            device: DeviceChoice::Cpu.to_string(),
            precision: "none".to_owned(),
            options: Map::new(),
        };
        if name.to_lowercase().starts_with(Baseline::PREFIX) {
            let baseline = match name.parse::<Baseline>() {
                Ok(baseline) => baseline,
                Err(error) => {
                    self.report(&path.key("name"), error);
                    return Ok(None);
                }
            };
            self.refuse_other(settings, &path, "baselines", &[]);
            let spec = by_rule(Training::Baseline, baseline.id());
            return Ok(Some(planned(spec, CellModel::Baseline(baseline), None)));
        }
        if name.starts_with(scripted::PREFIX) {
            if self.told(&path.key("name"), Scripted::parse(name))?.is_none() {
                return Ok(None);
            }
            self.refuse_other(settings, &path, "scripted models", &["training", "generation", "batch"]);
            let model = CellModel::Load { path: name.into(), options: LoadOptions::default() };
            let training = settings.training.unwrap_or(Training::ZeroShot);
            return Ok(Some(planned(by_rule(training, name), model, Some(Arc::new(CharacterTokenizer)))));
        }
        if name.starts_with(endpoint::PREFIX) || settings.endpoint.is_some() {
            let Some((spec, load, tokenizer)) = self.served(settings, name, &path)? else { return Ok(None) };
            let model = CellModel::Load { path: name.into(), options: load };
            return Ok(Some(PlannedModel { greedy: true, ..planned(spec, model, Some(tokenizer)) }));
        }
        let key = path.key("name");
        let Some(found) = self.told(&key, self.workplace.resolve(name))? else { return Ok(None) };
        let Some(description) = self.told(&key, describe(&found.path))? else { return Ok(None) };
        let called = match &found.manifest {
            Some(manifest) => manifest.name.clone(),
            None => last_part(&found.path),
        };
        if description.kind.is_encoder() {
            self.report(&key, ProblemKind::IsEncoder { name: called });
            return Ok(None);
        }
        let is_gguf = description.kind == ModelKind::Gguf;
        // How many threads compute changes no answer.
        let threads = self.workplace.threads();
        let mut load = LoadOptions::default();
        let mut options = Map::new();
        let mut precision = String::new();
        if is_gguf {
            let known = ["training", "generation", "batch", "chat", "system", "context", "tokenizer_beside"];
            self.refuse_other(settings, &path, "GGUF models", &known);
            load.gguf = settings.load_options(threads).gguf;
            if let PromptStyle::Chat { system } = &load.gguf.style {
                options.insert("chat".into(), true.into());
                options.extend(system.as_ref().map(|system| ("system".into(), json!(system))));
            }
            options.extend(settings.context.map(|context| ("context".into(), json!(context))));
            if settings.tokenizer_beside {
                // The fingerprint is of the model's file alone; where this one cannot be read, loading it says so.
                let read = std::fs::read(found.path.with_file_name("tokenizer.json")).unwrap_or_default();
                options.insert("tokenizer_beside".into(), hex::encode(Sha256::digest(read)).into());
            }
        } else {
            let known = ["training", "generation", "batch", "device", "precision"];
            self.refuse_other(settings, &path, "T5 models", &known);
            load.t5 = settings.load_options(threads).t5;
            precision = load.t5.precision.name().to_owned();
            let usable = load.t5.check();
            let there =
                if load.t5.device == DeviceChoice::Cpu { Ok(()) } else { load.t5.device.open().map(drop) };
            if self.told(&path.key("precision"), usable)?.is_none()
                || self.told(&path.key("device"), there)?.is_none()
            {
                return Ok(None);
            }
        }
        let tokenizer = tokenizer(&found.path, is_gguf, settings.tokenizer_beside);
        let Some((tokenizer, format)) = self.told(&key, tokenizer)? else { return Ok(None) };
        let fingerprint = self.workplace.registry().fingerprint(&found.path, self.cancel, self.progress);
        let Some(fingerprint) = self.told(&key, fingerprint)? else { return Ok(None) };
        if is_adapter(&found.path) {
            let of_adapter = self.told(&key, self.of_adapter(&found.path))?;
            let Some(of_adapter) = of_adapter else { return Ok(None) };
            options.extend(of_adapter);
        }
        let spec = ModelSpec {
            name: called,
            fingerprint,
            training: settings.training.unwrap_or_else(|| training(&found.path)),
            device: load.t5.device.to_string(),
            precision: format.unwrap_or(precision),
            options,
        };
        let limit = |context: usize| settings.context.map_or(context, |chosen| chosen.min(context));
        Ok(Some(PlannedModel {
            greedy: is_gguf,
            context: description.context.filter(|_| is_gguf).map(limit),
            ..planned(spec, CellModel::Load { path: found.path, options: load }, Some(tokenizer))
        }))
    }

    /// A model behind an endpoint, by what the experiment says of it or what is saved under its name. Nothing is sent.
    fn served(
        &self,
        settings: &ModelSettings,
        name: &str,
        path: &KeyPath,
    ) -> Result<Option<Served>, Canceled> {
        let (key, inline) = match &settings.endpoint {
            Some(endpoint) => (path.key("endpoint"), Ok((**endpoint).clone())),
            None => (path.key("name"), self.workplace.registry().endpoints().find(name)),
        };
        let known = ["training", "generation", "system", "endpoint"];
        self.refuse_other(settings, path, "endpoints", &known);
        let Some(mut endpoint) = self.told(&key, inline.map_err(ModelError::from))? else { return Ok(None) };
        endpoint.system = settings.system.clone().or(endpoint.system);
        if self.told(&key, endpoint.validate().map_err(ModelError::from))?.is_none() {
            return Ok(None);
        }
        let mut options = endpoint.spec();
        let mut at = None;
        let mut tokenizer: Arc<dyn TextTokenizer> = Arc::new(EstimatingTokenizer);
        let mut counted = EstimatingTokenizer::NAME.to_owned();
        if let Some(named) = &endpoint.tokenizer {
            let key = key.key("tokenizer");
            let file = match Path::new(named).is_file() {
                true => Ok(named.into()),
                false => self.workplace.resolve(named).map(|found| found.path),
            };
            let Some(file) = self.told(&key, file)? else { return Ok(None) };
            let Some(loaded) = self.told(&key, load_tokenizer(&file))? else { return Ok(None) };
            tokenizer = loaded;
            counted = last_part(Path::new(named));
            at = Some(file);
        }
        options.insert("tokenizer".into(), counted.into());
        let spec = ModelSpec {
            name: name.to_owned(),
            fingerprint: hex::encode(Sha256::digest(Value::Object(endpoint.spec()).to_string())),
            training: settings.training.unwrap_or(Training::ZeroShot),
            device: endpoint::DEVICE.to_owned(),
            precision: "as served".to_owned(),
            options,
        };
        let served = Box::new(EndpointOptions { settings: endpoint, tokenizer: at });
        let load = LoadOptions { endpoint: Some(served), ..LoadOptions::default() };
        Ok(Some((spec, load, tokenizer)))
    }

    /// What a run's spec tells of an adapter, or of one for each user: its base, its rank and weight, and the recipe that it was
    /// trained by, where it was here.
    fn of_adapter(&self, folder: &Path) -> Result<Map<String, Value>, ModelError> {
        let (config, base) = (AdapterConfig::read(folder)?, home(folder)?);
        let base = self.workplace.registry().fingerprint(&base, self.cancel, self.progress)?;
        let mut told = Map::new();
        told.insert("lora_base".into(), base.into());
        told.insert("lora_r".into(), config.r.into());
        told.insert("lora_alpha".into(), config.alpha.into());
        let recipe = std::fs::read(folder.join(RECIPE)).ok();
        let recipe = recipe.and_then(|text| serde_json::from_slice::<Value>(&text).ok());
        if let Some(Value::Object(recipe)) = recipe.as_ref().and_then(|kept| kept.pointer("/job/recipe")) {
            // Neither where model and data lay nor how the dev split was answered.
            let parts = ["lora", "optimizer", "training", "prompt", "retrieval"].map(|part| recipe.get(part));
            told.insert("lora_recipe".into(), hex::encode(Sha256::digest(json!(parts).to_string())).into());
        }
        Ok(told)
    }

    /// Reports the settings that models of this kind do not have.
    fn refuse_other(&self, settings: &ModelSettings, path: &KeyPath, kind: &'static str, known: &[&str]) {
        for (key, given) in [
            ("training", settings.training.is_some()),
            ("device", settings.device.is_some_and(|device| device != DeviceChoice::Cpu)),
            ("precision", settings.precision.is_some()),
            ("batch", settings.batch.is_some()),
            ("chat", settings.chat),
            ("system", settings.system.is_some()),
            ("context", settings.context.is_some()),
            ("tokenizer_beside", settings.tokenizer_beside),
            ("endpoint", settings.endpoint.is_some()),
            ("generation", !settings.generation.is_empty()),
        ] {
            if given && !known.contains(&key) {
                self.report(&path.key(key), ProblemKind::NotForKind { kind });
            }
        }
    }

    /// Reports what is wrong with how a model is to answer, at the table that says so.
    fn check_generation(&self, model: &PlannedModel, settings: &ModelSettings) {
        if model.baseline().is_some() {
            return;
        }
        let own = model.path.key("generation");
        let path = if settings.generation.is_empty() { KeyPath::of("generation") } else { own };
        let config = model.generation.config(model.greedy, 0);
        if model.greedy && config.beams != 1 {
            self.report(&path.key("beams"), ProblemKind::Beams { name: model.spec.name.clone() });
        } else if let Err(error) = config.validate() {
            let path = match &error {
                ModelError::GenerationSetting { field, .. } => path.key(field),
                _ => path,
            };
            self.report(&path, error);
        }
        let max_length = self.experiment.prompt.max_length;
        if let Some(context) = model.context.filter(|&context| max_length + config.max_new_tokens > context) {
            let (name, new_tokens) = (model.spec.name.clone(), config.max_new_tokens);
            self.report(
                &KeyPath::of("prompt").key("max_length"),
                ProblemKind::Context { name, max_length, new_tokens, context },
            );
        }
    }
}

impl ModelSettings {
    /// How the model is loaded, with so many threads (0 for all): what concerns GGUF models and what concerns T5 models, of
    /// which the model takes its own.
    pub fn load_options(&self, threads: usize) -> LoadOptions {
        let chat = self.chat || self.system.is_some();
        let style = if chat { PromptStyle::Chat { system: self.system.clone() } } else { PromptStyle::Bare };
        let gguf = GgufOptions {
            style,
            threads: (threads > 0).then_some(threads),
            tokenizer_beside: self.tokenizer_beside,
            context: self.context,
        };
        let t5 = T5Options {
            device: self.device.unwrap_or_default(),
            precision: self.precision.unwrap_or_default(),
            batch: self.batch.unwrap_or(T5Options::default().batch),
            threads,
        };
        LoadOptions { endpoint: None, gguf, t5 }
    }
}

/// A model's tokenizer, and the kind of numbers where the file decides it.
fn tokenizer(
    path: &Path,
    is_gguf: bool,
    beside: bool,
) -> Result<(Arc<dyn TextTokenizer>, Option<String>), ModelError> {
    if is_gguf {
        let file = GgufFile::open(path)?;
        let read = if beside { GgufTokenizer::read_beside } else { GgufTokenizer::read };
        Ok((Arc::new(read(&file)?), Some(file.main_format())))
    } else {
        Ok((Arc::new(HfTokenizer::from_file(&home(path)?.join("tokenizer.json"))?), None))
    }
}

/// What a path is called where it has no other name.
pub(super) fn last_part(path: &Path) -> String {
    path.file_name()
        .map_or_else(|| path.to_string_lossy().into_owned(), |name| name.to_string_lossy().into_owned())
}
