//! ROUGE (C.-Y. Lin 2004) as google's rouge_score computes it: ROUGE-1, 2, L and Lsum of one prediction against
//! one reference.
//!
//! Texts are lower-cased and cut into runs of `[a-z0-9]`; with stemming, tokens of more than three characters are
//! reduced by [`porter_stem`]. Nothing is allocated per token: both texts go into one buffer and tokens become small
//! numbers. Knows two texts, nothing of tasks.

use std::collections::HashMap;

use super::lcs::Lcs;
use super::porter::porter_stem;

/// Precision, recall and their harmonic mean, each from 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq, Default, serde::Serialize, serde::Deserialize)]
pub struct Prf {
    /// Share of the prediction that is in the reference.
    pub precision: f64,
    /// Share of the reference that is in the prediction.
    pub recall: f64,
    /// F1.
    pub f: f64,
}

impl Prf {
    fn of(hits: usize, predicted: usize, reference: usize) -> Self {
        let precision = hits as f64 / predicted.max(1) as f64;
        let recall = hits as f64 / reference.max(1) as f64;
        let f = if precision + recall > 0.0 { 2.0 * precision * recall / (precision + recall) } else { 0.0 };
        Self { precision, recall, f }
    }
}

/// The four ROUGE scores of one prediction.
#[derive(Debug, Clone, Copy, PartialEq, Default, serde::Serialize, serde::Deserialize)]
pub struct RougeScores {
    /// Unigram overlap.
    pub rouge_1: Prf,
    /// Bigram overlap.
    pub rouge_2: Prf,
    /// Longest common subsequence of the whole texts.
    pub rouge_l: Prf,
    /// Union of the longest common subsequences of lines.
    pub rouge_lsum: Prf,
}

/// Computes ROUGE; keep one a thread, its buffers are reused.
#[derive(Debug, Default)]
pub struct RougeScorer {
    stemming: bool,
    tokens: Tokens,
    reference: Vec<u32>,
    prediction: Vec<u32>,
    counts: Vec<u32>,
    bigrams: [Vec<u64>; 2],
    lcs: Lcs,
}

impl RougeScorer {
    /// A scorer; the benchmark's figures are without stemming.
    pub fn new(stemming: bool) -> Self {
        Self { stemming, ..Self::default() }
    }

    /// All four scores.
    pub fn score(&mut self, prediction: &str, reference: &str) -> RougeScores {
        let (rouge_1, rouge_l) = self.rouge_1_and_l(prediction, reference);
        let rouge_2 = self.rouge_2();
        let rouge_lsum = if prediction.contains('\n') || reference.contains('\n') {
            self.rouge_lsum(prediction, reference)
        } else {
            // One sentence on either side: the union is the one subsequence, and no token of it is used twice.
            rouge_l
        };
        RougeScores { rouge_1, rouge_2, rouge_l, rouge_lsum }
    }

    /// ROUGE-1 and ROUGE-L, the two that the benchmark reports, at less cost than all four.
    pub fn rouge_1_and_l(&mut self, prediction: &str, reference: &str) -> (Prf, Prf) {
        self.tokens.begin(prediction.len() + reference.len());
        self.reference.clear();
        self.tokens.read(reference, self.stemming, &mut self.reference);
        self.prediction.clear();
        self.tokens.read(prediction, self.stemming, &mut self.prediction);
        let (predicted, referenced) = (self.prediction.len(), self.reference.len());

        self.counts.clear();
        self.counts.resize(self.tokens.distinct(), 0);
        for &token in &self.reference {
            self.counts[token as usize] += 1;
        }
        let mut hits = 0;
        for &token in &self.prediction {
            let left = &mut self.counts[token as usize];
            if *left > 0 {
                *left -= 1;
                hits += 1;
            }
        }
        let rouge_1 = Prf::of(hits, predicted, referenced);
        if hits == 0 {
            return (rouge_1, Prf::default());
        }
        self.lcs.set_reference(&self.reference, self.tokens.distinct());
        let length = self.lcs.length(&self.prediction);
        (rouge_1, Prf::of(length, predicted, referenced))
    }

    /// ROUGE-2 of the texts last read.
    fn rouge_2(&mut self) -> Prf {
        for (bigrams, tokens) in self.bigrams.iter_mut().zip([&self.prediction, &self.reference]) {
            bigrams.clear();
            bigrams.extend(tokens.windows(2).map(|pair| u64::from(pair[0]) << 32 | u64::from(pair[1])));
            bigrams.sort_unstable();
        }
        let [predicted, referenced] = &self.bigrams;
        Prf::of(shared(predicted, referenced), predicted.len(), referenced.len())
    }

    fn rouge_lsum(&mut self, prediction: &str, reference: &str) -> Prf {
        self.tokens.begin(prediction.len() + reference.len());
        let mut read = |text: &str| -> Vec<Vec<u32>> {
            let mut sentences = Vec::new();
            for line in text.split('\n') {
                let mut tokens = Vec::new();
                self.tokens.read(line, self.stemming, &mut tokens);
                if !tokens.is_empty() {
                    sentences.push(tokens);
                }
            }
            sentences
        };
        let (referenced, predicted) = (read(reference), read(prediction));
        let ids = self.tokens.distinct();

        // How often a token may still be counted as a hit: no more than it stands on either side.
        let count = |sentences: &[Vec<u32>]| {
            let mut counts = vec![0usize; ids];
            sentences.iter().flatten().for_each(|&token| counts[token as usize] += 1);
            counts
        };
        let (mut left_predicted, mut left_referenced) = (count(&predicted), count(&referenced));

        // A line that repeats another adds nothing to a union, and a line without a common token neither.
        let mut candidates: Vec<&[u32]> = predicted.iter().map(Vec::as_slice).collect();
        candidates.sort_unstable();
        candidates.dedup();
        let mut lines_with: Vec<Vec<u32>> = vec![Vec::new(); ids];
        for (at, line) in candidates.iter().enumerate() {
            for &token in *line {
                if lines_with[token as usize].last() != Some(&(at as u32)) {
                    lines_with[token as usize].push(at as u32);
                }
            }
        }

        let mut unions: HashMap<&[u32], Vec<bool>> = HashMap::new();
        let mut hits = 0;
        for sentence in &referenced {
            let union = unions
                .entry(sentence)
                .or_insert_with(|| union_lcs(&mut self.lcs, sentence, &candidates, &lines_with, ids));
            for (&token, _) in sentence.iter().zip(union.iter()).filter(|(_, marked)| **marked) {
                let (p, r) = (&mut left_predicted[token as usize], &mut left_referenced[token as usize]);
                if *p > 0 && *r > 0 {
                    hits += 1;
                    *p -= 1;
                    *r -= 1;
                }
            }
        }
        Prf::of(hits, predicted.iter().map(Vec::len).sum(), referenced.iter().map(Vec::len).sum())
    }
}

/// Which tokens of a reference line are in its longest common subsequence with any of the candidate lines.
fn union_lcs(
    lcs: &mut Lcs,
    line: &[u32],
    candidates: &[&[u32]],
    lines_with: &[Vec<u32>],
    ids: usize,
) -> Vec<bool> {
    let mut union = vec![false; line.len()];
    let mut related: Vec<u32> =
        line.iter().flat_map(|&token| lines_with[token as usize].iter().copied()).collect();
    related.sort_unstable();
    related.dedup();
    if related.is_empty() {
        return union;
    }
    let reachable = line.iter().filter(|&&token| !lines_with[token as usize].is_empty()).count();
    lcs.set_reference(line, ids);
    for at in related {
        lcs.mark(line, candidates[at as usize], &mut union);
        if union.iter().filter(|marked| **marked).count() == reachable {
            break; // no other line can add anything
        }
    }
    union
}

/// How many elements two sorted lists share, each counted as often as it is in both.
pub(super) fn shared<T: Ord>(a: &[T], b: &[T]) -> usize {
    let (mut i, mut j, mut both) = (0, 0, 0);
    while i < a.len() && j < b.len() {
        match a[i].cmp(&b[j]) {
            std::cmp::Ordering::Less => i += 1,
            std::cmp::Ordering::Greater => j += 1,
            std::cmp::Ordering::Equal => {
                both += 1;
                i += 1;
                j += 1;
            }
        }
    }
    both
}

/// Numbers the distinct tokens of the texts of one pair.
#[derive(Debug, Default)]
struct Tokens {
    /// The distinct tokens' bytes, one after another.
    text: Vec<u8>,
    /// Each distinct token: hash, and its end in `text` (it begins where the one before ends).
    entries: Vec<(u64, u32)>,
    /// Open addressing, a power of two: the token's number + 1, or 0.
    slots: Vec<u32>,
    token: Vec<u8>,
}

impl Tokens {
    /// Forgets the tokens of the last pair; `bytes` is the length of the texts to come.
    fn begin(&mut self, bytes: usize) {
        self.text.clear();
        self.entries.clear();
        // Tokens take two bytes at least, with what separates them: the table stays at most half full.
        let wanted = (bytes + 4).next_power_of_two().max(64);
        self.slots.clear();
        self.slots.resize(wanted, 0);
    }

    fn distinct(&self) -> usize {
        self.entries.len()
    }

    /// Appends the numbers of a text's tokens.
    fn read(&mut self, text: &str, stemming: bool, numbers: &mut Vec<u32>) {
        let mut token = std::mem::take(&mut self.token);
        token.clear();
        let mut end_of = |tokens: &mut Self, token: &mut Vec<u8>| {
            if token.is_empty() {
                return;
            }
            match std::str::from_utf8(token) {
                Ok(word) if stemming && word.len() > 3 => {
                    numbers.push(tokens.number(porter_stem(word).as_bytes()));
                }
                _ => numbers.push(tokens.number(token)),
            }
            token.clear();
        };
        let bytes = text.as_bytes();
        let mut at = 0;
        while let Some(&byte) = bytes.get(at) {
            match LOWER[usize::from(byte)] {
                0 if byte < 0x80 => {
                    end_of(self, &mut token);
                    at += 1;
                }
                0 => {
                    let c = text[at..].chars().next().unwrap_or('\u{fffd}');
                    at += c.len_utf8();
                    match c {
                        '\u{212a}' => token.push(b'k'), // the Kelvin sign's lower case is an ASCII letter
                        '\u{130}' => {
                            token.push(b'i'); // and so begins that of I with a dot, followed by a combining dot
                            end_of(self, &mut token);
                        }
                        _ => end_of(self, &mut token),
                    }
                }
                lower => {
                    token.push(lower);
                    at += 1;
                }
            }
        }
        end_of(self, &mut token);
        self.token = token;
    }

    fn number(&mut self, token: &[u8]) -> u32 {
        let hash = hash(token);
        let mask = self.slots.len() - 1;
        let mut slot = hash as usize & mask;
        loop {
            match self.slots[slot] {
                0 => {
                    self.text.extend_from_slice(token);
                    self.entries.push((hash, self.text.len() as u32));
                    let number = self.entries.len() as u32;
                    self.slots[slot] = number;
                    return number - 1;
                }
                taken => {
                    let number = taken as usize - 1;
                    let (known, end) = self.entries[number];
                    let start = if number == 0 { 0 } else { self.entries[number - 1].1 };
                    if known == hash && self.text[start as usize..end as usize] == *token {
                        return number as u32;
                    }
                    slot = (slot + 1) & mask;
                }
            }
        }
    }
}

/// Lower case of `[A-Za-z0-9]`, 0 for every other byte.
const LOWER: [u8; 256] = {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 128 {
        if (byte as u8).is_ascii_alphanumeric() {
            table[byte] = (byte as u8).to_ascii_lowercase();
        }
        byte += 1;
    }
    table
};

/// Multiply and fold, eight bytes at a time.
fn hash(token: &[u8]) -> u64 {
    let mut state = 0x9e37_79b9_7f4a_7c15 ^ token.len() as u64;
    for chunk in token.chunks(8) {
        let mut word = [0; 8];
        word[..chunk.len()].copy_from_slice(chunk);
        let product = u128::from(state ^ u64::from_le_bytes(word)) * 0xa076_1d64_78bd_642f;
        state = (product as u64) ^ ((product >> 64) as u64);
    }
    state
}

#[cfg(test)]
mod tests {
    use super::*;

    fn f(prediction: &str, reference: &str) -> [f64; 4] {
        let scores = RougeScorer::new(false).score(prediction, reference);
        [scores.rouge_1.f, scores.rouge_2.f, scores.rouge_l.f, scores.rouge_lsum.f]
    }

    #[test]
    fn equal_and_empty_texts() {
        assert_eq!(f("a b", "A, b!"), [1.0; 4]);
        assert_eq!(f("", "a"), [0.0; 4]);
        assert_eq!(f("ü", "ü"), [0.0; 4]);
    }

    #[test]
    fn a_scorer_forgets_the_pair_before() {
        let mut scorer = RougeScorer::new(false);
        let first = scorer.score("a b c", "c b a");
        scorer.score("x y\nz", &"w ".repeat(500));
        assert_eq!(scorer.score("a b c", "c b a"), first);
    }

    #[test]
    fn long_texts_stay_within_time_and_memory() {
        let words = |step: u32| -> String {
            (0..100_000u32).map(|i| format!("{} ", i.wrapping_mul(step) % 5_003)).collect()
        };
        let (a, b) = (words(7), words(11));
        let scores = RougeScorer::new(false).score(&a, &format!("{b}\nlast"));
        assert!(scores.rouge_lsum.f > 0.0 && scores.rouge_lsum.f <= scores.rouge_1.f);
        let lines = "a b\n".repeat(50_000);
        assert_eq!(RougeScorer::new(false).score(&lines, &lines).rouge_lsum.f, 1.0);
    }
}
