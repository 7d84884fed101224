//! What one item of each task is: how an entry reads, what is asked about it, and what each habit answers.
//!
//! A habit is a number below [`habits`]: a form of titles, a style of tweeting, a category of the theme, a score,
//! a method that is cited. One file a kind of task; none knows persons or files.

mod citation;
mod label;
mod rating;
mod title;
mod tweet;

use crate::lamp::Task;

use super::dice::Dice;
use super::grammar::{Facts, Grammar, films, mails, news, papers, reviews, tweets};

/// One thing a person wrote, before it is an entry of a profile or the question of a record.
#[derive(Debug, Clone)]
pub(super) struct Item {
    /// Its theme, a number in the task's grammar.
    pub(super) theme: usize,
    /// The habit it was written by.
    pub(super) habit: usize,
    /// What stays the same under every habit.
    facts: Facts,
    /// The long text.
    pub(super) text: String,
    /// The title, where the task has one.
    pub(super) title: Option<String>,
    /// The category, tag or score, where the task has one.
    pub(super) label: Option<String>,
    /// The methods of the two papers offered (citation only).
    offered: [usize; 2],
    /// What is asked about it; empty for an item that is only ever an entry.
    pub(super) question: String,
}

/// What a person does on a theme, as far as it decides what an item says.
#[derive(Debug, Clone, Copy)]
pub(super) struct Intent<'a> {
    /// What it is about.
    pub(super) theme: usize,
    /// How this person does it.
    pub(super) habit: usize,
    /// The person's habits on other themes, which may serve as distractors.
    pub(super) others: &'a [usize],
    /// Whether something will be asked about it.
    pub(super) asked: bool,
}

/// The words of a task.
pub(super) fn grammar(task: Task) -> &'static Grammar {
    match task {
        Task::Lamp1 | Task::Lamp5 => papers(),
        Task::Lamp2N | Task::Lamp4 => news(),
        Task::Lamp2M => films(),
        Task::Lamp3 => reviews(),
        Task::Lamp6 => mails(),
        Task::Lamp7 => tweets(),
    }
}

/// How many habits a person may have on a theme.
pub(super) fn habits(task: Task, theme: usize) -> usize {
    let grammar = grammar(task);
    match task {
        Task::Lamp1 => grammar.common("method").len(),
        Task::Lamp2N | Task::Lamp2M => grammar.themes[theme].labels.len(),
        Task::Lamp3 => task.labels().len(),
        Task::Lamp4 | Task::Lamp5 | Task::Lamp6 => grammar.common("forms").len(),
        Task::Lamp7 => grammar.styles.len(),
    }
}

/// Writes one item.
pub(super) fn compose(task: Task, dice: &mut Dice, intent: Intent<'_>) -> Item {
    match task {
        Task::Lamp1 => citation::compose(dice, intent),
        Task::Lamp2N | Task::Lamp2M => label::compose(task, dice, intent),
        Task::Lamp3 => rating::compose(dice, intent),
        Task::Lamp4 | Task::Lamp5 | Task::Lamp6 => title::compose(task, dice, intent),
        Task::Lamp7 => tweet::compose(dice, intent),
    }
}

/// The right answer to an item's question if its person had `habit`.
pub(super) fn answer(task: Task, item: &Item, habit: usize) -> String {
    match task {
        Task::Lamp1 => citation::answer(item, habit),
        Task::Lamp2N | Task::Lamp2M => label::answer(task, item, habit),
        Task::Lamp3 => rating::answer(item, habit),
        Task::Lamp4 | Task::Lamp5 | Task::Lamp6 => title::answer(task, item, habit),
        Task::Lamp7 => tweet::answer(item, habit),
    }
}
