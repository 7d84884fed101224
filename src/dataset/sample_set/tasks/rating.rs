//! LaMP-3: a review praises and complains, its tone moves the score by one, and where the person starts from on
//! that kind of product decides the rest.

use super::super::grammar::{Scope, draw_facts, reviews, sentence_case};
use super::{Dice, Intent, Item};

pub(super) fn compose(dice: &mut Dice, intent: Intent<'_>) -> Item {
    let grammar = reviews();
    let Intent { theme, habit, .. } = intent;
    let facts = draw_facts(dice, grammar, theme);
    let mut scope = Scope::new(grammar, theme, &facts);
    let frame = scope.draw(dice, facts.get("tone").map_or("mid", String::as_str));
    let text = sentence_case(&scope.expand(dice, frame));
    let question = format!(
        "What is the score of the following review on a scale of 1 to 5? just answer with 1, 2, 3, 4, or 5 without \
         further explanation. review: {text}"
    );
    let mut item = Item { theme, habit, facts, text, title: None, label: None, offered: [0; 2], question };
    item.label = Some(answer(&item, habit));
    item
}

pub(super) fn answer(item: &Item, habit: usize) -> String {
    let start = habit + 1;
    let score = match item.facts.get("tone").map(String::as_str) {
        Some("low") => start - 1,
        Some("high") => start + 1,
        _ => start,
    };
    score.clamp(1, 5).to_string()
}
