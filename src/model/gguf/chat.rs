//! The chat template of a GGUF file: a prompt, and perhaps a system prompt, as the conversation the model was
//! trained on.
//!
//! Templates are Jinja programs that anybody may have written: they run with bounded fuel and depth, see only the
//! messages, and tell no time. `strftime_now` answers with one fixed day, so that a prompt is the same tomorrow.

use minijinja::value::{Kwargs, Value};
use minijinja::{Environment, Error, ErrorKind, context};
use serde::Serialize as _;
use serde_json::ser::{Formatter, PrettyFormatter, Serializer};

use super::GgufError;
use super::header::GgufFile;
use super::tokenizer::GgufTokenizer;
use crate::model::ModelError;

/// Steps that a template may take; those in use take hundreds.
const FUEL: u64 = 1_000_000;

/// The day that templates are told, which is also the one that Llama 3.1 has as its default.
const DAY: [(&str, &str); 11] = [
    ("%d", "26"),
    ("%e", "26"),
    ("%b", "Jul"),
    ("%B", "July"),
    ("%m", "07"),
    ("%Y", "2024"),
    ("%y", "24"),
    ("%A", "Friday"),
    ("%a", "Fri"),
    ("%H", "12"),
    ("%M", "00"),
];

/// A parsed chat template.
pub struct ChatTemplate {
    environment: Environment<'static>,
    path: std::path::PathBuf,
    marks: [String; 2],
}

impl ChatTemplate {
    /// Parses the template of a file.
    ///
    /// # Errors
    /// There is none, or it is no Jinja.
    pub fn read(file: &GgufFile, tokenizer: &GgufTokenizer) -> Result<Self, GgufError> {
        let path = file.path().to_owned();
        let Some(source) = file.text("tokenizer.chat_template") else {
            return Err(GgufError::NoChatTemplate { path });
        };
        let mut environment = Environment::new();
        environment.set_trim_blocks(true);
        environment.set_lstrip_blocks(true);
        environment.set_fuel(Some(FUEL));
        environment.set_unknown_method_callback(minijinja_contrib::pycompat::unknown_method_callback);
        environment.add_filter("tojson", python_json);
        environment.add_function("raise_exception", |message: String| -> Result<String, Error> {
            Err(Error::new(ErrorKind::InvalidOperation, message))
        });
        environment.add_function("strftime_now", |format: String| {
            DAY.iter().fold(format, |text, (code, value)| text.replace(code, value))
        });
        match environment.add_template_owned("chat", source.to_owned()) {
            Ok(()) => Ok(Self { environment, path, marks: tokenizer.vocabulary().marks.clone() }),
            Err(source) => Err(GgufError::ChatTemplate { path, source: Box::new(source) }),
        }
    }

    /// The tokens of a conversation of an optional system prompt and one message, up to where the answer begins.
    /// Whatever in them looks like a control token stays text.
    ///
    /// # Errors
    /// The template's own, such as one that takes no system prompt.
    pub fn encode(
        &self,
        tokenizer: &GgufTokenizer,
        system: Option<&str>,
        prompt: &str,
    ) -> Result<Vec<u32>, ModelError> {
        let (rendered, mark) = self.render(tokenizer, system, prompt)?;
        Ok(tokenizer.encode_trusted(&rendered, mark)?)
    }

    /// The same conversation as text, for a person to read.
    ///
    /// # Errors
    /// As [`ChatTemplate::encode`].
    pub fn text(
        &self,
        tokenizer: &GgufTokenizer,
        system: Option<&str>,
        prompt: &str,
    ) -> Result<String, ModelError> {
        let (rendered, mark) = self.render(tokenizer, system, prompt)?;
        Ok(rendered.replace(mark, ""))
    }

    /// The conversation with a mark inside whatever untrusted text looks like a control token, and that mark.
    fn render(
        &self,
        tokenizer: &GgufTokenizer,
        system: Option<&str>,
        prompt: &str,
    ) -> Result<(String, char), ModelError> {
        // Noncharacters: no text has them, but if one does, another is taken.
        let mark = ('\u{fdd0}'..='\u{fdef}')
            .find(|&mark| !prompt.contains(mark) && !system.is_some_and(|system| system.contains(mark)))
            .ok_or(GgufError::Unmarkable)?;
        let message = |role: &str, text: &str| context! { role, content => tokenizer.defuse(text, mark) };
        let mut messages: Vec<_> = system.map(|text| message("system", text)).into_iter().collect();
        messages.push(message("user", prompt));
        let [bos, eos] = &self.marks;
        let rendered = self
            .environment
            .get_template("chat")
            .and_then(|template| {
                template.render(context! {
                    messages,
                    add_generation_prompt => true,
                    bos_token => bos,
                    eos_token => eos,
                })
            })
            .map_err(|source| GgufError::ChatTemplate {
                path: self.path.clone(),
                source: Box::new(source),
            })?;
        Ok((rendered, mark))
    }
}

/// JSON in one line, spaced as Python does it.
struct Spaced;

impl Formatter for Spaced {
    fn begin_array_value<W: ?Sized + std::io::Write>(
        &mut self,
        out: &mut W,
        first: bool,
    ) -> std::io::Result<()> {
        out.write_all(if first { b"" } else { b", " })
    }

    fn begin_object_key<W: ?Sized + std::io::Write>(
        &mut self,
        out: &mut W,
        first: bool,
    ) -> std::io::Result<()> {
        out.write_all(if first { b"" } else { b", " })
    }

    fn begin_object_value<W: ?Sized + std::io::Write>(&mut self, out: &mut W) -> std::io::Result<()> {
        out.write_all(b": ")
    }
}

/// The `tojson` that templates expect: Python's `json.dumps` without escapes for HTML, indented on request.
fn python_json(value: &Value, options: Kwargs) -> Result<String, Error> {
    let indent: Option<usize> = options.get("indent")?;
    let mut out = Vec::new();
    let written = match indent {
        None => value.serialize(&mut Serializer::with_formatter(&mut out, Spaced)),
        Some(indent) => {
            let spaces = " ".repeat(indent.min(16));
            let pretty = PrettyFormatter::with_indent(spaces.as_bytes());
            value.serialize(&mut Serializer::with_formatter(&mut out, pretty))
        }
    };
    let bad = |source| Error::new(ErrorKind::BadSerialization, "a value is no JSON").with_source(source);
    written.map_err(bad)?;
    Ok(String::from_utf8_lossy(&out).into_owned())
}
