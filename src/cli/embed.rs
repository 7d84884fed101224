//! `lamplight embed`: texts in, their vectors or likenesses out.

use std::collections::HashMap;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Instant;

use clap::{Args, ValueEnum};
use safetensors::tensor::{Dtype, TensorView};

use super::model_choice::{ModelsFolder, PrecisionName};
use super::{CliError, Console, Outcome, Unit, text};
use crate::jobs::Progress;
use crate::model::{DeviceChoice, Encoder, EncoderOptions, Matrix, Pooling};
use crate::whole_file::WholeFile;

/// Texts encoded between two looks at the progress.
const TEXTS_AT_ONCE: usize = 256;

/// Turns texts into vectors.
#[derive(Debug, Args)]
pub struct Embed {
    /// The texts; without any and without --file, the lines of standard input.
    texts: Vec<String>,
    /// The encoder: a registered model's name (`lamplight models list`), a folder with a BERT-shaped model, or a script such as
    /// scripted:words=256.
    #[arg(long, short)]
    model: String,
    #[command(flatten)]
    folder: ModelsFolder,
    /// A file with a text in each line.
    #[arg(long, short, conflicts_with = "texts")]
    file: Option<PathBuf>,
    /// How a text's vector is made of its tokens'; by default as the model's folder says, else mean.
    #[arg(long)]
    pooling: Option<PoolingName>,
    /// Give all vectors length 1, or not; by default as the model's folder says.
    #[arg(long, num_args = 0..=1, default_missing_value = "true")]
    normalize: Option<bool>,
    /// What goes before each text, such as "query: "; by default what the model wants before a text of the role.
    #[arg(long)]
    prefix: Option<String>,
    /// What the texts are.
    #[arg(long, default_value = "document")]
    role: Role,
    /// Tokens of a text that are read, special ones included; by default as the model's folder says, else all it can.
    #[arg(long)]
    max_tokens: Option<usize>,
    /// Threads; as many as processors if not given.
    #[arg(long)]
    threads: Option<std::num::NonZero<usize>>,
    /// The kind of numbers.
    #[arg(long, default_value = "f32")]
    precision: PrecisionName,
    /// Where: cpu, cuda, cuda:1 or metal.
    #[arg(long, default_value = "cpu")]
    device: DeviceChoice,
    /// Show the cosine of every two texts' vectors instead.
    #[arg(long)]
    compare: bool,
    /// Write the vectors to this file instead, in the safetensors format: one tensor `embeddings`, a row a text.
    #[arg(long, short)]
    out: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum PoolingName {
    /// The mean of all tokens.
    Mean,
    /// The first token's.
    Cls,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Role {
    /// What a query is compared with.
    Document,
    /// What asks.
    Query,
}

#[derive(serde::Serialize)]
struct Line<'a> {
    text: &'a str,
    vector: &'a [f32],
}

#[derive(serde::Serialize)]
struct Comparison<'a> {
    texts: &'a [String],
    cosine: Vec<Vec<f64>>,
}

/// Why texts could not be embedded.
#[derive(Debug, thiserror::Error)]
pub enum EmbedError {
    /// The texts could not be read.
    #[error("cannot read texts from {name}: {source}")]
    Source {
        /// A file, or standard input.
        name: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// Nothing to embed.
    #[error(
        "there are no texts; give them as arguments, in a file with --file, or on standard input, one a line"
    )]
    NoTexts,
    /// The vectors could not be written.
    #[error("cannot write the vectors to {path}: {source}", path = path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The vectors could not be put into the file's format.
    #[error("cannot write the vectors as safetensors: {0}")]
    Format(#[from] safetensors::SafeTensorError),
}

impl Embed {
    /// Loads the encoder, encodes and prints.
    pub fn run(self, console: &Console) -> Result<Outcome, CliError> {
        let texts = self.read_texts()?;
        let workplace = self.folder.workplace()?;
        let found = workplace.resolve(&self.model)?;
        let mut options = EncoderOptions {
            device: self.device,
            precision: self.precision.into(),
            threads: self.threads.map_or(0, Into::into),
            pooling: self.pooling.map(|name| match name {
                PoolingName::Mean => Pooling::Mean,
                PoolingName::Cls => Pooling::Cls,
            }),
            normalize: self.normalize,
            prefixes: None,
            max_tokens: self.max_tokens,
            fingerprint: None,
        };
        let start = Instant::now();
        let mut encoder = console.with_progress(Unit::Bytes, |progress| {
            workplace.load_encoder(&found, &mut options, console.cancel(), progress)
        })?;
        let load_seconds = start.elapsed().as_secs_f64();
        let start = Instant::now();
        let print = !self.compare && self.out.is_none();
        let (vectors, tokens) = console.with_progress(Unit::Items, |progress| {
            self.encode(&mut *encoder, &texts, print, console, progress)
        })?;
        let seconds = start.elapsed().as_secs_f64();
        if let Some(path) = &self.out {
            write(path, &vectors, encoder.identity())?;
            let (rows, columns) = (vectors.rows(), vectors.columns);
            console.note(&format!("{rows} vectors of {columns} numbers in {}", path.display()));
        }
        if self.compare {
            compare(&texts, &vectors, console)?;
        }
        let speed = |count: usize| count as f64 / seconds.max(1e-9);
        let tokens =
            tokens.map_or(String::new(), |count| format!(", {count} tokens, {:.0} a second", speed(count)));
        console.note(&format!(
            "{} texts in {seconds:.2} s, {:.1} a second{tokens}; loaded in {load_seconds:.2} s",
            texts.len(),
            speed(texts.len()),
        ));
        Ok(Outcome::Done)
    }

    /// The vectors of all texts, unless they are printed at once, and how many tokens were read, where the encoder has tokens.
    fn encode(
        &self,
        encoder: &mut dyn Encoder,
        texts: &[String],
        print: bool,
        console: &Console,
        progress: &Progress,
    ) -> Result<(Matrix, Option<usize>), CliError> {
        progress.start("Encoding", texts.len() as u64);
        let mut all = Matrix { values: Vec::new(), columns: encoder.dimensions() };
        let mut tokens = Some(0);
        let prefix = match (&self.prefix, self.role) {
            (Some(prefix), _) => prefix.clone(),
            (None, Role::Document) => encoder.prefixes().document.clone(),
            (None, Role::Query) => encoder.prefixes().query.clone(),
        };
        for texts in texts.chunks(TEXTS_AT_ONCE) {
            let prefixed: Vec<String> = texts.iter().map(|text| format!("{prefix}{text}")).collect();
            let views: Vec<&str> = prefixed.iter().map(String::as_str).collect();
            let vectors = encoder.encode(console.cancel(), &views)?;
            for text in views {
                let count = encoder.count_tokens(text)?;
                tokens = tokens.zip(count).map(|(sum, count)| sum + count);
            }
            if print {
                let mut lines = String::new();
                for (number, text) in texts.iter().enumerate() {
                    let line = serde_json::to_string(&Line { text, vector: vectors.row(number) });
                    lines.push_str(&line.map_err(std::io::Error::from)?);
                    lines.push('\n');
                }
                console.print(&lines)?;
            } else {
                all.values.extend(vectors.values);
            }
            progress.add(texts.len() as u64);
        }
        Ok((all, tokens))
    }

    fn read_texts(&self) -> Result<Vec<String>, EmbedError> {
        if !self.texts.is_empty() {
            return Ok(self.texts.clone());
        }
        let (name, text) = match &self.file {
            Some(path) => (path.display().to_string(), std::fs::read_to_string(path)),
            None => {
                let mut text = String::new();
                ("standard input".to_owned(), std::io::stdin().lock().read_to_string(&mut text).map(|_| text))
            }
        };
        let text = text.map_err(|source| EmbedError::Source { name, source })?;
        let texts: Vec<String> = text.lines().map(str::to_owned).collect();
        if texts.is_empty() { Err(EmbedError::NoTexts) } else { Ok(texts) }
    }
}

/// Shows how like every two texts are.
fn compare(texts: &[String], vectors: &Matrix, console: &Console) -> Result<(), CliError> {
    let lengths: Vec<f64> = (0..texts.len()).map(|i| dot(vectors.row(i), vectors.row(i)).sqrt()).collect();
    let cosine = |i: usize, j: usize| {
        let product = lengths[i] * lengths[j];
        if product > 0.0 { dot(vectors.row(i), vectors.row(j)) / product } else { 0.0 }
    };
    let cosine: Vec<Vec<f64>> =
        (0..texts.len()).map(|i| (0..texts.len()).map(|j| cosine(i, j)).collect()).collect();
    if console.is_json() {
        return Ok(console.print_json(&Comparison { texts, cosine })?);
    }
    // Numbers of six columns and two between; the texts have what is left.
    let room = console.width().saturating_sub(6 + 8 * texts.len()).max(16);
    let header =
        ["#".to_owned(), "Text".to_owned()].into_iter().chain((1..=texts.len()).map(|n| n.to_string()));
    let mut rows = vec![header.collect::<Vec<_>>()];
    for (number, (shown, row)) in texts.iter().zip(&cosine).enumerate() {
        let first = [(number + 1).to_string(), text::fitted(&text::line(shown), room)];
        rows.push(first.into_iter().chain(row.iter().map(|value| format!("{value:.3}"))).collect());
    }
    let right: Vec<usize> = std::iter::once(0).chain(2..texts.len() + 2).collect();
    Ok(console.print(&text::table(&rows, &right))?)
}

fn dot(a: &[f32], b: &[f32]) -> f64 {
    a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum()
}

fn write(path: &Path, vectors: &Matrix, identity: &str) -> Result<(), EmbedError> {
    let bytes: Vec<u8> = vectors.values.iter().flat_map(|value| value.to_le_bytes()).collect();
    let view = TensorView::new(Dtype::F32, vec![vectors.rows(), vectors.columns], &bytes)?;
    let note = HashMap::from([("encoder".to_owned(), identity.to_owned())]);
    let file = safetensors::serialize([("embeddings", view)], Some(note))?;
    WholeFile::put(path, &file).map_err(|source| EmbedError::Write { path: path.to_owned(), source })
}

impl From<EmbedError> for CliError {
    fn from(error: EmbedError) -> Self {
        Self::Embed(error)
    }
}
