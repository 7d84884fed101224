//! LaMP-1: of two papers on the author's problem, the one by the method that this author uses for it is cited.

use super::super::grammar::{Facts, Scope, draw_facts, papers, sentence_case, titled};
use super::{Dice, Intent, Item};

/// How often, in a hundred, the other paper uses a method that the author uses elsewhere.
const FAMILIAR_RIVAL: usize = 25;

pub(super) fn compose(dice: &mut Dice, intent: Intent<'_>) -> Item {
    let grammar = papers();
    let Intent { theme, habit, others, asked } = intent;
    let methods = grammar.common("method");
    let mut facts = draw_facts(dice, grammar, theme);
    facts.insert("method".to_owned(), methods[habit].clone());

    let mut scope = Scope::new(grammar, theme, &facts);
    let form = scope.draw(dice, if asked { "asked" } else { "written" });
    let title = titled(&mut scope, dice, form);
    let text = scope.draw(dice, "text");
    let text = sentence_case(&scope.expand(dice, text));

    let familiar: Vec<usize> = others.iter().copied().filter(|&other| other != habit).collect();
    let rival = if dice.chance(FAMILIAR_RIVAL) && !familiar.is_empty() {
        familiar[dice.below(familiar.len())]
    } else {
        (habit + dice.between(1, methods.len() - 1)) % methods.len()
    };
    let mut offered = [habit, rival];
    if dice.chance(50) {
        offered.swap(0, 1);
    }
    let question = if asked {
        let forms = dice.distinct(grammar.common("cited").len(), 2);
        let cited: Vec<String> = offered
            .iter()
            .zip(forms)
            .map(|(&method, form)| {
                let facts = Facts::from([("method".to_owned(), methods[method].clone())]);
                titled(&mut Scope::new(grammar, theme, &facts), dice, &grammar.common("cited")[form])
            })
            .collect();
        format!(
            "For an author who has written the paper with the title \"{title}\", which reference is related? Just \
             answer with [1] or [2] without explanation. [1]: \"{}\" [2]: \"{}\"",
            cited[0], cited[1]
        )
    } else {
        String::new()
    };
    Item { theme, habit, facts, text, title: Some(title), label: None, offered, question }
}

pub(super) fn answer(item: &Item, habit: usize) -> String {
    if item.offered[1] == habit { "[2]" } else { "[1]" }.to_owned()
}
