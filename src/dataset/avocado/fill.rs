//! One record: which mails it names, and what it becomes with them.

use std::collections::HashMap;

use serde_json::{Map, Value};

use super::{Mail, Missing, is_mail_name};
use crate::lamp::python_strip;

/// What stands before the mail's body in an input (arXiv 2304.11406, appendix).
pub const INPUT_OPENING: &str = "Generate a subject for the following email: ";

type Record = Map<String, Value>;

/// A place whose mail is missing.
pub(super) struct Gap {
    pub(super) field: &'static str,
    pub(super) mail: String,
    pub(super) reason: Missing,
}

/// The mail that a value names, if it names one; the opening may already stand before it.
fn named(value: Option<&Value>) -> Option<&str> {
    let text = python_strip(value?.as_str()?);
    let text = text.strip_prefix(INPUT_OPENING).map_or(text, python_strip);
    is_mail_name(text).then_some(text)
}

fn entries(record: &Record) -> impl Iterator<Item = &Value> {
    record.get("profile").and_then(Value::as_array).into_iter().flatten()
}

/// The mails that a record names, in its order; repeated where it repeats them.
pub(super) fn mail_names(record: &Record) -> impl Iterator<Item = &str> {
    let own = [named(record.get("input")), named(record.get("output"))];
    own.into_iter().flatten().chain(entries(record).filter_map(|entry| named(entry.get("text"))))
}

/// Mails at hand, and what filling records with them comes to.
pub(super) struct Filler<'m> {
    pub(super) mails: &'m HashMap<&'m str, Result<Mail, Missing>>,
    /// Whether what has no mail is left out instead of keeping the mail's name.
    pub(super) drop_missing: bool,
    pub(super) filled: u64,
    pub(super) gaps: Vec<Gap>,
}

/// What stands at a place: no mail's name, the name of a mail that is missing, or of one at hand.
enum Place<'m> {
    Other,
    Missing,
    Mail(&'m Mail),
}

impl<'m> Filler<'m> {
    /// The record with its mails; `None` where its own mail is missing and such records are left out.
    pub(super) fn fill(&mut self, record: &Record) -> Option<Record> {
        let mut filled = Record::new();
        let mut whole = true;
        for (key, value) in record {
            let new = match key.as_str() {
                "input" => match self.place("input", Some(value)) {
                    Place::Mail(mail) => Some(format!("{INPUT_OPENING}{}", mail.body).into()),
                    other => {
                        whole &= matches!(other, Place::Other);
                        None
                    }
                },
                "output" => match self.place("output", Some(value)) {
                    Place::Mail(mail) => Some(mail.subject.clone().into()),
                    other => {
                        whole &= matches!(other, Place::Other);
                        None
                    }
                },
                "profile" => value.as_array().map(|entries| {
                    entries.iter().filter_map(|entry| self.entry(entry)).collect::<Vec<_>>().into()
                }),
                _ => None,
            };
            filled.insert(key.clone(), new.unwrap_or_else(|| value.clone()));
        }
        (whole || !self.drop_missing).then_some(filled)
    }

    fn entry(&mut self, original: &Value) -> Option<Value> {
        match self.place("profile", original.get("text")) {
            Place::Other => Some(original.clone()),
            Place::Missing => (!self.drop_missing).then(|| original.clone()),
            Place::Mail(mail) => {
                let mut entry = original.clone();
                entry["text"] = mail.body.clone().into();
                // Where there is no title yet it goes to the end, as a new key does in the official code.
                entry["title"] = mail.subject.clone().into();
                Some(entry)
            }
        }
    }

    fn place(&mut self, field: &'static str, value: Option<&Value>) -> Place<'m> {
        let Some(name) = named(value) else { return Place::Other };
        let reason = match self.mails.get(name) {
            Some(Ok(mail)) => {
                self.filled += 1;
                return Place::Mail(mail);
            }
            Some(Err(reason)) => *reason,
            None => Missing::NotFound,
        };
        self.gaps.push(Gap { field, mail: name.to_owned(), reason });
        Place::Missing
    }
}
