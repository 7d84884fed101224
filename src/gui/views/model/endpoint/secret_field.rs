//! A field for what nobody beside may read: a key, a passphrase.

use eframe::egui::text_edit::TextEditState;
use eframe::egui::{Button, Key, Response, TextEdit, Ui, WidgetInfo, vec2};

use crate::gui::kit;
use crate::gui::theme::CONTROL;
use crate::model::endpoint::{Secret, wipe};

/// The longest text; more than any key has.
const MOST: usize = 16 << 10;
/// Room that is there from the beginning, so that typing leaves no copies behind.
const ROOM: usize = 512;

/// A field that hides what is typed, shows it while a button is held, and is wiped when it is taken or dropped.
#[derive(Default)]
pub(super) struct SecretField {
    text: String,
    shown: bool,
}

impl SecretField {
    /// Whether nothing is typed.
    pub fn is_empty(&self) -> bool {
        self.text.trim().is_empty()
    }

    /// What is typed.
    pub fn secret(&self) -> Option<Secret> {
        (!self.is_empty()).then(|| Secret::new(self.text.as_str()))
    }

    /// Forgets what is typed.
    pub fn clear(&mut self) {
        wipe(std::mem::take(&mut self.text));
        self.shown = false;
    }

    /// Draws it, `width` points wide with its button; `words` name it.
    pub fn show(&mut self, ui: &mut Ui, words: &str, hint: &str, width: f32) -> Response {
        self.text.reserve(ROOM.saturating_sub(self.text.len()));
        let response = ui.add(
            TextEdit::singleline(&mut self.text)
                .password(!self.shown)
                .hint_text(hint)
                .char_limit(MOST)
                .desired_width((width - 62.0).max(80.0)),
        );
        let dots = "\u{2022}".repeat(self.text.chars().count());
        response.widget_info(|| {
            let mut info = WidgetInfo::text_edit(true, dots.as_str(), dots.as_str(), hint);
            info.label = Some(words.to_owned());
            info
        });
        // What can be taken back would be kept in the clear.
        if let Some(mut state) = TextEditState::load(ui.ctx(), response.id) {
            state.clear_undoer();
            state.store(ui.ctx(), response.id);
        }
        let hold = ui.add_enabled(!self.text.is_empty(), Button::new("Show").min_size(vec2(48.0, CONTROL)));
        kit::named(
            &hold,
            eframe::egui::Role::Button,
            !self.text.is_empty(),
            &format!("Show while held: {words}"),
        );
        let keyed = hold.has_focus() && ui.input(|input| input.key_down(Key::Space));
        let shown = hold.is_pointer_button_down_on() || keyed;
        if shown != self.shown {
            self.shown = shown;
            ui.ctx().request_repaint();
        }
        hold.on_hover_text("Shown while the button is held");
        response
    }
}

impl std::fmt::Debug for SecretField {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SecretField")
    }
}

impl Drop for SecretField {
    fn drop(&mut self) {
        self.clear();
    }
}
