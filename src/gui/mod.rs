//! The window: draws the state of the engine and sends commands to it.
//!
//! Two steps a frame. [`App`]'s `logic` takes what finished jobs delivered, starts what a screen wants, and carries out commands;
//! its `ui` draws from that state and pushes new commands. Neither touches a file, SQL, a model or a chart: those are jobs on
//! threads of their own, which deliver first and wake the window afterwards ([`loadable`]). A screen is a struct in [`views`]
//! with a `logic` and a `ui` of that kind; what all screens see is [`shared::Shared`], which commands alone change.
//!
//! The only room that names egui. Never names candle, rusqlite or plotters.

mod app;
pub mod command;
pub mod draft;
mod frame;
pub mod kit;
mod launch;
pub mod loadable;
pub mod memory;
pub mod preview;
mod retrievers;
pub mod runner;
pub mod shared;
mod store_watch;
pub mod theme;
pub mod trainings;
pub mod views;
mod words;

/// How often the window looks at what is at work. Figures need no more; and where the processor draws, each frame is taken from the
/// model that runs.
const AT_WORK: std::time::Duration = std::time::Duration::from_millis(250);

pub use app::App;
pub use launch::{LaunchError, open};
