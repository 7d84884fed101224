//! Opens the window, or says in a line why there is none.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use eframe::egui::{IconData, ViewportBuilder};

use super::App;
use super::command::Command;
use super::memory::Memory;
use crate::run::Places;

/// There is no window, or not any more.
#[derive(Debug, thiserror::Error)]
pub enum LaunchError {
    /// It could not be opened.
    #[error(
        "no window could be opened here ({reason}); without one, use `lamplight demo`, `lamplight run` and the other commands \
         of `lamplight --help`"
    )]
    NoWindow {
        /// Why.
        reason: String,
    },
    /// It was open, and an error of the program ended it.
    #[error(
        "the window was ended by an error of the program ({reason}); what was answered is stored, and `lamplight` opens it again"
    )]
    Ended {
        /// What is known of it.
        reason: String,
    },
}

/// Whether a window was opened: panics before that are the reason why there is none, and told in a line.
static OPENED: AtomicBool = AtomicBool::new(false);

/// Opens the window, on an experiment's file if one is named, and returns when it is closed.
///
/// # Errors
/// There is no display, or nothing that draws.
pub fn open(places: Places, file: Option<PathBuf>) -> Result<(), LaunchError> {
    let ended = run(places, file);
    // Whoever clicked on an icon there sees no terminal.
    #[cfg(windows)]
    if let Err(error) = &ended {
        let told = rfd::MessageDialog::new().set_level(rfd::MessageLevel::Error).set_title("Lamplight");
        told.set_description(error.to_string()).show();
    }
    ended
}

fn run(places: Places, file: Option<PathBuf>) -> Result<(), LaunchError> {
    if let Some(reason) = no_display() {
        return Err(LaunchError::NoWindow { reason: reason.to_owned() });
    }
    let icon = Arc::new(icon());
    let viewport = ViewportBuilder::default()
        .with_title("Lamplight")
        .with_app_id("lamplight")
        .with_icon(icon)
        .with_inner_size([1280.0, 720.0])
        .with_min_inner_size([900.0, 560.0]);
    let options = eframe::NativeOptions {
        viewport,
        renderer: eframe::Renderer::Glow,
        persistence_path: places.memory.as_ref().map(|folder| folder.join("window.ron")),
        persist_window: places.memory.is_some(),
        ..eframe::NativeOptions::default()
    };
    let memory = Memory::read(places.memory.as_deref());
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        if OPENED.load(Ordering::Acquire) {
            hook(panic);
        }
    }));
    // Libraries that are looked for when the window opens panic where they are missing.
    let opened = catch_unwind(AssertUnwindSafe(|| {
        eframe::run_native(
            "lamplight",
            options,
            Box::new(|creation| {
                OPENED.store(true, Ordering::Release);
                let mut app = App::new(&creation.egui_ctx, places, memory);
                if let Some(file) = file {
                    app.push(Command::OpenExperiment(file));
                }
                Ok(Box::new(app))
            }),
        )
    }));
    let reason = match opened {
        Ok(Ok(())) => return Ok(()),
        Ok(Err(error)) => one_line(&error.to_string()),
        Err(panic) => one_line(&words(&*panic)),
    };
    Err(match OPENED.load(Ordering::Acquire) {
        true => LaunchError::Ended { reason },
        false => LaunchError::NoWindow { reason },
    })
}

/// Why there is surely no display, on systems that say so by variables.
fn no_display() -> Option<&'static str> {
    if cfg!(all(unix, not(target_os = "macos"))) {
        let set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        let any = set("DISPLAY") || set("WAYLAND_DISPLAY") || set("WAYLAND_SOCKET");
        return (!any).then_some("neither DISPLAY nor WAYLAND_DISPLAY is set");
    }
    None
}

/// A reason in one line, without the place in a library's source that some begin with.
fn one_line(text: &str) -> String {
    let said = match text.rfind(".rs:") {
        Some(at) => {
            text[at + 4..].trim_start_matches(|letter: char| letter.is_ascii_digit() || letter == ':')
        }
        None => text,
    };
    said.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn words(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "no reason given".to_owned())
}

/// The program's icon.
fn icon() -> IconData {
    eframe::icon_data::from_png_bytes(include_bytes!("../../resources/icon/lamplight-256.png"))
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::one_line;

    #[test]
    fn a_reason_is_one_line_without_the_source_it_comes_from() {
        assert_eq!(
            one_line("os error at /a/b/mod.rs:788: Failed to open\nconnection"),
            "Failed to open connection"
        );
        assert_eq!(one_line("no GL"), "no GL");
    }
}
