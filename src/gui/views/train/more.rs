//! The settings of a recipe that are rarely changed: the adapter, the optimizer's constants, how the dev split is answered.

use eframe::egui::Ui;

use super::form::{Around, Form, NUMBER, Number, WHOLE, caption};
use crate::gui::kit;
use crate::gui::kit::fields::said;
use crate::gui::preview::choose;
use crate::gui::theme;
use crate::model::{DeviceChoice, Precision};
use crate::prompt::PromptMode;
use crate::train::{Decline, LORA_TARGETS, TrainRecipe};

/// A number that may not be empty.
const fn whole(id: &'static str, words: &'static str) -> Number {
    Number { id, words, hint: None, form: WHOLE }
}

const fn real(id: &'static str, words: &'static str) -> Number {
    Number { id, words, hint: None, form: NUMBER }
}

impl Form {
    /// The adapter's settings.
    pub(super) fn adapter(&mut self, ui: &mut Ui, around: &Around<'_>) {
        let of = |recipe: &TrainRecipe| recipe.lora.clone().unwrap_or_default();
        self.number(
            ui,
            around,
            &whole("lora.r", "Rank, r"),
            |recipe| Some(of(recipe).r),
            |recipe, r: Option<usize>| recipe.lora.get_or_insert_default().r = r.unwrap_or(0),
        );
        self.number(
            ui,
            around,
            &real("lora.alpha", "Weight, alpha"),
            |recipe| Some(of(recipe).alpha),
            |recipe, alpha: Option<f64>| recipe.lora.get_or_insert_default().alpha = alpha.unwrap_or(0.0),
        );
        self.number(
            ui,
            around,
            &real("lora.dropout", "Adapter\u{2019}s dropout"),
            |recipe| Some(of(recipe).dropout),
            |recipe, share: Option<f32>| recipe.lora.get_or_insert_default().dropout = share.unwrap_or(0.0),
        );
        let Some(lora) = &mut self.recipe.lora else { return };
        let all: Vec<String> = LORA_TARGETS.map(str::to_owned).to_vec();
        let marked: Vec<bool> = all.iter().map(|target| lora.targets.contains(target)).collect();
        ui.label(theme::caption(ui, "Matrices that get an adapter"));
        if let Some(chosen) = kit::chips_of(ui, &all, &marked, Clone::clone) {
            lora.targets = if chosen.is_empty() { all } else { chosen };
        }
        around.said(ui, "lora.targets");
    }

    /// Everything else.
    pub(super) fn more(&mut self, ui: &mut Ui, around: &Around<'_>) {
        self.more_learning(ui, around);
        self.more_optimizer(ui, around);
        self.more_prompts(ui, around);
        self.more_evaluation(ui, around);
    }

    fn more_learning(&mut self, ui: &mut Ui, around: &Around<'_>) {
        let patience = Number {
            id: "training.patience",
            words: "Patience, epochs",
            hint: Some("without end"),
            form: WHOLE,
        };
        let set = |recipe: &mut TrainRecipe, patience| recipe.training.patience = patience;
        self.number(ui, around, &patience, |recipe| recipe.training.patience, set);
        let dropout = Number {
            id: "training.dropout",
            words: "Dropout",
            hint: Some("the model\u{2019}s"),
            form: NUMBER,
        };
        let set = |recipe: &mut TrainRecipe, dropout| recipe.training.dropout = dropout;
        self.number(ui, around, &dropout, |recipe| recipe.training.dropout, set);
        let set = |recipe: &mut TrainRecipe, seed: Option<u64>| recipe.training.seed = seed.unwrap_or(0);
        self.number(ui, around, &whole("training.seed", "Seed"), |recipe| Some(recipe.training.seed), set);
        let devices = [DeviceChoice::Cpu, DeviceChoice::Cuda(0), DeviceChoice::Metal(0)];
        let now = self.recipe.training.device;
        let name = |device: DeviceChoice| match device {
            DeviceChoice::Cpu => "Processor".to_owned(),
            other => other.to_string(),
        };
        kit::field(ui, "Device", |ui, _| {
            let listed = devices.into_iter().map(|device| (device, name(device), device == now));
            if let Some(device) = choose(ui, "Device to learn on", &name(now), 174.0, listed) {
                self.recipe.training.device = device;
            }
        });
        around.said(ui, "training.device");
        let precision = &mut self.recipe.training.precision;
        if now != DeviceChoice::Cpu || *precision != Precision::F32 {
            let choices = [(Precision::F32, "32-bit", None), (Precision::Bf16, "bfloat16", None)];
            kit::field(ui, "Products in", |ui, _| kit::segmented(ui, precision, &choices));
        }
        around.said(ui, "training.precision");
        let again = &mut self.recipe.training.gradient_checkpointing;
        let choices =
            [(None, "If memory is short", None), (Some(true), "Yes", None), (Some(false), "No", None)];
        kit::field(ui, "Compute twice", |ui, _| kit::segmented(ui, again, &choices));
        if *again == Some(true) {
            caption(
                ui,
                "Activations are computed again on the way back: a third more time, much less memory.",
            );
        }
    }

    fn more_optimizer(&mut self, ui: &mut Ui, around: &Around<'_>) {
        let set =
            |recipe: &mut TrainRecipe, share: Option<f64>| recipe.optimizer.warmup = share.unwrap_or(0.0);
        let warmup = real("optimizer.warmup", "Warm-up, share");
        self.number(ui, around, &warmup, |recipe| Some(recipe.optimizer.warmup), set);
        let decline = &mut self.recipe.optimizer.decline;
        let choices = [(Decline::Linear, "Falls in a line", None), (Decline::Constant, "Stays", None)];
        kit::field(ui, "Then the rate", |ui, _| kit::segmented(ui, decline, &choices));
        let set = |recipe: &mut TrainRecipe, decay: Option<f64>| {
            recipe.optimizer.weight_decay = decay.unwrap_or(0.0)
        };
        let decay = real("optimizer.weight_decay", "Weight decay");
        self.number(ui, around, &decay, |recipe| Some(recipe.optimizer.weight_decay), set);
        let set = |recipe: &mut TrainRecipe, clip: Option<f64>| recipe.optimizer.clip = clip.unwrap_or(0.0);
        let clip = real("optimizer.clip", "Gradient\u{2019}s norm at most");
        self.number(ui, around, &clip, |recipe| Some(recipe.optimizer.clip), set);
        let set = |recipe: &mut TrainRecipe, beta: Option<f64>| recipe.optimizer.beta1 = beta.unwrap_or(0.0);
        self.number(ui, around, &real("optimizer.beta1", "AdamW, beta 1"), |r| Some(r.optimizer.beta1), set);
        let set = |recipe: &mut TrainRecipe, beta: Option<f64>| recipe.optimizer.beta2 = beta.unwrap_or(0.0);
        self.number(ui, around, &real("optimizer.beta2", "AdamW, beta 2"), |r| Some(r.optimizer.beta2), set);
        let set = |recipe: &mut TrainRecipe, epsilon: Option<f64>| {
            recipe.optimizer.epsilon = epsilon.unwrap_or(0.0)
        };
        self.number(
            ui,
            around,
            &real("optimizer.epsilon", "AdamW, epsilon"),
            |r| Some(r.optimizer.epsilon),
            set,
        );
    }

    fn more_prompts(&mut self, ui: &mut Ui, around: &Around<'_>) {
        let set = |recipe: &mut TrainRecipe, length: Option<usize>| {
            recipe.prompt.max_label_length = length.unwrap_or(0);
        };
        let labels = whole("prompt.max_label_length", "Tokens an answer");
        self.number(ui, around, &labels, |recipe| Some(recipe.prompt.max_label_length), set);
        let mode = &mut self.recipe.prompt.mode;
        let choices = [(PromptMode::Official, "Official", None), (PromptMode::Clean, "Clean", None)];
        kit::field(ui, "What is cut", |ui, _| kit::segmented(ui, mode, &choices));
        ui.checkbox(&mut self.recipe.retrieval.use_date, "The retriever reads dates");
        let data = &mut self.recipe.data;
        ui.checkbox(&mut data.skip_broken, "Leave out broken records");
        let mut drawn = data.seed.is_some();
        let limited = data.limit.is_some() || data.dev_limit.is_some();
        let drawing = eframe::egui::Checkbox::new(&mut drawn, "Draw limited samples at random");
        if ui.add_enabled(limited, drawing).changed() {
            data.seed = drawn.then_some(1);
        }
        if self.recipe.data.seed.is_some() {
            let set =
                |recipe: &mut TrainRecipe, seed: Option<u64>| recipe.data.seed = Some(seed.unwrap_or(1));
            self.number(ui, around, &whole("data.seed", "Seed of the draw"), |recipe| recipe.data.seed, set);
        }
    }

    fn more_evaluation(&mut self, ui: &mut Ui, around: &Around<'_>) {
        if self.recipe.data.dev.is_none() {
            return;
        }
        let limit =
            Number { id: "data.dev_limit", words: "Judge by at most", hint: Some("all"), form: WHOLE };
        let set = |recipe: &mut TrainRecipe, limit| recipe.data.dev_limit = limit;
        self.number(ui, around, &limit, |recipe| recipe.data.dev_limit, set);
        let set =
            |recipe: &mut TrainRecipe, beams: Option<usize>| recipe.evaluation.beams = beams.unwrap_or(0);
        let beams = whole("evaluation.beams", "Beams");
        self.number(ui, around, &beams, |recipe| Some(recipe.evaluation.beams), set);
        let set = |recipe: &mut TrainRecipe, most: Option<usize>| {
            recipe.evaluation.max_new_tokens = most.unwrap_or(0);
        };
        let most = whole("evaluation.max_new_tokens", "New tokens at most");
        self.number(ui, around, &most, |recipe| Some(recipe.evaluation.max_new_tokens), set);
        let set =
            |recipe: &mut TrainRecipe, batch: Option<usize>| recipe.evaluation.batch = batch.unwrap_or(0);
        let batch = whole("evaluation.batch", "Answered at once");
        self.number(ui, around, &batch, |recipe| Some(recipe.evaluation.batch), set);
        if self.recipe.evaluation.beams > 64 {
            said(ui, "So many beams take long and much memory.");
        }
    }
}
