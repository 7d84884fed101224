//! Rotary positions: which angle each pair of numbers is turned by, and the turning.
//!
//! The stretching rules for contexts longer than those of training are those of llama.cpp: linear, YaRN
//! (arXiv 2309.00071), and factors listed in the file (Llama 3.1, Phi 3).

use super::GgufError;
use super::shape::Keys;

/// How positions are stretched.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scaling {
    /// Positions are multiplied with this; 1 for none.
    pub factor: f32,
    /// Fast pairs are turned as in training, slow ones as stretched.
    pub yarn: Option<Yarn>,
    /// Rotated numbers are multiplied with this.
    pub magnitude: f32,
    /// The context of training before it was stretched.
    pub original_context: usize,
}

/// Where YaRN passes from one rule to the other, in turns over the original context.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Yarn {
    /// Pairs with more turns keep their angle.
    pub fast: f32,
    /// Pairs with fewer are stretched.
    pub slow: f32,
}

impl Scaling {
    /// Reads the metadata.
    ///
    /// # Errors
    /// A rule that is not known, or absurd numbers.
    pub fn read(keys: &Keys<'_>) -> Result<Self, GgufError> {
        let limits = 1e-3..=1e6;
        let kind = keys.text("rope.scaling.type").unwrap_or("linear");
        let stretch = match keys.get("rope.scaling.factor") {
            Some(_) => keys.float("rope.scaling.factor", Some(0.0), 0.0..=1e6)?,
            None => keys.float("rope.scale_linear", Some(0.0), 0.0..=1e6)?,
        };
        let stretch = if stretch == 0.0 { 1.0 } else { stretch };
        let magnitude = keys.float("rope.scaling.attn_factor", Some(1.0), limits.clone())?;
        let original_context = match keys.optional("rope.scaling.original_context_length", 0, 1 << 24)? {
            0 => keys.required("context_length", 1 << 24)?,
            length => length,
        };
        Ok(match kind {
            "none" => Self { factor: 1.0, yarn: None, magnitude, original_context },
            "linear" | "longrope" => Self { factor: 1.0 / stretch, yarn: None, magnitude, original_context },
            "yarn" => {
                let fast = keys.float("rope.scaling.yarn_beta_fast", Some(32.0), limits.clone())?;
                let slow = keys.float("rope.scaling.yarn_beta_slow", Some(1.0), limits)?;
                // The paper's temperature of attention, as a factor on queries and keys.
                let temperature = 1.0 + 0.1 * stretch.max(1.0).ln();
                let yarn = Some(Yarn { fast, slow });
                Self { factor: 1.0 / stretch, yarn, magnitude: magnitude * temperature, original_context }
            }
            _ => return keys.refuse("rope.scaling.type", "none, linear, yarn or longrope"),
        })
    }

    /// No stretching.
    pub const fn none(self) -> Self {
        Self { factor: 1.0, yarn: None, magnitude: 1.0, original_context: self.original_context }
    }
}

/// Cosines and sines of a position, one of each a pair.
#[derive(Debug, Clone)]
pub struct Turn {
    cosines: Vec<f32>,
    sines: Vec<f32>,
}

/// The angles of one kind of layer.
#[derive(Debug, Clone)]
pub struct Rope {
    /// The angle a position turns each pair by.
    steps: Vec<f32>,
    magnitude: f32,
    neighbors: bool,
}

impl Rope {
    /// Angles for heads of which `rotated` numbers are turned; `divisors` are the file's own, one a pair, or none.
    pub fn new(
        rotated: usize,
        base: f32,
        scaling: Scaling,
        divisors: Option<&[f32]>,
        neighbors: bool,
    ) -> Self {
        let pairs = rotated / 2;
        let ramp = scaling.yarn.map(|yarn| {
            // The pair that makes so many turns over the original context.
            let pair = |turns: f32| {
                let length = scaling.original_context as f32 / (turns * 2.0 * std::f32::consts::PI);
                rotated as f32 * length.ln() / (2.0 * base.ln())
            };
            (pair(yarn.fast).floor().max(0.0), pair(yarn.slow).ceil().min(rotated as f32 - 1.0))
        });
        let steps = (0..pairs).map(|pair| {
            let divisor = divisors.and_then(|divisors| divisors.get(pair)).copied().unwrap_or(1.0);
            let step = base.powf(-2.0 * pair as f32 / rotated as f32) / divisor;
            let stretched = step * scaling.factor;
            match ramp {
                None => stretched,
                Some((low, high)) => {
                    let kept = 1.0 - ((pair as f32 - low) / (high - low).max(0.001)).clamp(0.0, 1.0);
                    stretched * (1.0 - kept) + step * kept
                }
            }
        });
        Self { steps: steps.collect(), magnitude: scaling.magnitude, neighbors }
    }

    /// How a position is turned.
    pub fn turn(&self, position: usize) -> Turn {
        let (sines, cosines): (Vec<f32>, Vec<f32>) = self
            .steps
            .iter()
            .map(|step| {
                let (sine, cosine) = (position as f32 * step).sin_cos();
                (sine * self.magnitude, cosine * self.magnitude)
            })
            .unzip();
        Turn { cosines, sines }
    }

    /// Turns the heads of a row, each `head` numbers.
    pub fn apply(&self, row: &mut [f32], head: usize, turn: &Turn) {
        let Turn { cosines, sines } = turn;
        for head in row.chunks_exact_mut(head) {
            if self.neighbors {
                for (pair, (cosine, sine)) in head.chunks_exact_mut(2).zip(cosines.iter().zip(sines)) {
                    let (x, y) = (pair[0], pair[1]);
                    (pair[0], pair[1]) = (x * cosine - y * sine, x * sine + y * cosine);
                }
            } else {
                let (first, rest) = head.split_at_mut(cosines.len());
                for ((x, y), (cosine, sine)) in first.iter_mut().zip(rest).zip(cosines.iter().zip(sines)) {
                    (*x, *y) = (*x * cosine - *y * sine, *x * sine + *y * cosine);
                }
            }
        }
    }
}
