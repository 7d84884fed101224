//! SentencePiece by scores: characters are joined pair by pair, the best-scored piece first, the leftmost of equal
//! ones; a character that is no piece falls apart into its bytes.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

use super::vocabulary::Vocabulary;

/// How pieces write a space.
pub const SPACE: &str = "\u{2581}";

#[derive(Clone, Copy)]
struct Symbol {
    start: usize,
    /// 0 once it was joined to the one before.
    length: usize,
    previous: Option<usize>,
    next: Option<usize>,
}

struct Pair {
    score: f32,
    left: usize,
    right: usize,
    length: usize,
}

impl PartialEq for Pair {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Pair {}

impl PartialOrd for Pair {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Pair {
    fn cmp(&self, other: &Self) -> Ordering {
        self.score.total_cmp(&other.score).then(other.left.cmp(&self.left))
    }
}

/// Adds the tokens of a text, with a space put first where asked for, each with the byte of the text it ends at.
pub fn encode(vocabulary: &Vocabulary, original: &str, space: bool, mut put: impl FnMut(u32, usize)) {
    let mut text = original.replace(' ', SPACE);
    if space {
        text.insert_str(0, SPACE);
    }
    let mut symbols: Vec<Symbol> = Vec::with_capacity(text.len());
    for (start, char) in text.char_indices() {
        let index = symbols.len();
        let previous = index.checked_sub(1);
        symbols.push(Symbol { start, length: char.len_utf8(), previous, next: Some(index + 1) });
    }
    match symbols.last_mut() {
        Some(last) => last.next = None,
        None => return,
    }
    let mut pairs = BinaryHeap::new();
    let consider =
        |symbols: &[Symbol], left: Option<usize>, right: Option<usize>, pairs: &mut BinaryHeap<Pair>| {
            let (Some(left), Some(right)) = (left, right) else { return };
            let length = symbols[left].length + symbols[right].length;
            let start = symbols[left].start;
            if let Some((_, score)) = vocabulary.piece(&text[start..start + length]) {
                pairs.push(Pair { score, left, right, length });
            }
        };
    for right in 1..symbols.len() {
        consider(&symbols, Some(right - 1), Some(right), &mut pairs);
    }
    while let Some(pair) = pairs.pop() {
        let (left, right) = (symbols[pair.left], symbols[pair.right]);
        // One of them may have been joined elsewhere since.
        if left.length == 0 || right.length == 0 || left.length + right.length != pair.length {
            continue;
        }
        symbols[pair.left] = Symbol { length: pair.length, next: right.next, ..left };
        symbols[pair.right].length = 0;
        if let Some(next) = right.next {
            symbols[next].previous = Some(pair.left);
        }
        consider(&symbols, left.previous, Some(pair.left), &mut pairs);
        consider(&symbols, Some(pair.left), right.next, &mut pairs);
    }
    // One character of the original for each, but none for a space put first.
    let mut ends = original.char_indices().map(|(at, char)| at + char.len_utf8());
    let mut end = 0;
    for (index, symbol) in symbols.iter().enumerate().filter(|(_, symbol)| symbol.length > 0) {
        let piece = &text[symbol.start..symbol.start + symbol.length];
        let characters = piece.chars().count() - usize::from(space && index == 0);
        if characters > 0 {
            end = ends.nth(characters - 1).unwrap_or(original.len());
        }
        match vocabulary.piece(piece) {
            Some((id, _)) => put(id, end),
            None => {
                let bytes = piece.bytes().filter_map(|byte| vocabulary.id(&format!("<0x{byte:02X}>")));
                bytes.for_each(|id| put(id, end));
            }
        }
    }
}

/// The byte of a byte token's text.
pub fn byte(text: &str) -> Option<u8> {
    u8::from_str_radix(text.strip_prefix("<0x")?.strip_suffix('>')?, 16).ok()
}
