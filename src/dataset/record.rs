//! One record: its fields, what a pass over the file notes of it, and its parsing into a [`Sample`].
//!
//! Both readings walk the record the same way ([`walk`]) and differ only in what they keep. Numbers where
//! text belongs become their literal text, never reformatted; of a field given twice the last counts, as in
//! the official reader.

use serde::{Deserialize, Serialize};

use super::lexer::{Lexer, RawText, SyntaxError, SyntaxProblem, Value};
use crate::lamp::{ProfileEntry, Sample, Task};

/// A field of a record or of a profile entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs, reason = "each is named as in the files, see `Field::name`")]
pub enum Field {
    Id,
    Input,
    Profile,
    Output,
    UserId,
    Text,
    Title,
    Abstract,
    Description,
    Category,
    Tag,
    Score,
    Date,
}

impl Field {
    const ALL: [Field; 13] = [
        Field::Id,
        Field::Input,
        Field::Profile,
        Field::Output,
        Field::UserId,
        Field::Text,
        Field::Title,
        Field::Abstract,
        Field::Description,
        Field::Category,
        Field::Tag,
        Field::Score,
        Field::Date,
    ];

    /// The field's name in the files.
    pub const fn name(self) -> &'static str {
        match self {
            Field::Id => "id",
            Field::Input => "input",
            Field::Profile => "profile",
            Field::Output => "output",
            Field::UserId => "user_id",
            Field::Text => "text",
            Field::Title => "title",
            Field::Abstract => "abstract",
            Field::Description => "description",
            Field::Category => "category",
            Field::Tag => "tag",
            Field::Score => "score",
            Field::Date => "date",
        }
    }

    /// The field of that name.
    pub(super) fn named(name: &str) -> Option<Self> {
        Self::spelled(name.as_bytes())
    }

    fn spelled(name: &[u8]) -> Option<Self> {
        // Told apart by length first, which a pass over a file needs to be quick.
        Some(match name {
            b"id" => Field::Id,
            b"tag" => Field::Tag,
            b"text" => Field::Text,
            b"date" => Field::Date,
            b"input" => Field::Input,
            b"title" => Field::Title,
            b"score" => Field::Score,
            b"output" => Field::Output,
            b"profile" => Field::Profile,
            b"user_id" => Field::UserId,
            b"abstract" => Field::Abstract,
            b"category" => Field::Category,
            b"description" => Field::Description,
            _ => return None,
        })
    }

    fn of(key: RawText<'_>) -> Option<Self> {
        if key.escaped {
            key.decode().and_then(|(name, _)| Self::named(&name))
        } else {
            Self::spelled(key.bytes)
        }
    }
}

impl std::fmt::Display for Field {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// A set of fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(super) struct Fields(u16);

impl Fields {
    pub const NONE: Fields = Fields(0);
    pub const ANY: Fields = Fields(u16::MAX);

    pub fn has(self, field: Field) -> bool {
        self.0 & (1 << field as u16) != 0
    }

    pub fn insert(&mut self, field: Field) {
        self.0 |= 1 << field as u16;
    }

    pub fn union(self, other: Fields) -> Fields {
        Fields(self.0 | other.0)
    }

    pub fn both(self, other: Fields) -> Fields {
        Fields(self.0 & other.0)
    }

    pub fn without(self, other: Fields) -> Fields {
        Fields(self.0 & !other.0)
    }

    pub fn first(self) -> Option<Field> {
        Field::ALL.into_iter().find(|&field| self.has(field))
    }
}

impl FromIterator<Field> for Fields {
    fn from_iter<T: IntoIterator<Item = Field>>(fields: T) -> Self {
        let mut set = Fields::NONE;
        fields.into_iter().for_each(|field| set.insert(field));
        set
    }
}

/// The fields without which an entry of the task cannot be ranked or put into a prompt.
pub(super) fn required_entry_fields(task: Task) -> Fields {
    // The public LaMP-6 files carry no subjects before the licensed mails are put in.
    let title = task.title_field().filter(|_| task != Task::Lamp6);
    ["id", task.text_field()]
        .into_iter()
        .chain(title)
        .chain(task.label_field())
        .filter_map(Field::named)
        .collect()
}

/// Why a record cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RecordProblem {
    /// It is no JSON.
    #[error("it is not valid JSON: {0}")]
    Syntax(SyntaxProblem),
    /// Its bytes are not UTF-8.
    #[error("its bytes are not UTF-8")]
    NotUtf8,
    /// It is a list, a text or a number.
    #[error("it is not an object with fields")]
    NotAnObject,
    /// A field is absent.
    #[error("its field `{0}` is missing")]
    Missing(Field),
    /// A field holds something else than it should.
    #[error("its field `{0}` is of the wrong type")]
    Mistyped(Field),
    /// The profile holds something that is no entry.
    #[error("its profile holds something that is not an object with fields")]
    EntryNotAnObject,
    /// An entry lacks a field that the task needs.
    #[error("an entry of its profile has no field `{0}`")]
    EntryMissing(Field),
    /// An entry's field is neither text nor a number.
    #[error("an entry of its profile has a field `{0}` of the wrong type")]
    EntryMistyped(Field),
    /// The record is larger than the limit.
    #[error("it is larger than the limit for one record")]
    TooLarge,
}

/// What a walk over a record reports, in file order.
trait Visit<'a> {
    fn record_field(&mut self, field: Field, value: Value<'a>);
    /// A profile's list begins; what an earlier one held does not count.
    fn profile(&mut self);
    fn entry_field(&mut self, field: Field, value: Value<'a>);
    fn entry_end(&mut self, is_object: bool);
}

/// Walks one element of a file's list; `false` where it is no object. `depth` is how many values contain it.
fn walk<'a>(lexer: &mut Lexer<'a>, depth: usize, visit: &mut impl Visit<'a>) -> Result<bool, SyntaxError> {
    if !lexer.take(b'{') {
        lexer.value(depth)?;
        return Ok(false);
    }
    if lexer.take(b'}') {
        return Ok(true);
    }
    loop {
        let field = Field::of(lexer.key()?);
        if field == Some(Field::Profile) && lexer.take(b'[') {
            visit.profile();
            walk_profile(lexer, depth + 2, visit)?;
        } else {
            let value = lexer.value(depth + 1)?;
            if let Some(field) = field {
                visit.record_field(field, value);
            }
        }
        if !lexer.more(b'}')? {
            return Ok(true);
        }
    }
}

fn walk_profile<'a>(
    lexer: &mut Lexer<'a>,
    depth: usize,
    visit: &mut impl Visit<'a>,
) -> Result<(), SyntaxError> {
    if lexer.take(b']') {
        return Ok(());
    }
    loop {
        let is_object = lexer.take(b'{');
        if !is_object {
            lexer.value(depth)?;
        } else if !lexer.take(b'}') {
            loop {
                let field = Field::of(lexer.key()?);
                let value = lexer.value(depth + 1)?;
                if let Some(field) = field {
                    visit.entry_field(field, value);
                }
                if !lexer.more(b'}')? {
                    break;
                }
            }
        }
        visit.entry_end(is_object);
        if !lexer.more(b']')? {
            return Ok(());
        }
    }
}

/// What the pass over a file notes of a record.
#[derive(Debug, Clone, Default)]
pub(super) struct Facts {
    pub is_object: bool,
    pub id: Option<String>,
    pub entries: u32,
    pub dated: u32,
    pub input_bytes: u32,
    /// Fields of the record, and those of them that hold the wrong type.
    pub fields: Fields,
    pub mistyped: Fields,
    /// Fields that some entry has, that all have, and that hold something else than text or a number somewhere.
    pub any_entry: Fields,
    pub all_entries: Fields,
    pub entry_mistyped: Fields,
    pub stray_entry: bool,
    /// The task whose wording the input has.
    pub wording: Option<Task>,
    /// Fields of the entry being walked.
    entry: Fields,
}

/// Walks one record and notes its facts; the lexer stands behind the record afterwards.
pub(super) fn facts(lexer: &mut Lexer<'_>, depth: usize) -> Result<Facts, SyntaxError> {
    let mut facts = Facts { all_entries: Fields::ANY, ..Facts::default() };
    facts.is_object = walk(lexer, depth, &mut facts)?;
    Ok(facts)
}

impl<'a> Visit<'a> for Facts {
    fn record_field(&mut self, field: Field, value: Value<'a>) {
        self.fields.insert(field);
        let right = match (field, value) {
            (Field::Profile, _) => false, // lists are walked, so this is something else
            (Field::Id, Value::Text(_) | Value::Number(_)) => {
                self.id = text(value).map(|(text, _)| text);
                self.id.is_some()
            }
            (Field::Input, Value::Text(raw)) => {
                self.input_bytes = raw.bytes.len() as u32;
                self.wording = wording(raw.bytes);
                true
            }
            (Field::Output, Value::Text(_) | Value::Number(_) | Value::Null) => true,
            (Field::Id | Field::Input | Field::Output, _) => false,
            _ => true,
        };
        if !right {
            self.mistyped.insert(field);
        } else {
            self.mistyped = self.mistyped.without([field].into_iter().collect());
        }
        if field == Field::Output && value == Value::Null {
            self.fields = self.fields.without([Field::Output].into_iter().collect());
        }
    }

    fn profile(&mut self) {
        self.fields.insert(Field::Profile);
        self.mistyped = self.mistyped.without([Field::Profile].into_iter().collect());
        (self.entries, self.dated, self.stray_entry) = (0, 0, false);
        (self.any_entry, self.all_entries, self.entry_mistyped) = (Fields::NONE, Fields::ANY, Fields::NONE);
    }

    fn entry_field(&mut self, field: Field, value: Value<'a>) {
        match value {
            Value::Null if field == Field::Date => return,
            Value::Text(_) | Value::Number(_) => {}
            _ => self.entry_mistyped.insert(field),
        }
        self.entry.insert(field);
    }

    fn entry_end(&mut self, is_object: bool) {
        self.entries += 1;
        self.dated += u32::from(self.entry.has(Field::Date));
        self.any_entry = self.any_entry.union(self.entry);
        self.all_entries = self.all_entries.both(self.entry);
        self.entry = Fields::NONE;
        self.stray_entry |= !is_object;
    }
}

/// The task whose instruction begins the input (its raw inside), or LaMP-6 for a mail's file name.
pub(super) fn wording(input: &[u8]) -> Option<Task> {
    let starts: [(&str, Task); 8] = [
        ("For an author who has written the paper", Task::Lamp1),
        ("Which category does this article relate to", Task::Lamp2N),
        ("Which tag does this movie relate to", Task::Lamp2M),
        ("What is the score of the following review", Task::Lamp3),
        ("Generate a headline for the following article", Task::Lamp4),
        ("Generate a title for the following abstract", Task::Lamp5),
        ("Generate a subject for the following email", Task::Lamp6),
        ("Paraphrase the following", Task::Lamp7),
    ];
    let worded =
        starts.into_iter().find(|(start, _)| input.starts_with(start.as_bytes())).map(|(_, task)| task);
    let is_file_name = || std::str::from_utf8(input).is_ok_and(is_mail_placeholder);
    worded.or_else(|| is_file_name().then_some(Task::Lamp6))
}

/// Whether the text is a mail's file name of the public LaMP-6 files, such as `147-000874-EM.txt`.
pub(super) fn is_mail_placeholder(text: &str) -> bool {
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    let mut parts = text.trim().strip_suffix(".txt").unwrap_or_default().split('-');
    match (parts.next(), parts.next(), parts.next(), parts.next()) {
        (Some(box_number), Some(mail), Some(kind), None) => {
            digits(box_number)
                && digits(mail)
                && kind.bytes().all(|byte| byte.is_ascii_uppercase())
                && !kind.is_empty()
        }
        _ => false,
    }
}

/// Something about a record's fields that is not as it should be, though the record can be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Oddity {
    /// A number where text belongs, or the reverse; its literal is kept.
    Mistyped(Field),
    /// A value of another type than the field's, left out.
    LeftOut(Field),
    /// The field is there twice; the last counts.
    Twice(Field),
    /// Half of a surrogate pair, replaced by U+FFFD.
    LoneSurrogate(Field),
}

/// A record parsed, and what was odd about it.
#[derive(Debug, Default)]
pub(super) struct Parsed {
    pub sample: Sample,
    pub oddities: Vec<Oddity>,
}

/// Parses one record of `task`; without a task its profile's texts are left alone (golds).
pub(super) fn parse(bytes: &[u8], task: Option<Task>) -> Result<Parsed, RecordProblem> {
    let mut parser = Parser { fields: task.map(EntryFields::of), ..Parser::default() };
    let mut lexer = Lexer::at(bytes, 0);
    let is_object = walk(&mut lexer, 2, &mut parser).map_err(|error| RecordProblem::Syntax(error.problem))?;
    if lexer.peek().is_some() {
        return Err(RecordProblem::Syntax(SyntaxProblem::Separator));
    }
    match parser.problem {
        Some(problem) => Err(problem),
        None if !is_object => Err(RecordProblem::NotAnObject),
        None => Ok(parser.parsed),
    }
}

/// Which fields of an entry a task reads.
#[derive(Debug, Clone, Copy)]
struct EntryFields {
    text: Option<Field>,
    title: Option<Field>,
    label: Option<Field>,
}

impl EntryFields {
    fn of(task: Task) -> Self {
        Self {
            text: Field::named(task.text_field()),
            title: task.title_field().and_then(Field::named),
            label: task.label_field().and_then(Field::named),
        }
    }
}

#[derive(Debug, Default)]
struct Parser {
    fields: Option<EntryFields>,
    parsed: Parsed,
    seen: Fields,
    entry: ProfileEntry,
    entry_seen: Fields,
    problem: Option<RecordProblem>,
}

/// A text, or a number's literal, with whether a lone surrogate was replaced; `None` for other types and bad UTF-8.
fn text(value: Value<'_>) -> Option<(String, bool)> {
    match value {
        Value::Text(raw) => raw.decode().map(|(text, lone)| (text.into_owned(), lone)),
        Value::Number(literal) => std::str::from_utf8(literal).ok().map(|text| (text.to_owned(), false)),
        _ => None,
    }
}

impl Parser {
    fn odd(&mut self, oddity: Oddity) {
        if !self.parsed.oddities.contains(&oddity) {
            self.parsed.oddities.push(oddity);
        }
    }

    fn text(&mut self, field: Field, value: Value<'_>) -> Option<String> {
        let found = text(value);
        match (value, &found) {
            (Value::Text(_), None) => self.problem = self.problem.or(Some(RecordProblem::NotUtf8)),
            (Value::Number(_), _) => self.odd(Oddity::Mistyped(field)),
            (_, None) => self.odd(Oddity::LeftOut(field)),
            (_, Some((_, true))) => self.odd(Oddity::LoneSurrogate(field)),
            _ => {}
        }
        found.map(|(text, _)| text)
    }
}

impl<'a> Visit<'a> for Parser {
    fn record_field(&mut self, field: Field, value: Value<'a>) {
        if self.seen.has(field) {
            self.odd(Oddity::Twice(field));
        }
        self.seen.insert(field);
        match field {
            Field::Id => self.parsed.sample.id = self.text(field, value).unwrap_or_default(),
            Field::Input => self.parsed.sample.input = self.text(field, value).unwrap_or_default(),
            Field::Output => {
                self.parsed.sample.reference =
                    if value == Value::Null { None } else { self.text(field, value) };
            }
            Field::UserId => {
                let user = text(value).and_then(|(text, _)| text.trim().parse().ok());
                if user.is_none() {
                    self.odd(Oddity::LeftOut(field));
                } else if matches!(value, Value::Text(_)) {
                    self.odd(Oddity::Mistyped(field));
                }
                self.parsed.sample.user_id = user;
            }
            _ => {}
        }
    }

    fn profile(&mut self) {
        if self.seen.has(Field::Profile) {
            self.odd(Oddity::Twice(Field::Profile));
        }
        self.seen.insert(Field::Profile);
        self.parsed.sample.profile.clear();
    }

    fn entry_field(&mut self, field: Field, value: Value<'a>) {
        let Some(fields) = self.fields else { return };
        let some = Some(field);
        if field != Field::Id
            && field != Field::Date
            && ![fields.text, fields.title, fields.label].contains(&some)
        {
            return;
        }
        if self.entry_seen.has(field) {
            self.odd(Oddity::Twice(field));
        }
        self.entry_seen.insert(field);
        let text = self.text(field, value);
        if some == fields.text {
            self.entry.text = text.unwrap_or_default();
        } else if some == fields.title {
            self.entry.title = text;
        } else if some == fields.label {
            self.entry.label = text;
        } else if field == Field::Id {
            self.entry.id = text.unwrap_or_default();
        } else {
            self.entry.date = text;
        }
    }

    fn entry_end(&mut self, _is_object: bool) {
        self.entry_seen = Fields::NONE;
        if self.fields.is_some() {
            self.parsed.sample.profile.push(std::mem::take(&mut self.entry));
        }
    }
}
