//! What a profile of the sample set is worth, task by task: the best answer from the input alone, against the use
//! of a random entry, of the BM25 neighbor and of another person's. Prints the table of `datasets/README.md`
//! (`cargo test --test sample_set_figures -- --nocapture`).

#![allow(clippy::unwrap_used, reason = "a helper of a test fails as the test does")]

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use lamplight::dataset::sample_set::{Drawn, SHIPPED_SEED, Trace, draw, shipped_records};
use lamplight::jobs::CancelToken;
use lamplight::lamp::{Document, ProfileEntry, Query, Setting, Split, Task, TaskKind, quoted_strings};
use lamplight::retrieval::{Bm25, Retriever};

/// One record to answer, with the profile that may be used for it.
struct Case<'a> {
    drawn: &'a Drawn,
    profile: &'a [ProfileEntry],
    traces: &'a [Trace],
}

/// Scores of all records under one way of answering; errors are negative, so that more is always better.
type Scores = Vec<f64>;

#[test]
fn the_neighbor_beats_the_input_alone_on_every_task() {
    let mut table = String::from(
        "| task | setting | metric | input alone | random entry | latest entry | BM25, k = 1 | BM25, k = 4 | another's profile |\n\
         |---|---|---|---|---|---|---|---|---|\n",
    );
    let mut wrong = Vec::new();
    for setting in Setting::ALL {
        for task in Task::ALL {
            let drawn: Vec<Drawn> =
                draw(task, setting, Split::Test, shipped_records(Split::Test), SHIPPED_SEED).collect();
            let input = input_alone(task, &drawn);
            let own = |at: usize| Case {
                drawn: &drawn[at],
                profile: &drawn[at].sample.profile,
                traces: &drawn[at].entries,
            };
            let others = |at: usize| {
                let other = &drawn[(at + 1) % drawn.len()];
                Case { drawn: &drawn[at], profile: &other.sample.profile, traces: &other.entries }
            };
            let each = |score: &dyn Fn(usize) -> f64| (0..drawn.len()).map(score).collect::<Scores>();
            let random = each(&|at| {
                let case = own(at);
                let n = case.profile.len();
                (0..n).map(|entry| use_entries(task, &case, &[entry], input[at])).sum::<f64>() / n as f64
            });
            let latest = each(&|at| use_entries(task, &own(at), &[own(at).profile.len() - 1], input[at]));
            let first = each(&|at| use_entries(task, &own(at), &bm25(task, &own(at))[..1], input[at]));
            let four = each(&|at| use_entries(task, &own(at), &bm25(task, &own(at))[..4], input[at]));
            let foreign =
                each(&|at| use_entries(task, &others(at), &bm25(task, &others(at))[..1], input[at]));
            let name = format!("{task} ({setting})");
            let mut demand = |what: &str, better: &Scores, worse: &Scores, least: f64| {
                let t = paired_t(better, worse);
                if t.is_nan() || t < least {
                    wrong.push(format!(
                        "{name}: {what}: {:.3} against {:.3}, t = {t:.1}",
                        mean(better),
                        mean(worse)
                    ));
                }
            };
            demand("BM25 over the input alone", &first, &input, 4.0);
            demand("four neighbors over the input alone", &four, &input, 4.0);
            demand("BM25 over a random entry", &first, &random, 3.4);
            demand("a random entry over the input alone", &random, &input, 1.0);
            demand("BM25 over another's profile", &first, &foreign, 4.0);
            if setting == Setting::Time {
                demand("the latest entry over a random one", &latest, &random, 1.0);
            }
            if paired_t(&foreign, &input) > 2.0 {
                wrong.push(format!("{name}: another's profile helps: {:.3}", mean(&foreign)));
            }
            let shown = |scores: &Scores| format!("{:.3}", mean(scores).abs());
            let late = if setting == Setting::Time { shown(&latest) } else { "–".into() };
            writeln!(
                table,
                "| {task} | {setting} | {} | {} | {} | {late} | {} | {} | {} |",
                task.primary_metric().name(),
                shown(&input),
                shown(&random),
                shown(&first),
                shown(&four),
                shown(&foreign)
            )
            .unwrap();
        }
    }
    println!("{table}");
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

/// The score of each record under the best answer from the input alone. For labels and ratings the answer is even
/// chosen with the references in hand: the best one for each theme (2N, 2M) or tone (3). For LaMP-1, where the right
/// paper stands first or second by the toss of a coin, it is half right. For
/// generation it is the bag of words that does best on average over everything any person would have written.
fn input_alone(task: Task, drawn: &[Drawn]) -> Scores {
    let reference = |drawn: &Drawn| drawn.sample.reference.clone().unwrap();
    if task.kind() == TaskKind::Generation {
        return drawn.iter().map(|drawn| rouge_1(&best_bag(drawn), &bag(&reference(drawn)))).collect();
    }
    if task == Task::Lamp1 {
        return vec![0.5; drawn.len()];
    }
    let visible = |drawn: &Drawn| match task {
        Task::Lamp3 => drawn.answer(2), // what a middling person would say: the tone
        _ => drawn.theme_name().to_owned(),
    };
    let mut groups: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for one in drawn {
        groups.entry(visible(one)).or_default().push(reference(one));
    }
    let best: BTreeMap<&String, &str> = groups
        .iter()
        .map(|(key, references)| {
            let total = |label: &str| references.iter().map(|r| closeness(task, label, r)).sum::<f64>();
            (key, *task.labels().iter().max_by(|a, b| total(a).total_cmp(&total(b))).unwrap())
        })
        .collect();
    drawn.iter().map(|one| closeness(task, best[&visible(one)], &reference(one))).collect()
}

/// The score of an answer that follows the given entries of the profile, best first.
fn use_entries(task: Task, case: &Case<'_>, entries: &[usize], input_alone: f64) -> f64 {
    let reference = case.drawn.sample.reference.as_deref().unwrap();
    match task {
        Task::Lamp1 => {
            let quoted = quoted_strings(&case.drawn.sample.input);
            let [one, two] = [bag(quoted[1]), bag(quoted[2])];
            // A word that both offer says nothing.
            let votes = |offer: &BTreeMap<String, f64>, other: &BTreeMap<String, f64>| -> f64 {
                let titles = entries.iter().map(|&at| bag(case.profile[at].title.as_deref().unwrap()));
                titles
                    .map(|t| {
                        t.keys().filter(|w| offer.contains_key(*w) && !other.contains_key(*w)).count() as f64
                    })
                    .sum()
            };
            match votes(&one, &two).total_cmp(&votes(&two, &one)) {
                Ordering::Greater => closeness(task, "[1]", reference),
                Ordering::Less => closeness(task, "[2]", reference),
                Ordering::Equal => 0.5,
            }
        }
        Task::Lamp2N | Task::Lamp2M => {
            let fitting: Vec<String> =
                (0..case.drawn.habits()).map(|habit| case.drawn.answer(habit)).collect();
            let labels = entries.iter().map(|&at| case.profile[at].label.as_deref().unwrap());
            let label = most_common(labels.filter(|label| fitting.iter().any(|fit| fit == label)));
            label.map_or(input_alone, |label| closeness(task, label, reference))
        }
        Task::Lamp3 => {
            let mut scores: Vec<&str> =
                entries.iter().map(|&at| case.profile[at].label.as_deref().unwrap()).collect();
            scores.sort_unstable();
            closeness(task, scores[(scores.len() - 1) / 2], reference)
        }
        _ => {
            let habit = most_common(entries.iter().map(|&at| case.traces[at].habit)).unwrap();
            rouge_1(&bag(&case.drawn.answer(habit)), &bag(reference))
        }
    }
}

/// The most frequent item; among equals the one that comes first.
fn most_common<T: PartialEq + Copy>(items: impl Iterator<Item = T>) -> Option<T> {
    let items: Vec<T> = items.collect();
    let count = |item: &T| items.iter().filter(|other| *other == item).count();
    items.iter().rev().max_by_key(|item| count(item)).copied()
}

fn closeness(task: Task, answer: &str, reference: &str) -> f64 {
    if task == Task::Lamp3 {
        -(answer.parse::<f64>().unwrap() - reference.parse::<f64>().unwrap()).abs()
    } else {
        f64::from(answer == reference)
    }
}

fn bag(text: &str) -> BTreeMap<String, f64> {
    let mut bag = BTreeMap::new();
    for word in
        text.to_lowercase().split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty())
    {
        *bag.entry(word.to_owned()).or_insert(0.0) += 1.0;
    }
    bag
}

fn rouge_1(one: &BTreeMap<String, f64>, two: &BTreeMap<String, f64>) -> f64 {
    let shared: f64 = one.iter().map(|(word, n)| n.min(*two.get(word).unwrap_or(&0.0))).sum();
    2.0 * shared / (one.values().sum::<f64>() + two.values().sum::<f64>())
}

/// The words that share most with what people of all habits would write about this input: climbs from each of their
/// answers by adding or removing one word at a time.
fn best_bag(drawn: &Drawn) -> BTreeMap<String, f64> {
    let bags: Vec<_> = (0..drawn.habits()).map(|habit| bag(&drawn.answer(habit))).collect();
    let words: Vec<&String> =
        bags.iter().flat_map(BTreeMap::keys).collect::<BTreeSet<_>>().into_iter().collect();
    let answers: Vec<Vec<f64>> = bags
        .iter()
        .map(|bag| words.iter().map(|word| bag.get(*word).copied().unwrap_or_default()).collect())
        .collect();
    let overlap = |one: &[f64], two: &[f64]| {
        let shared: f64 = one.iter().zip(two).map(|(a, b)| a.min(*b)).sum();
        2.0 * shared / (one.iter().sum::<f64>() + two.iter().sum::<f64>())
    };
    let worth = |counts: &[f64]| answers.iter().map(|answer| overlap(counts, answer)).sum::<f64>();
    let mut best = (0.0, Vec::new());
    for start in &answers {
        let (mut counts, mut height) = (start.clone(), worth(start));
        loop {
            let mut step = (height + 1e-12, None);
            for at in 0..counts.len() {
                let before = counts[at];
                for change in [1.0, -1.0] {
                    counts[at] = before + change;
                    if counts[at] >= 0.0 && worth(&counts) > step.0 {
                        step = (worth(&counts), Some((at, counts[at])));
                    }
                }
                counts[at] = before;
            }
            let (higher, Some((at, count))) = step else { break };
            (height, counts[at]) = (higher, count);
        }
        if height > best.0 {
            best = (height, counts);
        }
    }
    words.into_iter().cloned().zip(best.1).collect()
}

/// The profile's entries by BM25, best first.
fn bm25(task: Task, case: &Case<'_>) -> Vec<usize> {
    let query = Query::of(task, &case.drawn.sample);
    let documents = Document::of_profile(task, case.profile, false);
    Bm25::default().rank(&CancelToken::new(), &query, &documents, usize::MAX).unwrap().indices().collect()
}

fn mean(scores: &Scores) -> f64 {
    scores.iter().sum::<f64>() / scores.len() as f64
}

/// Student's t of the paired differences; above 2 is p < 0.05, above 3.4 p < 0.001 for 120 records.
fn paired_t(better: &Scores, worse: &Scores) -> f64 {
    let gains: Scores = better.iter().zip(worse).map(|(a, b)| a - b).collect();
    let (n, gain) = (gains.len() as f64, mean(&gains));
    let variance = gains.iter().map(|g| (g - gain).powi(2)).sum::<f64>() / (n - 1.0);
    gain / (variance / n).sqrt()
}
