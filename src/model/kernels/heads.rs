//! Self-attention of several texts at once: each head of each text is a task of its own.

use super::attention::{HeadShape, QUERIES, attend, pack_keys, pack_values};
use super::pool::Pool;
use super::shared::SharedSlice;
use super::simd::Isa;

/// The heads of a self-attention layer.
#[derive(Debug, Clone, Copy)]
pub struct Heads {
    /// With which instructions.
    pub isa: Isa,
    /// How many heads.
    pub heads: usize,
    /// Numbers a head.
    pub width: usize,
    /// Tokens of the longest text.
    pub longest: usize,
}

impl Heads {
    /// Scratch of one thread: packed keys and values, and what `attend` needs.
    pub fn scratch(&self) -> usize {
        let shape = HeadShape { len: self.longest, width: self.width };
        shape.keys(self.isa) + shape.values(self.isa) + shape.scratch(self.isa)
    }

    /// Attends within each of the texts, whose tokens' queries, keys and values lie in the rows of `qkv`, one text after
    /// the other: all heads' queries, then keys, then values in each row. The bias of a head is that of all distances from
    /// `1 − longest` to `longest − 1`; empty for none. `scratch` has [`Heads::scratch`] numbers for each thread.
    #[allow(clippy::too_many_arguments, reason = "two matrices with their strides")]
    pub fn attend(
        &self,
        pool: &mut Pool,
        lengths: &[usize],
        qkv: &[f32],
        qkv_stride: usize,
        bias: &[f32],
        out: &mut [f32],
        out_stride: usize,
        scratch: &mut [f32],
    ) {
        let inner = self.heads * self.width;
        let tokens: usize = lengths.iter().sum();
        let distances = (2 * self.longest).saturating_sub(1);
        assert!(lengths.iter().all(|&len| len <= self.longest), "a text longer than the longest");
        assert!(tokens * qkv_stride <= qkv.len() && 3 * inner <= qkv_stride, "too few inputs");
        assert!(tokens * out_stride <= out.len() && inner <= out_stride, "too little room");
        assert!(bias.is_empty() || bias.len() == self.heads * distances, "not a bias for each distance");
        let starts: Vec<usize> = lengths
            .iter()
            .scan(0, |next, &len| {
                *next += len;
                Some(*next - len)
            })
            .collect();
        let (out, scratch) = (SharedSlice::new(out), SharedSlice::new(scratch));
        pool.each(lengths.len() * self.heads, |task, thread| {
            let (text, head) = (task / self.heads, task % self.heads);
            let shape = HeadShape { len: lengths[text], width: self.width };
            // SAFETY: each thread has its own scratch, each task its own rows and columns of `out`; all extents were
            // checked above.
            unsafe {
                let room = scratch.part(thread * self.scratch()..(thread + 1) * self.scratch());
                let keys = room.as_mut_ptr();
                let values = keys.add(shape.keys(self.isa));
                let rest = values.add(shape.values(self.isa));
                let q = qkv.as_ptr().add(starts[text] * qkv_stride + head * self.width);
                pack_keys(self.isa, shape, q.add(inner), qkv_stride, keys);
                pack_values(self.isa, shape, q.add(2 * inner), qkv_stride, values);
                for row in (0..shape.len).step_by(QUERIES) {
                    let rows = QUERIES.min(shape.len - row);
                    let to = out.pointer((starts[text] + row) * out_stride + head * self.width);
                    let bias = if bias.is_empty() {
                        std::ptr::null()
                    } else {
                        bias.as_ptr().add(head * distances + self.longest - 1 - row)
                    };
                    let q = q.add(row * qkv_stride);
                    attend(self.isa, shape, rows, q, qkv_stride, keys, values, bias, to, out_stride, rest);
                }
            }
        });
    }
}
