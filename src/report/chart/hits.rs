//! Places of a picture that tell something where one points at them.

use super::spec::About;

/// A place of a picture, in points (1/72 inch) from its left upper corner.
#[derive(Debug, Clone, PartialEq)]
pub struct Hit {
    /// The left edge.
    pub x: f64,
    /// The upper edge.
    pub y: f64,
    /// From left to right.
    pub width: f64,
    /// From top to bottom.
    pub height: f64,
    /// What is there.
    pub about: About,
}

impl Hit {
    /// Whether a point lies within.
    pub fn holds(&self, x: f64, y: f64) -> bool {
        (self.x..=self.x + self.width).contains(&x) && (self.y..=self.y + self.height).contains(&y)
    }
}
