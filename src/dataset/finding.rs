//! What the dataset check reports.

use serde::Serialize;

use super::record::Field;

/// How much a finding matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Worth knowing; nothing to do.
    Note,
    /// May change figures; look at it.
    Warning,
    /// The data are not what they should be.
    Error,
}

macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident = $id:literal, $severity:ident, $one:literal, $many:literal, $advice:literal;)+) => {
        /// What was found. Ids are stable.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum FindingKind { $($(#[$doc])* $name,)+ }

        impl FindingKind {
            /// A name for machines, which never changes.
            pub const fn id(self) -> &'static str {
                match self { $(Self::$name => $id,)+ }
            }

            /// How much it matters.
            pub const fn severity(self) -> Severity {
                match self { $(Self::$name => Severity::$severity,)+ }
            }

            /// All kinds, in the order in which they are reported.
            pub const ALL: &'static [FindingKind] = &[$(Self::$name,)+];

            /// What it is, in a few words with how many.
            pub fn what(self, count: usize) -> String {
                let (one, many) = match self { $(Self::$name => ($one, $many),)+ };
                format!("{count} {}", if count == 1 { one } else { many })
            }

            /// What to do about it.
            pub const fn advice(self) -> &'static str {
                match self { $(Self::$name => $advice,)+ }
            }
        }
    };
}

kinds! {
    /// Records that cannot be read.
    BrokenRecords = "broken_records", Error,
        "record that cannot be used",
        "records that cannot be used",
        "download the file again, or use --skip-broken to work with the others";
    /// A file that is truncated or goes on after its end.
    DamagedFile = "damaged_file", Error,
        "damaged file",
        "damaged files",
        "download the file again, or use --skip-broken to work with the good records";
    /// Records of another task than path, outputs or user say.
    WrongTask = "wrong_task", Error,
        "record of another task",
        "records of another task",
        "check that the files lie in the right folder; the wording of the inputs decides";
    /// Records whose references are missing though others have theirs.
    GoldsMissing = "golds_missing", Error,
        "record without a reference",
        "records without a reference",
        "they cannot be scored; get the outputs file that belongs to these questions";
    /// A train or dev split without any references.
    GoldsAbsent = "golds_absent", Warning,
        "record, and no reference at all",
        "records, and no reference at all",
        "put the outputs file beside the questions; only test references are withheld";
    /// References of no record.
    GoldsExtra = "golds_extra", Error,
        "reference of a record that is not in the questions",
        "references of records that are not in the questions",
        "they are not used; get the questions file that belongs to these outputs";
    /// Sample ids that occur more than once.
    DuplicateIds = "duplicate_ids", Error,
        "id that several records share",
        "ids that several records share",
        "the first record counts where one is looked up by id; give each its own";
    /// Several references for one id.
    DuplicateGolds = "duplicate_golds", Error,
        "id with several references",
        "ids with several references",
        "the first one counts; remove the others";
    /// LaMP-6 without the licensed mails.
    MailPlaceholders = "mail_placeholders", Error,
        "record with a file name where a mail belongs",
        "records with file names where mails belong",
        "put the licensed Avocado mails in with `lamplight import-avocado`";
    /// References outside the task's labels.
    UnknownLabel = "unknown_label", Error,
        "reference that is none of the task's labels",
        "references that are none of the task's labels",
        "no answer can be right there; labels are case-sensitive";
    /// Records that changed or could not be read while checking.
    UnreadableRecords = "unreadable_records", Error,
        "record that could not be read while checking",
        "records that could not be read while checking",
        "make sure that nothing writes to the file, and check again";
    /// Entries' labels outside the task's.
    UnknownProfileLabel = "unknown_profile_label", Warning,
        "profile with labels that are none of the task's",
        "profiles with labels that are none of the task's",
        "they go into prompts as they are";
    /// Inputs without the task's marker or quotes.
    MissingMarker = "missing_marker", Warning,
        "input without the task's instruction or marker",
        "inputs without the task's instruction or marker",
        "the whole input is used as the query";
    /// Fields of another type that were kept.
    MistypedField = "mistyped_field", Warning,
        "record with a value of another type than the field's, kept as it is written",
        "records with values of another type than the field's, kept as they are written",
        "nothing is lost; write them as the official files do";
    /// Fields of another type that were left out.
    UnusableField = "unusable_field", Warning,
        "record with a value that does not fit its field, left out",
        "records with values that do not fit their field, left out",
        "correct them where they matter";
    /// Fields given twice.
    DuplicateField = "duplicate_field", Warning,
        "record in which a field is given twice",
        "records in which a field is given twice",
        "the last one counts";
    /// Half surrogate pairs.
    LoneSurrogate = "lone_surrogate", Warning,
        "record with half of a surrogate pair, replaced by U+FFFD",
        "records with halves of surrogate pairs, replaced by U+FFFD",
        "nothing to do unless the exact characters matter";
    /// Inputs without any text.
    EmptyInput = "empty_input", Warning,
        "record with an empty input",
        "records with an empty input",
        "the model is asked nothing there; correct or remove them";
    /// Records without history.
    EmptyProfile = "empty_profile", Warning,
        "record with an empty profile",
        "records with an empty profile",
        "their prompts are the bare input";
    /// Time setting, and entries without a date.
    NoDates = "no_dates", Warning,
        "profile with entries whose date is missing or unreadable",
        "profiles with entries whose date is missing or unreadable",
        "recency cannot rank them; use another retriever or the official time files";
    /// The reference stands in the profile.
    GoldInProfile = "gold_in_profile", Warning,
        "reference that stands word for word in the record's own profile",
        "references that stand word for word in the record's own profile",
        "retrieval may find the answer itself; report with and without them";
    /// Entries that share an id within a record.
    DuplicateEntryIds = "duplicate_entry_ids", Warning,
        "profile in which entries share an id",
        "profiles in which entries share an id",
        "rankings name entries by id, so the first one counts";
    /// A ranking that does not fit.
    RankingMismatch = "ranking_mismatch", Warning,
        "record whose ranking is missing or names unknown entries",
        "records whose ranking is missing or names unknown entries",
        "rank them again";
    /// The split was guessed.
    SplitAssumed = "split_assumed", Note,
        "file whose split shows nowhere in its path",
        "files whose split shows nowhere in their path",
        "name it with --split";
    /// A byte order mark.
    ByteOrderMark = "byte_order_mark", Note,
        "file with a byte order mark",
        "files with a byte order mark",
        "nothing to do; the official code refuses such files";
    /// Equal entries within a profile.
    RepeatedEntries = "repeated_entries", Note,
        "profile that holds the same entry more than once",
        "profiles that hold the same entry more than once",
        "nothing to do; the official files have such";
    /// Empty texts.
    EmptyText = "empty_text", Note,
        "record with entries whose text is empty",
        "records with entries whose text is empty",
        "nothing to do; the official files have such";
    /// HTML tags in texts.
    HtmlTags = "html_tags", Note,
        "record with HTML tags, such as `<br>`, in its texts",
        "records with HTML tags, such as `<br>`, in their texts",
        "nothing to do; the texts are used as they stand";
    /// HTML entities in texts.
    HtmlEntities = "html_entities", Note,
        "record with HTML entities, such as `&amp;`, in its texts",
        "records with HTML entities, such as `&amp;`, in their texts",
        "nothing to do; the texts are used as they stand, which is usual in the official files";
    /// U+FFFD in texts.
    ReplacementCharacters = "replacement_characters", Note,
        "record with U+FFFD in its texts, left where something was not UTF-8",
        "records with U+FFFD in their texts, left where something was not UTF-8",
        "nothing to do; the official files have such";
}

impl Serialize for FindingKind {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.id())
    }
}

/// One thing the check found, with how often and where first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// How much it matters.
    pub severity: Severity,
    /// What it is, for machines.
    pub kind: FindingKind,
    /// What it is and how often, for people.
    pub what: String,
    /// The field it is about, where it is about one.
    pub field: Option<Field>,
    /// How many records (or references) it is about.
    pub count: usize,
    /// The ids of the first of them, at most five; a broken record without an id is named by its place.
    pub records: Vec<String>,
    /// What to do.
    pub advice: &'static str,
}

impl Finding {
    /// A finding in its kind's own words.
    pub(super) fn new(kind: FindingKind, count: usize, records: Vec<String>) -> Self {
        Self {
            severity: kind.severity(),
            kind,
            what: kind.what(count),
            field: None,
            count,
            records,
            advice: kind.advice(),
        }
    }
}
