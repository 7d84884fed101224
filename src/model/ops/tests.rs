//! Each operation and its gradients against candle's own operations, on shapes that fit no vector.

use std::sync::Arc;

use candle_core::{D, Device, Tensor, Var};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::*;
use crate::model::kernels::train::{Curve, Mask};

fn var(shape: &[usize], seed: u64) -> Var {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let count = shape.iter().product();
    let values: Vec<f32> = (0..count).map(|_| random.random_range(-2.0..2.0)).collect();
    Var::from_tensor(&Tensor::from_vec(values, shape, &Device::Cpu).unwrap()).unwrap()
}

fn mask() -> Mask {
    Mask { key: (9, 77), threshold: u32::MAX / 4, scale: 4.0 / 3.0 }
}

/// What a mask multiplies by, as a tensor.
fn factors(mask: Mask, like: &Tensor) -> Tensor {
    let factors = (0..like.elem_count() as u32).map(|place| mask.factor(place));
    Tensor::from_iter(factors, &Device::Cpu).unwrap().reshape(like.shape()).unwrap()
}

fn close(got: &Tensor, want: &Tensor, what: &str) {
    assert_eq!(got.dims(), want.dims(), "{what}");
    let values = |tensor: &Tensor| tensor.flatten_all().unwrap().to_vec1::<f32>().unwrap();
    for (got, want) in values(got).into_iter().zip(values(want)) {
        assert!((got - want).abs() <= 2e-4 * want.abs().max(1.0), "{what}: {got}, candle {want}");
    }
}

/// Compares values and the gradients of all variables, where each output counts differently.
fn compare(what: &str, variables: &[&Var], ours: &Tensor, candle: &Tensor) {
    close(ours, candle, what);
    let weights = var(ours.dims(), 1234);
    let back =
        |out: &Tensor| (out * weights.as_detached_tensor()).unwrap().sum_all().unwrap().backward().unwrap();
    let (one, other) = (back(ours), back(candle));
    for (number, variable) in variables.iter().enumerate() {
        let tensor = variable.as_tensor();
        let what = format!("{what}, gradient {number}");
        close(one.get(tensor).unwrap(), other.get(tensor).unwrap(), &what);
    }
}

#[test]
fn products_norms_and_sums_are_candles() {
    for (rows, inputs, outputs) in [(1, 1, 1), (7, 19, 5), (70, 33, 40)] {
        let (x, w) = (var(&[2, rows, inputs], 1), var(&[outputs, inputs], 2));
        let flat = x.reshape((2 * rows, inputs)).unwrap().matmul(&w.t().unwrap()).unwrap();
        let ours = linear(&x, &w).unwrap();
        compare("linear", &[&x, &w], &ours, &flat.reshape((2, rows, outputs)).unwrap());

        let g = var(&[inputs], 3);
        let mean = x.sqr().unwrap().mean_keepdim(D::Minus1).unwrap();
        let scaled = x.broadcast_div(&(mean + 1e-6).unwrap().sqrt().unwrap()).unwrap();
        compare("norm", &[&x, &g], &norm(&x, &g, 1e-6).unwrap(), &scaled.broadcast_mul(&g).unwrap());

        let y = var(&[2, rows, inputs], 4);
        let dropped = (y.as_tensor() * factors(mask(), &y)).unwrap();
        compare("drop", &[&y], &drop_some(&y, mask()).unwrap(), &dropped);
        compare("add", &[&x, &y], &add_dropped(&x, &y, mask()).unwrap(), &(x.as_tensor() + dropped).unwrap());
    }
}

#[test]
fn activations_are_candles() {
    for shape in [[1, 3], [5, 37], [300, 130]] {
        for curve in [Curve::Relu, Curve::Gelu, Curve::Silu] {
            let (x, g) = (var(&shape, 5), var(&shape, 6));
            let plain = match curve {
                Curve::Relu => x.relu(),
                Curve::Gelu => x.gelu(),
                Curve::Silu => x.silu(),
            };
            let plain = (plain.unwrap() * factors(mask(), &x)).unwrap();
            let feed = Feed { curve, mask: mask() };
            compare(&format!("{curve:?}"), &[&x], &activate(&x, None, feed).unwrap(), &plain);
            let gated = (&plain * g.as_tensor()).unwrap();
            compare(&format!("{curve:?}, gated"), &[&x, &g], &activate(&x, Some(&g), feed).unwrap(), &gated);
        }
    }
}

#[test]
fn losses_are_candles() {
    let logits = var(&[5, 77], 7);
    let labels = [Some(0), None, Some(76), Some(40), Some(40)];
    let ours = token_losses(&logits, labels.to_vec()).unwrap();
    let picked: Vec<u32> = labels.iter().map(|label| label.unwrap_or(0)).collect();
    let counts: Vec<f32> = labels.iter().map(|label| f32::from(u8::from(label.is_some()))).collect();
    let picked = Tensor::new(picked, &Device::Cpu).unwrap().unsqueeze(1).unwrap();
    let log = candle_nn::ops::log_softmax(logits.as_tensor(), D::Minus1).unwrap();
    let each = log.gather(&picked, 1).unwrap().squeeze(1).unwrap().neg().unwrap();
    let candle = (each * Tensor::new(counts, &Device::Cpu).unwrap()).unwrap();
    compare("losses", &[&logits], &ours, &candle);
    assert!(token_losses(&logits, vec![Some(77); 5]).is_err());
}

#[test]
fn attention_is_candles() {
    for (batch, heads, width, queries, keys) in [(1, 1, 1, 1, 1), (3, 2, 5, 7, 11), (6, 3, 12, 33, 20)] {
        for dropped in [Mask::NONE, mask()] {
            for biased in [false, true] {
                let inner = heads * width;
                let q = var(&[batch, queries, inner], 8);
                let kv = var(&[batch, keys, 2 * inner], 9);
                let bias = var(&[1, heads, queries, keys], 10);
                // The last keys of each sample are padding, but never the first one.
                let pad = |i: usize| if i % keys > i / keys { -1e9 } else { 0f32 };
                let padding: Vec<f32> = (0..batch * keys).map(pad).collect();
                let added = Tensor::from_vec(padding.clone(), (batch, 1, 1, keys), &Device::Cpu).unwrap();
                let split = |x: &Tensor, length: usize| {
                    let parts = x.reshape((batch, length, heads, width)).unwrap();
                    parts.transpose(1, 2).unwrap().contiguous().unwrap()
                };
                let k = split(&kv.narrow(2, 0, inner).unwrap().contiguous().unwrap(), keys);
                let v = split(&kv.narrow(2, inner, inner).unwrap().contiguous().unwrap(), keys);
                let scores =
                    split(&q, queries).matmul(&k.transpose(2, 3).unwrap().contiguous().unwrap()).unwrap();
                let scores = if biased { scores.broadcast_add(&bias).unwrap() } else { scores };
                let scores = scores.broadcast_add(&added).unwrap();
                let weights = candle_nn::ops::softmax(&scores, D::Minus1).unwrap();
                let weights = (&weights * factors(dropped, &weights)).unwrap();
                let mixed = weights.matmul(&v).unwrap().transpose(1, 2).unwrap();
                let candle = mixed.contiguous().unwrap().reshape((batch, queries, inner)).unwrap();
                let bias_of = biased.then(|| bias.as_tensor());
                let ours = attention(&q, &kv, bias_of, Arc::new(padding), heads, dropped).unwrap();
                let variables: &[&Var] = if biased { &[&q, &kv, &bias] } else { &[&q, &kv] };
                compare(&format!("attention, bias {biased}, {dropped:?}"), variables, &ours, &candle);
            }
        }
    }
    let q = var(&[1, 2, 6], 1);
    assert!(attention(&q, &var(&[1, 3, 10], 1), None, Arc::new(vec![0.0; 3]), 2, Mask::NONE).is_err());
}
