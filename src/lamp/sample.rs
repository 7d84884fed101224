//! One record of a dataset and the history it carries.

use super::{EntryDate, Task};

/// One thing a user wrote, rated or received: an entry of a profile.
///
/// The JSON names of `text`, `title` and `label` differ by task; see [`Task::text_field`],
/// [`Task::title_field`] and [`Task::label_field`]. Texts are kept as they stand in the file.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ProfileEntry {
    /// Unique within its record only; always text, leading zeros kept.
    pub id: String,
    /// The long text: abstract, article, description, review, mail or tweet.
    pub text: String,
    /// The title, headline or subject; `None` where the task has none.
    pub title: Option<String>,
    /// Category, tag or score; `None` where the task has none.
    pub label: Option<String>,
    /// As written in the file (`YYYY-MM-DD` or a bare year); time setting only.
    pub date: Option<String>,
}

impl ProfileEntry {
    /// The value of a field by its JSON name (`id`, `date`, or the task's own), as templates name it.
    pub fn field(&self, task: Task, name: &str) -> Option<&str> {
        if name == "id" {
            Some(&self.id)
        } else if name == "date" {
            self.date.as_deref()
        } else if name == task.text_field() {
            Some(&self.text)
        } else if task.title_field() == Some(name) {
            self.title.as_deref()
        } else if task.label_field() == Some(name) {
            self.label.as_deref()
        } else {
            None
        }
    }

    /// The entry's date as numbers, if it has one that can be read.
    pub fn parsed_date(&self) -> Option<EntryDate> {
        self.date.as_deref().and_then(EntryDate::parse)
    }
}

/// One record: what the model is asked, whose history may help, and the answer if it is known.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Sample {
    /// Always text, leading zeros kept.
    pub id: String,
    /// The task's instruction with the text it is about, as it stands in the file.
    pub input: String,
    /// The user's history in file order.
    pub profile: Vec<ProfileEntry>,
    /// The right answer, `None` where it is withheld (test) or missing.
    pub reference: Option<String>,
    /// The user, time setting only.
    pub user_id: Option<i64>,
}
