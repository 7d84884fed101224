//! What the screens Retriever and Prompt share: the sample they show, rankings and prompts of it made by jobs, tokenizers.
//!
//! The jobs call the engine as the commands do, so that what is shown is what a run would do. Knows no screen.

mod prompt;
mod rank;
mod sample;
mod tokens;
mod words;

use eframe::egui::{self, Align, ComboBox, Layout, Response, Role, Ui, WidgetInfo, vec2};

use super::shared::Shared;
use super::theme;
use crate::record::RetrieverSpec;
use crate::report::Method;

pub use prompt::{ChatText, Made, MadeEntry, Part, PromptSubject, Run, Shares, make_prompt};
pub use rank::{Place, RankSubject, Ranked, rank, was_canceled};
pub use sample::{SampleBar, SampleKey};
pub use tokens::{Counter, CounterChoice, CounterSubject, find_counter};
pub use words::WordTokenizer;

/// A retriever as tables name it.
pub fn retriever_name(short: &str) -> String {
    crate::report::method_name(&spec(short))
}

/// How a retriever personalizes, which decides its color.
pub fn retriever_method(short: &str) -> Method {
    Method::of(&spec(short))
}

fn spec(short: &str) -> RetrieverSpec {
    RetrieverSpec { config: short.to_owned(), k: 1, use_date: false, encoders: Vec::new() }
}

/// The experiment's retriever that a preview begins with: the first that retrieves something.
pub fn first_retriever(shared: &Shared) -> String {
    let retrievers = &shared.experiment().retrieval.retrievers;
    let first = retrievers.iter().find(|short| retriever_method(short) != Method::NonPersonalized);
    first.or(retrievers.first()).cloned().unwrap_or_else(|| "none".to_owned())
}

/// The numbers of entries that a preview can show: the experiment's, without 0.
pub fn numbers_of_entries(shared: &Shared) -> Vec<usize> {
    let mut all: Vec<usize> = shared.experiment().retrieval.k.iter().copied().filter(|&k| k > 0).collect();
    all.sort_unstable();
    all.dedup();
    if all.is_empty() {
        all.push(1);
    }
    all
}

/// A choice from a list, named for tests and screen readers; tells what was chosen.
pub fn choose<T: Clone>(
    ui: &mut Ui,
    words: &str,
    shown: &str,
    width: f32,
    choices: impl IntoIterator<Item = (T, String, bool)>,
) -> Option<T> {
    let mut chosen = None;
    let text = egui::WidgetText::from(shown.to_owned());
    let combo = ComboBox::from_id_salt(words).selected_text(text).width(width).truncate();
    // A room of its own, since a combo box grows with what it shows.
    let room = vec2(width, ui.spacing().interact_size.y);
    ui.allocate_ui_with_layout(room, Layout::left_to_right(Align::Center), |ui| {
        ui.set_max_width(width);
        let response = combo.show_ui(ui, |ui| {
            ui.set_min_width(width.max(160.0));
            for (value, name, selected) in choices {
                if ui.selectable_label(selected, name).clicked() {
                    chosen = Some(value);
                }
            }
        });
        let response = response.response.on_hover_text(shown);
        name_choice(&response, words, shown);
    });
    chosen
}

fn name_choice(response: &Response, words: &str, shown: &str) {
    response.widget_info(|| {
        let mut info = WidgetInfo::labeled(Role::ComboBox, true, words);
        info.current_text_value = Some(shown.to_owned());
        info
    });
}

/// A number of entries to choose, beside its name.
pub fn choose_k(ui: &mut Ui, shared: &Shared, k: &mut Option<usize>) -> usize {
    let all = numbers_of_entries(shared);
    let now = k.filter(|k| all.contains(k)).unwrap_or(all[0]);
    ui.label(theme::weak(ui, "k"));
    let choices = all.iter().map(|&number| (number, number.to_string(), number == now));
    if let Some(chosen) = choose(ui, "Entries to show", &now.to_string(), 64.0, choices) {
        *k = Some(chosen);
        return chosen;
    }
    now
}
