//! Training: a recipe becomes examples, and these move a model's weights until the best of them is kept.
//!
//! A [`TrainRecipe`] says all that decides the result. [`start`] makes a job of it: a folder with checkpoints from which
//! [`resume`] goes on to the very weights that an uninterrupted job ends with. Prompts are those of evaluation, made by
//! the same code; the dev split is answered by the model's files as any run would answer it.
//!
//! [`Trainer`] is the loop, over anything [`Trainable`]; [`t5`] is fine-tuning of T5 models, whole or by an adapter (`lora`); `users` trains an
//! adapter for each of many users. Knows no command line, no
//! window and no store of runs: how far a job is, is left in a slot ([`Control::latest`]).

mod batching;
mod checkpoint;
mod control;
mod curve;
mod denoise;
mod encoder;
mod error;
mod estimate;
mod examples;
mod fresh;
mod job;
mod lora;
mod optimizer;
mod recipe;
mod schedule;
pub mod t5;
mod tokenizer;
mod trainer;
mod users;

pub use batching::{batches, step_seed};
pub use control::{Control, Phase, Steering, TrainProgress};
pub use curve::{CurvePoint, read_curve};
pub use denoise::{DenoiseRecipe, denoise};
pub use encoder::{EncoderRecipe, fresh_encoder, train_encoder};
pub use error::TrainError;
pub use estimate::Estimate;
pub use examples::{DevSample, Example, Examples};
pub use fresh::fresh_t5;
pub use job::{JobOptions, JobRecord, Outcome, Prepared, prepare, resume, start};
pub use lora::merge;
pub use optimizer::{AdamW, AdamWOptions, Gradients, Parameter};
pub use recipe::{
    DataRecipe, EvaluationRecipe, LORA_TARGETS, LoopRecipe, LoraRecipe, OptimizerRecipe, Preset,
    PromptRecipe, RetrievalChoice, RetrievalRecipe, TrainRecipe,
};
pub use schedule::{Decline, Schedule};
pub use tokenizer::{TokenizerSummary, train_tokenizer};
pub use trainer::{DevScore, Ended, Evaluation, Plan, Trainable, Trainer};
pub use users::{
    PreparedUsers, UsersControl, UsersOutcome, UsersProgress, UsersRecord, is_users_job, prepare_users,
    resume_users, start_users,
};
