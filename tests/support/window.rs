//! The window without a display: the real program's screens and jobs over places of their own, found and clicked by labels.

#![allow(dead_code, reason = "each test file uses its own part")]

#[path = "raster.rs"]
mod raster;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use egui_kittest::kittest::Queryable as _;
use egui_kittest::{Harness, Node};
use lamplight::gui::App;
use lamplight::gui::command::Command;
use lamplight::gui::memory::Memory;
use lamplight::run::Places;
use tempfile::TempDir;

/// How long something may take to come up; far more than it does, since machines are slow at times.
const PATIENCE: Duration = Duration::from_secs(120);

/// A window, and the folder with all its places.
pub struct Window {
    /// The harness, for what is not offered here.
    pub harness: Harness<'static, App>,
    places: Places,
    _folder: Option<TempDir>,
}

/// Places in a folder.
pub fn places(folder: &Path) -> Places {
    Places {
        store: folder.join("lamplight.db"),
        store_given: true,
        models: folder.join("models"),
        models_given: true,
        cache: Some(folder.join("cache")),
        embeddings: Some(folder.join("embeddings")),
        memory: Some(folder.join("window")),
    }
}

/// The sample set as it ships.
pub fn sample_set() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("datasets").join("sample")
}

impl Window {
    /// A first start, of 1280 × 720 points.
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut window = Self::over(places(folder.path()));
        window._folder = Some(folder);
        window
    }

    /// A start over places that may have been used before.
    pub fn over(places: Places) -> Self {
        let own = places.clone();
        let builder =
            Harness::builder().with_size([1280.0, 720.0]).with_max_steps(64).with_render_cursor(false);
        let harness = builder.renderer(raster::Raster::default()).build_eframe(move |creation| {
            let memory = Memory::read(own.memory.as_deref());
            App::new(&creation.egui_ctx, own, memory)
        });
        Self { harness, places, _folder: None }
    }

    /// Where its files are.
    pub const fn places(&self) -> &Places {
        &self.places
    }

    /// Draws frames until something holds; panics with what is on the screen if it never does.
    pub fn until(&mut self, what: &str, holds: impl Fn(&Self) -> bool) {
        let give_up = Instant::now() + PATIENCE;
        loop {
            self.harness.step();
            if holds(self) {
                return;
            }
            assert!(Instant::now() < give_up, "waited for {what}; on the screen:\n{}", self.screen());
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Whether something of this label is there.
    pub fn has(&self, label: &str) -> bool {
        self.harness.query_all_by_label(label).next().is_some()
    }

    /// Whether something whose label holds this is there.
    pub fn shows(&self, part: &str) -> bool {
        self.harness.query_all_by_label_contains(part).next().is_some()
    }

    /// Whether something of this label has a place on the screen, where a pointer can go.
    fn placed(&self, label: &str) -> bool {
        let first = self.harness.query_all_by_label(label).next();
        first.is_some_and(|node| node.rect().is_positive() && node.rect().is_finite())
    }

    /// Waits until something of this label is there.
    pub fn wait(&mut self, label: &str) {
        self.until(label, |window| window.has(label));
    }

    /// Waits until something whose label holds this is there.
    pub fn wait_for(&mut self, part: &str) {
        self.until(part, |window| window.shows(part));
    }

    /// Waits for the one thing of this label, and clicks it.
    pub fn click(&mut self, label: &str) {
        self.until(label, |window| window.placed(label));
        self.harness.get_by_label(label).click();
        self.harness.step();
    }

    /// The same where several have the label: the first.
    pub fn click_first(&mut self, label: &str) {
        self.until(label, |window| window.placed(label));
        let first: Node<'_> = self.harness.query_all_by_label(label).next().unwrap();
        first.click();
        self.harness.step();
    }

    /// Types into the field of this label, after what is there.
    pub fn type_into(&mut self, label: &str, text: &str) {
        self.wait(label);
        let field = self.harness.get_by_label(label);
        field.focus();
        self.harness.step();
        self.harness.get_by_label(label).type_text(text);
        self.harness.step();
    }

    /// Types into the field of this label, in place of what is there.
    pub fn replace_text(&mut self, label: &str, text: &str) {
        use eframe::egui::{Key, Modifiers};
        self.wait(label);
        self.harness.get_by_label(label).focus();
        self.harness.step();
        self.harness.key_press_modifiers(Modifiers::COMMAND, Key::A);
        self.harness.step();
        self.harness.get_by_label(label).type_text(text);
        self.harness.step();
    }

    /// Presses and lets go of a key.
    pub fn press(&mut self, key: eframe::egui::Key) {
        self.harness.key_press(key);
        self.harness.step();
    }

    /// Asks for something as a screen would.
    pub fn push(&mut self, command: Command) {
        self.harness.state_mut().push(command);
        self.harness.step();
    }

    /// All labels and values on the screen, a line each.
    pub fn screen(&self) -> String {
        let mut lines = Vec::new();
        gather(&self.harness.root(), &mut lines);
        lines.join("\n")
    }
}

fn gather(node: &Node<'_>, lines: &mut Vec<String>) {
    use egui_kittest::kittest::NodeT as _;
    let inner = node.accesskit_node();
    let text = [inner.label(), inner.value()].into_iter().flatten().collect::<Vec<_>>().join(" = ");
    if !text.is_empty() {
        lines.push(format!("{:?} {text}", inner.role()));
    }
    for child in node.children() {
        gather(&child, lines);
    }
}
