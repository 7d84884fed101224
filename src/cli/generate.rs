//! `lamplight generate`: one prompt in, its answer out.

use std::io::Read;
use std::path::PathBuf;
use std::time::Instant;

use clap::Args;

use super::model_choice::{ModelsFolder, PrecisionName};
use super::{CliError, Console, Outcome};
use crate::model::gguf::{GgufOptions, PromptStyle};
use crate::model::t5::T5Options;
use crate::model::{DeviceChoice, FinishReason, GenerationConfig, LoadOptions, PromptInput, Sampling, load};

/// Answers one prompt with a model.
#[derive(Debug, Args)]
pub struct Generate {
    /// The model: a registered one's name (`lamplight models list`), a GGUF file, a folder with a T5 model, or a script such as
    /// scripted:echo, scripted:word=-1, scripted:answer=TEXT.
    #[arg(long, short)]
    model: String,
    #[command(flatten)]
    folder: ModelsFolder,
    /// The prompt; read from standard input if neither this nor a file is given.
    #[arg(long, short, conflicts_with = "file")]
    prompt: Option<String>,
    /// A file that holds the prompt.
    #[arg(long, short)]
    file: Option<PathBuf>,
    /// Put the prompt into the model's chat template (GGUF).
    #[arg(long, conflicts_with = "bare")]
    chat: bool,
    /// Send the prompt as it is; the default.
    #[arg(long)]
    bare: bool,
    /// What the chat template puts before the prompt; implies --chat.
    #[arg(long, conflicts_with = "bare")]
    system: Option<String>,
    /// The most new tokens.
    #[arg(long, default_value_t = 128)]
    max_new_tokens: usize,
    /// No end before so many new tokens.
    #[arg(long, default_value_t = 0)]
    min_new_tokens: usize,
    /// Hypotheses followed side by side; 1 is greedy, and all that GGUF models can.
    #[arg(long, default_value_t = 1)]
    beams: usize,
    /// Draw tokens at random, flatter above 1 and sharper below.
    #[arg(long)]
    temperature: Option<f32>,
    /// Draw among so many tokens only; 0 for all.
    #[arg(long, requires = "temperature", default_value_t = 0)]
    top_k: usize,
    /// Draw among the tokens that together reach this probability.
    #[arg(long, requires = "temperature", default_value_t = 1.0)]
    top_p: f32,
    /// The seed of random draws.
    #[arg(long, requires = "temperature", default_value_t = 0)]
    seed: u64,
    /// Ends the answer before this text; may be given several times.
    #[arg(long, value_name = "TEXT")]
    stop: Vec<String>,
    /// Where (T5): cpu, cuda, cuda:1 or metal.
    #[arg(long, default_value_t)]
    device: DeviceChoice,
    /// The kind of numbers (T5).
    #[arg(long, default_value = "f32")]
    precision: PrecisionName,
    /// Threads; as many as processors if not given.
    #[arg(long)]
    threads: Option<std::num::NonZero<usize>>,
    /// Read the tokenizer.json in the model file's folder in place of the file's own vocabulary (GGUF).
    #[arg(long)]
    tokenizer_beside: bool,
    /// Tokens of prompt and answer together (GGUF), at most what the model was trained for.
    #[arg(long)]
    context: Option<usize>,
}

#[derive(serde::Serialize)]
struct Report {
    text: String,
    finish: FinishReason,
    tokens: Vec<u32>,
    score: f32,
    prompt_tokens: usize,
    new_tokens: usize,
    load_seconds: f64,
    seconds: f64,
}

impl Generate {
    /// Loads the model, answers and prints.
    pub fn run(self, console: &Console) -> Result<Outcome, CliError> {
        let prompt = self.read_prompt()?;
        let sampling = self.temperature.map(|temperature| Sampling {
            temperature,
            top_k: self.top_k,
            top_p: self.top_p,
            seed: self.seed,
        });
        let config = GenerationConfig {
            beams: self.beams,
            max_new_tokens: self.max_new_tokens,
            min_new_tokens: self.min_new_tokens,
            sampling,
            stop: self.stop.clone(),
            ..Default::default()
        };
        config.validate()?;
        let chat = self.chat || self.system.is_some();
        let style = if chat { PromptStyle::Chat { system: self.system } } else { PromptStyle::Bare };
        let gguf = GgufOptions {
            style,
            threads: self.threads.map(Into::into),
            tokenizer_beside: self.tokenizer_beside,
            context: self.context,
        };
        let t5 = T5Options {
            device: self.device,
            precision: self.precision.into(),
            threads: self.threads.map_or(0, Into::into),
            ..Default::default()
        };
        let start = Instant::now();
        let path = self.folder.resolve(&self.model)?.path;
        let mut model = load(&path, &LoadOptions { endpoint: None, gguf, t5 })?;
        let load_seconds = start.elapsed().as_secs_f64();
        let start = Instant::now();
        let input = PromptInput { text: &prompt, tokens: &[] };
        let generations = model.generator.generate(console.cancel(), &[input], &config)?;
        let seconds = start.elapsed().as_secs_f64();
        for notice in model.generator.take_notices() {
            console.note(&notice.to_string());
        }
        let Some((generation, best)) = generations.first().and_then(|first| Some((first, first.best()?)))
        else {
            return Ok(Outcome::Done);
        };
        if console.is_json() {
            console.print_json(&Report {
                text: generation.text.clone(),
                finish: best.finish,
                tokens: best.tokens.clone(),
                score: best.score,
                prompt_tokens: generation.prompt_tokens,
                new_tokens: generation.new_tokens(),
                load_seconds,
                seconds,
            })?;
            return Ok(Outcome::Done);
        }
        console.print(&format!("{}\n", generation.text))?;
        let end = match best.finish {
            FinishReason::EndOfSequence => "",
            FinishReason::Stop => ", ended by a stop text",
            FinishReason::Length => ", cut at the limit",
            FinishReason::ContentFilter => ", kept back by a filter at the endpoint",
            FinishReason::Refusal => ", a refusal",
        };
        console.note(&format!(
            "{} tokens of prompt, {} new in {seconds:.2} s ({:.1} new tokens a second, the prompt's reading included){end}; \
             loaded in {load_seconds:.2} s",
            generation.prompt_tokens,
            generation.new_tokens(),
            generation.new_tokens() as f64 / seconds.max(1e-9),
        ));
        Ok(Outcome::Done)
    }

    fn read_prompt(&self) -> Result<String, CliError> {
        if let Some(prompt) = &self.prompt {
            return Ok(prompt.clone());
        }
        let (name, text) = match &self.file {
            Some(path) => (path.display().to_string(), std::fs::read_to_string(path)),
            None => {
                let mut text = String::new();
                ("standard input".to_owned(), std::io::stdin().lock().read_to_string(&mut text).map(|_| text))
            }
        };
        text.map_err(|source| CliError::PromptSource { name, source })
    }
}
