//! LaMP-7: the same thought in plain English (the input) and in the person's own way of tweeting (the tweet).

use super::super::grammar::{Rules, Scope, draw_facts, sentence_case, tweets};
use super::{Dice, Intent, Item};

pub(super) fn compose(dice: &mut Dice, intent: Intent<'_>) -> Item {
    let grammar = tweets();
    let Intent { theme, habit, .. } = intent;
    let facts = draw_facts(dice, grammar, theme);
    let mut item = Item {
        theme,
        habit,
        facts,
        text: String::new(),
        title: None,
        label: None,
        offered: [0; 2],
        question: String::new(),
    };
    item.text = answer(&item, habit);
    let plain = sentence_case(&written(&item, &Rules::new()));
    item.question =
        format!("Paraphrase the following tweet without any explanation before or after it: {plain}");
    item
}

pub(super) fn answer(item: &Item, habit: usize) -> String {
    tweets().styles.get(habit).map_or_else(String::new, |style| written(item, style))
}

/// Every rule that a frame of tweets names has one alternative, so nothing is left to chance here.
fn written(item: &Item, style: &Rules) -> String {
    let frame = item.facts.get("frame").map_or("", String::as_str);
    Scope::new(tweets(), item.theme, &item.facts).with(style).expand(&mut Dice::of([0; 4]), frame)
}
