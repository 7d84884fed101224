//! Python's notion of white space, which decides tokens and trimmed answers in the reference.

/// Whether Python's `str.isspace` calls `c` white space: Unicode's, and the four information
/// separators `\x1c`–`\x1f` that Rust's [`char::is_whitespace`] leaves out.
pub fn is_python_space(c: char) -> bool {
    c.is_whitespace() || matches!(c, '\u{1c}'..='\u{1f}')
}

/// Python's `str.strip()`.
pub fn python_strip(text: &str) -> &str {
    text.trim_matches(is_python_space)
}

/// Python's `str.split()`: the runs between white space, none of them empty.
pub fn python_split(text: &str) -> impl Iterator<Item = &str> {
    text.split(is_python_space).filter(|part| !part.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn separators_and_unicode_spaces_split() {
        let words: Vec<_> = python_split(" a\u{1c}b\u{a0}c\u{2003}d\u{85}\te\u{200b}f ").collect();
        assert_eq!(words, ["a", "b", "c", "d", "e\u{200b}f"]);
        assert_eq!(python_strip("\u{1f} x \u{3000}"), "x");
    }
}
