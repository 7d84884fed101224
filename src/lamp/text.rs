//! What is searched for, and what is searched: the query of a record and the text of an entry.

use super::{EntryDate, ProfileEntry, Sample, Task, python_strip};

/// What a retriever looks for in one record's profile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Query {
    /// The record the query comes from; seeds random draws and keys caches.
    pub sample_id: String,
    /// The text to look for.
    pub text: String,
    /// Whether the task's marker was found. Where not, the whole input is the query (the official
    /// code ends the run instead).
    pub marker_found: bool,
}

/// What a retriever ranks: one profile entry's searchable text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    /// The entry's id, unique within the record only.
    pub id: String,
    /// The searchable text, see [`document_text`].
    pub text: String,
    /// The entry's date where it has one that can be read.
    pub date: Option<EntryDate>,
}

impl Query {
    /// The query of a sample: the part of its input that is the user's, without the instruction.
    pub fn of(task: Task, sample: &Sample) -> Self {
        let found = query_text(task, &sample.input);
        Self {
            sample_id: sample.id.clone(),
            marker_found: found.is_some(),
            text: found.unwrap_or_else(|| sample.input.clone()),
        }
    }
}

impl Document {
    /// The documents of a profile, in file order. With `use_date`, ` date: {date}` ends each text.
    pub fn of_profile(task: Task, profile: &[ProfileEntry], use_date: bool) -> Vec<Self> {
        profile
            .iter()
            .map(|entry| Self {
                id: entry.id.clone(),
                text: document_text(task, entry, use_date),
                date: entry.parsed_date(),
            })
            .collect()
    }
}

/// The text before the part of an input that is the query, where the task marks it so; the first one counts.
/// LaMP-1 has none: its query stands between quotes.
pub const fn input_marker(task: Task) -> Option<&'static str> {
    match task {
        Task::Lamp1 => None,
        Task::Lamp2N | Task::Lamp4 => Some("article:"),
        Task::Lamp2M => Some("description:"),
        Task::Lamp3 => Some("review:"),
        Task::Lamp5 => Some("paper:"),
        Task::Lamp6 | Task::Lamp7 => Some(":"),
    }
}

/// The strings between double quotes, which toggle at every `"`; one left open at the end is dropped.
pub fn quoted_strings(text: &str) -> Vec<&str> {
    let mut parts: Vec<&str> = text.split('"').collect();
    parts.pop(); // what follows the last quote is not closed by another
    parts.into_iter().skip(1).step_by(2).collect()
}

/// The query text of an input, or `None` where the task's marker (for LaMP-1, the third quoted string) is missing.
fn query_text(task: Task, input: &str) -> Option<String> {
    match input_marker(task) {
        Some(marker) => {
            let start = input.find(marker)? + marker.len();
            Some(python_strip(&input[start..]).to_owned())
        }
        None => {
            let quoted = quoted_strings(input);
            Some(format!("{} {}", quoted.get(1)?, quoted.get(2)?))
        }
    }
}

/// The text a retriever searches for one entry: title and long text (LaMP-1, 2N, 4, 5), or the long text alone.
pub fn document_text(task: Task, entry: &ProfileEntry, use_date: bool) -> String {
    let titled = matches!(task, Task::Lamp1 | Task::Lamp2N | Task::Lamp4 | Task::Lamp5);
    let mut text = match (&entry.title, titled) {
        (Some(title), true) => format!("{title} {}", entry.text),
        _ => entry.text.clone(),
    };
    if let (true, Some(date)) = (use_date, &entry.date) {
        text.push_str(" date: ");
        text.push_str(date);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn query(task: Task, input: &str) -> Query {
        Query::of(task, &Sample { id: "007".into(), input: input.into(), ..Sample::default() })
    }

    #[test]
    fn quotes_toggle() {
        assert_eq!(quoted_strings(r#"a "b" c "d e" "unclosed"#), ["b", "d e"]);
        assert_eq!(quoted_strings("no quotes"), [""; 0]);
        assert_eq!(quoted_strings(r#""" "x""y""#), ["", "x", "y"]);
    }

    #[test]
    fn the_first_marker_counts_and_edges_are_trimmed() {
        assert_eq!(query(Task::Lamp4, "x article: a article: b ").text, "a article: b");
        assert_eq!(query(Task::Lamp7, "a: b: c").text, "b: c");
        assert_eq!(query(Task::Lamp5, "abstract of a paper:  x ").text, "x");
    }

    #[test]
    fn without_a_marker_the_whole_input_is_the_query() {
        let found = query(Task::Lamp2M, "x Overwhelmed by her suffocating schedule");
        assert!(!found.marker_found);
        assert_eq!(found.text, "x Overwhelmed by her suffocating schedule");
        assert!(!query(Task::Lamp1, r#"only "one" and "two""#).marker_found);
    }
}
