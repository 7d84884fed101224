//! Synonyms from WordNet 3.0's dictionary files (C. Fellbaum 1998), which METEOR's last stage compares words by.
//!
//! Built from the files' bytes: whoever calls reads them, this room does no IO. A word's base forms are found as
//! WordNet's `morphy` does, first in the lists of exceptions, then by cutting endings.

use std::collections::{HashMap, HashSet};

/// The parts of speech, in the order in which they are looked up, as WordNet's files are named.
const PARTS: [&str; 4] = ["noun", "verb", "adj", "adv"];

/// Endings and what replaces them, by part of speech.
const ENDINGS: [&[(&str, &str)]; 4] = [
    &[
        ("s", ""),
        ("ses", "s"),
        ("ves", "f"),
        ("xes", "x"),
        ("zes", "z"),
        ("ches", "ch"),
        ("shes", "sh"),
        ("men", "man"),
        ("ies", "y"),
    ],
    &[("s", ""), ("ies", "y"), ("es", "e"), ("es", ""), ("ed", "e"), ("ed", ""), ("ing", "e"), ("ing", "")],
    &[("er", ""), ("est", ""), ("er", "e"), ("est", "e")],
    &[],
];

/// WordNet's files could not be used.
#[derive(Debug, thiserror::Error)]
pub enum WordNetError {
    /// A file could not be had.
    #[error(
        "cannot read WordNet's file `{file}`; give a folder with index.*, data.* and *.exc of WordNet 3.0"
    )]
    Read {
        /// The file's name.
        file: String,
        /// Why.
        source: std::io::Error,
    },
    /// A line is not what WordNet's format says.
    #[error("line {line} of WordNet's file `{file}` is malformed; install WordNet's dictionary anew")]
    Malformed {
        /// The file's name.
        file: String,
        /// Counted from 1.
        line: usize,
    },
}

/// The dictionary, in memory (about 30 MB).
#[derive(Debug)]
pub struct WordNet {
    parts: [Part; 4],
}

#[derive(Debug)]
struct Part {
    endings: &'static [(&'static str, &'static str)],
    /// The synset lines; a synset is named by where its line begins.
    data: Vec<u8>,
    /// Lemma to the offsets of its synsets.
    index: HashMap<Box<str>, Box<[u32]>>,
    exceptions: HashMap<Box<str>, Box<[Box<str>]>>,
}

impl WordNet {
    /// The names of the files that are read.
    pub fn files() -> impl Iterator<Item = String> {
        PARTS
            .into_iter()
            .flat_map(|part| [format!("data.{part}"), format!("index.{part}"), format!("{part}.exc")])
    }

    /// Builds the dictionary from its files; `read` gives the bytes of one by its name.
    pub fn load(mut read: impl FnMut(&str) -> std::io::Result<Vec<u8>>) -> Result<Self, WordNetError> {
        let mut read =
            |file: &str| read(file).map_err(|source| WordNetError::Read { file: file.to_owned(), source });
        let mut part = |at: usize| -> Result<Part, WordNetError> {
            let name = PARTS[at];
            let data = read(&format!("data.{name}"))?;
            let file = format!("index.{name}");
            let index = parse_index(&read(&file)?, &data)
                .map_err(|line| WordNetError::Malformed { file: file.clone(), line })?;
            let exceptions = parse_exceptions(&read(&format!("{name}.exc"))?);
            Ok(Part { endings: ENDINGS[at], data, index, exceptions })
        };
        Ok(Self { parts: [part(0)?, part(1)?, part(2)?, part(3)?] })
    }

    /// The single words that share a sense with a lower-case word, as WordNet writes them (names with a capital).
    pub fn synonyms(&self, word: &str) -> HashSet<&str> {
        let mut found = HashSet::new();
        for part in &self.parts {
            for form in part.base_forms(word) {
                for &offset in part.index.get(form.as_str()).into_iter().flatten() {
                    found.extend(part.lemmas(offset).filter(|lemma| !lemma.contains('_')));
                }
            }
        }
        found
    }
}

impl Part {
    /// The word itself, and its exceptional base forms or what its endings give.
    fn base_forms(&self, word: &str) -> Vec<String> {
        let mut forms = vec![word.to_owned()];
        match self.exceptions.get(word) {
            Some(exceptional) => forms.extend(exceptional.iter().map(|form| form.to_string())),
            None => {
                forms.extend(self.endings.iter().filter_map(|(ending, with)| {
                    word.strip_suffix(ending).map(|stem| format!("{stem}{with}"))
                }))
            }
        }
        forms
    }

    /// The words of a synset, without the syntactic markers that adjectives may carry.
    fn lemmas(&self, offset: u32) -> impl Iterator<Item = &str> {
        let line = line_at(&self.data, offset as usize);
        let mut fields = line.split(' ').skip(3);
        let count = fields.next().and_then(|field| usize::from_str_radix(field, 16).ok()).unwrap_or(0);
        // Each word is followed by a number that tells equal words of a lexicographer's file apart.
        fields.step_by(2).take(count).map(|word| word.split_once('(').map_or(word, |(word, _)| word))
    }
}

fn line_at(data: &[u8], offset: usize) -> &str {
    let rest = data.get(offset..).unwrap_or_default();
    let end = memchr::memchr(b'\n', rest).unwrap_or(rest.len());
    std::str::from_utf8(&rest[..end]).unwrap_or_default()
}

/// Lines of `lemma pos synset_count pointer_count pointers… sense_count tagged_count offsets…`; the license comes
/// first, in lines that begin with a space. The error is the number of the first malformed line.
fn parse_index(bytes: &[u8], data: &[u8]) -> Result<HashMap<Box<str>, Box<[u32]>>, usize> {
    let mut index = HashMap::new();
    for (at, line) in bytes.split(|byte| *byte == b'\n').enumerate() {
        if line.is_empty() || line.starts_with(b" ") {
            continue;
        }
        let parsed = std::str::from_utf8(line).ok().and_then(|line| {
            let mut fields = line.split_ascii_whitespace();
            let lemma = fields.next()?;
            let synsets: usize = fields.nth(1)?.parse().ok()?;
            let pointers: usize = fields.next()?.parse().ok()?;
            let offsets: Option<Box<[u32]>> =
                fields.skip(pointers).skip(2).map(|offset| offset.parse().ok()).collect();
            let offsets = offsets.filter(|offsets| offsets.len() == synsets)?;
            // A data file that was cut or is of another version would give other words' synonyms.
            let named = |offset: &u32| line_at(data, *offset as usize).starts_with(&format!("{offset:08} "));
            offsets.iter().all(named).then(|| (lemma.into(), offsets))
        });
        let (lemma, offsets): (Box<str>, Box<[u32]>) = parsed.ok_or(at + 1)?;
        index.insert(lemma, offsets);
    }
    Ok(index)
}

/// Lines of `inflected base…`.
fn parse_exceptions(bytes: &[u8]) -> HashMap<Box<str>, Box<[Box<str>]>> {
    String::from_utf8_lossy(bytes)
        .lines()
        .filter_map(|line| {
            let mut words = line.split_ascii_whitespace().map(Box::from);
            Some((words.next()?, words.collect()))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A dictionary of three lines.
    fn tiny(file: &str) -> Vec<u8> {
        let data = "00000000 03 n 02 auto 0 motor_car 0 001 ~ 00000000 n 0000 | a car\n\
                    00000066 03 n 02 goose 1 Anser(p) 0 000 | a bird\n";
        match file {
            "data.noun" => data,
            "index.noun" => "  1 license\nauto n 1 0 1 0 00000000\ngoose n 1 2 ~ @ 1 0 00000066\n",
            "noun.exc" => "geese goose\n",
            _ => "",
        }
        .as_bytes()
        .to_vec()
    }

    #[test]
    fn inflected_words_find_their_synonyms() {
        let wordnet = WordNet::load(|file| Ok(tiny(file))).unwrap();
        assert_eq!(wordnet.synonyms("autos"), HashSet::from(["auto"]));
        assert_eq!(wordnet.synonyms("geese"), HashSet::from(["goose", "Anser"]));
        assert!(wordnet.synonyms("").is_empty() && wordnet.synonyms("s").is_empty());
    }

    #[test]
    fn a_cut_data_file_is_an_error_that_names_the_line() {
        let error = WordNet::load(|file| {
            Ok(if file == "data.noun" { tiny(file)[..40].to_vec() } else { tiny(file) })
        });
        let text = error.unwrap_err().to_string();
        assert!(text.contains("index.noun") && text.contains("line 3"), "{text}");
        let missing = WordNet::load(|_| Err(std::io::ErrorKind::NotFound.into())).unwrap_err();
        assert!(missing.to_string().contains("data.noun"));
    }
}
