//! Porter's stemmer (M. F. Porter, "An algorithm for suffix stripping", 1980) with the departures of NLTK's
//! default mode, which ROUGE and METEOR stem with: a short list of irregular words, `dies` → `die`, a `y` that
//! turns only after a consonant, and a few more rules. Knows words, nothing of scores.

/// Irregular words and their stems.
const IRREGULAR: [(&str, &str); 16] = [
    ("sky", "sky"),
    ("skies", "sky"),
    ("dying", "die"),
    ("lying", "lie"),
    ("tying", "tie"),
    ("news", "news"),
    ("innings", "inning"),
    ("inning", "inning"),
    ("outings", "outing"),
    ("outing", "outing"),
    ("cannings", "canning"),
    ("canning", "canning"),
    ("howe", "howe"),
    ("proceed", "proceed"),
    ("exceed", "exceed"),
    ("succeed", "succeed"),
];

/// The stem of a word, lower-cased. Characters other than `a`, `e`, `i`, `o`, `u` and `y` count as consonants.
pub fn porter_stem(word: &str) -> String {
    let lower = word.to_lowercase();
    if let Some((_, stem)) = IRREGULAR.iter().find(|(irregular, _)| *irregular == lower) {
        return (*stem).to_owned();
    }
    if word.chars().nth(2).is_none() {
        return lower;
    }
    let mut stem = Stem { chars: lower.chars().collect(), vowels: Vec::new() };
    stem.classify();
    stem.plurals();
    stem.past_and_gerund();
    stem.final_y();
    stem.double_suffixes();
    stem.apply(&STEP_3, 0);
    stem.apply(&STEP_4, 1);
    stem.final_e();
    stem.final_ll();
    stem.chars.into_iter().collect()
}

/// Suffix and what replaces it. The first suffix that fits decides, whether or not its condition holds.
type Rule = (&'static str, &'static str);

const STEP_2: [Rule; 22] = [
    ("ational", "ate"),
    ("tional", "tion"),
    ("enci", "ence"),
    ("anci", "ance"),
    ("izer", "ize"),
    ("bli", "ble"),
    ("alli", "al"),
    ("entli", "ent"),
    ("eli", "e"),
    ("ousli", "ous"),
    ("ization", "ize"),
    ("ation", "ate"),
    ("ator", "ate"),
    ("alism", "al"),
    ("iveness", "ive"),
    ("fulness", "ful"),
    ("ousness", "ous"),
    ("aliti", "al"),
    ("iviti", "ive"),
    ("biliti", "ble"),
    ("fulli", "ful"),
    ("logi", "log"),
];

const STEP_3: [Rule; 7] = [
    ("icate", "ic"),
    ("ative", ""),
    ("alize", "al"),
    ("iciti", "ic"),
    ("ical", "ic"),
    ("ful", ""),
    ("ness", ""),
];

const STEP_4: [Rule; 19] = [
    ("al", ""),
    ("ance", ""),
    ("ence", ""),
    ("er", ""),
    ("ic", ""),
    ("able", ""),
    ("ible", ""),
    ("ant", ""),
    ("ement", ""),
    ("ment", ""),
    ("ent", ""),
    ("ion", ""),
    ("ou", ""),
    ("ism", ""),
    ("ate", ""),
    ("iti", ""),
    ("ous", ""),
    ("ive", ""),
    ("ize", ""),
];

/// A word on its way to its stem.
struct Stem {
    chars: Vec<char>,
    /// Whether each character is a vowel; a `y` is one after a consonant. Depends on the characters before it
    /// only, so that cutting the end keeps it right.
    vowels: Vec<bool>,
}

impl Stem {
    fn classify(&mut self) {
        for at in self.vowels.len()..self.chars.len() {
            let vowel = match self.chars[at] {
                'a' | 'e' | 'i' | 'o' | 'u' => true,
                'y' => at > 0 && !self.vowels[at - 1],
                _ => false,
            };
            self.vowels.push(vowel);
        }
    }

    fn len(&self) -> usize {
        self.chars.len()
    }

    fn ends_with(&self, suffix: &str) -> bool {
        let mut from_end = self.chars.iter().rev();
        suffix.chars().rev().all(|c| from_end.next() == Some(&c))
    }

    /// Cuts to `keep` characters and appends.
    fn replace(&mut self, keep: usize, with: &str) {
        self.chars.truncate(keep);
        self.vowels.truncate(keep);
        self.chars.extend(with.chars());
        self.classify();
    }

    /// Porter's measure of the first `keep` characters: how often a consonant follows a vowel.
    fn measure(&self, keep: usize) -> usize {
        self.vowels[..keep].windows(2).filter(|pair| pair[0] && !pair[1]).count()
    }

    /// Porter's `*o` over the first `keep` characters: consonant, vowel, consonant other than w, x, y; or a word
    /// of a vowel and a consonant.
    fn ends_cvc(&self, keep: usize) -> bool {
        match self.vowels[..keep] {
            [true, false] => true,
            [.., false, true, false] => !matches!(self.chars[keep - 1], 'w' | 'x' | 'y'),
            _ => false,
        }
    }

    /// Step 1a.
    fn plurals(&mut self) {
        let len = self.len();
        if self.ends_with("ies") {
            self.replace(len - 3, if len == 4 { "ie" } else { "i" });
        } else if self.ends_with("sses") {
            self.replace(len - 2, "");
        } else if self.ends_with("s") && !self.ends_with("ss") {
            self.replace(len - 1, "");
        }
    }

    /// Step 1b.
    fn past_and_gerund(&mut self) {
        let len = self.len();
        if self.ends_with("ied") {
            return self.replace(len - 3, if len == 4 { "ie" } else { "i" });
        }
        if self.ends_with("eed") {
            if self.measure(len - 3) > 0 {
                self.replace(len - 1, "");
            }
            return;
        }
        let keep = match (self.ends_with("ed"), self.ends_with("ing")) {
            (true, _) => len - 2,
            (_, true) => len - 3,
            _ => return,
        };
        if !self.vowels[..keep].contains(&true) {
            return;
        }
        self.replace(keep, "");
        let last = self.chars[keep - 1];
        let doubled = keep >= 2 && last == self.chars[keep - 2] && !self.vowels[keep - 1];
        if self.ends_with("at") || self.ends_with("bl") || self.ends_with("iz") {
            self.replace(keep, "e");
        } else if doubled {
            if !matches!(last, 'l' | 's' | 'z') {
                self.replace(keep - 1, "");
            }
        } else if self.measure(keep) == 1 && self.ends_cvc(keep) {
            self.replace(keep, "e");
        }
    }

    /// Step 1c, in NLTK's form: only after a consonant that is not the whole stem.
    fn final_y(&mut self) {
        let len = self.len();
        if self.ends_with("y") && len > 2 && !self.vowels[len - 2] {
            self.replace(len - 1, "i");
        }
    }

    /// Step 2.
    fn double_suffixes(&mut self) {
        // `alli` goes first, and what remains runs through the step again.
        while self.ends_with("alli") && self.measure(self.len() - 4) > 0 {
            self.replace(self.len() - 2, "");
        }
        self.apply(&STEP_2, 0);
    }

    /// Applies the first rule whose suffix fits, if the stem's measure exceeds `above`.
    fn apply(&mut self, rules: &[Rule], above: usize) {
        let Some((suffix, with)) = rules.iter().find(|(suffix, _)| self.ends_with(suffix)) else { return };
        let keep = self.len() - suffix.len();
        let allowed = match *suffix {
            // NLTK counts the `l` to the stem, so that `geology` loses its ending too.
            "logi" => self.measure(keep + 1) > above,
            "ion" => self.measure(keep) > above && matches!(self.chars[keep - 1], 's' | 't'),
            _ => self.measure(keep) > above,
        };
        if allowed {
            self.replace(keep, with);
        }
    }

    /// Step 5a.
    fn final_e(&mut self) {
        if self.ends_with("e") {
            let keep = self.len() - 1;
            let measure = self.measure(keep);
            if measure > 1 || (measure == 1 && !self.ends_cvc(keep)) {
                self.replace(keep, "");
            }
        }
    }

    /// Step 5b.
    fn final_ll(&mut self) {
        let len = self.len();
        if self.ends_with("ll") && self.measure(len - 1) > 1 {
            self.replace(len - 1, "");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stems_agree_with_the_reference_on_every_rule() {
        let table = include_str!("../../tests/data/porter_pairs.csv");
        let mut rows = 0;
        for line in table.lines().skip(1) {
            let (word, stem) = line.split_once(',').unwrap();
            assert_eq!(porter_stem(word), stem, "{word}");
            rows += 1;
        }
        assert!(rows > 300, "{rows}");
    }

    #[test]
    fn any_text_has_a_stem() {
        for word in
            ["", "é", "ééé", "yyyyyyed", "ing", "eed", "ss", "ion", "日本語ing", "İİİies", "ied", "ies"]
        {
            let _ = porter_stem(word);
        }
        assert_eq!(porter_stem("CATS"), "cat");
    }
}
