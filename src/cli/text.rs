//! Text from data files made safe for a terminal.

use std::fmt::Write;

/// The text with control characters (escape sequences among them) and those that reorder text written out, so that
/// data cannot steer the terminal; line breaks and tabs stay.
pub fn safe(text: &str) -> String {
    neutralized(text, |c| matches!(c, '\n' | '\t'))
}

/// [`safe`] on one line.
pub fn plain(text: &str) -> String {
    neutralized(text, |_| false)
}

fn neutralized(text: &str, keep: impl Fn(char) -> bool) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        let reorders = matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}');
        if (c.is_control() || reorders) && !keep(c) {
            // A `String` takes all that is written into it.
            let _ = write!(out, "\\u{{{:x}}}", u32::from(c));
        } else {
            out.push(c);
        }
    }
    out
}

/// [`plain`] with runs of white space made one space and none at the edges: for the beginning of a text in a list.
pub fn line(text: &str) -> String {
    plain(&text.split_whitespace().collect::<Vec<_>>().join(" "))
}

/// The columns of a terminal that a text takes.
pub fn width(text: &str) -> usize {
    ::console::measure_text_width(text)
}

/// The text if it takes no more than `columns`, else its beginning and `…`.
pub fn fitted(text: &str, columns: usize) -> String {
    if width(text) <= columns {
        return text.to_owned();
    }
    let mut out = String::new();
    let mut taken = 0;
    for c in text.chars() {
        taken += width(c.encode_utf8(&mut [0; 4]));
        if taken >= columns {
            break;
        }
        out.push(c);
    }
    out.truncate(out.trim_end().len());
    out.push('…');
    out
}

/// A table of left-aligned columns, those in `right` right-aligned, two spaces between.
pub fn table(rows: &[Vec<String>], right: &[usize]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let widest = |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|cell| width(cell)).max();
    let widths: Vec<usize> = (0..columns).map(|column| widest(column).unwrap_or(0)).collect();
    let mut out = String::new();
    for row in rows {
        let mut line = String::new();
        for (column, cell) in row.iter().enumerate() {
            let fill = " ".repeat(widths[column] - width(cell));
            let (before, after) =
                if right.contains(&column) { (fill.as_str(), "") } else { ("", fill.as_str()) };
            line.push_str(&format!("{}{before}{cell}{after}", if column > 0 { "  " } else { "" }));
        }
        out.push_str(line.trim_end());
        out.push('\n');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_cannot_steer_the_terminal() {
        let nasty = "\u{1b}[2J\u{9b}31m\r\u{7}a\u{202e}b\nc\td\u{0}";
        assert_eq!(safe(nasty), "\\u{1b}[2J\\u{9b}31m\\u{d}\\u{7}a\\u{202e}b\nc\td\\u{0}");
        assert!(!plain(nasty).contains('\n'));
    }

    #[test]
    fn texts_are_fitted_by_the_columns_they_take() {
        assert_eq!(fitted("abc", 3), "abc");
        assert_eq!(fitted("abcd", 3), "ab…");
        assert_eq!(fitted("ab cd", 4), "ab…");
        assert_eq!(fitted("日本語", 5), "日本…");
        assert_eq!(fitted("日本語", 6), "日本語");
        assert_eq!(line(" a\n\tb\u{1b}c  "), "a b\\u{1b}c");
        let rows = [["日本", "x"], ["a", "y"]].map(|row| row.map(str::to_owned).to_vec());
        assert_eq!(table(&rows, &[]), "日本  x\na     y\n");
    }
}
