//! What turns texts into vectors.

use super::ModelError;
use crate::jobs::CancelToken;

/// Rows of equal length, one after the other.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Matrix {
    /// All values, row by row.
    pub values: Vec<f32>,
    /// The length of a row.
    pub columns: usize,
}

impl Matrix {
    /// How many rows there are.
    pub fn rows(&self) -> usize {
        self.values.len().checked_div(self.columns).unwrap_or(0)
    }

    /// A row; empty beyond the last.
    pub fn row(&self, index: usize) -> &[f32] {
        self.values.get(index * self.columns..(index + 1) * self.columns).unwrap_or_default()
    }
}

/// A model that turns a text into a vector.
pub trait Encoder {
    /// One row a text, in the texts' order; none depends on which others are in the batch.
    ///
    /// # Errors
    /// [`ModelError::Canceled`] soon after the token is canceled; else what is wrong with a text or the model.
    fn encode(&mut self, cancel: &CancelToken, texts: &[&str]) -> Result<Matrix, ModelError>;
}
