//! Word lists and sentence frames, and the expansion of one into text.
//!
//! A frame is text with slots in braces: `the {thing} in {place}`. A slot is filled from the facts of an item,
//! which stay the same wherever it is named, or from a rule: a list of frames of which one is drawn, a different
//! one each time it is named within one text. `a(n)` becomes `a` or `an` by what follows. Knows no task.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde::Deserialize;

use super::dice::Dice;

/// Alternatives by rule name.
pub(super) type Rules = BTreeMap<String, Vec<String>>;

/// What is fixed within one item: slot name to text.
pub(super) type Facts = BTreeMap<String, String>;

/// What one kind of text is made of.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Grammar {
    /// Slots that are drawn once an item, in this order; `=name` is kept as a frame with its slots.
    pub(super) facts: Vec<String>,
    /// Rules for every theme.
    pub(super) common: Rules,
    /// Ways of writing that override rules (tweets).
    #[serde(default)]
    pub(super) styles: Vec<Rules>,
    /// The themes, each with its own words.
    pub(super) themes: Vec<Theme>,
}

impl Grammar {
    /// The alternatives of a common rule.
    pub(super) fn common(&self, rule: &str) -> &[String] {
        self.common.get(rule).map_or(&[], Vec::as_slice)
    }
}

/// Something people write about, with its vocabulary.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Theme {
    /// What it is called, for messages and figures.
    pub(super) name: String,
    /// The labels that different people give it; empty where the task has none.
    #[serde(default)]
    pub(super) labels: Vec<String>,
    /// Its own rules, which come before the common ones.
    pub(super) words: Rules,
}

macro_rules! grammars {
    ($($(#[$doc:meta])* $name:ident = $file:literal;)+) => {$(
        $(#[$doc])*
        pub(super) fn $name() -> &'static Grammar {
            static GRAMMAR: LazyLock<Grammar> = LazyLock::new(|| read($file, include_str!(concat!("../../../resources/sample_set/", $file))));
            &GRAMMAR
        }
    )+};
}
grammars! {
    /// Articles, headlines and categories (LaMP-2N, LaMP-4).
    news = "news.toml";
    /// Films and their tags (LaMP-2M).
    films = "films.toml";
    /// Papers, their titles and methods (LaMP-1, LaMP-5).
    papers = "papers.toml";
    /// Product reviews (LaMP-3).
    reviews = "reviews.toml";
    /// Mails and subjects (LaMP-6).
    mails = "mails.toml";
    /// Tweets and ways of tweeting (LaMP-7).
    tweets = "tweets.toml";
}

/// Names, places and numbers that every grammar may use.
fn shared() -> &'static Rules {
    static RULES: LazyLock<Rules> =
        LazyLock::new(|| read("shared.toml", include_str!("../../../resources/sample_set/shared.toml")));
    &RULES
}

#[expect(clippy::panic, reason = "the files are part of the program, and a test reads each of them")]
fn read<T: for<'a> Deserialize<'a>>(file: &str, text: &str) -> T {
    match toml::from_str(text) {
        Ok(value) => value,
        Err(error) => panic!("resources/sample_set/{file}: {error}"),
    }
}

/// One expansion under way: the rules in the order they are searched, the facts, and what was drawn already.
#[derive(Debug)]
pub(super) struct Scope<'a> {
    tables: Vec<&'a Rules>,
    facts: &'a Facts,
    drawn: BTreeMap<String, Vec<usize>>,
}

impl<'a> Scope<'a> {
    /// The rules of a theme, of its grammar and of all, in that order.
    pub(super) fn new(grammar: &'static Grammar, theme: usize, facts: &'a Facts) -> Self {
        Self {
            tables: vec![&grammar.themes[theme].words, &grammar.common, shared()],
            facts,
            drawn: BTreeMap::new(),
        }
    }

    /// Adds rules that come before all others.
    pub(super) fn with(mut self, rules: &'a Rules) -> Self {
        self.tables.insert(0, rules);
        self
    }

    /// Expands a frame.
    pub(super) fn expand(&mut self, dice: &mut Dice, frame: &str) -> String {
        let mut out = String::new();
        self.expand_into(dice, frame, &mut out);
        with_articles(&out)
    }

    /// Draws one alternative of a rule, unexpanded; empty where there is no such rule.
    pub(super) fn draw(&mut self, dice: &mut Dice, rule: &str) -> &'a str {
        let Some(alternatives) = self.tables.iter().find_map(|table| table.get(rule)) else { return "" };
        let seen = self.drawn.entry(rule.to_owned()).or_default();
        if seen.len() >= alternatives.len() {
            seen.clear();
        }
        let fresh: Vec<usize> = (0..alternatives.len()).filter(|at| !seen.contains(at)).collect();
        let chosen = fresh.get(dice.below(fresh.len())).copied().unwrap_or_default();
        seen.push(chosen);
        alternatives.get(chosen).map_or("", String::as_str)
    }

    fn expand_into(&mut self, dice: &mut Dice, frame: &str, out: &mut String) {
        let mut rest = frame;
        while let Some((before, (name, after))) =
            rest.split_once('{').and_then(|(before, tail)| Some((before, tail.split_once('}')?)))
        {
            out.push_str(before);
            if let Some(fact) = self.facts.get(name) {
                out.push_str(fact);
            } else {
                let alternative = self.draw(dice, name);
                self.expand_into(dice, alternative, out);
            }
            rest = after;
        }
        out.push_str(rest);
    }
}

/// Draws the facts of an item on a theme; later ones may name earlier ones.
pub(super) fn draw_facts(dice: &mut Dice, grammar: &'static Grammar, theme: usize) -> Facts {
    let mut facts = Facts::new();
    for name in &grammar.facts {
        let mut scope = Scope::new(grammar, theme, &facts);
        let (name, value) = match name.strip_prefix('=') {
            Some(name) => (name, scope.draw(dice, name).to_owned()),
            None => (name.as_str(), scope.expand(dice, &format!("{{{name}}}"))),
        };
        facts.insert(name.to_owned(), value);
    }
    facts
}

/// Resolves every `a(n)` by the letter that follows.
fn with_articles(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("a(n)") {
        out.push_str(before);
        let vowel = after.trim_start().starts_with(['a', 'e', 'i', 'o', 'u', 'A', 'E', 'I', 'O', 'U']);
        out.push_str(if vowel { "an" } else { "a" });
        rest = after;
    }
    out.push_str(rest);
    out
}

/// Expands a form of titles, `T|…` in title case, `S|…` in sentence case, `l|…` as it stands. Forms name facts
/// only, so that the same facts in the same form are the same title.
pub(super) fn titled(scope: &mut Scope<'_>, dice: &mut Dice, form: &str) -> String {
    match form.split_once('|') {
        Some(("T", frame)) => title_case(&scope.expand(dice, frame)),
        Some(("S", frame)) => sentence_case(&scope.expand(dice, frame)),
        Some((_, frame)) => scope.expand(dice, frame),
        None => scope.expand(dice, form),
    }
}

/// Makes the first letter of every sentence and of every line a capital.
pub(super) fn sentence_case(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let (mut begins, mut ended) = (true, false);
    for c in text.chars() {
        if begins && c.is_alphanumeric() {
            out.extend(c.to_uppercase());
            begins = false;
        } else {
            out.push(c);
            begins |= c == '\n' || (ended && c == ' ');
        }
        ended = matches!(c, '.' | '?' | '!') || (ended && c == '"');
    }
    out
}

/// Makes the first letter of every word a capital, short function words inside excepted.
pub(super) fn title_case(text: &str) -> String {
    const SMALL: [&str; 16] = [
        "a", "an", "the", "of", "in", "on", "for", "and", "or", "to", "with", "from", "by", "at", "as",
        "that",
    ];
    let mut after_colon = true;
    let words = text.split(' ').map(|word| {
        let keep = !after_colon && SMALL.contains(&word);
        after_colon = word.ends_with([':', '?']);
        let mut letters = word.chars();
        match letters.next() {
            Some(first) if !keep => first.to_uppercase().chain(letters).collect(),
            _ => word.to_owned(),
        }
    });
    words.collect::<Vec<String>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cases_and_articles_follow_the_words() {
        assert_eq!(with_articles("a(n) old boat and a(n) new one, a(n)"), "an old boat and a new one, a");
        assert_eq!(
            sentence_case("so it is. 3 came. was it? \"yes.\" he left"),
            "So it is. 3 came. Was it? \"Yes.\" He left"
        );
        assert_eq!(sentence_case("dear Ada,\n\nyes.\nbest"), "Dear Ada,\n\nYes.\nBest");
        assert_eq!(title_case("the end of a line: the rest"), "The End of a Line: The Rest");
    }

    #[test]
    fn every_rule_of_every_grammar_expands_without_a_slot_left_over() {
        for grammar in [news(), films(), papers(), reviews(), mails(), tweets()] {
            for (number, theme) in grammar.themes.iter().enumerate() {
                let mut dice = Dice::of([number as u64, 0, 0, 0]);
                let facts = draw_facts(&mut dice, grammar, number);
                assert!(facts.values().all(|fact| !fact.is_empty()), "{}: {facts:?}", theme.name);
                let tables: Vec<&Rules> =
                    [&theme.words, &grammar.common].into_iter().chain(&grammar.styles).collect();
                for (rule, frame) in
                    tables.iter().flat_map(|t| t.iter()).flat_map(|(r, all)| all.iter().map(move |f| (r, f)))
                {
                    for slot in
                        frame.split('{').skip(1).filter_map(|tail| tail.split_once('}')).map(|(slot, _)| slot)
                    {
                        let known = facts.contains_key(slot)
                            || tables.iter().any(|t| t.contains_key(slot))
                            || shared().contains_key(slot);
                        assert!(known, "{}: `{rule}` names `{slot}`, which is nowhere", theme.name);
                    }
                    if frame.len() > 2 {
                        let text = Scope::new(grammar, number, &facts).expand(&mut dice, frame);
                        assert!(!text.contains(['{', '}']) && !text.contains("(n)"), "{text}");
                    }
                }
            }
        }
    }
}
