//! Texts cut short.

/// The beginning of a text, at most so many characters; tells whether more follows.
pub(super) fn beginning(text: &str, most: usize) -> (&str, bool) {
    match text.char_indices().nth(most) {
        Some((end, _)) => (&text[..end], true),
        None => (text, false),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_ends_between_letters() {
        assert_eq!(beginning("d\u{e9}j\u{e0}", 2), ("d\u{e9}", true));
        assert_eq!(beginning("d\u{e9}", 2), ("d\u{e9}", false));
    }
}
