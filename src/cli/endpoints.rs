//! `lamplight endpoints`: models that other programs serve, saved by name, looked at and tried out.

use clap::{Args, Subcommand, ValueEnum};
use serde_json::{Map, Value as Json, json};

use super::keys::{self, KeyCommand};
use super::model_choice::ModelsFolder;
use super::text::{plain, safe, table};
use super::{CliError, Console, Outcome, Unit};
use crate::model::endpoint::{self, Endpoint, EndpointError, Kind, Trial, TryOut, Value, try_out};
use crate::model::{FinishReason, GenerationConfig, ModelError};

/// Add, list, show, test and remove models behind endpoints: anything that speaks the OpenAI API.
///
/// A saved endpoint is named `endpoint:NAME` wherever a model is named, and `dense:endpoint:NAME` as a retriever.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  lamplight endpoints add local --url http://localhost:8000/v1 --model meta-llama/Llama-3.1-8B-Instruct
  lamplight endpoints add gpt --url https://api.openai.com/v1 --model gpt-4o-mini --key env:OPENAI_API_KEY \\
      --price-in 0.15 --price-out 0.60 --spending-limit 5
  lamplight endpoints key set keyring:openai
  lamplight endpoints test gpt
  lamplight run --data datasets/sample --task LaMP-3 --model endpoint:gpt --retriever bm25")]
pub(super) struct EndpointsArgs {
    #[command(flatten)]
    folder: ModelsFolder,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Save an endpoint under a name. Keys are not saved, only where they are.
    Add(Box<Add>),
    /// List the saved endpoints.
    List,
    /// Show an endpoint's settings.
    Show {
        /// Its name.
        name: String,
    },
    /// Ask an endpoint for its models and for one answer, and tell how long each took.
    Test {
        /// Its name.
        name: String,
        /// What it is asked.
        #[arg(long, default_value = "Answer with one word: what color is the sky on a clear day?")]
        prompt: String,
    },
    /// Keep and forget the keys that endpoints need.
    Key {
        #[command(subcommand)]
        command: KeyCommand,
    },
    /// Remove a saved endpoint.
    Remove {
        /// Its name.
        name: String,
    },
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum KindName {
    /// Prompts are a user's messages.
    Chat,
    /// Prompts are gone on with.
    Completions,
}

#[derive(Debug, Args)]
struct Add {
    /// What to call it.
    name: String,
    /// The base address, such as http://localhost:8000/v1.
    #[arg(long, value_name = "ADDRESS")]
    url: String,
    /// The model's name at the server.
    #[arg(long)]
    model: String,
    /// How it is asked.
    #[arg(long, default_value = "chat")]
    kind: KindName,
    /// The system's message before each prompt.
    #[arg(long, value_name = "TEXT")]
    system: Option<String>,
    /// Where the key is, such as env:OPENAI_API_KEY, keyring:openai or file:openai; never the key itself.
    #[arg(long, value_name = "PLACE:NAME")]
    key: Option<String>,
    /// A header of each request, such as "api-key: env:AZURE_KEY"; may be given several times.
    #[arg(long = "header", value_name = "NAME: VALUE")]
    headers: Vec<String>,
    /// Requests under way at most [default: 32].
    #[arg(long, value_name = "N")]
    concurrency: Option<usize>,
    /// Requests begun in a minute at most.
    #[arg(long, value_name = "N")]
    requests_per_minute: Option<u32>,
    /// Tokens read and written in a minute at most.
    #[arg(long, value_name = "N")]
    tokens_per_minute: Option<u32>,
    /// Seconds that one answer may take [default: 120].
    #[arg(long, value_name = "SECONDS")]
    timeout: Option<u64>,
    /// Seconds without any answer after which a run ends, to be resumed [default: 300].
    #[arg(long, value_name = "SECONDS")]
    give_up_after: Option<u64>,
    /// The price of a million tokens read.
    #[arg(long, value_name = "PRICE")]
    price_in: Option<f64>,
    /// The price of a million tokens written.
    #[arg(long, value_name = "PRICE")]
    price_out: Option<f64>,
    /// What all runs of an experiment may cost together.
    #[arg(long, value_name = "AMOUNT")]
    spending_limit: Option<f64>,
    /// A model whose tokenizer counts and cuts prompts: a registered name, a path, or a tokenizer.json.
    #[arg(long, value_name = "MODEL")]
    tokenizer: Option<String>,
    /// What stands for the address in a run's spec, so that the same model served elsewhere is the same run.
    #[arg(long, value_name = "TEXT")]
    identity: Option<String>,
    /// Fields of the request as a JSON object, such as {"top_k": 1}.
    #[arg(long, value_name = "JSON", value_parser = object)]
    extra: Option<Object>,
    /// A field of the request that is left out, such as temperature; may be given several times.
    #[arg(long, value_name = "FIELD")]
    omit: Vec<String>,
    /// The request's field for the most new tokens [default: max_tokens].
    #[arg(long, value_name = "FIELD")]
    max_tokens_field: Option<String>,
    /// Put it in the place of one of that name.
    #[arg(long)]
    replace: bool,
}

#[derive(Debug, Clone)]
struct Object(Map<String, Json>);

/// A header as it is given. Unlike an argument's own parser, this repeats nothing of what it refuses: it may be a key.
fn header(text: &str) -> Result<(String, Value), EndpointError> {
    let bad = || EndpointError::Setting { field: "--header", rule: "must be written as \"NAME: VALUE\"" };
    let (name, value) = text.split_once(':').ok_or_else(bad)?;
    Ok((name.trim().to_owned(), value.trim().parse()?))
}

fn object(text: &str) -> Result<Object, String> {
    serde_json::from_str(text).map(Object).map_err(|error| format!("no JSON object: {error}"))
}

impl Add {
    fn endpoint(self) -> Result<Endpoint, EndpointError> {
        let mut endpoint = Endpoint::new(self.url, self.model);
        endpoint.kind = match self.kind {
            KindName::Chat => Kind::Chat,
            KindName::Completions => Kind::Completions,
        };
        endpoint.concurrency = self.concurrency.unwrap_or(endpoint.concurrency);
        endpoint.timeout = self.timeout.unwrap_or(endpoint.timeout);
        endpoint.give_up_after = self.give_up_after.unwrap_or(endpoint.give_up_after);
        endpoint.max_tokens_field = self.max_tokens_field.unwrap_or(endpoint.max_tokens_field);
        Ok(Endpoint {
            system: self.system,
            key: self.key.map(|key| key.parse()).transpose()?,
            headers: self.headers.iter().map(|text| header(text)).collect::<Result<_, _>>()?,
            requests_per_minute: self.requests_per_minute,
            tokens_per_minute: self.tokens_per_minute,
            price_in: self.price_in,
            price_out: self.price_out,
            spending_limit: self.spending_limit,
            tokenizer: self.tokenizer,
            identity: self.identity,
            extra: self.extra.map(|object| object.0).unwrap_or_default(),
            omit: self.omit,
            ..endpoint
        })
    }
}

/// Runs the command.
pub(super) fn run(arguments: EndpointsArgs, console: &Console) -> Result<Outcome, CliError> {
    let saved = arguments.folder.registry()?.endpoints();
    match arguments.command {
        Command::Key { command } => return keys::run(command, console),
        Command::Add(add) => {
            let (name, replace) = (add.name.clone(), add.replace);
            let endpoint = add.endpoint().map_err(ModelError::from)?;
            let path = saved.save(&name, &endpoint, replace).map_err(ModelError::from)?;
            match console.is_json() {
                true => console.print_json(&row(&name, &endpoint))?,
                false => console.print(&format!(
                    "{}{name}: saved in {}; `lamplight endpoints test {name}` tries it out\n",
                    endpoint::PREFIX,
                    plain(&path.display().to_string())
                ))?,
            }
        }
        Command::List => {
            let mut rows = vec![["Name", "Model", "Kind", "Address"].map(str::to_owned).to_vec()];
            let mut told = Vec::new();
            for name in saved.names().map_err(ModelError::from)? {
                match saved.find(&name) {
                    Ok(endpoint) => {
                        told.push(row(&name, &endpoint));
                        let kind = endpoint.kind.id().to_owned();
                        let address = plain(&endpoint.shown_address());
                        rows.push(vec![
                            format!("{}{name}", endpoint::PREFIX),
                            plain(&endpoint.model),
                            kind,
                            address,
                        ]);
                    }
                    Err(error) => {
                        told.push(json!({"name": name, "error": error.to_string()}));
                        rows.push(vec![format!("{}{name}", endpoint::PREFIX), plain(&error.to_string())]);
                    }
                }
            }
            match (console.is_json(), told.is_empty()) {
                (true, _) => console.print_json(&told)?,
                (false, true) => {
                    console.print("No endpoint is saved; `lamplight endpoints add --help` tells how.\n")?;
                }
                (false, false) => console.print(&table(&rows, &[]))?,
            }
        }
        Command::Show { name } => {
            let endpoint = saved.find(&name).map_err(ModelError::from)?;
            match console.is_json() {
                true => console.print_json(&row(&name, &endpoint))?,
                false => console.print(&shown(&endpoint))?,
            }
        }
        Command::Test { name, prompt } => {
            let endpoint = saved.find(&name).map_err(ModelError::from)?;
            let config = GenerationConfig { beams: 1, max_new_tokens: 32, ..GenerationConfig::default() };
            let called = format!("{}{}", endpoint::PREFIX, name.trim_start_matches(endpoint::PREFIX));
            let trial = Trial { name: &called, endpoint: &endpoint, key: None };
            let tried = console.with_progress(Unit::Items, |progress| {
                try_out(&trial, &prompt, &config, console.cancel(), progress)
            })?;
            tell(&endpoint, &tried, console)?;
            if let Err(error) = tried.answer {
                return Err(ModelError::from(error).into());
            }
        }
        Command::Remove { name } => {
            saved.remove(&name).map_err(ModelError::from)?;
            match console.is_json() {
                true => console.print_json(&json!({"name": name}))?,
                false => console.print(&format!("{}: removed\n", plain(&name)))?,
            }
        }
    }
    Ok(Outcome::Done)
}

/// An endpoint as JSON; it holds no secret.
fn row(name: &str, endpoint: &Endpoint) -> Json {
    let mut row = json!(endpoint);
    row["name"] = format!("{}{}", endpoint::PREFIX, name.trim_start_matches(endpoint::PREFIX)).into();
    row
}

fn shown(endpoint: &Endpoint) -> String {
    let Json::Object(settings) = json!(endpoint) else { return String::new() };
    let words = |value: &Json| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let rows: Vec<Vec<String>> =
        settings.iter().map(|(name, value)| vec![name.clone(), plain(&words(value))]).collect();
    table(&rows, &[])
}

fn tell(endpoint: &Endpoint, tried: &TryOut, console: &Console) -> Result<(), CliError> {
    let ms = |took: std::time::Duration| took.as_secs_f64() * 1e3;
    if console.is_json() {
        let models = match &tried.models {
            Ok((models, took)) => json!({"models": models, "latency_ms": ms(*took)}),
            Err(error) => json!({"error": error.to_string()}),
        };
        let answer = match &tried.answer {
            Ok(answer) => json!({
                "text": answer.text,
                "finish": answer.finish,
                "prompt_tokens": answer.tokens.map(|tokens| tokens.0),
                "new_tokens": answer.tokens.map(|tokens| tokens.1),
                "latency_ms": ms(answer.took),
            }),
            Err(error) => json!({"error": error.to_string()}),
        };
        let there = tried.models.as_ref().ok().map(|(models, _)| models.contains(&endpoint.model));
        return Ok(console.print_json(&json!({"list": models, "listed": there, "answer": answer}))?);
    }
    let mut out = String::new();
    match &tried.models {
        Ok((models, took)) => {
            let some: Vec<String> = models.iter().take(20).map(|model| plain(model)).collect();
            let more =
                if models.len() > 20 { format!(" and {} more", models.len() - 20) } else { String::new() };
            let count = models.len();
            out.push_str(&format!("Models: {count} in {:.0} ms: {}{more}\n", ms(*took), some.join(", ")));
            if !models.contains(&endpoint.model) {
                out.push_str(&format!("  {} is not among them\n", plain(&endpoint.model)));
            }
        }
        Err(error) => out.push_str(&format!("Models: not listed: {}\n", plain(&error.to_string()))),
    }
    if let Ok(answer) = &tried.answer {
        let tokens = match answer.tokens {
            Some((read, written)) => format!("{read} tokens read, {written} written"),
            None => "tokens not counted by the server".to_owned(),
        };
        let finish = match answer.finish {
            FinishReason::EndOfSequence | FinishReason::Stop => "",
            FinishReason::Length => ", cut at the limit",
            FinishReason::ContentFilter => ", kept back by a filter",
            FinishReason::Refusal => ", a refusal",
        };
        let took = ms(answer.took);
        out.push_str(&format!("Answer: in {took:.0} ms, {tokens}{finish}\n  {}\n", safe(answer.text.trim())));
    }
    Ok(console.print(&out)?)
}
