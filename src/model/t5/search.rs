//! Choosing tokens step by step: greedy, beam search, sampling. One [`Search`] a sample, so that a sample's result
//! cannot depend on its batch. Knows log-probabilities, not models.
//!
//! Beam search follows the rule of transformers 5.23 (see each step below), in `f32` like it.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use sha2::{Digest, Sha256};

use crate::model::{EarlyStopping, FinishReason, GenerationConfig, Hypothesis, Sampling};

/// One row's best continuations.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Candidate {
    /// The token.
    pub token: u32,
    /// Its logit.
    pub logit: f32,
}

/// What a search needs to know of one row (one running hypothesis) at one step.
#[derive(Debug, Clone, Copy)]
pub struct RowScores<'a> {
    /// The best tokens by logit, best first, the lower token first among equals; forbidden ones left out.
    pub best: &'a [Candidate],
    /// ln Σ exp(logit) over the whole vocabulary, forbidden tokens included.
    pub log_sum: f32,
    /// All logits; empty unless [`Search::needs_all_logits`].
    pub logits: &'a [f32],
}

/// What the next step computes: each row continues the row `parent` of the present step with `token`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Continuation {
    /// Among the sample's rows.
    pub parent: usize,
    /// The token to feed.
    pub token: u32,
}

#[derive(Debug, Clone)]
struct Running {
    tokens: Vec<u32>,
    score: f32,
}

#[derive(Debug, Clone)]
struct Finished {
    tokens: Vec<u32>,
    score: f32,
    ended: bool,
}

/// The state of one sample's search.
pub struct Search {
    config: GenerationConfig,
    eos: Vec<u32>,
    running: Vec<Running>,
    finished: Vec<Finished>,
    step: usize,
    done: bool,
    rng: Option<(Sampling, ChaCha8Rng)>,
}

impl Search {
    /// A search that has not begun; `config` is valid. The prompt's tokens only seed the sampling.
    pub fn new(config: &GenerationConfig, eos: &[u32], prompt: &[u32]) -> Self {
        let rng = config.sampling.map(|sampling| {
            let mut hash = Sha256::new();
            hash.update(sampling.seed.to_le_bytes());
            for token in prompt {
                hash.update(token.to_le_bytes());
            }
            (sampling, ChaCha8Rng::from_seed(hash.finalize().into()))
        });
        Self {
            config: config.clone(),
            eos: eos.to_vec(),
            // All beams start alike, so that only the first may continue at first.
            running: vec![Running { tokens: Vec::new(), score: 0.0 }],
            finished: Vec::new(),
            step: 0,
            done: false,
            rng,
        }
    }

    /// Rows of the present step: one at first, then as many as beams.
    pub fn rows(&self) -> usize {
        self.running.len()
    }

    /// How many of each row's best tokens a step needs.
    pub fn candidates(config: &GenerationConfig, eos: usize) -> usize {
        if config.beams == 1 { 1 } else { config.beams * (1 + eos).max(2) }
    }

    /// Whether a step needs all logits, which sampling does.
    pub fn needs_all_logits(config: &GenerationConfig) -> bool {
        config.sampling.is_some()
    }

    /// Whether end-of-sequence is forbidden in the present step.
    pub fn forbids_eos(&self) -> bool {
        self.step < self.config.min_new_tokens
    }

    /// Takes the scores of the present rows and writes what the next step computes; nothing once the search is done.
    pub fn advance(&mut self, rows: &[RowScores<'_>], next: &mut Vec<Continuation>) {
        next.clear();
        if self.done || rows.len() != self.running.len() {
            self.done = true;
            return;
        }
        if self.config.beams == 1 {
            self.advance_single(&rows[0], next)
        } else {
            self.advance_beams(rows, next)
        }
        self.step += 1;
    }

    fn advance_single(&mut self, row: &RowScores<'_>, next: &mut Vec<Continuation>) {
        let forbid = self.forbids_eos();
        let choice = match &mut self.rng {
            None => row.best.first().copied(),
            Some((sampling, rng)) => draw(row.logits, sampling, rng, if forbid { &self.eos } else { &[] }),
        };
        let Some(choice) = choice else {
            self.done = true;
            return;
        };
        let running = &mut self.running[0];
        running.tokens.push(choice.token);
        running.score += choice.logit - row.log_sum;
        let ended = self.eos.contains(&choice.token);
        if ended || running.tokens.len() >= self.config.max_new_tokens {
            let score = self.config.score(running.score, running.tokens.len());
            self.finished = vec![Finished { tokens: std::mem::take(&mut running.tokens), score, ended }];
            self.done = true;
        } else {
            next.push(Continuation { parent: 0, token: choice.token });
        }
    }

    fn advance_beams(&mut self, rows: &[RowScores<'_>], next: &mut Vec<Continuation>) {
        struct Continued {
            parent: usize,
            token: u32,
            score: f32,
        }
        let beams = self.config.beams;
        let mut all: Vec<Continued> = Vec::with_capacity(rows.len() * rows[0].best.len());
        for (parent, row) in rows.iter().enumerate() {
            let so_far = self.running[parent].score;
            all.extend(row.best.iter().map(|c| Continued {
                parent,
                token: c.token,
                score: (c.logit - row.log_sum) + so_far,
            }));
        }
        // Stable: among equals the earlier beam, then the lower token.
        all.sort_by(|a, b| b.score.total_cmp(&a.score));
        all.truncate(Self::candidates(&self.config, self.eos.len()));

        let new_len = self.step + 1;
        let at_limit = new_len >= self.config.max_new_tokens;
        // Full and told to stop then, a sample takes no further hypothesis; it is done already in that case.
        let mut running = Vec::with_capacity(beams);
        for (place, c) in all.iter().enumerate() {
            let ended = self.eos.contains(&c.token);
            if ended || at_limit {
                // Only the first `beams` candidates may become hypotheses.
                if place < beams {
                    let mut tokens = self.running[c.parent].tokens.clone();
                    tokens.push(c.token);
                    self.finished.push(Finished {
                        tokens,
                        score: self.config.score(c.score, new_len),
                        ended,
                    });
                }
            } else if running.len() < beams {
                let mut tokens = self.running[c.parent].tokens.clone();
                tokens.push(c.token);
                running.push(Running { tokens, score: c.score });
                next.push(Continuation { parent: c.parent, token: c.token });
            }
        }
        self.finished.sort_by(|a, b| b.score.total_cmp(&a.score));
        self.finished.truncate(beams);
        self.running = running;
        self.done = at_limit || self.running.is_empty() || self.cannot_improve(new_len);
        if self.done {
            next.clear();
        }
    }

    /// Whether no running hypothesis can still enter the finished ones, by the chosen rule.
    fn cannot_improve(&self, new_len: usize) -> bool {
        if self.finished.len() < self.config.beams {
            return false;
        }
        if self.config.early_stopping == EarlyStopping::WhenFull {
            return true;
        }
        let never = self.config.early_stopping == EarlyStopping::Never && self.config.length_penalty > 0.0;
        let length = if never { self.config.max_new_tokens } else { new_len };
        let best_running = self.config.score(self.running[0].score, length);
        self.finished.last().is_some_and(|worst| best_running <= worst.score)
    }

    /// The hypotheses, best first.
    pub fn finish(self) -> Vec<Hypothesis> {
        self.finished
            .into_iter()
            .map(|f| Hypothesis {
                tokens: f.tokens,
                score: f.score,
                finish: if f.ended { FinishReason::EndOfSequence } else { FinishReason::Length },
            })
            .collect()
    }
}

impl GenerationConfig {
    /// A hypothesis's score from its sum of log-probabilities and its length.
    fn score(&self, sum: f32, length: usize) -> f32 {
        sum / (length as f64).powf(f64::from(self.length_penalty)) as f32
    }
}

/// Draws a token: temperature, then the top k, then the smallest set that reaches top p.
fn draw(logits: &[f32], sampling: &Sampling, rng: &mut ChaCha8Rng, forbidden: &[u32]) -> Option<Candidate> {
    let mut order: Vec<u32> = (0..logits.len() as u32).filter(|token| !forbidden.contains(token)).collect();
    let by_logit =
        |a: &u32, b: &u32| logits[*b as usize].total_cmp(&logits[*a as usize]).then_with(|| a.cmp(b));
    if sampling.top_k > 0 && sampling.top_k < order.len() {
        order.select_nth_unstable_by(sampling.top_k - 1, by_logit);
        order.truncate(sampling.top_k);
    }
    order.sort_unstable_by(by_logit);
    let top = logits[*order.first()? as usize];
    let mut weights: Vec<f64> = order
        .iter()
        .map(|&t| (f64::from(logits[t as usize] - top) / f64::from(sampling.temperature)).exp())
        .collect();
    let total: f64 = weights.iter().sum();
    let mut sum = 0.0;
    let kept = weights.iter().position(|w| {
        sum += w;
        sum >= f64::from(sampling.top_p) * total
    });
    weights.truncate(kept.map_or(weights.len(), |last| last + 1));
    let mut point = rng.random::<f64>() * weights.iter().sum::<f64>();
    let chosen = weights.iter().position(|w| {
        point -= w;
        point < 0.0
    });
    let token = order[chosen.unwrap_or(weights.len() - 1)];
    Some(Candidate { token, logit: logits[token as usize] })
}

#[cfg(test)]
mod tests {
    use super::*;

    const EOS: u32 = 1;

    /// Runs a search over a model whose logits depend on the tokens so far only.
    fn run(config: &GenerationConfig, model: impl Fn(&[u32]) -> Vec<f32>) -> Vec<Hypothesis> {
        let mut search = Search::new(config, &[EOS], &[7, 8]);
        let mut past: Vec<Vec<u32>> = vec![Vec::new()];
        let mut next = Vec::new();
        loop {
            let forbidden: &[u32] = if search.forbids_eos() { &[EOS] } else { &[] };
            let logits: Vec<Vec<f32>> = past.iter().map(|tokens| model(tokens)).collect();
            let scanned: Vec<(Vec<Candidate>, f32)> = logits
                .iter()
                .map(|row| {
                    let mut best = Vec::new();
                    let count = Search::candidates(config, 1);
                    let log_sum = crate::model::t5::drive::scan_row(row, count, forbidden, &mut best);
                    (best, log_sum)
                })
                .collect();
            let scores: Vec<RowScores<'_>> = scanned
                .iter()
                .zip(&logits)
                .map(|((best, log_sum), logits)| RowScores { best, log_sum: *log_sum, logits })
                .collect();
            search.advance(&scores, &mut next);
            if next.is_empty() {
                return search.finish();
            }
            past = next.iter().map(|c| [past[c.parent].as_slice(), &[c.token]].concat()).collect();
        }
    }

    /// Ends with a probability that grows by position; two other tokens share the rest unevenly.
    fn toy(tokens: &[u32]) -> Vec<f32> {
        let end = [0.1f32, 0.3, 0.5, 0.7][tokens.len().min(3)];
        [1e-9, end, (1.0 - end) * 0.6, (1.0 - end) * 0.4].map(f32::ln).to_vec()
    }

    #[test]
    fn wide_beams_find_the_best_of_all_sequences() {
        // Every sequence up to four tokens, scored by hand.
        let mut all = Vec::new();
        let mut open = vec![(Vec::new(), 0f32)];
        for len in 1..=4 {
            let mut longer = Vec::new();
            for (tokens, sum) in open {
                for (token, logit) in toy(&tokens).into_iter().enumerate().skip(1) {
                    let grown: Vec<u32> = [tokens.as_slice(), &[token as u32]].concat();
                    let sum = sum + logit;
                    if token as u32 == EOS || len == 4 {
                        all.push((grown, sum / len as f32))
                    } else {
                        longer.push((grown, sum))
                    }
                }
            }
            open = longer;
        }
        all.sort_by(|a, b| b.1.total_cmp(&a.1));
        let config = GenerationConfig {
            beams: 20,
            max_new_tokens: 4,
            early_stopping: EarlyStopping::Never,
            ..Default::default()
        };
        let found = run(&config, toy);
        for (hypothesis, (tokens, score)) in found.iter().zip(&all).take(5) {
            assert_eq!(&hypothesis.tokens, tokens);
            assert!((hypothesis.score - score).abs() < 1e-5);
        }
    }

    #[test]
    fn when_full_stops_no_later_and_never_stops_no_earlier() {
        let beam = GenerationConfig { beams: 2, max_new_tokens: 30, ..Default::default() };
        let longest = |early_stopping| {
            let found = run(&GenerationConfig { early_stopping, ..beam.clone() }, toy);
            assert_eq!(found.len(), 2);
            assert!(found[0].score >= found[1].score);
            found.iter().map(|h| h.tokens.len()).max().unwrap()
        };
        assert!(longest(EarlyStopping::WhenFull) <= longest(EarlyStopping::Heuristic));
        assert!(longest(EarlyStopping::Heuristic) <= longest(EarlyStopping::Never));
    }

    #[test]
    fn draws_follow_the_probabilities_and_the_limits() {
        let mut rng = ChaCha8Rng::seed_from_u64(4);
        let logits = [0.5f32, 0.3, 0.15, 0.05].map(f32::ln);
        let mut count = |sampling: &Sampling, forbidden: &[u32]| {
            let mut counts = [0; 4];
            for _ in 0..10_000 {
                counts[draw(&logits, sampling, &mut rng, forbidden).unwrap().token as usize] += 1;
            }
            counts
        };
        let plain = Sampling { temperature: 1.0, top_k: 0, top_p: 1.0, seed: 0 };
        for (got, want) in count(&plain, &[]).into_iter().zip([5000i32, 3000, 1500, 500]) {
            assert!((got - want).abs() < 250, "{got} {want}");
        }
        assert_eq!(count(&Sampling { top_k: 2, ..plain }, &[])[2..], [0, 0]);
        // Half is not enough for 0.6: the second token is needed too.
        let nucleus = count(&Sampling { top_p: 0.6, ..plain }, &[]);
        assert!(nucleus[1] > 3000 && nucleus[2..] == [0, 0], "{nucleus:?}");
        assert_eq!(count(&plain, &[0])[0], 0);
        assert!(count(&Sampling { temperature: 0.1, ..plain }, &[])[0] > 9800);
    }
}
