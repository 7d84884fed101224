//! LaMP-2N and LaMP-2M: every theme lies between a few labels, and each person draws the line elsewhere.

use crate::lamp::Task;

use super::super::grammar::{Scope, draw_facts, sentence_case, titled};
use super::{Dice, Intent, Item, grammar};

pub(super) fn compose(task: Task, dice: &mut Dice, intent: Intent<'_>) -> Item {
    let grammar = grammar(task);
    let Intent { theme, habit, .. } = intent;
    let facts = draw_facts(dice, grammar, theme);
    let mut scope = Scope::new(grammar, theme, &facts);
    let frame = scope.draw(dice, "text");
    let text = sentence_case(&scope.expand(dice, frame));
    let title = task.title_field().map(|_| {
        let form = scope.draw(dice, "forms");
        titled(&mut scope, dice, form)
    });
    let question = match task {
        Task::Lamp2N => format!(
            "Which category does this article relate to among the following categories? Just answer with the \
             category name without further explanation. categories: [women, religion, politics, style & beauty, \
             entertainment, culture & arts, sports, science & technology, travel, business, crime, education, \
             healthy living, parents, food & drink] article: {text}"
        ),
        _ => format!(
            "Which tag does this movie relate to among the following tags? Just answer with the tag name without \
             further explanation. tags: [sci-fi, based on a book, comedy, action, twist ending, dystopia, dark \
             comedy, classic, psychology, fantasy, romance, thought-provoking, social commentary, violence, true \
             story] description: {text}"
        ),
    };
    let label = Some(grammar.themes[theme].labels[habit].clone());
    Item { theme, habit, facts, text, title, label, offered: [0; 2], question }
}

pub(super) fn answer(task: Task, item: &Item, habit: usize) -> String {
    let labels = &grammar(task).themes[item.theme].labels;
    labels.get(habit).or(labels.first()).cloned().unwrap_or_default()
}
