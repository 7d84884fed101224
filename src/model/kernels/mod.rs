//! Arithmetic on the processor: products with packed weights, attention, norms, on threads that stay awake; and in
//! `train` the rows of training. Knows nothing of models.
//!
//! Each kernel is written once over [`simd::Lanes`] and compiled for each instruction set; tests compare all with plain
//! sums on ragged shapes.

#![allow(clippy::too_many_arguments, reason = "kernels take plain pointers, strides and sizes")]

pub(crate) mod attention;
mod dot;
pub(crate) mod gemm;
pub(crate) mod heads;
pub(crate) mod math;
pub(crate) mod memory;
pub(crate) mod pool;
pub(crate) mod shared;
pub(crate) mod simd;
mod tile;
pub(crate) mod train;
