//! The shipped letters: how wide a text is, and what to do with one that is too wide.

use std::sync::LazyLock;

use ab_glyph::{Font, FontRef, GlyphId, PxScale};

use super::ChartError;

/// How heavy letters are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Weight {
    /// 400.
    Regular,
    /// 600.
    SemiBold,
}

/// The family's name within an SVG.
pub(super) const FAMILY: &str = "Lamplight Sans";

/// The files: subsets of Inter with figures of equal width; `resources/fonts/README.md` tells how they were made.
pub(super) static FILES: [(Weight, &[u8]); 2] = [
    (Weight::Regular, include_bytes!("../../../resources/fonts/LamplightSans-Regular.otf")),
    (Weight::SemiBold, include_bytes!("../../../resources/fonts/LamplightSans-SemiBold.otf")),
];

/// The letters' faces.
#[derive(Debug)]
pub(super) struct Faces {
    regular: FontRef<'static>,
    semi_bold: FontRef<'static>,
}

impl Faces {
    /// The shipped faces, read once.
    pub(super) fn shipped() -> Result<&'static Self, ChartError> {
        static FACES: LazyLock<Option<Faces>> = LazyLock::new(|| {
            let [(_, regular), (_, semi_bold)] = FILES;
            Some(Faces {
                regular: FontRef::try_from_slice(regular).ok()?,
                semi_bold: FontRef::try_from_slice(semi_bold).ok()?,
            })
        });
        FACES.as_ref().ok_or(ChartError::Font)
    }

    pub(super) const fn face(&self, weight: Weight) -> &FontRef<'static> {
        match weight {
            Weight::Regular => &self.regular,
            Weight::SemiBold => &self.semi_bold,
        }
    }

    /// The scale at which an em has `size` pixels.
    pub(super) fn scale(&self, weight: Weight, size: f64) -> PxScale {
        let face = self.face(weight);
        PxScale::from(size as f32 * face.height_unscaled() / face.units_per_em().unwrap_or(1000.0))
    }

    /// Each letter with where it begins, in ems from the text's beginning, and where the text ends.
    pub(super) fn place(&self, text: &str, weight: Weight) -> (Vec<(GlyphId, f64)>, f64) {
        let face = self.face(weight);
        let em = f64::from(face.units_per_em().unwrap_or(1000.0));
        let (mut at, mut before, mut letters) = (0.0, None, Vec::with_capacity(text.len()));
        for c in text.chars() {
            let id = face.glyph_id(c);
            if let Some(before) = before {
                at += f64::from(face.kern_unscaled(before, id)) / em;
            }
            letters.push((id, at));
            let own = f64::from(face.h_advance_unscaled(id)) / em;
            // What the font lacks, another one shows, whose widest letters are square.
            at += if id.0 == 0 { own.max(1.0) } else { own };
            before = Some(id);
        }
        (letters, at)
    }

    /// How wide a text is, in the unit of its size.
    pub(super) fn width(&self, text: &str, weight: Weight, size: f64) -> f64 {
        self.place(text, weight).1 * size
    }

    /// The text, with an ellipsis for as much of its middle as has no room: beginnings and endings tell names apart.
    pub(super) fn shorten(&self, text: &str, weight: Weight, size: f64, room: f64) -> String {
        if self.width(text, weight, size) <= room {
            return text.to_owned();
        }
        // Nothing of this many letters would fit, and names may be of any length.
        let most = (room / size * 8.0).max(2.0) as usize;
        let letters: Vec<char> = text.chars().collect();
        let mut kept = letters.len().saturating_sub(1).min(most);
        while kept > 1 {
            let head = kept.div_ceil(2);
            let begin: String = letters[..head].iter().collect();
            let end: String = letters[letters.len() - (kept - head)..].iter().collect();
            let short = format!("{}…{}", begin.trim_end(), end.trim_start());
            if self.width(&short, weight, size) <= room {
                return short;
            }
            kept -= 1;
        }
        "…".to_owned()
    }

    /// The text in lines, none wider than there is room, broken between words.
    pub(super) fn wrap(&self, text: &str, weight: Weight, size: f64, room: f64) -> Vec<String> {
        let mut lines: Vec<String> = Vec::new();
        // A no-break space breaks no line.
        for word in text.split(' ').filter(|word| !word.is_empty()) {
            if let Some(line) = lines.last_mut() {
                let longer = format!("{line} {word}");
                if self.width(&longer, weight, size) <= room {
                    *line = longer;
                    continue;
                }
            }
            lines.push(self.shorten(word, weight, size, room));
        }
        lines
    }
}

/// A text as it is shown: on one line, without characters that no file format carries or that turn what follows around.
pub(super) fn shown(text: &str) -> String {
    let visible = |c: char| match c {
        '\u{200E}' | '\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}' => ' ',
        '\u{FFFE}' | '\u{FFFF}' => ' ',
        c if c.is_control() => ' ',
        c => c,
    };
    text.chars().map(visible).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_of_equal_width_and_signs_are_there() {
        let faces = Faces::shipped().unwrap();
        for weight in [Weight::Regular, Weight::SemiBold] {
            let widths: Vec<f64> = ('0'..='9').map(|c| faces.width(&c.to_string(), weight, 1.0)).collect();
            assert!(widths.iter().all(|&width| width == widths[0] && width > 0.5), "{widths:?}");
            for c in "±◇★↑↓→←−–…×≥≤·éßŁαΔ".chars() {
                assert_ne!(faces.face(weight).glyph_id(c).0, 0, "{c}");
            }
        }
        let (pair, apart) = (faces.width("AV", Weight::Regular, 1.0), faces.width("A", Weight::Regular, 1.0));
        assert!(pair < 2.0 * apart - 0.01, "letters are not kerned");
    }

    #[test]
    fn names_too_long_lose_their_middle() {
        let faces = Faces::shipped().unwrap();
        let short = |text: &str, room: f64| faces.shorten(text, Weight::Regular, 7.0, room);
        assert_eq!(short("BM25", 100.0), "BM25");
        let name = "sentence-transformers/all-MiniLM-L6-v2";
        let shortened = short(name, 70.0);
        assert!(shortened.starts_with("sentence") && shortened.ends_with("L6-v2"), "{shortened}");
        assert!(faces.width(&shortened, Weight::Regular, 7.0) <= 70.0);
        assert_eq!(short(name, 0.0), "…");
        assert!(short(&"字".repeat(1_000_000), 40.0).chars().count() < 8);
    }

    #[test]
    fn lines_are_no_wider_than_their_room() {
        let faces = Faces::shipped().unwrap();
        let text =
            "Bars: scores with 95 % intervals; overlongwordswithoutanyplacetobreakarecut in the middle.";
        let lines = faces.wrap(text, Weight::Regular, 6.5, 90.0);
        assert!(lines.len() > 3 && lines.iter().all(|line| faces.width(line, Weight::Regular, 6.5) <= 90.0));
        assert!(faces.wrap(" ", Weight::Regular, 6.5, 90.0).is_empty());
        assert_eq!(shown("a\u{0}b\nc\u{202e}d"), "a b c d");
    }
}
