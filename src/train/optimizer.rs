//! AdamW over named variables (arXiv 1711.05101), as PyTorch computes it: decoupled weight decay, bias correction, and
//! gradients clipped by the norm of all of them together.
//!
//! On the processor the moments are plain numbers and a parameter is updated in one pass, in place; on other devices they
//! are tensors. Every sum has one order, so that equal gradients give equal weights whatever the threads.

use std::path::Path;
use std::sync::{Mutex, PoisonError};

use candle_core::backprop::GradStore;
use candle_core::{CpuStorage, DType, Device, InplaceOp2, Layout, Storage, Tensor, Var};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::TrainError;
use crate::model::weights::{Checkpoint, NamedTensor, Values, write_safetensors};

/// Numbers that one task of a pass takes.
const PART: usize = 1 << 15;

/// A variable that is trained.
#[derive(Debug, Clone)]
pub struct Parameter {
    /// Its name in files.
    pub name: String,
    /// Its value.
    pub var: Var,
    /// Whether weight decay is for it: not for norms and biases, as in the reference's trainer.
    pub decays: bool,
}

impl Parameter {
    /// A parameter that decays as its name says.
    pub fn new(name: &str, var: Var) -> Self {
        let decays = !name.contains("layer_norm") && !name.contains("LayerNorm") && !name.contains("bias");
        Self { name: name.to_owned(), var, decays }
    }
}

/// The values of parameters, to be written.
pub(super) fn tensors(parameters: &[Parameter]) -> Vec<NamedTensor<'_>> {
    fn named(parameter: &Parameter) -> NamedTensor<'_> {
        NamedTensor {
            name: parameter.name.clone(),
            shape: parameter.var.dims().to_vec(),
            values: Values::Tensor(parameter.var.as_tensor()),
        }
    }
    parameters.iter().map(named).collect()
}

/// The constants of AdamW.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct AdamWOptions {
    /// How slowly the mean of gradients follows.
    pub beta1: f64,
    /// How slowly the mean of their squares follows.
    pub beta2: f64,
    /// Added to the root of the squares.
    pub epsilon: f64,
    /// Share of the rate by which weights shrink each step.
    pub weight_decay: f64,
}

impl Default for AdamWOptions {
    fn default() -> Self {
        Self { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weight_decay: 0.0 }
    }
}

/// Gradients of all parameters, summed over the batches of one step.
#[derive(Debug)]
pub struct Gradients(Vec<Option<Tensor>>);

impl Gradients {
    /// None yet.
    pub fn new(parameters: &[Parameter]) -> Self {
        Self(vec![None; parameters.len()])
    }

    /// Adds what a backward pass gave.
    ///
    /// # Errors
    /// What candle says.
    pub fn add(&mut self, parameters: &[Parameter], mut store: GradStore) -> candle_core::Result<()> {
        for (sum, parameter) in self.0.iter_mut().zip(parameters) {
            let Some(new) = store.remove(parameter.var.as_tensor()) else { continue };
            *sum = Some(match sum.take() {
                Some(sum) => (sum + new)?,
                None => new.contiguous()?,
            });
        }
        Ok(())
    }

    /// Each parameter's gradient; `None` where the loss does not hang on it.
    pub fn iter(&self) -> impl Iterator<Item = Option<&Tensor>> {
        self.0.iter().map(Option::as_ref)
    }

    /// The norm of all gradients together; not finite where one of them is not.
    ///
    /// # Errors
    /// What candle says.
    pub fn norm(&self) -> candle_core::Result<f64> {
        let mut sum = 0.0;
        for gradient in self.0.iter().flatten() {
            sum += square_sum(gradient)?;
        }
        Ok(sum.sqrt())
    }
}

/// First and second moments of one parameter.
#[derive(Debug)]
enum Moments {
    Host(Vec<f32>, Vec<f32>),
    Device(Tensor, Tensor),
}

/// The optimizer with its state.
#[derive(Debug)]
pub struct AdamW {
    options: AdamWOptions,
    moments: Vec<Moments>,
    /// Steps taken.
    steps: u64,
}

impl AdamW {
    /// An optimizer that has taken no step.
    ///
    /// # Errors
    /// What candle says where moments lie on a device.
    pub fn new(parameters: &[Parameter], options: AdamWOptions) -> candle_core::Result<Self> {
        let zero = |parameter: &Parameter| match parameter.var.device() {
            Device::Cpu => {
                let count = parameter.var.elem_count();
                Ok(Moments::Host(vec![0.0; count], vec![0.0; count]))
            }
            device => {
                let zeros = || Tensor::zeros(parameter.var.shape(), DType::F32, device);
                Ok(Moments::Device(zeros()?, zeros()?))
            }
        };
        let moments = parameters.iter().map(zero).collect::<candle_core::Result<_>>()?;
        Ok(Self { options, moments, steps: 0 })
    }

    /// Steps taken so far.
    pub const fn steps(&self) -> u64 {
        self.steps
    }

    /// Moves every parameter that has a gradient, at a learning rate, with all gradients scaled down so that their norm is
    /// `clip` at most. `norm` is [`Gradients::norm`].
    ///
    /// # Errors
    /// What candle says.
    pub fn step(
        &mut self,
        parameters: &[Parameter],
        gradients: &Gradients,
        norm: f64,
        rate: f64,
        clip: Option<f64>,
    ) -> candle_core::Result<()> {
        self.steps += 1;
        let scale = clip.map_or(1.0, |clip| (clip / (norm + 1e-6)).min(1.0));
        let AdamWOptions { beta1, beta2, epsilon, weight_decay } = self.options;
        let correction = |beta: f64| 1.0 - beta.powf(self.steps as f64);
        let (first, second) = (correction(beta1), correction(beta2));
        for ((parameter, moments), gradient) in parameters.iter().zip(&mut self.moments).zip(&gradients.0) {
            let Some(gradient) = gradient else { continue };
            let keep = 1.0 - if parameter.decays { rate * weight_decay } else { 0.0 };
            match moments {
                Moments::Host(mean, square) => {
                    let update = Update {
                        moments: Mutex::new((mean, square)),
                        scale: scale as f32,
                        beta1: beta1 as f32,
                        beta2: beta2 as f32,
                        rate: (rate / first) as f32,
                        root: second.sqrt() as f32,
                        epsilon: epsilon as f32,
                        keep: keep as f32,
                    };
                    parameter.var.as_tensor().inplace_op2(gradient, &update)?;
                }
                Moments::Device(mean, square) => {
                    let gradient = (gradient.to_dtype(DType::F32)? * scale)?;
                    *mean = ((&*mean * beta1)? + (&gradient * (1.0 - beta1))?)?;
                    *square = ((&*square * beta2)? + (gradient.sqr()? * (1.0 - beta2))?)?;
                    let root = ((square.sqrt()? / second.sqrt())? + epsilon)?;
                    let moved = ((&*mean * (rate / first))? / root)?;
                    let value = ((parameter.var.as_tensor() * keep)? - moved)?;
                    parameter.var.set(&value)?;
                }
            }
        }
        Ok(())
    }

    /// Writes the moments to a file, to the bit.
    ///
    /// # Errors
    /// [`TrainError::Write`].
    pub fn write(&self, parameters: &[Parameter], path: &Path) -> Result<(), TrainError> {
        let mut all = Vec::with_capacity(2 * parameters.len());
        for (parameter, moments) in parameters.iter().zip(&self.moments) {
            let (mean, square) = match moments {
                Moments::Host(mean, square) => (Values::Slice(mean), Values::Slice(square)),
                Moments::Device(mean, square) => (Values::Tensor(mean), Values::Tensor(square)),
            };
            for (which, values) in [("mean", mean), ("square", square)] {
                let name = moment_name(which, &parameter.name);
                all.push(NamedTensor { name, shape: parameter.var.dims().to_vec(), values });
            }
        }
        write_safetensors(path, &all).map_err(|source| TrainError::write(path, source))
    }

    /// Takes up what [`AdamW::write`] wrote after so many steps.
    ///
    /// # Errors
    /// A file that is damaged or of other parameters.
    pub fn read(&mut self, parameters: &[Parameter], path: &Path, steps: u64) -> Result<(), TrainError> {
        let file = Checkpoint::open(path).map_err(|source| TrainError::weights(path, source))?;
        for (parameter, moments) in parameters.iter().zip(&mut self.moments) {
            let shape = parameter.var.dims();
            let read = |which: &str| {
                let name = moment_name(which, &parameter.name);
                file.tensor(&name, shape, DType::F32, &Device::Cpu)
                    .map_err(|source| TrainError::weights(path, source))
            };
            let (new_mean, new_square) = (read("mean")?, read("square")?);
            match moments {
                Moments::Host(mean, square) => {
                    *mean = new_mean.flatten_all()?.to_vec1()?;
                    *square = new_square.flatten_all()?.to_vec1()?;
                }
                Moments::Device(mean, square) => {
                    let device = parameter.var.device();
                    (*mean, *square) = (new_mean.to_device(device)?, new_square.to_device(device)?);
                }
            }
        }
        self.steps = steps;
        Ok(())
    }
}

fn moment_name(which: &str, parameter: &str) -> String {
    format!("{which}/{parameter}")
}

/// One step of one parameter on the processor.
struct Update<'a> {
    /// Handed through candle, which gives an operation shared access only.
    moments: Mutex<(&'a mut Vec<f32>, &'a mut Vec<f32>)>,
    scale: f32,
    beta1: f32,
    beta2: f32,
    /// Divided by the first moment's correction.
    rate: f32,
    /// The root of the second moment's correction.
    root: f32,
    epsilon: f32,
    keep: f32,
}

impl InplaceOp2 for Update<'_> {
    fn name(&self) -> &'static str {
        "adamw"
    }

    fn cpu_fwd(
        &self,
        value: &mut CpuStorage,
        value_layout: &Layout,
        gradient: &CpuStorage,
        gradient_layout: &Layout,
    ) -> candle_core::Result<()> {
        let (CpuStorage::F32(value), CpuStorage::F32(gradient)) = (value, gradient) else {
            candle_core::bail!("weights on the processor are trained in f32 alone");
        };
        let (Some((from, to)), Some((begin, end))) =
            (value_layout.contiguous_offsets(), gradient_layout.contiguous_offsets())
        else {
            candle_core::bail!("a parameter and its gradient must lie in one piece");
        };
        let mut moments = self.moments.lock().unwrap_or_else(PoisonError::into_inner);
        let (means, squares) = &mut *moments;
        let count = to - from;
        if end - begin != count || means.len() != count || squares.len() != count {
            candle_core::bail!("a parameter, its gradient and its moments must have one length");
        }
        let parts = value[from..to]
            .par_chunks_mut(PART)
            .zip(gradient[begin..end].par_chunks(PART))
            .zip(means.par_chunks_mut(PART).zip(squares.par_chunks_mut(PART)));
        parts.for_each(|((values, gradients), (means, squares))| {
            let moments = means.iter_mut().zip(squares);
            for ((value, gradient), (mean, square)) in values.iter_mut().zip(gradients).zip(moments) {
                let gradient = gradient * self.scale;
                *mean = self.beta1 * *mean + (1.0 - self.beta1) * gradient;
                *square = self.beta2 * *square + (1.0 - self.beta2) * (gradient * gradient);
                let root = square.sqrt() / self.root + self.epsilon;
                *value = self.keep * *value - self.rate * *mean / root;
            }
        });
        Ok(())
    }
}

/// The sum of a tensor's squares.
fn square_sum(tensor: &Tensor) -> candle_core::Result<f64> {
    {
        let (storage, layout) = tensor.storage_and_layout();
        if let (Storage::Cpu(CpuStorage::F32(values)), Some((from, to))) =
            (&*storage, layout.contiguous_offsets())
        {
            let sums: Vec<f64> = values[from..to].par_chunks(PART).map(squares).collect();
            return Ok(sums.into_iter().sum());
        }
    }
    Ok(f64::from(tensor.to_dtype(DType::F32)?.sqr()?.sum_all()?.to_scalar::<f32>()?))
}

/// The sum of squares in eight lanes, which a processor adds at once.
fn squares(values: &[f32]) -> f64 {
    let mut lanes = [0f64; 8];
    let (whole, rest) = values.as_chunks::<8>();
    for chunk in whole {
        for (lane, value) in lanes.iter_mut().zip(chunk) {
            *lane += f64::from(*value) * f64::from(*value);
        }
    }
    for (lane, value) in lanes.iter_mut().zip(rest) {
        *lane += f64::from(*value) * f64::from(*value);
    }
    lanes.iter().sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two parameters, the second a bias, moved by gradients that are known.
    fn moved(
        steps: usize,
        options: AdamWOptions,
        clip: Option<f64>,
    ) -> (Vec<Vec<f32>>, AdamW, Vec<Parameter>) {
        let var = |values: &[f32]| Var::new(values, &Device::Cpu).unwrap();
        let parameters =
            vec![Parameter::new("w", var(&[1.0, -2.0, 3.0])), Parameter::new("b.bias", var(&[0.5]))];
        let mut optimizer = AdamW::new(&parameters, options).unwrap();
        for _ in 0..steps {
            let loss = (parameters[0].var.sqr().unwrap().sum_all().unwrap()
                + parameters[1].var.sum_all().unwrap())
            .unwrap();
            let mut gradients = Gradients::new(&parameters);
            gradients.add(&parameters, loss.backward().unwrap()).unwrap();
            let norm = gradients.norm().unwrap();
            optimizer.step(&parameters, &gradients, norm, 0.1, clip).unwrap();
        }
        let values = parameters.iter().map(|p| p.var.to_vec1().unwrap()).collect();
        (values, optimizer, parameters)
    }

    #[test]
    fn the_first_step_moves_by_the_rate_and_decays_weights_alone() {
        let (plain, ..) = moved(1, AdamWOptions::default(), None);
        for (got, want) in plain.concat().iter().zip([0.9, -1.9, 2.9, 0.4]) {
            assert!((got - want).abs() < 1e-5, "{got} {want}");
        }
        let (decayed, ..) = moved(1, AdamWOptions { weight_decay: 0.5, ..AdamWOptions::default() }, None);
        for (got, want) in decayed.concat().iter().zip([0.85, -1.8, 2.75, 0.4]) {
            assert!((got - want).abs() < 1e-5, "{got} {want}");
        }
        // Scaling all gradients alike changes Adam's first step by its epsilon alone.
        assert!((moved(1, AdamWOptions::default(), Some(0.01)).0[0][0] - 0.9).abs() < 1e-3);
    }

    #[test]
    fn a_state_that_was_written_goes_on_as_if_nothing_had_been() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("moments.safetensors");
        let (_, optimizer, parameters) = moved(7, AdamWOptions::default(), Some(1.0));
        optimizer.write(&parameters, &path).unwrap();
        let mut other = AdamW::new(&parameters, AdamWOptions::default()).unwrap();
        other.read(&parameters, &path, 7).unwrap();
        for (one, two) in optimizer.moments.iter().zip(&other.moments) {
            let (Moments::Host(a, b), Moments::Host(c, d)) = (one, two) else { panic!("on the processor") };
            assert_eq!((a, b), (c, d));
        }
        assert_eq!(other.steps(), 7);
        std::fs::write(&path, "nothing").unwrap();
        let error = other.read(&parameters, &path, 7).unwrap_err().to_string();
        assert!(error.contains("moments.safetensors"), "{error}");
    }

    #[test]
    fn norms_are_of_all_numbers() {
        let values: Vec<f32> = (0..100_003).map(|i| (i % 7) as f32 - 3.0).collect();
        let want: f64 = values.iter().map(|v| f64::from(*v).powi(2)).sum();
        let tensor = Tensor::new(values, &Device::Cpu).unwrap();
        assert!((square_sum(&tensor).unwrap() - want).abs() < 1e-6 * want);
    }
}
