//! `lamplight endpoints key`: keys of endpoints, kept where settings can name them.

use std::io::{self, IsTerminal, Read};

use clap::Subcommand;
use serde_json::json;

use super::text::plain;
use super::{CliError, Console, Outcome};
use crate::model::ModelError;
use crate::model::endpoint::{EndpointError, KeyError, KeyPlace, KeyRef, Secret, ask_passphrase_with};

/// More than any key has.
const MOST_BYTES: u64 = 64 << 10;

#[derive(Debug, Subcommand)]
pub(super) enum KeyCommand {
    /// Keep a key, read from standard input or asked for without showing it.
    ///
    /// It is never an argument, since everyone on a machine can read those.
    #[command(after_help = "\
Examples:
  lamplight endpoints key set keyring:openai
  lamplight endpoints key set file:openai < key.txt
  lamplight endpoints add gpt --url https://api.openai.com/v1 --model gpt-4o-mini --key keyring:openai")]
    Set {
        /// Where, and what to call it: keyring:NAME or file:NAME; NAME alone is the keyring's where one runs, else the file's.
        #[arg(value_name = "KEY")]
        key: String,
    },
    /// Remove a key from where it is kept.
    Forget {
        /// Where, and what it is called: keyring:NAME or file:NAME.
        #[arg(value_name = "KEY")]
        key: String,
    },
    /// Tell where keys can be kept on this machine.
    Places,
}

/// Runs the command.
pub(super) fn run(command: KeyCommand, console: &Console) -> Result<Outcome, CliError> {
    match command {
        KeyCommand::Set { key } => {
            let key = named(&key)?;
            let secret = read(console, &format!("The key to keep as {key} (not shown): "))?;
            key.save(&secret).map_err(failed)?;
            match console.is_json() {
                true => console.print_json(&json!({ "key": key }))?,
                false => console
                    .print(&format!("{key}: kept; `--key {key}` names it in `lamplight endpoints add`\n"))?,
            }
        }
        KeyCommand::Forget { key } => {
            let key: KeyRef = key.parse().map_err(ModelError::from)?;
            key.forget().map_err(failed)?;
            match console.is_json() {
                true => console.print_json(&json!({ "key": key }))?,
                false => console.print(&format!("{key}: forgotten\n"))?,
            }
        }
        KeyCommand::Places => {
            let places =
                KeyPlace::ALL.map(|place| (place, place.is_available().err().map(|error| error.to_string())));
            if console.is_json() {
                let told = places.map(
                    |(place, error)| json!({"place": place.id(), "available": error.is_none(), "error": error}),
                );
                console.print_json(&told)?;
            } else {
                for (place, error) in places {
                    let said = error.map_or_else(|| "can be used".to_owned(), |error| plain(&error));
                    console.print(&format!("{}:NAME  {said}\n", place.id()))?;
                }
            }
        }
    }
    Ok(Outcome::Done)
}

/// The key that is meant: a bare name is the keyring's where one runs.
fn named(text: &str) -> Result<KeyRef, CliError> {
    if text.contains(':') {
        return Ok(text.parse().map_err(ModelError::from)?);
    }
    let place = if KeyPlace::Keyring.is_available().is_ok() { KeyPlace::Keyring } else { KeyPlace::File };
    Ok(KeyRef::new(place, text).map_err(ModelError::from)?)
}

fn failed(error: KeyError) -> CliError {
    ModelError::from(EndpointError::from(error)).into()
}

/// A key from standard input, or from the person at the terminal.
fn read(console: &Console, question: &str) -> Result<Secret, CliError> {
    if io::stdin().is_terminal() {
        return Ok(Secret::new(console.ask_hidden(question)?));
    }
    let mut text = String::new();
    io::stdin().lock().take(MOST_BYTES).read_to_string(&mut text)?;
    Ok(Secret::new(text))
}

/// Lets passphrases be asked for at this terminal.
pub(super) fn ask_here(console: &Console) {
    let console = console.silenced();
    ask_passphrase_with(move |path, is_new| {
        let path = plain(&path.display().to_string());
        if !is_new {
            return console.ask_hidden(&format!("Passphrase of {path} (not shown): ")).ok().map(Secret::new);
        }
        ask_anew(&console, &path).map(Secret::new)
    });
}

/// A passphrase for a file that is to be made, given twice alike.
fn ask_anew(console: &Console, path: &str) -> Option<String> {
    loop {
        let first =
            console.ask_hidden(&format!("A passphrase for {path}, which is made now (not shown): ")).ok()?;
        if first.trim().is_empty() {
            return None;
        }
        if first == console.ask_hidden("Once more: ").ok()? {
            return Some(first);
        }
        console.ask("These are not the same.\n").ok()?;
    }
}
