//! Longest common subsequences of token sequences, bit-parallel (M. Crochemore et al. 2001, H. Hyyrö 2004).
//!
//! Rows of the usual table are kept as differences, one bit a token of the reference: a cleared bit says that the
//! subsequence grows there. One addition then does 64 cells, and a row changes only where the token occurs or a
//! carry arrives. Knows token ids, nothing of texts.

/// How many words of rows a traceback keeps at once before it recomputes them from checkpoints (8 MiB).
const KEPT_WORDS: usize = 1 << 20;

/// Where each token occurs in a reference, as masks of 64 positions. Reused from one reference to the next.
#[derive(Debug, Default)]
pub(super) struct Lcs {
    /// Tokens of the reference.
    len: usize,
    /// By token id: the mask for references of at most 64 tokens.
    small: Vec<u64>,
    /// By token id: its first place in `large`, `u32::MAX` where it has none.
    first: Vec<u32>,
    /// Token, word, mask: sorted by token and word.
    large: Vec<(u32, u32, u64)>,
    row: Vec<u64>,
}

impl Lcs {
    /// Takes a reference; ids must be below `ids`.
    pub(super) fn set_reference(&mut self, reference: &[u32], ids: usize) {
        self.len = reference.len();
        if self.len <= 64 {
            self.small.clear();
            self.small.resize(ids, 0);
            for (at, &token) in reference.iter().enumerate() {
                self.small[token as usize] |= 1 << at;
            }
            return;
        }
        let mut places: Vec<(u32, u32)> =
            reference.iter().enumerate().map(|(at, &token)| (token, at as u32)).collect();
        places.sort_unstable();
        self.first.clear();
        self.first.resize(ids, u32::MAX);
        self.large.clear();
        for (token, at) in places {
            let (word, bit) = (at / 64, 1u64 << (at % 64));
            match self.large.last_mut() {
                Some((t, w, mask)) if *t == token && *w == word => *mask |= bit,
                _ => {
                    if self.first[token as usize] == u32::MAX {
                        self.first[token as usize] = self.large.len() as u32;
                    }
                    self.large.push((token, word, bit));
                }
            }
        }
    }

    /// Length of the longest common subsequence with a candidate.
    pub(super) fn length(&mut self, candidate: &[u32]) -> usize {
        if self.len == 0 {
            return 0;
        }
        if self.len <= 64 {
            let row = candidate.iter().fold(u64::MAX, |row, &t| step_word(row, self.small[t as usize]));
            return (!row & low_bits(self.len)).count_ones() as usize;
        }
        let mut row = std::mem::take(&mut self.row);
        row.clear();
        row.resize(self.words(), u64::MAX);
        for &token in candidate {
            self.step(&mut row, token);
        }
        let ones: usize = row.iter().map(|word| word.count_zeros() as usize).sum();
        self.row = row;
        ones // positions past the end are never matched, and stay set
    }

    /// Marks the reference positions of one longest common subsequence: the one that google's rouge_score reads out
    /// of its table (on a mismatch it goes up the candidate only if that keeps the length and going up the
    /// reference does not).
    pub(super) fn mark(&mut self, reference: &[u32], candidate: &[u32], marks: &mut [bool]) {
        let words = self.words();
        if words == 0 || candidate.is_empty() {
            return;
        }
        // All rows at once where they are few; else about a square root of them, recomputed block by block.
        let block = if words.saturating_mul(candidate.len()) <= KEPT_WORDS {
            candidate.len()
        } else {
            candidate.len().isqrt().max(1)
        };
        let mut row = vec![u64::MAX; words];
        let mut checkpoints = row.clone();
        for (at, &token) in candidate.iter().enumerate().take((candidate.len() - 1) / block * block) {
            self.step(&mut row, token);
            if (at + 1) % block == 0 {
                checkpoints.extend_from_slice(&row);
            }
        }
        let mut rows = Vec::new();
        let (mut i, mut j) = (reference.len(), candidate.len());
        while i > 0 && j > 0 {
            let start = (j - 1) / block * block;
            let checkpoint = start / block * words;
            row.copy_from_slice(&checkpoints[checkpoint..checkpoint + words]);
            rows.clear();
            for &token in &candidate[start..j] {
                self.step(&mut row, token);
                rows.extend_from_slice(&row);
            }
            while i > 0 && j > start {
                let word = rows[(j - 1 - start) * words + (i - 1) / 64];
                if reference[i - 1] == candidate[j - 1] {
                    marks[i - 1] = true;
                    i -= 1;
                    j -= 1;
                } else if word >> ((i - 1) % 64) & 1 == 0 {
                    j -= 1; // the subsequence grows at this reference token, so the candidate's can be spared
                } else {
                    i -= 1;
                }
            }
        }
    }

    fn words(&self) -> usize {
        self.len.div_ceil(64)
    }

    /// The next row, for one more token of the candidate.
    fn step(&self, row: &mut [u64], token: u32) {
        if self.len <= 64 {
            row[0] = step_word(row[0], self.small[token as usize]);
            return;
        }
        let mut next = self.first[token as usize] as usize; // u32::MAX lies behind the end
        let mut carry = false;
        let mut word = 0;
        loop {
            let mask = match self.large.get(next) {
                Some(&(t, w, mask)) if t == token => {
                    if !carry {
                        word = w as usize;
                    }
                    if w as usize == word {
                        next += 1;
                        mask
                    } else {
                        0
                    }
                }
                _ if carry => 0,
                _ => return,
            };
            let Some(cell) = row.get_mut(word) else { return };
            let (old, matched) = (*cell, *cell & mask);
            let (sum, over) = old.overflowing_add(matched);
            let (sum, over_again) = sum.overflowing_add(u64::from(carry));
            *cell = sum | (old - matched);
            carry = over || over_again;
            word += 1;
        }
    }
}

fn step_word(row: u64, mask: u64) -> u64 {
    let matched = row & mask;
    row.wrapping_add(matched) | (row - matched)
}

const fn low_bits(count: usize) -> u64 {
    if count == 64 { u64::MAX } else { (1 << count) - 1 }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The textbook table and rouge_score's way back through it.
    fn by_table(reference: &[u32], candidate: &[u32]) -> (usize, Vec<bool>) {
        let mut table = vec![vec![0usize; candidate.len() + 1]; reference.len() + 1];
        for (i, r) in reference.iter().enumerate() {
            for (j, c) in candidate.iter().enumerate() {
                table[i + 1][j + 1] =
                    if r == c { table[i][j] + 1 } else { table[i][j + 1].max(table[i + 1][j]) };
            }
        }
        let mut marks = vec![false; reference.len()];
        let (mut i, mut j) = (reference.len(), candidate.len());
        while i > 0 && j > 0 {
            if reference[i - 1] == candidate[j - 1] {
                marks[i - 1] = true;
                i -= 1;
                j -= 1;
            } else if table[i][j - 1] > table[i - 1][j] {
                j -= 1;
            } else {
                i -= 1;
            }
        }
        (table[reference.len()][candidate.len()], marks)
    }

    fn check(reference: &[u32], candidate: &[u32], ids: usize) {
        let mut lcs = Lcs::default();
        lcs.set_reference(reference, ids);
        let (length, expected) = by_table(reference, candidate);
        assert_eq!(lcs.length(candidate), length);
        let mut marks = vec![false; reference.len()];
        lcs.mark(reference, candidate, &mut marks);
        assert_eq!(marks, expected);
    }

    proptest! {
        #[test]
        fn agrees_with_the_table(
            reference in prop::collection::vec(0u32..7, 0..300),
            candidate in prop::collection::vec(0u32..7, 0..300),
        ) {
            check(&reference, &candidate, 7);
        }

        #[test]
        fn agrees_with_the_table_for_rare_tokens(
            reference in prop::collection::vec(0u32..200, 50..300),
            candidate in prop::collection::vec(0u32..200, 50..300),
        ) {
            check(&reference, &candidate, 200);
        }
    }

    #[test]
    fn checkpoints_give_the_same_way_back() {
        // Long enough that rows are recomputed from checkpoints.
        let reference: Vec<u32> = (0..9_000u32).map(|i| i.wrapping_mul(2_654_435_761) >> 30).collect();
        let candidate: Vec<u32> = (0..8_000u32).map(|i| i.wrapping_mul(2_246_822_519) >> 30).collect();
        assert!(reference.len().div_ceil(64) * candidate.len() > KEPT_WORDS);
        check(&reference, &candidate, 4);
    }
}
