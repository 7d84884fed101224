//! Colors: grounds and inks by theme, and one color a method everywhere.

use std::fmt;
use std::str::FromStr;

use super::super::Method;

/// Red, green and blue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Color(pub u8, pub u8, pub u8);

impl Color {
    /// A mixture: `share` of the other color, 0 to 1.
    pub(super) fn mix(self, other: Self, share: f64) -> Self {
        let mix = |one: u8, other: u8| {
            let share = share.clamp(0.0, 1.0);
            (f64::from(one) * (1.0 - share) + f64::from(other) * share).round() as u8
        };
        Self(mix(self.0, other.0), mix(self.1, other.1), mix(self.2, other.2))
    }

    /// Relative luminance (WCAG 2).
    pub(super) fn luminance(self) -> f64 {
        let part = |channel: u8| {
            let c = f64::from(channel) / 255.0;
            if c <= 0.03928 { c / 12.92 } else { ((c + 0.055) / 1.055).powf(2.4) }
        };
        0.2126 * part(self.0) + 0.7152 * part(self.1) + 0.0722 * part(self.2)
    }

    /// Contrast to another color (WCAG 2), 1 to 21.
    pub(super) fn contrast(self, other: Self) -> f64 {
        let (one, other) = (self.luminance(), other.luminance());
        (one.max(other) + 0.05) / (one.min(other) + 0.05)
    }
}

impl fmt::Display for Color {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{:02X}{:02X}{:02X}", self.0, self.1, self.2)
    }
}

/// What a chart is to lie on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Theme {
    /// White, for print.
    #[default]
    Paper,
    /// The program's light ground.
    Light,
    /// The program's dark ground.
    Dark,
}

impl Theme {
    /// All themes.
    pub const ALL: [Self; 3] = [Self::Paper, Self::Light, Self::Dark];

    /// `paper`, `light` or `dark`.
    pub const fn id(self) -> &'static str {
        match self {
            Self::Paper => "paper",
            Self::Light => "light",
            Self::Dark => "dark",
        }
    }

    /// What everything lies on.
    pub const fn ground(self) -> Color {
        match self {
            Self::Paper => Color(0xFF, 0xFF, 0xFF),
            Self::Light => Color(0xFA, 0xF9, 0xF6),
            Self::Dark => Color(0x16, 0x19, 0x1E),
        }
    }

    /// Text and marks.
    pub(super) const fn ink(self) -> Color {
        match self {
            Self::Paper | Self::Light => Color(0x1E, 0x22, 0x28),
            Self::Dark => Color(0xEC, 0xEA, 0xE4),
        }
    }

    /// Text of less weight, still read with ease.
    pub(super) const fn muted(self) -> Color {
        match self {
            Self::Paper | Self::Light => Color(0x5A, 0x60, 0x69),
            Self::Dark => Color(0xA8, 0xAE, 0xB8),
        }
    }

    /// Gridlines.
    pub(super) const fn grid(self) -> Color {
        match self {
            Self::Paper => Color(0xE3, 0xE5, 0xE8),
            Self::Light => Color(0xE2, 0xE1, 0xDC),
            Self::Dark => Color(0x2E, 0x33, 0x3B),
        }
    }

    /// Axes.
    pub(super) const fn axis(self) -> Color {
        match self {
            Self::Paper | Self::Light => Color(0x8A, 0x8F, 0x98),
            Self::Dark => Color(0x6B, 0x72, 0x7D),
        }
    }

    /// The darkest cell of a heat map; no method has the color.
    pub(super) const fn heat(self) -> Color {
        match self {
            Self::Paper | Self::Light => Color(0x2F, 0x4A, 0x66),
            Self::Dark => Color(0xA9, 0xC6, 0xE2),
        }
    }
}

/// A method's color, the same on every ground: after M. Okabe and K. Ito, safe for color-blind readers. The oracle, a bound and
/// no method, has the ink's.
pub fn method_color(method: Method, theme: Theme) -> Color {
    match method {
        Method::NonPersonalized => Color(0x8A, 0x8F, 0x98),
        Method::Random => Color(0xB9, 0xBD, 0xC4),
        Method::Bm25 => Color(0x00, 0x72, 0xB2),
        Method::FullText => Color(0x56, 0xB4, 0xE9),
        Method::Dense => Color(0x00, 0x9E, 0x73),
        Method::Recency => Color(0xCC, 0x79, 0xA7),
        Method::Fusion => Color(0xF0, 0xE4, 0x42),
        Method::PerUser => Color(0xE6, 0x9F, 0x00),
        Method::Tuned => Color(0xD5, 0x5E, 0x00),
        Method::Oracle => theme.ink(),
    }
}

/// What surrounds fusion's yellow, which is too light for a light ground.
pub(super) const FUSION_OUTLINE: Color = Color(0x5F, 0x58, 0x00);

/// A name that is no theme.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{given}` is not a theme; use paper, light or dark")]
pub struct UnknownTheme {
    given: String,
}

impl FromStr for Theme {
    type Err = UnknownTheme;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let known = Self::ALL.into_iter().find(|theme| theme.id() == text);
        known.ok_or_else(|| UnknownTheme { given: text.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_read_with_ease_on_every_ground() {
        for theme in Theme::ALL {
            assert!(theme.ink().contrast(theme.ground()) > 12.0);
            assert!(theme.muted().contrast(theme.ground()) > 4.5);
            assert_eq!(theme.id().parse(), Ok(theme));
        }
        assert!("sepia".parse::<Theme>().unwrap_err().to_string().contains("paper, light or dark"));
    }

    #[test]
    fn methods_have_their_colors() {
        let hex = |method| method_color(method, Theme::Dark).to_string();
        assert_eq!(
            Method::ALL[..8].iter().map(|&method| hex(method)).collect::<Vec<_>>(),
            ["#8A8F98", "#B9BDC4", "#0072B2", "#56B4E9", "#009E73", "#CC79A7", "#F0E442", "#D55E00"]
        );
    }
}
