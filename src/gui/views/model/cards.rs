//! The cards of what can answer, and what is to be done with each.

use eframe::egui::{
    Align, Align2, FontId, Frame, Label, Layout, Margin, Response, RichText, Role, Sense, Stroke, StrokeKind,
    Ui, UiBuilder, WidgetInfo, vec2,
};

use super::endpoint::{key_place, kind};
use super::stock::{Card, Remains, Rest, What, explained};
use super::words::size;
use crate::gui::kit;
use crate::gui::theme::{self, colors, icons};

/// Cards are so wide at least.
const LEAST: f32 = 264.0;
const GAP: f32 = 12.0;

/// What was asked of a card.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Asked {
    /// To see it in the panel.
    Show,
    /// To take it into the experiment, or out.
    Use,
    /// To be asked whether it is to be removed.
    Remove,
    /// To get it, or go on.
    Get(String),
}

/// How a card stands.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct State {
    /// How often the experiment has it.
    pub uses: usize,
    /// Whether the panel shows it.
    pub shown: bool,
    /// Whether it can be taken into the experiment.
    pub usable: bool,
}

/// Cells of equal width, as many in a row as there is room for.
pub(super) fn grid<T>(ui: &mut Ui, items: &[T], mut cell: impl FnMut(&mut Ui, &T)) {
    let width = ui.available_width();
    let columns = (((width + GAP) / (LEAST + GAP)).floor() as usize).clamp(1, items.len().max(1).max(2));
    let each = ((width - GAP * (columns - 1) as f32) / columns as f32).floor();
    for row in items.chunks(columns) {
        ui.horizontal_top(|ui| {
            ui.spacing_mut().item_spacing.x = GAP;
            for item in row {
                ui.allocate_ui_with_layout(vec2(each, 0.0), Layout::top_down(Align::Min), |ui| {
                    ui.set_width(each);
                    ui.spacing_mut().item_spacing.x = 8.0;
                    cell(ui, item);
                });
            }
        });
        ui.add_space(GAP - ui.spacing().item_spacing.y);
    }
}

/// A model's card; `beneath` draws what is asked about it in place.
pub(super) fn model(
    ui: &mut Ui,
    card: &Card,
    state: State,
    beneath: Option<&mut dyn FnMut(&mut Ui)>,
) -> Option<Asked> {
    let mut asked = None;
    let response = surface(ui, &card.name, state, |ui| {
        ui.horizontal(|ui| {
            if state.usable {
                let response = tick(ui, state.uses > 0, &format!("Use {}", card.name));
                if response.on_hover_text(use_words(state.uses)).clicked() {
                    asked = Some(Asked::Use);
                }
            }
            ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
                let installed = card.facts().is_some_and(|facts| facts.installed)
                    || card.served().is_some_and(|served| served.saved);
                if installed && kit::icon_button(ui, icons::TRASH, &format!("Remove {}", card.name)).clicked()
                {
                    asked = Some(Asked::Remove);
                }
                if state.uses > 1 {
                    ui.label(theme::caption(ui, format!("{} times", state.uses)));
                }
                ui.with_layout(Layout::left_to_right(Align::Center), |ui| {
                    kit::cut(ui, theme::strong(card.name.as_str()));
                });
            });
        });
        match &card.what {
            What::Model(facts) => {
                kit::cut(ui, facts.line());
                kit::cut(ui, theme::caption(ui, facts.source()));
            }
            What::Rule(rule) => {
                let (does, tasks) = explained(*rule);
                ui.add(Label::new(does).wrap());
                kit::cut(ui, theme::caption(ui, tasks));
            }
            What::Endpoint(served) => {
                if let Some(endpoint) = &served.endpoint {
                    kit::cut(ui, format!("{} \u{b7} {}", endpoint.model, kind(endpoint)));
                    let line = format!("{} \u{b7} {}", endpoint.shown_address(), key_place(endpoint));
                    kit::cut(ui, theme::caption(ui, line));
                }
            }
            What::Script => {
                kit::cut(ui, "Answers by a script, without weights");
                kit::cut(ui, theme::caption(ui, "To try things out"));
            }
            What::Unknown => {}
        }
        if let Some(trouble) = &card.trouble {
            wrong(ui, &trouble.0);
        }
        if matches!(card.what, What::Unknown) && card.name.parse::<crate::model::hub::Wanted>().is_ok() {
            let response = kit::button(ui, icons::DOWNLOAD_SIMPLE, "Get it");
            if response.clicked() {
                asked = Some(Asked::Get(card.name.clone()));
            }
        }
        if let Some(beneath) = beneath {
            beneath(ui);
        }
    });
    asked.or_else(|| response.clicked().then_some(Asked::Show))
}

/// The card of what is no model yet, or none any more.
pub(super) fn remains(
    ui: &mut Ui,
    rest: &Remains,
    beneath: Option<&mut dyn FnMut(&mut Ui)>,
) -> Option<Asked> {
    let mut asked = None;
    kit::card(ui, |ui| {
        ui.set_min_width(ui.available_width());
        kit::cut(ui, theme::strong(rest.name.as_str()));
        match &rest.what {
            Rest::Broken(trouble) => wrong(ui, &trouble.0),
            Rest::Unfinished { wanted, bytes } => {
                let words = format!("The download was broken off; {} are here.", size(*bytes));
                ui.add(Label::new(words).wrap());
                if wanted.is_none() {
                    let words = "What it was is no longer known: get the model again, or remove this.";
                    ui.add(Label::new(theme::caption(ui, words)).wrap());
                }
            }
        }
        match beneath {
            Some(beneath) => beneath(ui),
            None => {
                ui.horizontal(|ui| {
                    if let Rest::Unfinished { wanted: Some(wanted), .. } = &rest.what {
                        let response = kit::button(ui, icons::DOWNLOAD_SIMPLE, "Continue");
                        kit::named(&response, Role::Button, true, &format!("Continue {}", rest.name));
                        if response.clicked() {
                            asked = Some(Asked::Get(wanted.clone()));
                        }
                    }
                    let response = kit::quiet(ui, icons::TRASH, "Remove");
                    kit::named(&response, Role::Button, true, &format!("Remove {}", rest.name));
                    if response.clicked() {
                        asked = Some(Asked::Remove);
                    }
                });
            }
        }
    });
    asked
}

const fn use_words(uses: usize) -> &'static str {
    if uses > 0 { "In the experiment; click to take it out" } else { "Take it into the experiment" }
}

/// A box to tick that is seen from afar, since it decides what runs.
fn tick(ui: &mut Ui, on: bool, words: &str) -> Response {
    let colors = colors(ui);
    let (rect, response) = ui.allocate_exact_size(vec2(20.0, 20.0), Sense::click());
    let edge = match (on, response.hovered() || response.has_focus()) {
        (true, _) => colors.accent,
        (false, true) => colors.text,
        (false, false) => colors.weak,
    };
    let square = rect.shrink(1.0);
    let painter = ui.painter();
    painter.rect_filled(square, 4.0, if on { colors.accent } else { colors.ground });
    painter.rect_stroke(square, 4.0, Stroke::new(1.0, edge), StrokeKind::Inside);
    if on {
        let font = FontId::proportional(14.0);
        painter.text(square.center(), Align2::CENTER_CENTER, icons::CHECK, font, colors.on_accent);
    }
    if response.has_focus() {
        painter.rect_stroke(rect.expand(1.0), 5.0, Stroke::new(1.0, colors.text), StrokeKind::Outside);
    }
    response.widget_info(|| WidgetInfo::selected(Role::CheckBox, true, on, words));
    response
}

/// A card that can be clicked as a whole.
fn surface(ui: &mut Ui, name: &str, state: State, content: impl FnOnce(&mut Ui)) -> Response {
    let colors = colors(ui);
    let chosen = state.uses > 0;
    let builder = UiBuilder::new().id_salt(("card", name)).sense(Sense::click());
    let response = ui
        .scope_builder(builder, |ui| {
            let hovered = ui.response().hovered();
            let edge = match (chosen, state.shown) {
                (true, true) => Stroke::new(2.0, colors.accent),
                (true, false) => Stroke::new(1.0, colors.accent),
                (false, true) => Stroke::new(2.0, colors.weak),
                (false, false) if hovered => Stroke::new(1.0, colors.weak),
                (false, false) => Stroke::new(1.0, colors.line),
            };
            // The edge is drawn within the same room whatever its width.
            let margin = if edge.width > 1.0 { 11 } else { 12 };
            let frame: Frame = kit::card_frame(ui, chosen).stroke(edge).inner_margin(Margin::same(margin));
            frame.show(ui, |ui| {
                ui.set_min_width(ui.available_width());
                ui.spacing_mut().item_spacing.y = 4.0;
                content(ui);
            });
        })
        .response;
    let words = format!("Show {name}");
    response.widget_info(|| WidgetInfo::selected(Role::Button, true, state.shown, words.as_str()));
    response
}

fn wrong(ui: &mut Ui, words: &str) {
    ui.horizontal_top(|ui| {
        ui.label(RichText::new(icons::WARNING_CIRCLE).color(colors(ui).danger));
        ui.add(Label::new(words).wrap());
    });
}
