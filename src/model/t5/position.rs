//! Relative positions: which bucket's bias a query adds to a key's score.

/// The bucket of a key that lies `distance` tokens after its query (negative: before it). The encoder looks both
/// ways and halves the buckets; the decoder looks back only, and all later keys share bucket 0.
///
/// Half of the buckets hold one distance each, the others grow logarithmically up to `max_distance`.
pub fn bucket(distance: i64, bidirectional: bool, buckets: usize, max_distance: usize) -> usize {
    let (side, buckets, back) = if bidirectional {
        let half = buckets / 2;
        (if distance > 0 { half } else { 0 }, half, distance.unsigned_abs() as usize)
    } else {
        (0, buckets, usize::try_from(-distance).unwrap_or(0))
    };
    let exact = buckets / 2;
    if back < exact {
        return side + back;
    }
    // In f32 like the reference: the borders between buckets depend on it.
    let ratio = (back as f32 / exact as f32).ln() / ((max_distance as f64 / exact as f64).ln() as f32);
    let log = (ratio * (buckets - exact) as f32) as usize;
    side + (exact + log).min(buckets - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn borders_are_those_of_the_reference() {
        // Computed by hand from the rule: 16 buckets a side, 8 exact, then 8·16^(k/8) for k = 1 … 7.
        for (back, expected) in [
            (0, 0),
            (7, 7),
            (8, 8),
            (11, 8),
            (12, 9),
            (15, 9),
            (16, 10),
            (22, 10),
            (23, 11),
            (31, 11),
            (32, 12),
            (45, 12),
            (46, 13),
            (63, 13),
            (64, 14),
            (90, 14),
            (91, 15),
            (128, 15),
            (5000, 15),
        ] {
            assert_eq!(bucket(-back, true, 32, 128), expected, "{back} back");
            if back > 0 {
                assert_eq!(bucket(back, true, 32, 128), 16 + expected, "{back} ahead");
            }
        }
    }

    #[test]
    fn the_decoder_looks_back_only() {
        assert_eq!(bucket(5, false, 32, 128), 0);
        assert_eq!(bucket(-15, false, 32, 128), 15);
        assert_eq!(bucket(-9, false, 32, 128), 9);
        assert_eq!(bucket(-16, false, 32, 128), 16);
        assert_eq!(bucket(-128, false, 32, 128), 31);
    }
}
