//! The options of one retriever, and of those within it.

use eframe::egui::{DragValue, Response, TextEdit, Ui, WidgetInfo};

use super::kinds::Kind;
use crate::gui::kit;
use crate::gui::preview::choose;
use crate::gui::theme::{self, icons};
use crate::model::{Pooling, Prefixes};
use crate::retrieval::{Bm25Options, DenseConfig, Fusion, RetrieverConfig};

/// How deep the form shows retrievers within retrievers; deeper ones are written in the short form.
const DEEPEST: usize = 2;

/// Draws the options; tells whether one was changed. `path` tells controls of different retrievers apart.
pub fn options(
    ui: &mut Ui,
    config: &mut RetrieverConfig,
    encoders: &[String],
    path: &str,
    depth: usize,
) -> bool {
    let mut changed = false;
    ui.push_id(path, |ui| match config {
        RetrieverConfig::None {} | RetrieverConfig::Recency {} | RetrieverConfig::FullText {} => {}
        RetrieverConfig::Random { seed, replacement } => {
            ui.horizontal(|ui| {
                changed |= number(ui, "Seed", DragValue::new(seed).speed(0.1)).changed();
                let mut distinct = !*replacement;
                if ui.checkbox(&mut distinct, "No entry twice").changed() {
                    *replacement = !distinct;
                    changed = true;
                }
            });
        }
        RetrieverConfig::Bm25(bm25) => changed |= bm25_options(ui, bm25),
        RetrieverConfig::Dense(dense) => changed |= dense_options(ui, dense, encoders),
        RetrieverConfig::RecencyPlus { other } => {
            ui.label(theme::weak(ui, "The other half comes from"));
            changed |= within(ui, other, encoders, "Other half", depth);
        }
        RetrieverConfig::Fusion { members, c } => changed |= fusion_options(ui, members, c, encoders, depth),
    });
    changed
}

fn number(ui: &mut Ui, words: &str, value: DragValue<'_>) -> Response {
    ui.horizontal(|ui| {
        ui.spacing_mut().item_spacing.x = 4.0;
        let label = ui.label(theme::weak(ui, words));
        ui.add(value).labelled_by(label.id)
    })
    .inner
}

fn bm25_options(ui: &mut Ui, options: &mut Bm25Options) -> bool {
    let before = *options;
    ui.horizontal_wrapped(|ui| {
        number(ui, "k1", DragValue::new(&mut options.k1).range(0.0..=1000.0).speed(0.01).max_decimals(3));
        number(ui, "b", DragValue::new(&mut options.b).range(0.0..=1.0).speed(0.005).max_decimals(3));
        let epsilon = DragValue::new(&mut options.epsilon).range(0.0..=1000.0).speed(0.005).max_decimals(3);
        number(ui, "epsilon", epsilon);
        if *options != Bm25Options::default()
            && kit::icon_button(ui, icons::ARROW_COUNTER_CLOCKWISE, "Back to the benchmark\u{2019}s values")
                .clicked()
        {
            *options = Bm25Options::default();
        }
    });
    *options != before
}

fn dense_options(ui: &mut Ui, dense: &mut DenseConfig, encoders: &[String]) -> bool {
    let before = dense.clone();
    ui.horizontal(|ui| {
        if !encoders.is_empty() {
            let listed = encoders.iter().map(|name| (name.clone(), name.clone(), *name == dense.model));
            let shown =
                if encoders.contains(&dense.model) { dense.model.clone() } else { "Installed".to_owned() };
            if let Some(chosen) = choose(ui, "Installed encoder", &shown, 120.0, listed) {
                dense.model = chosen;
            }
        }
        let width = (ui.available_width() - 8.0).max(80.0);
        let mut name = dense.model.clone();
        if settled(ui, "Encoder", "Name or folder of an encoder", &mut name, width) && !name.trim().is_empty()
        {
            dense.model = name.trim().to_owned();
        }
    });
    ui.horizontal_wrapped(|ui| {
        let poolings = [
            (None, "Model\u{2019}s pooling"),
            (Some(Pooling::Mean), "Mean"),
            (Some(Pooling::Cls), "First token"),
        ];
        pick(ui, "Pooling", &mut dense.pooling, &poolings);
        let lengths =
            [(None, "Model\u{2019}s length"), (Some(true), "Length 1"), (Some(false), "As they are")];
        pick(ui, "Vectors", &mut dense.normalize, &lengths);
    });
    ui.horizontal_wrapped(|ui| {
        let mut own = dense.max_tokens.is_some();
        if ui.checkbox(&mut own, "Read at most").changed() {
            dense.max_tokens = own.then_some(256);
        }
        if let Some(most) = &mut dense.max_tokens {
            number(ui, "tokens", DragValue::new(most).range(1..=1_000_000));
        }
    });
    ui.horizontal_wrapped(|ui| {
        let mut own = dense.prefixes.is_some();
        if ui.checkbox(&mut own, "Own prefixes").changed() {
            dense.prefixes = own.then(Prefixes::default);
        }
        if let Some(prefixes) = &mut dense.prefixes {
            settled(ui, "Before queries", "query: ", &mut prefixes.query, 88.0);
            settled(ui, "Before entries", "passage: ", &mut prefixes.document, 88.0);
        }
    });
    *dense != before
}

fn pick<T: Copy + PartialEq>(ui: &mut Ui, words: &str, value: &mut T, choices: &[(T, &str)]) {
    let shown = choices.iter().find(|(choice, _)| choice == value).map_or("", |(_, name)| name);
    let listed = choices.iter().map(|(choice, name)| (*choice, (*name).to_owned(), choice == value));
    if let Some(chosen) = choose(ui, words, shown, 120.0, listed) {
        *value = chosen;
    }
}

/// A text that counts once the field is left or Enter was pressed: what is half typed names nothing. Tells whether it does.
fn settled(ui: &mut Ui, words: &str, hint: &str, value: &mut String, width: f32) -> bool {
    let id = ui.scope_id().with(("text", words));
    let mut text = ui.data_mut(|data| data.get_temp::<String>(id)).unwrap_or_else(|| value.clone());
    let response = ui.add(TextEdit::singleline(&mut text).id(id).hint_text(hint).desired_width(width));
    let shown = text.clone();
    response.widget_info(|| {
        let mut info = WidgetInfo::text_edit(true, "", &shown, hint);
        info.label = Some(words.to_owned());
        info
    });
    if response.has_focus() {
        ui.data_mut(|data| data.insert_temp(id, text));
        return false;
    }
    ui.data_mut(|data| data.remove::<String>(id));
    if response.lost_focus() && *value != text {
        *value = text;
        return true;
    }
    false
}

fn fusion_options(
    ui: &mut Ui,
    members: &mut Vec<RetrieverConfig>,
    c: &mut f64,
    encoders: &[String],
    depth: usize,
) -> bool {
    let mut changed = false;
    let mut leaves = None;
    let removable = members.len() > 1;
    for (at, member) in members.iter_mut().enumerate() {
        ui.horizontal_top(|ui| {
            if kit::icon_button_if(ui, removable, icons::X, &format!("Take out member {}", at + 1)).clicked()
            {
                leaves = Some(at);
            }
            ui.vertical(|ui| changed |= within(ui, member, encoders, &format!("Member {}", at + 1), depth));
        });
    }
    if let Some(at) = leaves {
        members.remove(at);
        changed = true;
    }
    ui.horizontal_wrapped(|ui| {
        if kit::quiet(ui, icons::PLUS, "Add a member").clicked() {
            members.push(RetrieverConfig::FullText {});
            changed = true;
        }
        let drag = DragValue::new(c).range(0.0..=1e9).speed(0.5).max_decimals(2);
        let response = number(ui, "c", drag);
        changed |= response.changed();
        response.on_hover_text(format!(
            "An entry scores 1 / (c + its place) with each member; {} in the original paper. Members count alike.",
            Fusion::DEFAULT_C
        ));
    });
    changed
}

/// A retriever within another: its kind, and its options beneath.
fn within(ui: &mut Ui, config: &mut RetrieverConfig, encoders: &[String], words: &str, depth: usize) -> bool {
    let mut changed = false;
    let now = Kind::of(config);
    let nested = |kind: Kind| depth < DEEPEST || !matches!(kind, Kind::RecencyPlus | Kind::Fusion);
    let kinds = Kind::ALL.into_iter().filter(|&kind| kind != Kind::None && nested(kind));
    let listed = kinds.map(|kind| (kind, kind.name().to_owned(), kind == now));
    if let Some(kind) = choose(ui, words, now.name(), 150.0, listed)
        && kind != now
    {
        *config = kind.first(encoders);
        changed = true;
    }
    if Kind::of(config).has_options() {
        changed |= options(ui, config, encoders, words, depth + 1);
    }
    changed
}
