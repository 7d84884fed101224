//! `lamplight devices`: where models can compute on this machine.

use clap::Args;
use serde_json::json;

use super::text::{plain, table};
use super::{CliError, Console, Outcome};
use crate::model::{DeviceChoice, free_memory, instruction_sets};

/// List the devices that models can compute on, and why others cannot be used.
#[derive(Debug, Args)]
pub(super) struct Devices {}

/// Runs the command.
pub(super) fn run(_: &Devices, console: &Console) -> Result<Outcome, CliError> {
    let devices = DeviceChoice::list();
    let default = DeviceChoice::default();
    let best = DeviceChoice::best();
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let features: Vec<&str> = [
        ("cuda", cfg!(feature = "cuda")),
        ("metal", cfg!(feature = "metal")),
        ("mkl", cfg!(feature = "mkl")),
        ("accelerate", cfg!(feature = "accelerate")),
    ]
    .into_iter()
    .filter_map(|(name, built)| built.then_some(name))
    .collect();
    let instructions = instruction_sets();
    let free = |choice| (choice == DeviceChoice::Cpu).then(free_memory).flatten();
    if console.is_json() {
        let rows: Vec<_> = devices
            .iter()
            .map(|device| {
                json!({
                    "device": device.choice,
                    "name": device.name,
                    "usable": device.missing.is_none(),
                    "missing": device.missing,
                    "free_memory_bytes": free(device.choice),
                    "default": device.choice == default,
                    "fastest": device.choice == best,
                })
            })
            .collect();
        console.print_json(&json!({
            "devices": rows,
            "threads": threads,
            "instructions": { "t5": instructions.t5, "gguf": instructions.gguf },
            "features": features,
        }))?;
        return Ok(Outcome::Done);
    }
    let rows: Vec<Vec<String>> = devices
        .iter()
        .map(|device| {
            let memory = free(device.choice).map(|free| format!(", {} MB free", free / 1_000_000));
            let chosen = if device.choice == default { " (the default)" } else { "" };
            let state = match &device.missing {
                None => format!("usable{chosen}{}", memory.unwrap_or_default()),
                Some(reason) => plain(reason),
            };
            vec![device.choice.to_string(), plain(device.name.as_deref().unwrap_or("–")), state]
        })
        .collect();
    console.print(&table(&rows, &[]))?;
    console.print(&format!(
        "{threads} threads; instructions: {} for T5 and encoders, {} for GGUF; built with {}\n",
        instructions.t5,
        instructions.gguf,
        if features.is_empty() { "no extra features".to_owned() } else { features.join(", ") },
    ))?;
    Ok(Outcome::Done)
}
