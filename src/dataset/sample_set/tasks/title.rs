//! LaMP-4, LaMP-5 and LaMP-6: headline, title or subject in the form that the person uses for that theme.

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
    let request = match task {
        Task::Lamp4 => "Generate a headline for the following article: ",
        Task::Lamp5 => "Generate a title for the following abstract of a paper: ",
        _ => "Generate a subject for the following email: ",
    };
    let question = format!("{request}{text}");
    let mut item = Item { theme, habit, facts, text, title: None, label: None, offered: [0; 2], question };
    item.title = Some(answer(task, &item, habit));
    item
}

pub(super) fn answer(task: Task, item: &Item, habit: usize) -> String {
    let grammar = grammar(task);
    let form = grammar.common("forms").get(habit).map_or("", String::as_str);
    titled(&mut Scope::new(grammar, item.theme, &item.facts), &mut Dice::of([0; 4]), form)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_title_names_only_what_its_text_says() {
        for task in [Task::Lamp4, Task::Lamp5, Task::Lamp6] {
            let forms = grammar(task).common("forms");
            for seed in 0..300 {
                let mut dice = Dice::of([seed, 0, 0, 0]);
                let theme = dice.below(grammar(task).themes.len());
                let habit = dice.below(forms.len());
                let item = compose(task, &mut dice, Intent { theme, habit, others: &[], asked: true });
                let text = item.text.to_lowercase();
                for slot in forms[habit].split('{').skip(1).filter_map(|tail| Some(tail.split_once('}')?.0)) {
                    let fact = item.facts[slot].to_lowercase();
                    assert!(text.contains(&fact), "{task}: `{fact}` ({slot}) is not in: {text}");
                }
            }
        }
    }
}
