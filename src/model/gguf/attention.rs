//! Attention over cached keys and values.
//!
//! Keys lie in panels of eight positions, values row by row, so that scores and sums both run through the float
//! kernel. They are kept in half precision, as llama.cpp keeps them. Queries that share a key head are computed
//! together, a few positions at a time, and only over the keys that some of them may see.

use half::f16;
use half::slice::HalfFloatSliceExt;
use rayon::prelude::*;

use super::kernel::{self, LANES, Level};
use super::math;

/// The keys and values of one sequence in one layer.
#[derive(Debug, Default)]
pub struct Cache {
    heads: Vec<HeadCache>,
    positions: usize,
}

#[derive(Debug, Default, Clone)]
struct HeadCache {
    /// For every 8 positions, `head` times 8.
    keys: Vec<f16>,
    /// For every position, `head`; as many positions as there are in whole panels.
    values: Vec<f16>,
}

impl Cache {
    /// An empty cache for so many key heads.
    pub fn new(kv_heads: usize) -> Self {
        Self { heads: vec![HeadCache::default(); kv_heads], positions: 0 }
    }

    /// Adds rows of keys and values, each all heads of a position.
    pub fn extend(&mut self, keys: &[f32], values: &[f32], head: usize) {
        let width = self.heads.len() * head;
        let rows = keys.len() / width;
        let first = self.positions;
        self.positions += rows;
        let room = self.positions.next_multiple_of(LANES) * head;
        let mut halves = vec![f16::ZERO; head];
        for (index, cache) in self.heads.iter_mut().enumerate() {
            cache.keys.resize(room, f16::ZERO);
            cache.values.resize(room, f16::ZERO);
            for row in 0..rows {
                let (position, at) = (first + row, row * width + index * head);
                halves.convert_from_f32_slice(&keys[at..at + head]);
                let panel = &mut cache.keys[position / LANES * LANES * head..][..LANES * head];
                for (half, out) in halves.iter().zip(panel.chunks_exact_mut(LANES)) {
                    out[position % LANES] = *half;
                }
                cache.values[position * head..(position + 1) * head]
                    .convert_from_f32_slice(&values[at..at + head]);
            }
        }
    }
}

/// What attention needs to know of a layer.
#[derive(Debug, Clone, Copy)]
pub struct Attention {
    /// Query heads.
    pub heads: usize,
    /// Numbers of a head.
    pub head: usize,
    /// Scores are multiplied with this.
    pub scale: f32,
    /// Tokens seen back, itself included; `None` for all.
    pub window: Option<usize>,
    /// The instructions used.
    pub level: Level,
}

/// Some rows of queries of one sequence and key head: those of consecutive positions.
struct Task<'a> {
    cache: &'a HeadCache,
    kv_head: usize,
    /// The row of the first position in queries and results.
    row: usize,
    positions: std::ops::Range<usize>,
    out: &'a mut [f32],
}

impl Attention {
    /// The attended values for rows of queries (all heads of a position), by segments of consecutive rows: each
    /// with its cache, which has the segment's own keys and values as its last.
    pub fn run(&self, queries: &[f32], segments: &[(usize, &Cache)]) -> Vec<f32> {
        let width = self.heads * self.head;
        let kv_heads = segments.first().map_or(1, |(_, cache)| cache.heads.len());
        let group = self.heads / kv_heads;
        // Results of a task lie together, [position][head of the group]; they are put in place afterwards.
        let mut results = vec![0.0; queries.len()];
        let tile = (32 / group).clamp(1, 32);
        let mut tasks = Vec::new();
        let mut rest = results.as_mut_slice();
        let mut first_row = 0;
        for &(rows, cache) in segments {
            let start = cache.positions - rows;
            for (kv_head, head_cache) in cache.heads.iter().enumerate() {
                for offset in (0..rows).step_by(tile) {
                    let end = rows.min(offset + tile);
                    let (out, others) = rest.split_at_mut((end - offset) * group * self.head);
                    rest = others;
                    let positions = start + offset..start + end;
                    tasks.push(Task { cache: head_cache, kv_head, row: first_row + offset, positions, out });
                }
            }
            first_row += rows;
        }
        tasks.par_iter_mut().with_max_len(1).for_each(|task| self.attend(task, queries, group));
        let mut placed = vec![0.0; queries.len()];
        for task in &tasks {
            let at = task.kv_head * group * self.head;
            for (index, part) in task.out.chunks_exact(group * self.head).enumerate() {
                let row = (task.row + index) * width + at;
                placed[row..row + part.len()].copy_from_slice(part);
            }
        }
        placed
    }

    fn attend(&self, task: &mut Task<'_>, queries: &[f32], group: usize) {
        let (head, width) = (self.head, self.heads * self.head);
        let oldest = |position: usize| self.window.map_or(0, |window| (position + 1).saturating_sub(window));
        // Whole panels of keys, from the oldest that the first row sees to the newest that the last one sees.
        let first_panel = oldest(task.positions.start) / LANES;
        let panels = task.positions.end.div_ceil(LANES) - first_panel;
        let (start, length) = (first_panel * LANES, panels * LANES);
        let rows = task.positions.len() * group;
        let query = |row: usize| {
            let at = (task.row + row / group) * width + (task.kv_head * group + row % group) * head;
            &queries[at..at + head]
        };
        let mut scores = vec![0.0_f32; rows * length];
        let keys = &task.cache.keys[start * head..];
        for_tiles(rows, |row, count| {
            for panel in 0..panels {
                let keys = &keys[panel * LANES * head..(panel + 1) * LANES * head];
                let mut put = |index: usize, lanes: [f32; LANES]| {
                    let at = (row + index) * length + panel * LANES;
                    scores[at..at + LANES].copy_from_slice(&lanes);
                };
                match count {
                    8 => each(
                        kernel::float_tile::<8, _>(
                            self.level,
                            keys,
                            LANES,
                            std::array::from_fn(|i| query(row + i)),
                        ),
                        &mut put,
                    ),
                    4 => each(
                        kernel::float_tile::<4, _>(
                            self.level,
                            keys,
                            LANES,
                            std::array::from_fn(|i| query(row + i)),
                        ),
                        &mut put,
                    ),
                    _ => each(kernel::float_tile::<1, _>(self.level, keys, LANES, [query(row)]), &mut put),
                }
            }
        });
        for (row, scores) in scores.chunks_exact_mut(length).enumerate() {
            let position = task.positions.start + row / group;
            let seen = oldest(position) - start..position + 1 - start;
            scores[..seen.start].fill(0.0);
            scores[seen.end..].fill(0.0);
            math::softmax(self.level, &mut scores[seen], self.scale);
        }
        let values = &task.cache.values[start * head..];
        let out = &mut *task.out;
        for_tiles(rows, |row, count| {
            let weights = |index: usize| &scores[(row + index) * length..(row + index + 1) * length];
            for lane in (0..head).step_by(LANES) {
                let values = &values[lane..(length - 1) * head + lane + LANES];
                let mut put = |index: usize, lanes: [f32; LANES]| {
                    let at = (row + index) * head + lane;
                    out[at..at + LANES].copy_from_slice(&lanes);
                };
                match count {
                    8 => each(
                        kernel::float_tile::<8, _>(self.level, values, head, std::array::from_fn(weights)),
                        &mut put,
                    ),
                    4 => each(
                        kernel::float_tile::<4, _>(self.level, values, head, std::array::from_fn(weights)),
                        &mut put,
                    ),
                    _ => each(kernel::float_tile::<1, _>(self.level, values, head, [weights(0)]), &mut put),
                }
            }
        });
    }
}

/// Cuts rows into tiles of 8, 4 and 1.
fn for_tiles(rows: usize, mut tile: impl FnMut(usize, usize)) {
    let mut row = 0;
    while row < rows {
        let count = match rows - row {
            8.. => 8,
            4.. => 4,
            _ => 1,
        };
        tile(row, count);
        row += count;
    }
}

fn each<const R: usize>(lanes: [[f32; LANES]; R], put: &mut impl FnMut(usize, [f32; LANES])) {
    for (index, lanes) in lanes.into_iter().enumerate() {
        put(index, lanes);
    }
}
