//! How many samples are read and prepared together.

use crate::dataset::Dataset;

/// The most that is worked on together: samples, texts for a retriever's encoders, and bytes of records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// Samples.
    pub samples: usize,
    /// Queries and documents.
    pub texts: usize,
    /// Bytes of records as they stand in their files.
    pub bytes: usize,
}

impl Window {
    /// For retrievers that prepare for many samples at once, which costs less the more there are.
    pub const PREPARED: Self = Self { samples: 512, texts: 8192, bytes: 1 << 23 };

    /// How many of the samples at these places, taken from the first on, fit; one even where it alone is too much, and none
    /// only where there are no more.
    pub fn fitting(self, dataset: &Dataset, positions: impl IntoIterator<Item = usize>) -> usize {
        let most = [self.samples, self.texts, self.bytes];
        let mut sums = [0; 3];
        let mut count = 0;
        for position in positions {
            // What is not there takes no room; whoever reads it will say so.
            let added = dataset
                .summary(position)
                .map_or([1, 0, 0], |record| [1, record.profile_entries + 1, record.record_bytes]);
            sums.iter_mut().zip(added).for_each(|(sum, added)| *sum += added);
            if count > 0 && sums.iter().zip(most).any(|(sum, most)| *sum > most) {
                break;
            }
            count += 1;
        }
        count
    }
}
