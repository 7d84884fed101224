//! An invented person: the themes they keep coming back to, their habit on each, and what they wrote over time.

use crate::lamp::{Setting, Task};

use super::dice::Dice;
use super::tasks::{self, Intent, Item};

/// How often, in a hundred, a person departs from the habit.
const LAPSES: usize = 4;
/// How often, in a hundred, a habit on one theme is the person's main one.
const MAIN: usize = 60;
/// How often, in a hundred, the next item of a dated history is on the theme of the last one.
const STAYS: usize = 55;
/// How often, in a hundred, a habit of a dated history changes once on the way.
const DRIFTS: usize = 30;
/// Items in which every theme comes up in turn before the person chooses freely.
const ROUNDS: usize = 3;
/// The most entries of a profile.
pub(super) const MOST_ENTRIES: usize = 40;

/// A person's items, oldest first, some of which are asked about.
#[derive(Debug)]
pub(super) struct History {
    /// Everything the person wrote up to the last question.
    pub(super) items: Vec<Item>,
    /// Days since 1970-01-01 of each item.
    pub(super) days: Vec<usize>,
    /// The items that are asked about in train, dev and test; in the user setting all are the last one.
    pub(super) asked: [usize; 3],
}

/// A habit on one theme, and what becomes of it.
#[derive(Debug, Clone, Copy)]
struct Habit {
    theme: usize,
    first: usize,
    then: usize,
    /// The item from which `then` holds.
    from: usize,
}

impl Habit {
    const fn at(self, item: usize) -> usize {
        if item < self.from { self.first } else { self.then }
    }
}

/// Lives a person's life, as far as the record of `split` (0 train, 1 dev, 2 test) needs it.
pub(super) fn live(task: Task, setting: Setting, split: usize, dice: &mut Dice) -> History {
    let asked = questions(setting, dice);
    let habits = habits(task, setting, asked[2], dice);
    let last = asked[split];
    let mut items: Vec<Item> = Vec::with_capacity(last + 1);
    let mut days = Vec::with_capacity(last + 1);
    // 2009-06-01, and up to seven years later.
    let mut day = 14_396 + dice.below(2_500);
    let mut current = 0;
    for number in 0..=last {
        let is_asked = asked.contains(&number) && (number == last || setting == Setting::Time);
        current = if number < ROUNDS * habits.len() {
            number % habits.len()
        } else if setting == Setting::Time && dice.chance(STAYS) {
            current
        } else {
            dice.below(habits.len())
        };
        day += dice.between(1, 24);
        days.push(day);
        // Now and then the same thing is sent twice.
        if let (false, true, Some(previous)) = (is_asked, dice.chance(1), items.last()) {
            let mut again = previous.clone();
            again.question.clear();
            items.push(again);
            continue;
        }
        let chosen = habits[current];
        let habit = if dice.chance(LAPSES) {
            lapse(task, chosen.theme, chosen.at(number), dice)
        } else {
            chosen.at(number)
        };
        let others: Vec<usize> =
            habits.iter().filter(|other| other.theme != chosen.theme).map(|other| other.at(number)).collect();
        let intent = Intent { theme: chosen.theme, habit, others: &others, asked: is_asked };
        let mut item = tasks::compose(task, dice, intent);
        if !is_asked {
            age(task, &mut item, dice);
        }
        items.push(item);
    }
    History { items, days, asked }
}

/// What a person does for once instead of the habit; scores stray by one only.
fn lapse(task: Task, theme: usize, habit: usize, dice: &mut Dice) -> usize {
    match task {
        Task::Lamp3 => (habit + dice.below(3)).saturating_sub(1).min(4),
        _ => dice.below(tasks::habits(task, theme)),
    }
}

/// Which items are asked about: the last one, or three in a row of growing profiles.
fn questions(setting: Setting, dice: &mut Dice) -> [usize; 3] {
    // The least of three draws: most people wrote little, a few wrote much.
    let least = |dice: &mut Dice, most: usize| (0..3).map(|_| dice.below(most)).min().unwrap_or_default();
    match setting {
        Setting::User => [10 + least(dice, MOST_ENTRIES - 9); 3],
        Setting::Time => {
            let train = 10 + least(dice, 20);
            let dev = train + dice.between(1, 5);
            [train, dev, dev + dice.between(1, 5)]
        }
    }
}

/// The themes of a person and the habit on each.
fn habits(task: Task, setting: Setting, length: usize, dice: &mut Dice) -> Vec<Habit> {
    let themes = dice.distinct(tasks::grammar(task).themes.len(), if length < 14 { 3 } else { 4 });
    let main = dice.below(1 << 16);
    let level = [0, 1, 3, 4][dice.below(4)];
    let mut methods = dice.distinct(tasks::habits(Task::Lamp1, 0), themes.len());
    let mut drawn = Vec::with_capacity(themes.len());
    for theme in themes {
        let count = tasks::habits(task, theme);
        let first = match task {
            Task::Lamp1 => methods.pop().unwrap_or_default(),
            // A person is lenient or strict in general, and a little more or less so by product.
            Task::Lamp3 => (level + dice.below(3)).saturating_sub(1).min(4),
            Task::Lamp2N | Task::Lamp2M => dice.below(count),
            _ if dice.chance(MAIN) => main % count,
            _ => dice.below(count),
        };
        let drifts = setting == Setting::Time && task != Task::Lamp1 && dice.chance(DRIFTS);
        let (then, from) = match (drifts, task) {
            (false, _) => (first, 0),
            (true, Task::Lamp3) => {
                (if first < 2 { first + 1 } else { first - 1 }, dice.between(4, length / 2))
            }
            (true, _) => ((first + dice.between(1, count - 1)) % count, dice.between(4, length / 2)),
        };
        drawn.push(Habit { theme, first, then, from });
    }
    drawn
}

/// Gives an entry, rarely, one of the blemishes of real data.
fn age(task: Task, item: &mut Item, dice: &mut Dice) {
    match dice.below(100) {
        0 | 1 => item.text = format!("  {} ", item.text),
        2 => item.text = item.text.replacen(" and ", " &amp; ", 1),
        3 if task.text_field() == "abstract" => item.text.clear(),
        4 | 5 if matches!(task, Task::Lamp3 | Task::Lamp7) => {
            item.text.push_str([" \u{1f642}", " \u{1f389}", " \u{1f612}"][dice.below(3)]);
        }
        6 => item.text = item.text.replacen("'", "\u{2019}", 1).replacen(". ", ".  ", 1),
        _ => {}
    }
}
