//! Vectors in memory, up to a limit, for when they cannot be kept on disk.

use std::collections::HashMap;

use super::TextKey;

/// The vectors met last. When the younger half is full, the older one is forgotten.
pub(super) struct Recent {
    young: HashMap<TextKey, Box<[f32]>>,
    old: HashMap<TextKey, Box<[f32]>>,
    /// What the vectors of the younger half take, in bytes.
    bytes: usize,
    half: usize,
}

impl Recent {
    /// With room for vectors of so many bytes.
    pub(super) fn new(bytes: usize) -> Self {
        Self { young: HashMap::new(), old: HashMap::new(), bytes: 0, half: bytes / 2 }
    }

    pub(super) fn contains(&self, key: &TextKey) -> bool {
        self.young.contains_key(key) || self.old.contains_key(key)
    }

    pub(super) fn get(&self, key: &TextKey) -> Option<&[f32]> {
        self.young.get(key).or_else(|| self.old.get(key)).map(|vector| &**vector)
    }

    pub(super) fn put(&mut self, key: TextKey, vector: &[f32]) {
        const ENTRY: usize = size_of::<TextKey>() + size_of::<Box<[f32]>>() + 16;
        let taken = size_of_val(vector) + ENTRY;
        if self.bytes + taken > self.half {
            self.old = std::mem::take(&mut self.young);
            self.bytes = 0;
        }
        if self.young.insert(key, vector.into()).is_none() {
            self.bytes += taken;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_are_forgotten_first_and_memory_stays_bounded() {
        let key = |number: u32| TextKey::of("", &number.to_string());
        let mut recent = Recent::new(20_000);
        for number in 0..1000 {
            recent.put(key(number), &[number as f32; 64]);
            assert_eq!(recent.get(&key(number)), Some(&[number as f32; 64][..]));
            assert!((recent.young.len() + recent.old.len()) * 64 * 4 <= 20_000);
        }
        assert!(recent.contains(&key(999)) && recent.contains(&key(970)));
        assert!(!recent.contains(&key(0)) && recent.get(&key(0)).is_none());
        recent.put(key(999), &[0.5; 64]);
        assert_eq!(recent.get(&key(999)), Some(&[0.5; 64][..]));
    }
}
