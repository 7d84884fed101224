//! A matrix of low rank that is added to another one wherever that is read, so that it takes no room of its own.

/// `scale · B · A`: what an adapter adds to a matrix `[outputs, inputs]`.
#[derive(Debug, Clone, PartialEq)]
pub struct LowRank {
    /// The rank: rows of A, columns of B.
    pub rank: usize,
    /// Columns of A.
    pub inputs: usize,
    /// Rows of B.
    pub outputs: usize,
    /// A, row by row.
    pub a: Vec<f32>,
    /// B, row by row.
    pub b: Vec<f32>,
    /// What the product is multiplied with.
    pub scale: f32,
}

impl LowRank {
    /// Adds its rows from `first` on to as many whole rows as `out` holds.
    pub(super) fn add_rows(&self, first: usize, out: &mut [f32]) {
        let rows = self.b.chunks_exact(self.rank.max(1)).skip(first);
        for (row, factors) in out.chunks_mut(self.inputs.max(1)).zip(rows) {
            for (factor, from) in factors.iter().zip(self.a.chunks_exact(self.inputs.max(1))) {
                let factor = self.scale * factor;
                row.iter_mut().zip(from).for_each(|(to, from)| *to += factor * from);
            }
        }
    }
}
