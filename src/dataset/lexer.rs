//! JSON token by token, over bytes that may end in the middle of a value.
//!
//! The one reader of JSON for large files: the pass over a file and the parsing of one record both use it,
//! so they cannot disagree. It follows RFC 8259 to the letter (no `NaN`, no trailing commas, no raw control
//! characters), but leaves text undecoded until someone asks. Knows nothing of datasets.
//!
//! Texts decide the speed: their ends are looked for sixteen bytes at a time.

use std::borrow::Cow;

/// Values nested deeper than this are refused; LaMP needs 4.
pub(super) const MAX_DEPTH: usize = 64;

/// What is wrong with a piece of JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SyntaxProblem {
    /// The text ends before the value does.
    #[error("the text ends in the middle of a value")]
    Ends,
    /// A `,` or the end of a list or object is missing.
    #[error("a comma or a closing bracket is missing")]
    Separator,
    /// An object's field does not begin with its name in quotes.
    #[error("a field name in quotes is missing")]
    Key,
    /// A field's name has no colon after it.
    #[error("a colon after a field name is missing")]
    Colon,
    /// Something that is no JSON value, such as `NaN` or a text without quotes.
    #[error("something that is no JSON value, such as NaN or text without quotes")]
    Value,
    /// A malformed number.
    #[error("a malformed number")]
    Number,
    /// A raw control character inside a text, where JSON wants an escape.
    #[error("a raw control character in a text")]
    ControlCharacter,
    /// A backslash with something that is no escape after it.
    #[error("an unknown escape in a text")]
    Escape,
    /// More than 64 levels.
    #[error("values nested more than {MAX_DEPTH} levels deep")]
    TooDeep,
}

/// A [`SyntaxProblem`] and where it was met, in bytes from the start of the lexed text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SyntaxError {
    pub problem: SyntaxProblem,
    pub at: usize,
}

/// The inside of a JSON string as it stands in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct RawText<'a> {
    pub bytes: &'a [u8],
    pub escaped: bool,
}

/// A value; of lists and objects only that they are there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Value<'a> {
    Text(RawText<'a>),
    /// The literal, never reformatted.
    Number(&'a [u8]),
    Bool,
    Null,
    Array,
    Object,
}

/// A reader of JSON over `bytes`, standing at `pos`.
#[derive(Debug, Clone)]
pub(super) struct Lexer<'a> {
    bytes: &'a [u8],
    pos: usize,
}

type Step<T> = Result<T, SyntaxError>;

impl<'a> Lexer<'a> {
    pub fn at(bytes: &'a [u8], pos: usize) -> Self {
        Self { bytes, pos }
    }

    pub fn pos(&self) -> usize {
        self.pos
    }

    fn fail<T>(&self, problem: SyntaxProblem) -> Step<T> {
        // At the very end it is the end that is wrong, whatever was expected.
        let problem = if self.pos >= self.bytes.len() { SyntaxProblem::Ends } else { problem };
        Err(SyntaxError { problem, at: self.pos })
    }

    /// Passes white space and gives the byte after it without passing that.
    pub fn peek(&mut self) -> Option<u8> {
        while let Some(&byte) = self.bytes.get(self.pos) {
            if !matches!(byte, b' ' | b'\n' | b'\r' | b'\t') {
                return Some(byte);
            }
            self.pos += 1;
        }
        None
    }

    /// Passes `byte` if it comes next.
    pub fn take(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.pos += usize::from(found);
        found
    }

    /// Passes `byte`, which must come next.
    pub fn expect(&mut self, byte: u8, otherwise: SyntaxProblem) -> Step<()> {
        if self.take(byte) { Ok(()) } else { self.fail(otherwise) }
    }

    /// After a value in a list or object: whether another follows; passes the comma or the closing bracket.
    pub fn more(&mut self, close: u8) -> Step<bool> {
        match self.peek() {
            Some(b',') => {
                self.pos += 1;
                Ok(true)
            }
            Some(byte) if byte == close => {
                self.pos += 1;
                Ok(false)
            }
            _ => self.fail(SyntaxProblem::Separator),
        }
    }

    /// A field's name and its colon.
    pub fn key(&mut self) -> Step<RawText<'a>> {
        self.expect(b'"', SyntaxProblem::Key)?;
        let key = self.string_body()?;
        self.expect(b':', SyntaxProblem::Colon)?;
        Ok(key)
    }

    /// Any value; lists and objects are passed over. `depth` is how many contain it.
    pub fn value(&mut self, depth: usize) -> Step<Value<'a>> {
        match self.peek() {
            Some(b'"') => {
                self.pos += 1;
                Ok(Value::Text(self.string_body()?))
            }
            Some(b'{') => {
                self.pos += 1;
                self.object(depth)?;
                Ok(Value::Object)
            }
            Some(b'[') => {
                self.pos += 1;
                self.array(depth)?;
                Ok(Value::Array)
            }
            Some(b't') => self.literal(b"true", Value::Bool),
            Some(b'f') => self.literal(b"false", Value::Bool),
            Some(b'n') => self.literal(b"null", Value::Null),
            Some(b'-' | b'0'..=b'9') => self.number(),
            _ => self.fail(SyntaxProblem::Value),
        }
    }

    fn object(&mut self, depth: usize) -> Step<()> {
        if depth >= MAX_DEPTH {
            return self.fail(SyntaxProblem::TooDeep);
        }
        if self.take(b'}') {
            return Ok(());
        }
        loop {
            self.key()?;
            self.value(depth + 1)?;
            if !self.more(b'}')? {
                return Ok(());
            }
        }
    }

    fn array(&mut self, depth: usize) -> Step<()> {
        if depth >= MAX_DEPTH {
            return self.fail(SyntaxProblem::TooDeep);
        }
        if self.take(b']') {
            return Ok(());
        }
        loop {
            self.value(depth + 1)?;
            if !self.more(b']')? {
                return Ok(());
            }
        }
    }

    fn literal(&mut self, word: &[u8], value: Value<'a>) -> Step<Value<'a>> {
        let rest = &self.bytes[self.pos..];
        if rest.starts_with(word) {
            self.pos += word.len();
            Ok(value)
        } else if word.starts_with(rest) {
            self.pos = self.bytes.len();
            self.fail(SyntaxProblem::Ends)
        } else {
            self.fail(SyntaxProblem::Value)
        }
    }

    fn digits(&mut self) -> usize {
        let start = self.pos;
        while self.bytes.get(self.pos).is_some_and(u8::is_ascii_digit) {
            self.pos += 1;
        }
        self.pos - start
    }

    fn number(&mut self) -> Step<Value<'a>> {
        let start = self.pos;
        if self.bytes.get(self.pos) == Some(&b'-') {
            self.pos += 1;
        }
        let whole = self.pos;
        let count = self.digits();
        if count == 0 || (count > 1 && self.bytes[whole] == b'0') {
            return self.fail(SyntaxProblem::Number);
        }
        if self.bytes.get(self.pos) == Some(&b'.') {
            self.pos += 1;
            if self.digits() == 0 {
                return self.fail(SyntaxProblem::Number);
            }
        }
        if matches!(self.bytes.get(self.pos), Some(b'e' | b'E')) {
            self.pos += 1;
            if matches!(self.bytes.get(self.pos), Some(b'+' | b'-')) {
                self.pos += 1;
            }
            if self.digits() == 0 {
                return self.fail(SyntaxProblem::Number);
            }
        }
        if self.pos == self.bytes.len() {
            return self.fail(SyntaxProblem::Ends); // more digits may follow what is in the window
        }
        Ok(Value::Number(&self.bytes[start..self.pos]))
    }

    /// The inside of a string whose opening quote is passed; passes the closing one.
    fn string_body(&mut self) -> Step<RawText<'a>> {
        let start = self.pos;
        let mut escaped = false;
        loop {
            self.pos += plain_run(&self.bytes[self.pos..]);
            match self.bytes.get(self.pos) {
                Some(b'"') => {
                    let bytes = &self.bytes[start..self.pos];
                    self.pos += 1;
                    return Ok(RawText { bytes, escaped });
                }
                Some(b'\\') => {
                    escaped = true;
                    self.escape()?;
                }
                _ => return self.fail(SyntaxProblem::ControlCharacter),
            }
        }
    }

    fn escape(&mut self) -> Step<()> {
        let rest = &self.bytes[self.pos + 1..];
        match rest.first() {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => {
                self.pos += 2;
                Ok(())
            }
            Some(b'u') => match rest.get(1..5) {
                Some(hex) if hex.iter().all(u8::is_ascii_hexdigit) => {
                    self.pos += 6;
                    Ok(())
                }
                Some(_) => self.fail(SyntaxProblem::Escape),
                None if rest[1..].iter().all(u8::is_ascii_hexdigit) => {
                    self.pos = self.bytes.len();
                    self.fail(SyntaxProblem::Ends)
                }
                None => self.fail(SyntaxProblem::Escape),
            },
            Some(_) => self.fail(SyntaxProblem::Escape),
            None => {
                self.pos = self.bytes.len();
                self.fail(SyntaxProblem::Ends)
            }
        }
    }
}

/// How many bytes at the start of `bytes` are ordinary text: no quote, no backslash, no control character.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
fn plain_run(bytes: &[u8]) -> usize {
    use std::arch::x86_64::{
        __m128i, _mm_cmpeq_epi8, _mm_loadu_si128, _mm_min_epu8, _mm_movemask_epi8, _mm_or_si128,
        _mm_set1_epi8,
    };
    let special = |block: &[u8; 16]| {
        // SAFETY: SSE2 is part of every x86-64; `block` is 16 readable bytes, and the load wants no alignment.
        unsafe {
            let block = _mm_loadu_si128(block.as_ptr().cast::<__m128i>());
            let quote = _mm_cmpeq_epi8(block, _mm_set1_epi8(b'"' as i8));
            let backslash = _mm_cmpeq_epi8(block, _mm_set1_epi8(b'\\' as i8));
            let control = _mm_cmpeq_epi8(_mm_min_epu8(block, _mm_set1_epi8(0x1f)), block);
            _mm_movemask_epi8(_mm_or_si128(_mm_or_si128(quote, backslash), control)) as u32
        }
    };
    let (blocks, _) = bytes.as_chunks::<16>();
    for (number, block) in blocks.iter().enumerate() {
        let mask = special(block);
        if mask != 0 {
            return number * 16 + mask.trailing_zeros() as usize;
        }
    }
    let done = blocks.len() * 16;
    done + portable_plain_run(&bytes[done..])
}

#[cfg(not(target_arch = "x86_64"))]
use portable_plain_run as plain_run;

/// The same with what every processor has, eight bytes at a time.
fn portable_plain_run(bytes: &[u8]) -> usize {
    const ONES: u64 = u64::MAX / 255;
    const HIGH: u64 = ONES << 7;
    let (words, rest) = bytes.as_chunks::<8>();
    for (number, word) in words.iter().enumerate() {
        let word = u64::from_le_bytes(*word);
        // A byte's high bit is set where the byte was zero. Borrows can set later ones too, never earlier.
        let zero = |x: u64| x.wrapping_sub(ONES) & !x;
        let quote = zero(word ^ (ONES * u64::from(b'"')));
        let backslash = zero(word ^ (ONES * u64::from(b'\\')));
        let control = word.wrapping_sub(ONES * 0x20) & !word;
        let hit = (quote | backslash | control) & HIGH;
        if hit != 0 {
            return number * 8 + hit.trailing_zeros() as usize / 8;
        }
    }
    let special = |&byte: &u8| byte == b'"' || byte == b'\\' || byte < 0x20;
    bytes.len() - rest.len() + rest.iter().position(special).unwrap_or(rest.len())
}

impl<'a> RawText<'a> {
    /// The text with its escapes undone, and whether a half of a surrogate pair stood alone in it: such
    /// halves, which Python writes and reads, become U+FFFD. `None` where the bytes are not UTF-8.
    pub fn decode(self) -> Option<(Cow<'a, str>, bool)> {
        let text = std::str::from_utf8(self.bytes).ok()?;
        if !self.escaped {
            return Some((Cow::Borrowed(text), false));
        }
        let mut out = String::with_capacity(text.len());
        let mut lone = false;
        let mut rest = text;
        while let Some(position) = memchr::memchr(b'\\', rest.as_bytes()) {
            out.push_str(&rest[..position]);
            let kind = *rest.as_bytes().get(position + 1)?;
            rest = rest.get(position + 2..)?;
            match kind {
                b'b' => out.push('\u{8}'),
                b'f' => out.push('\u{c}'),
                b'n' => out.push('\n'),
                b'r' => out.push('\r'),
                b't' => out.push('\t'),
                b'u' => {
                    let first = hex4(rest)?;
                    rest = &rest[4..];
                    let low =
                        rest.strip_prefix("\\u").and_then(hex4).filter(|low| (0xdc00..0xe000).contains(low));
                    let code = match (first, low) {
                        (0xd800..=0xdbff, Some(low)) => {
                            rest = &rest[6..];
                            0x10000 + ((first - 0xd800) << 10) + (low - 0xdc00)
                        }
                        _ => first,
                    };
                    let decoded = char::from_u32(code);
                    lone |= decoded.is_none();
                    out.push(decoded.unwrap_or(char::REPLACEMENT_CHARACTER));
                }
                other => out.push(char::from(other)), // `"`, `\` and `/` stand for themselves
            }
        }
        out.push_str(rest);
        Some((Cow::Owned(out), lone))
    }
}

fn hex4(text: &str) -> Option<u32> {
    u32::from_str_radix(text.get(..4)?, 16).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Whether the whole text is one JSON value.
    fn accepts(text: &[u8]) -> bool {
        let padded = [text, b" "].concat(); // a number at the very end counts as unfinished
        let mut lexer = Lexer::at(&padded, 0);
        lexer.value(0).is_ok() && lexer.peek().is_none()
    }

    #[test]
    fn values_are_passed_and_malformed_ones_named() {
        for good in ["1", "-0.5e+10", "[]", "{}", r#"{"a":[1,{"b":null}],"c":"\u00e9\\"}"#, " true "] {
            assert!(accepts(good.as_bytes()), "{good}");
        }
        use SyntaxProblem::*;
        for (bad, problem) in [
            ("NaN", Value),
            ("[1,]", Value),
            ("[1 2]", Separator),
            ("{a:1}", Key),
            (r#"{"a" 1}"#, Colon),
            ("01 ", Number),
            ("1.", Ends),
            ("1.x", Number),
            ("\"a\u{1}\"", ControlCharacter),
            (r#""\x""#, Escape),
            (r#""\u12G4""#, Escape),
            (r#""\u12"#, Ends),
            ("\"abc", Ends),
            ("tru", Ends),
            ("", Ends),
        ] {
            let error = Lexer::at(bad.as_bytes(), 0).value(0).unwrap_err();
            assert_eq!(error.problem, problem, "{bad}");
        }
        let deep = "[".repeat(100_000);
        assert_eq!(Lexer::at(deep.as_bytes(), 0).value(0).unwrap_err().problem, TooDeep);
    }

    #[test]
    fn escapes_are_undone_and_lone_surrogates_replaced() {
        fn decode(inside: &str) -> (Cow<'_, str>, bool) {
            RawText { bytes: inside.as_bytes(), escaped: true }.decode().unwrap()
        }
        assert_eq!(decode(r#"\"\\\/\b\f\n\r\té\u00e9"#).0, "\"\\/\u{8}\u{c}\n\r\téé");
        assert_eq!(decode(r"\ud83d\ude00 x"), (Cow::Owned("😀 x".into()), false));
        assert_eq!(decode(r"\ud83d x"), (Cow::Owned("\u{fffd} x".into()), true));
        assert_eq!(decode(r"\ude00\ud83d"), (Cow::Owned("\u{fffd}\u{fffd}".into()), true));
        assert_eq!(decode(r"\ud83d\ud83d\ude00"), (Cow::Owned("\u{fffd}😀".into()), true));
        assert_eq!(decode(r"\u0069d").0, "id");
    }

    #[test]
    fn every_length_of_plain_text_is_measured() {
        for length in 0..300 {
            for special in [b'"', b'\\', 0u8, 0x1f] {
                let mut text = vec![b'\x80'; length];
                text.push(special);
                text.extend_from_slice(b"abcdefgh\"");
                for run in [plain_run, portable_plain_run] {
                    assert_eq!(run(&text), length);
                    assert_eq!(run(&text[length.min(7)..]), length - length.min(7));
                }
            }
            assert_eq!(plain_run(&vec![b' '; length]), length);
        }
    }

    proptest! {
        #[test]
        fn agrees_with_serde_json_on_what_is_json(text in r#"[\[\]{}:,"\\ntrue0-9.eE+ \x00-\x1fa-z]{0,40}"#) {
            let theirs = serde_json::from_str::<serde::de::IgnoredAny>(&text).is_ok();
            prop_assert_eq!(accepts(text.as_bytes()), theirs, "{:?}", text);
        }

        #[test]
        fn strings_decode_as_serde_json_does(text in any::<String>()) {
            let json = serde_json::to_string(&text).unwrap();
            let mut lexer = Lexer::at(json.as_bytes(), 0);
            let Ok(Value::Text(raw)) = lexer.value(0) else { panic!("{json}") };
            prop_assert_eq!(raw.decode(), Some((Cow::Borrowed(text.as_str()), false)));
            prop_assert_eq!(lexer.pos(), json.len());
        }
    }
}
