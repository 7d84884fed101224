//! Opens the window, or says in a line why there is none.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use eframe::egui::{IconData, ViewportBuilder};

use super::App;
use super::memory::Memory;
use crate::run::Places;

/// The window could not be opened.
#[derive(Debug, thiserror::Error)]
#[error(
    "no window could be opened here ({reason}); without one, use `lamplight demo`, `lamplight run` and the other commands of \
     `lamplight --help`"
)]
pub struct LaunchError {
    reason: String,
}

/// Opens the window and returns when it is closed.
///
/// # Errors
/// There is no display, or nothing that draws.
pub fn open(places: Places) -> Result<(), LaunchError> {
    if let Some(reason) = no_display() {
        return Err(LaunchError { reason: reason.to_owned() });
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
    // Libraries that are looked for when the window opens panic where they are missing.
    let opened = catch_unwind(AssertUnwindSafe(|| {
        eframe::run_native(
            "lamplight",
            options,
            Box::new(|creation| Ok(Box::new(App::new(&creation.egui_ctx, places, memory)))),
        )
    }));
    match opened {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => Err(LaunchError { reason: one_line(&error.to_string()) }),
        Err(panic) => Err(LaunchError { reason: one_line(&words(&*panic)) }),
    }
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

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
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
