//! Reading TOML with everything that is wrong with it reported at once, instead of the first alone.

use std::cell::RefCell;
use std::error::Error;
use std::fmt::Display;
use std::str::FromStr;

use strsim::levenshtein;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::place::{KeyPath, Source};
use super::problem::{Problem, ProblemKind};

/// What a reading shares: the source, and what was found wrong.
pub(super) struct Reading<'s> {
    pub(super) source: &'s Source,
    problems: RefCell<Vec<Problem>>,
}

impl<'s> Reading<'s> {
    pub(super) fn new(source: &'s Source) -> Self {
        Self { source, problems: RefCell::default() }
    }

    pub(super) fn report(&self, path: &KeyPath, kind: ProblemKind) {
        self.problems.borrow_mut().push(Problem::at(path.clone(), kind, self.source));
    }

    pub(super) fn add(&self, problem: Problem) {
        self.problems.borrow_mut().push(problem);
    }

    fn is_sound(&self) -> bool {
        self.problems.borrow().is_empty()
    }

    pub(super) fn into_problems(self) -> Vec<Problem> {
        self.problems.into_inner()
    }
}

/// Where a pair stands, its key and its text.
pub(super) type Pair = (KeyPath, String, String);

/// One table of the file. Every key that is asked for is known; the others are reported by [`Section::end`].
pub(super) struct Section<'r, 'd> {
    reading: &'r Reading<'r>,
    path: KeyPath,
    table: Option<&'d DeTable<'d>>,
    asked: RefCell<Vec<&'static str>>,
}

impl<'r, 'd> Section<'r, 'd> {
    pub(super) fn new(reading: &'r Reading<'r>, path: KeyPath, table: Option<&'d DeTable<'d>>) -> Self {
        Self { reading, path, table, asked: RefCell::default() }
    }

    fn value(&self, key: &'static str) -> Option<&'d DeValue<'d>> {
        self.asked.borrow_mut().push(key);
        self.table?.get(key).map(Spanned::get_ref)
    }

    pub(super) fn report(&self, key: &str, kind: ProblemKind) {
        self.reading.report(&self.path.key(key), kind);
    }

    pub(super) fn report_at(&self, path: &KeyPath, kind: ProblemKind) {
        self.reading.report(path, kind);
    }

    /// Whether nothing wrong was found so far in the whole file.
    pub(super) fn is_sound(&self) -> bool {
        self.reading.is_sound()
    }

    fn wrong(&self, path: &KeyPath, expected: &'static str, found: &DeValue<'_>) {
        self.reading.report(path, ProblemKind::Type { expected, found: kind_of(found) });
    }

    /// A value of its own kind, read by `read`.
    fn one<T>(
        &self,
        key: &'static str,
        expected: &'static str,
        read: impl Fn(&DeValue<'d>) -> Option<T>,
    ) -> Option<T> {
        let value = self.value(key)?;
        let found = read(value);
        if found.is_none() {
            self.wrong(&self.path.key(key), expected, value);
        }
        found
    }

    /// A list, or a single value as a list of one. `None` where the key is not there.
    fn many<T>(
        &self,
        key: &'static str,
        expected: &'static str,
        read: impl Fn(&DeValue<'d>) -> Option<T>,
    ) -> Option<Vec<(KeyPath, T)>> {
        let value = self.value(key)?;
        let path = self.path.key(key);
        let single = std::slice::from_ref(value);
        let items: Vec<&DeValue<'d>> = match value {
            DeValue::Array(list) => list.iter().map(Spanned::get_ref).collect(),
            _ => single.iter().collect(),
        };
        let mut all = Vec::with_capacity(items.len());
        for (index, item) in items.into_iter().enumerate() {
            let path = path.at(index);
            match read(item) {
                Some(found) => all.push((path, found)),
                None => self.wrong(&path, expected, item),
            }
        }
        Some(all)
    }

    pub(super) fn text(&self, key: &'static str) -> Option<String> {
        self.one(key, "a text", text)
    }

    pub(super) fn texts(&self, key: &'static str) -> Option<Vec<String>> {
        Some(self.many(key, "a text", text)?.into_iter().map(|(_, text)| text).collect())
    }

    pub(super) fn flag(&self, key: &'static str) -> Option<bool> {
        self.one(key, "true or false", DeValue::as_bool)
    }

    pub(super) fn float(&self, key: &'static str) -> Option<f64> {
        self.one(key, "a number", |value| match value {
            DeValue::Float(float) => float.as_str().parse().ok(),
            DeValue::Integer(integer) => integer.as_str().parse().ok(),
            _ => None,
        })
    }

    /// A whole number of a range.
    pub(super) fn count<T: TryFrom<i128>>(&self, key: &'static str, least: u64, most: u64) -> Option<T> {
        let number = self.one(key, "a whole number", whole)?;
        self.in_range(&self.path.key(key), number, least, most)
    }

    pub(super) fn counts<T: TryFrom<i128>>(
        &self,
        key: &'static str,
        least: u64,
        most: u64,
    ) -> Option<Vec<T>> {
        let numbers = self.many(key, "a whole number", whole)?;
        Some(
            numbers
                .into_iter()
                .filter_map(|(path, number)| self.in_range(&path, number, least, most))
                .collect(),
        )
    }

    fn in_range<T: TryFrom<i128>>(&self, path: &KeyPath, number: i128, least: u64, most: u64) -> Option<T> {
        let fits = (i128::from(least)..=i128::from(most)).contains(&number);
        let found = T::try_from(number).ok().filter(|_| fits);
        if found.is_none() {
            self.reading.report(path, ProblemKind::Range { value: number, least, most });
        }
        found
    }

    /// A text that stands for something.
    pub(super) fn parsed<T: FromStr>(&self, key: &'static str) -> Option<T>
    where
        T::Err: Error + Send + Sync + 'static,
    {
        self.parse(&self.path.key(key), &self.text(key)?)
    }

    pub(super) fn all_parsed<T: FromStr>(&self, key: &'static str) -> Option<Vec<T>>
    where
        T::Err: Error + Send + Sync + 'static,
    {
        let texts = self.many(key, "a text", text)?;
        Some(texts.iter().filter_map(|(path, text)| self.parse(path, text)).collect())
    }

    pub(super) fn parse<T: FromStr>(&self, path: &KeyPath, text: &str) -> Option<T>
    where
        T::Err: Error + Send + Sync + 'static,
    {
        text.parse().map_err(|error| self.reading.report(path, ProblemKind::Value(Box::new(error)))).ok()
    }

    /// One of a few words.
    pub(super) fn word<T: Copy>(&self, key: &'static str, words: &[(&'static str, T)]) -> Option<T> {
        let given = self.text(key)?;
        let folded = given.trim().to_lowercase().replace('_', "-");
        let found = words.iter().find(|(word, _)| *word == folded).map(|(_, meant)| *meant);
        if found.is_none() {
            let known = words.iter().map(|(word, _)| *word).collect();
            self.report(key, ProblemKind::NoSuchWord { given, known });
        }
        found
    }

    /// What another room makes of the table under a key.
    pub(super) fn made<T: serde::de::DeserializeOwned>(&self, key: &'static str) -> Option<T> {
        self.asked.borrow_mut().push(key);
        let value = self.table?.get(key)?;
        if value.get_ref().as_table().is_none() {
            self.wrong(&self.path.key(key), "a table", value.get_ref());
            return None;
        }
        // Only its words: all that it shows would repeat the line, which may hold what nobody should read.
        let refuse = |error: toml::de::Error| ProblemKind::Syntax(error.message().trim().replace('\n', "; "));
        T::deserialize(toml::de::ValueDeserializer::from(value.clone()))
            .map_err(|error| self.report(key, refuse(error)))
            .ok()
    }

    /// The table under a key; one without keys where there is none.
    pub(super) fn section(&self, key: &'static str) -> Section<'r, 'd> {
        let table = self.value(key).and_then(|value| match value {
            DeValue::Table(table) => Some(table),
            other => {
                self.wrong(&self.path.key(key), "a table", other);
                None
            }
        });
        Section::new(self.reading, self.path.key(key), table)
    }

    /// The tables of a list, or one table by itself.
    pub(super) fn sections(&self, key: &'static str) -> Vec<Section<'r, 'd>> {
        let path = self.path.key(key);
        let Some(value) = self.value(key) else { return Vec::new() };
        let items: Vec<&'d DeValue<'d>> = match value {
            DeValue::Array(list) => list.iter().map(Spanned::get_ref).collect(),
            single => vec![single],
        };
        let mut all = Vec::new();
        for (index, item) in items.into_iter().enumerate() {
            match item {
                DeValue::Table(table) => {
                    all.push(Section::new(self.reading, path.at(index), Some(table)));
                }
                other => self.wrong(&path.at(index), "a table", other),
            }
        }
        all
    }

    /// A table whose keys are data, as pairs; `Err` with the text where it is a text instead.
    pub(super) fn pairs(&self, key: &'static str) -> Option<Result<Vec<Pair>, String>> {
        let value = self.value(key)?;
        let path = self.path.key(key);
        match value {
            DeValue::String(text) => Some(Err(text.to_string())),
            DeValue::Table(table) => Some(Ok(self.entries(&path, table))),
            other => {
                self.wrong(&path, "a text, or a table with a text for each task", other);
                None
            }
        }
    }

    /// A table of texts whose keys are data.
    pub(super) fn named_texts(&self, key: &'static str) -> Option<Vec<Pair>> {
        let section = self.section(key);
        Some(self.entries(&section.path, section.table?))
    }

    /// The texts of a table with their keys and places.
    fn entries(&self, path: &KeyPath, table: &DeTable<'_>) -> Vec<Pair> {
        let entry = |name: &str, value: &DeValue<'_>| {
            let path = path.key(name);
            let found = text(value);
            if found.is_none() {
                self.wrong(&path, "a text", value);
            }
            Some((path, name.to_owned(), found?))
        };
        table.iter().filter_map(|(name, value)| entry(name.get_ref(), value.get_ref())).collect()
    }

    /// Whether the table has nothing under a key: no value, an empty text, or an empty list.
    pub(super) fn lacks(&self, key: &str) -> bool {
        match self.table.and_then(|table| table.get(key)).map(Spanned::get_ref) {
            None => true,
            Some(DeValue::String(text)) => text.trim().is_empty(),
            Some(DeValue::Array(list)) => list.is_empty(),
            Some(_) => false,
        }
    }

    /// Whether there is an empty list under a key.
    pub(super) fn is_empty_list(&self, key: &str) -> bool {
        self.lacks(key) && self.table.is_some_and(|table| table.contains_key(key))
    }

    /// Whether the file has this table.
    pub(super) fn is_there(&self) -> bool {
        self.table.is_some()
    }

    /// Reports the keys that nobody asked for.
    pub(super) fn end(self) {
        let known = self.asked.into_inner();
        for key in self.table.into_iter().flat_map(|table| table.keys()) {
            let key = key.get_ref().as_ref();
            if !known.contains(&key) {
                let kind = ProblemKind::UnknownKey { near: nearest(key, &known), known: known.clone() };
                self.reading.report(&self.path.key(key), kind);
            }
        }
    }
}

/// The known word that a text most likely means.
fn nearest<'k>(given: &str, known: &[&'k str]) -> Option<&'k str> {
    let start: String = given.chars().take(64).collect::<String>().to_lowercase();
    let near = known.iter().map(|word| (levenshtein(&start, word), *word)).min_by_key(|(far, _)| *far)?;
    (near.0 * 2 <= near.1.len().max(3)).then_some(near.1)
}

/// Words between commas.
pub(super) fn listed<T: Display>(words: &[T]) -> String {
    words.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

fn text(value: &DeValue<'_>) -> Option<String> {
    value.as_str().map(str::to_owned)
}

fn whole(value: &DeValue<'_>) -> Option<i128> {
    let integer = value.as_integer()?;
    i128::from_str_radix(integer.as_str(), integer.radix()).ok()
}

fn kind_of(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a text",
        DeValue::Integer(_) => "a whole number",
        DeValue::Float(_) => "a number",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}
