//! BLEU (K. Papineni et al. 2002) as sacreBLEU computes it: the 13a tokenization, n-grams up to 4, exponential
//! smoothing, one reference. A pair's counts are kept, so that a corpus' score is computed from sums alone.
//!
//! Knows two texts, nothing of tasks.

use std::collections::HashMap;

use super::rouge::shared;
use crate::lamp::{is_python_space, python_split};

/// How corpus BLEU is computed, in sacreBLEU's notation.
pub const SACREBLEU_SIGNATURE: &str = "BLEU|nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp";

const ORDER: usize = 4;
/// What sacreBLEU takes for the logarithm of 0.
const LOG_OF_ZERO: f64 = -9_999_999_999.0;

/// What BLEU needs to know of one pair, or of many added up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
pub struct BleuStats {
    /// Tokens of the prediction.
    pub predicted_len: u64,
    /// Tokens of the reference.
    pub reference_len: u64,
    /// N-grams of the prediction that are in the reference, for n from 1 to 4.
    pub matches: [u64; ORDER],
    /// N-grams of the prediction, for n from 1 to 4.
    pub totals: [u64; ORDER],
}

/// A BLEU score and its parts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bleu {
    /// From 0 to 100.
    pub score: f64,
    /// Smoothed n-gram precisions, from 0 to 100.
    pub precisions: [f64; ORDER],
    /// Brevity penalty.
    pub brevity_penalty: f64,
}

impl BleuStats {
    /// Counts of one prediction against its reference.
    pub fn of(prediction: &str, reference: &str) -> Self {
        let texts = [tokenize_13a(prediction), tokenize_13a(reference)];
        let mut numbers: HashMap<&str, u32> = HashMap::new();
        let [prediction, reference] = texts.each_ref().map(|text| -> Vec<u32> {
            python_split(text)
                .map(|token| {
                    let next = numbers.len() as u32;
                    *numbers.entry(token).or_insert(next)
                })
                .collect()
        });
        let mut stats = Self {
            predicted_len: prediction.len() as u64,
            reference_len: reference.len() as u64,
            ..Self::default()
        };
        for n in 1..=ORDER {
            let sorted = |tokens: &[u32]| -> Vec<[u32; ORDER]> {
                let mut grams: Vec<_> = tokens
                    .windows(n)
                    .map(|window| {
                        let mut gram = [0; ORDER];
                        gram[..n].copy_from_slice(window);
                        gram
                    })
                    .collect();
                grams.sort_unstable();
                grams
            };
            let predicted = sorted(&prediction);
            stats.totals[n - 1] = predicted.len() as u64;
            stats.matches[n - 1] = shared(&predicted, &sorted(&reference)) as u64;
        }
        stats
    }

    /// Adds the counts of another pair.
    pub fn add(&mut self, other: &Self) {
        self.predicted_len += other.predicted_len;
        self.reference_len += other.reference_len;
        for n in 0..ORDER {
            self.matches[n] += other.matches[n];
            self.totals[n] += other.totals[n];
        }
    }

    /// The score of a corpus with these counts.
    pub fn corpus(&self) -> Bleu {
        self.bleu(false)
    }

    /// The score of a single pair: orders for which the prediction is too short are left out (sacreBLEU's
    /// `effective_order`).
    pub fn sentence(&self) -> Bleu {
        self.bleu(true)
    }

    fn bleu(&self, effective_order: bool) -> Bleu {
        let brevity_penalty = if self.predicted_len >= self.reference_len {
            1.0
        } else if self.predicted_len > 0 {
            (1.0 - self.reference_len as f64 / self.predicted_len as f64).exp()
        } else {
            0.0
        };
        let mut precisions = [0.0; ORDER];
        if self.matches == [0; ORDER] {
            return Bleu { score: 0.0, precisions, brevity_penalty };
        }
        let mut order = ORDER;
        let mut smoothing = 1.0;
        for (n, (&matches, &total)) in self.matches.iter().zip(&self.totals).enumerate() {
            if total == 0 {
                break;
            }
            if effective_order {
                order = n + 1;
            }
            precisions[n] = if matches == 0 {
                smoothing *= 2.0;
                100.0 / (smoothing * total as f64)
            } else {
                100.0 * matches as f64 / total as f64
            };
        }
        let logarithms: f64 =
            precisions[..order].iter().map(|&p| if p == 0.0 { LOG_OF_ZERO } else { p.ln() }).sum();
        Bleu { score: brevity_penalty * (logarithms / order as f64).exp(), precisions, brevity_penalty }
    }
}

/// The mteval-v13a tokenization, as a text whose tokens stand between white space.
fn tokenize_13a(text: &str) -> String {
    let mut text = text.trim_end_matches(is_python_space).replace("<skipped>", "").replace("-\n", "");
    text = text.replace('\n', " ");
    if text.contains('&') {
        for (entity, character) in [("&quot;", "\""), ("&amp;", "&"), ("&lt;", "<"), ("&gt;", ">")] {
            text = text.replace(entity, character);
        }
    }
    let mut chars: Vec<char> = Vec::with_capacity(text.len() + 2);
    chars.push(' ');
    for c in text.chars() {
        match c {
            '{'..='~' | '['..='`' | ' '..='&' | '('..='+' | ':'..='@' | '/' => chars.extend([' ', c, ' ']),
            _ => chars.push(c),
        }
    }
    chars.push(' ');
    let mark = |c: char| matches!(c, '.' | ',');
    // A period or comma after anything but a digit, then before anything but a digit; a dash after a digit.
    let chars = spaced_pairs(&chars, |a, b| !a.is_ascii_digit() && mark(b), |a, b| [a, ' ', b, ' ']);
    let chars = spaced_pairs(&chars, |a, b| mark(a) && !b.is_ascii_digit(), |a, b| [' ', a, ' ', b]);
    let chars = spaced_pairs(&chars, |a, b| a.is_ascii_digit() && b == '-', |a, b| [a, ' ', b, ' ']);
    chars.into_iter().collect()
}

/// Replaces pairs of neighbors from the left, each character in one pair at most, as a regular expression would.
fn spaced_pairs(
    text: &[char],
    fits: impl Fn(char, char) -> bool,
    with: impl Fn(char, char) -> [char; 4],
) -> Vec<char> {
    let mut spaced = Vec::with_capacity(text.len() * 2);
    let mut rest = text;
    loop {
        match rest {
            [a, b, after @ ..] if fits(*a, *b) => {
                spaced.extend(with(*a, *b));
                rest = after;
            }
            [a, after @ ..] => {
                spaced.push(*a);
                rest = after;
            }
            [] => return spaced,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(text: &str) -> Vec<String> {
        python_split(&tokenize_13a(text)).map(str::to_owned).collect()
    }

    #[test]
    fn tokens_as_mteval_cuts_them() {
        assert_eq!(
            tokens("It costs $1,000.50, or 3-4."),
            ["It", "costs", "$", "1,000.50", ",", "or", "3", "-", "4", "."]
        );
        assert_eq!(tokens("a &amp;lt; b<skipped>"), ["a", "<", "b"]);
        assert_eq!(tokens("well-\nknown state-of"), ["wellknown", "state-of"]);
    }

    #[test]
    fn counts_add_up_to_the_corpus() {
        let (a, b) = (BleuStats::of("a b c d e", "a b c d"), BleuStats::of("x", "y z"));
        let mut both = a;
        both.add(&b);
        assert_eq!(both.predicted_len, 6);
        assert_eq!(both.matches, [4, 3, 2, 1]);
        assert_eq!(b.sentence().score, 0.0);
        assert_eq!(BleuStats::of("a b c d", "a b c d").corpus().precisions, [100.0; 4]);
    }
}
