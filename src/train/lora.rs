//! Adapters of low rank: which matrices get one, how they begin, and how they are written.
//!
//! Training them is training like any other ([`super::t5::T5FineTuning`]) with other parameters: two matrices for each that
//! the recipe names, beside a model whose own weights stay as they are.

use std::fs;
use std::path::Path;

use candle_core::{Device, Tensor, Var};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use sha2::{Digest, Sha256};

use super::optimizer::Parameter;
use super::t5::copy_beside;
use super::{Estimate, LoraRecipe, TrainError};
use crate::model::lora::{self, AdapterConfig, AdapterError};
use crate::model::t5::{Added, T5Config, T5Graph, matrices, names, open};
use crate::model::weights::{NamedTensor, Values, write_safetensors};
use crate::model::{ModelError, RECIPE};

impl LoraRecipe {
    /// The matrices of a model that get an adapter.
    ///
    /// # Errors
    /// [`TrainError::Setting`] for a name that no matrix of this model has.
    pub(super) fn matrices(&self, config: &T5Config) -> Result<Vec<(String, [usize; 2])>, TrainError> {
        let is_for = |name: &str, target: &str| {
            name.strip_suffix(".weight").and_then(|module| module.rsplit('.').next()) == Some(target)
        };
        let mut all = matrices(config);
        if let Some(target) =
            self.targets.iter().find(|target| !all.iter().any(|(name, _)| is_for(name, target)))
        {
            let rule = match config.gated {
                true => "this model's matrices are q, k, v, o, wi_0, wi_1 and wo",
                false => "this model's matrices are q, k, v, o, wi and wo",
            };
            return Err(TrainError::Setting { field: "lora.targets", value: target.clone(), rule });
        }
        all.retain(|(name, _)| self.targets.iter().any(|target| is_for(name, target)));
        Ok(all)
    }

    /// What training it takes, by what training all weights would take: `prompt` and `label` are the tokens of the longest ones.
    pub(super) fn estimate(
        &self,
        whole: Estimate,
        config: &T5Config,
        (prompt, label): (usize, usize),
        micro_batch: usize,
        checkpointing: bool,
    ) -> Result<Estimate, TrainError> {
        let (mut trained, mut kept) = (0, 0);
        for (name, [outputs, inputs]) in self.matrices(config)? {
            let across =
                name.contains(names::CROSS) && (name.ends_with(".k.weight") || name.ends_with(".v.weight"));
            let tokens = if name.starts_with("encoder.") || across { prompt } else { label };
            trained += (self.r * (outputs + inputs)) as u64;
            // What it reads with some of it dropped, both steps of the low rank, and what it adds.
            kept += (tokens * (inputs + 2 * self.r + outputs)) as u64;
        }
        // Computed again, they are kept for one layer at a time.
        let layers = (config.num_layers + config.num_decoder_layers) as u64;
        let kept = if checkpointing { kept / layers.max(1) } else { kept };
        Ok(whole.with_adapters(config, trained, kept, micro_batch))
    }

    /// What is written down of an adapter for the model in a folder.
    pub(super) fn config(&self, base: &Path) -> AdapterConfig {
        AdapterConfig {
            base: base.display().to_string(),
            r: self.r,
            alpha: self.alpha,
            // As the decimal number that a person wrote, not its neighbor in fewer digits.
            dropout: self.dropout.to_string().parse().unwrap_or_default(),
            targets: self.targets.clone(),
            rslora: false,
        }
    }
}

/// Gives a model the adapter of a recipe, and what is trained of it: A and B of each matrix, in the model's order.
pub(super) fn adapt(
    graph: &mut T5Graph,
    recipe: &LoraRecipe,
    seed: u64,
) -> Result<Vec<Parameter>, TrainError> {
    let wanted = recipe.matrices(graph.config())?;
    let device = graph.device().clone();
    let scale = recipe.alpha / recipe.r as f64;
    let mut parameters = Vec::new();
    graph.adapt(|name, [outputs, inputs]| {
        if !wanted.iter().any(|(wanted, _)| wanted == name) {
            return Ok(None);
        }
        let [a, b] = lora::keys(name);
        let var_a = Var::from_tensor(&first(&a, [recipe.r, inputs], seed, &device)?)?;
        let var_b = Var::from_tensor(&first(&b, [outputs, recipe.r], seed, &device)?)?;
        let added = Added { a: var_a.as_tensor().clone(), b: var_b.as_tensor().clone(), scale };
        parameters.extend([Parameter::new(&a, var_a), Parameter::new(&b, var_b)]);
        Ok(Some(added))
    })?;
    Ok(parameters)
}

/// Sets all parameters back to what they begin with.
pub(super) fn begin(parameters: &[Parameter], seed: u64) -> Result<(), TrainError> {
    for Parameter { name, var, .. } in parameters {
        let (rows, columns) = var.dims2()?;
        var.set(&first(name, [rows, columns], seed, var.device())?)?;
    }
    Ok(())
}

/// What a matrix begins with: B with zeros, so that the model begins as its base; A as PEFT's do, uniformly within the root of
/// the inputs' number, by seed and name.
fn first(name: &str, shape: [usize; 2], seed: u64, device: &Device) -> candle_core::Result<Tensor> {
    let [rows, columns] = shape;
    if name.contains(".lora_B.") {
        return Tensor::zeros((rows, columns), candle_core::DType::F32, device);
    }
    let key = Sha256::new().chain_update(seed.to_le_bytes()).chain_update(name).finalize();
    let mut random = ChaCha8Rng::from_seed(key.into());
    let bound = 1.0 / (columns as f64).sqrt();
    let mut draw = || {
        let share = f64::from(random.next_u32()) / f64::from(u32::MAX);
        (bound * (2.0 * share - 1.0)) as f32
    };
    let values: Vec<f32> = (0..rows * columns).map(|_| draw()).collect();
    Tensor::from_vec(values, (rows, columns), device)
}

/// Writes the model that an adapter makes of its base into a folder that is not there yet or empty: a whole model in Hugging
/// Face's layout, without the adapter's low rank.
///
/// # Errors
/// No adapter there, or one that does not fit its base; a folder that holds something; what cannot be written.
pub fn merge(adapter: &Path, out: &Path) -> Result<(), TrainError> {
    if !lora::is_adapter(adapter) {
        let what = "no adapter: it has no adapter_config.json";
        return Err(ModelError::from(AdapterError::Other { folder: adapter.to_owned(), what }).into());
    }
    let failed = |source| TrainError::write(out, source);
    let (_, checkpoint) = open(adapter)?;
    if out.exists() && fs::read_dir(out).map_err(failed)?.next().is_some() {
        return Err(failed(std::io::Error::new(
            std::io::ErrorKind::DirectoryNotEmpty,
            "the folder is not empty",
        )));
    }
    fs::create_dir_all(out).map_err(failed)?;
    copy_beside(adapter, out)?;
    let recipe = adapter.join(RECIPE);
    if recipe.is_file() {
        fs::copy(&recipe, out.join(RECIPE)).map_err(failed)?;
    }
    let mut tensors = Vec::new();
    for name in checkpoint.names() {
        let shape = checkpoint.shape(name).unwrap_or_default().to_vec();
        let view = checkpoint.view(name, &shape).map_err(ModelError::from)?;
        tensors.push(NamedTensor { name: name.to_owned(), shape, values: Values::View(view) });
    }
    // The weights come last, so that a folder with weights is whole.
    write_safetensors(&out.join("model.safetensors"), &tensors).map_err(failed)
}
