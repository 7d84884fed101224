//! The right side: what a retriever finds for one sample, and another beside it.

use std::sync::Arc;

use eframe::egui::{self, Frame, Label, Margin, Panel, ScrollArea, Stroke, Ui, pos2, vec2};

use super::list::{List, Seen, glance};
use crate::gui::command::{Command, Screen};
use crate::gui::kit;
use crate::gui::loadable::Loadable;
use crate::gui::preview::{
    RankSubject, Ranked, SampleBar, SampleKey, choose, choose_k, first_retriever, numbers_of_entries, rank,
    retriever_method, retriever_name, was_canceled,
};
use crate::gui::retrievers::Kind;
use crate::gui::shared::Shared;
use crate::gui::theme::{self, colors, icons};
use crate::gui::views::Cx;

/// The width of what links two lists.
const GUTTER: f32 = 28.0;

/// The live sample.
#[derive(Debug, Default)]
pub(super) struct Live {
    bar: SampleBar,
    /// The retriever that is shown; the experiment's first while none was chosen.
    pub(super) shown: Option<String>,
    /// The one beside it.
    pub(super) against: Option<String>,
    pub(super) k: Option<usize>,
    left: Loadable<RankSubject, Ranked>,
    right: Loadable<RankSubject, Ranked>,
    /// The entry in full.
    entry: Option<usize>,
    /// Whether the whole query is shown.
    whole: bool,
}

impl Live {
    /// As it was left.
    pub(super) fn new(shown: Option<String>, against: Option<String>, k: Option<usize>) -> Self {
        Self { shown, against, k, ..Self::default() }
    }

    fn retriever(&self, shared: &Shared) -> String {
        let retrievers = &shared.experiment().retrieval.retrievers;
        let shown = self.shown.as_ref().filter(|shown| {
            retrievers.contains(shown) || shown.parse::<crate::retrieval::RetrieverConfig>().is_ok()
        });
        shown.cloned().unwrap_or_else(|| first_retriever(shared))
    }

    pub(super) fn logic(&mut self, cx: &mut Cx<'_>) {
        self.bar.logic(cx, Screen::Retriever);
        self.left.poll();
        self.right.poll();
        let shared = cx.shared;
        let (Some(sample), Some(key)) = (&shared.sample, SampleKey::of(shared)) else { return };
        if !cx.shown {
            return;
        }
        if self
            .left
            .value()
            .is_some_and(|ranked| self.entry.is_some_and(|entry| entry >= ranked.sample.profile.len()))
        {
            self.entry = None;
        }
        let all = numbers_of_entries(shared);
        let k = self.k.filter(|k| all.contains(k)).unwrap_or(all[0]);
        let use_date = shared.experiment().retrieval.use_date;
        let shown = self.retriever(shared);
        let sides =
            [Some((&mut self.left, shown)), self.against.clone().map(|against| (&mut self.right, against))];
        for (loadable, retriever) in sides.into_iter().flatten() {
            let subject = RankSubject { sample: key.clone(), retriever, k, use_date };
            let (own, dataset, index) = (subject.clone(), sample.dataset.clone(), sample.index);
            let workplace = shared.workplace.clone();
            loadable.want(cx.ctx, "ranking", subject, shared.models_version, move |cancel, progress| {
                rank(&dataset, index, &own, &workplace, cancel, progress)
            });
        }
    }

    pub(super) fn ui(&mut self, ui: &mut Ui, shared: &Shared, commands: &mut Vec<Command>) {
        if self
            .bar
            .show(ui, shared, "what a retriever finds in a person\u{2019}s history", commands)
            .is_none()
        {
            return;
        }
        self.query(ui);
        let shown = self.retriever(shared);
        self.choices(ui, shared, &shown);
        self.entry_in_full(ui);
        let (left, right) = (self.left.value().cloned(), self.right.value().cloned());
        let Some(against) = self.against.clone() else {
            side(ui, &mut self.left, &shown, None, &mut self.entry, commands);
            return;
        };
        let room = ui.available_rect_before_wrap();
        let width = (room.width() - GUTTER) / 2.0;
        let mut seen: [Seen; 2] = Default::default();
        let sides = [
            (&mut self.left, &shown, right.as_ref(), &against),
            (&mut self.right, &against, left.as_ref(), &shown),
        ];
        for (at, (loadable, name, other, other_name)) in sides.into_iter().enumerate() {
            let x = room.left() + (width + GUTTER) * at as f32;
            let rect = egui::Rect::from_min_size(pos2(x, room.top()), vec2(width, room.height()));
            let builder = egui::UiBuilder::new().max_rect(rect).id_salt(("side", at));
            let other = other.map(|other| (Arc::clone(other), retriever_name(other_name)));
            ui.scope_builder(builder, |ui| {
                ui.set_clip_rect(rect.intersect(ui.clip_rect()));
                seen[at] = side(ui, loadable, name, other, &mut self.entry, commands);
            });
        }
        let gutter =
            egui::Rect::from_min_size(pos2(room.left() + width, room.top()), vec2(GUTTER, room.height()));
        links(ui, gutter, &seen, self.entry);
    }

    fn query(&mut self, ui: &mut Ui) {
        let Some(ranked) = self.left.value().or(self.right.value()).cloned() else { return };
        let colors = colors(ui);
        Frame::new()
            .fill(colors.raised)
            .stroke(Stroke::new(1.0, colors.line))
            .corner_radius(6)
            .inner_margin(Margin::symmetric(12, 8))
            .show(ui, |ui| {
                ui.set_width(ui.available_width());
                ui.spacing_mut().item_spacing.y = 4.0;
                kit::section_small(ui, "Query", |ui| {
                    let words = if self.whole { "Show less of the query" } else { "Show all of the query" };
                    let icon = if self.whole { icons::CARET_UP } else { icons::CARET_DOWN };
                    if ranked.query.text.len() > 120 && kit::icon_button(ui, icon, words).clicked() {
                        self.whole = !self.whole;
                    }
                });
                if self.whole {
                    ScrollArea::vertical().id_salt("query").max_height(140.0).show(ui, |ui| {
                        ui.add(Label::new(&ranked.query.text).wrap().selectable(true));
                    });
                } else {
                    ui.add(Label::new(glance(&ranked.query.text)).truncate());
                }
                if !ranked.query.marker_found {
                    let words = "The input lacks the task\u{2019}s marker, so all of it is the query.";
                    ui.label(theme::caption(ui, words).color(colors.warning));
                }
                if let Some(reference) = &ranked.sample.reference {
                    ui.add(
                        Label::new(theme::weak(ui, format!("Reference: {}", glance(reference)))).truncate(),
                    );
                }
            });
    }

    fn choices(&mut self, ui: &mut Ui, shared: &Shared, shown: &str) {
        let retrievers = &shared.experiment().retrieval.retrievers;
        let mut all: Vec<String> = retrievers.iter().filter(|short| *short != "none").cloned().collect();
        for kind in [Kind::Random, Kind::Bm25, Kind::FullText, Kind::Recency] {
            let short = kind.first_text(&[]);
            if !all.contains(&short) {
                all.push(short);
            }
        }
        if !all.iter().any(|short| short == shown) {
            all.insert(0, shown.to_owned());
        }
        ui.horizontal_wrapped(|ui| {
            let listed = all.iter().map(|short| (short.clone(), retriever_name(short), short == shown));
            if let Some(chosen) = choose(ui, "Retriever to show", &retriever_name(shown), 150.0, listed) {
                self.shown = Some(chosen);
            }
            choose_k(ui, shared, &mut self.k);
            let label =
                self.against.as_deref().map_or_else(|| "Compare with\u{2026}".to_owned(), retriever_name);
            let others = all.iter().filter(|short| *short != shown);
            let listed = others
                .map(|short| (short.clone(), retriever_name(short), Some(short) == self.against.as_ref()));
            if let Some(chosen) = choose(ui, "Compare with", &label, 150.0, listed) {
                self.against = Some(chosen);
            }
            if self.against.is_some() {
                if kit::icon_button(ui, icons::X, "End the comparison").clicked() {
                    self.against = None;
                    self.right.clear();
                }
                if let (Some(left), Some(right)) = (self.left.value(), self.right.value()) {
                    let words = format!("{} of {} in both", left.common(right), left.retrieved);
                    ui.label(theme::weak(ui, words));
                }
            }
        });
    }

    fn entry_in_full(&mut self, ui: &mut Ui) {
        let (Some(index), Some(ranked)) = (self.entry, self.left.value().cloned()) else { return };
        let Some(entry) = ranked.sample.profile.get(index) else { return };
        let frame = Frame::new().fill(colors(ui).raised).inner_margin(Margin::same(12)).corner_radius(6);
        let most = (ui.available_height() * 0.5).max(80.0);
        Panel::bottom("entry in full")
            .frame(frame)
            .resizable(true)
            .default_size(150.0_f32.min(most))
            .max_size(most)
            .show(ui, |ui| {
                ui.set_width(ui.available_width());
                ui.horizontal(|ui| {
                    ui.with_layout(egui::Layout::right_to_left(egui::Align::Center), |ui| {
                        if kit::icon_button(ui, icons::X, "Close the entry").clicked() {
                            self.entry = None;
                        }
                        let facts = [Some(entry.id.as_str()), entry.label.as_deref(), entry.date.as_deref()];
                        let facts: Vec<String> = facts.into_iter().flatten().map(glance).collect();
                        ui.label(theme::weak(ui, facts.join("  \u{b7}  ")));
                        ui.with_layout(egui::Layout::left_to_right(egui::Align::Center), |ui| {
                            let title =
                                entry.title.as_deref().map_or_else(|| format!("Entry {}", entry.id), glance);
                            ui.add(Label::new(theme::strong(title)).truncate());
                        });
                    });
                });
                ScrollArea::vertical().id_salt(("entry", index)).auto_shrink(false).show(ui, |ui| {
                    ui.add(Label::new(&entry.text).wrap().selectable(true));
                });
            });
    }
}

/// One retriever's list, or what stands in its place.
fn side(
    ui: &mut Ui,
    loadable: &mut Loadable<RankSubject, Ranked>,
    short: &str,
    other: Option<(Arc<Ranked>, String)>,
    entry: &mut Option<usize>,
    commands: &mut Vec<Command>,
) -> Seen {
    let name = retriever_name(short);
    ui.horizontal(|ui| {
        let (rect, _) = ui.allocate_exact_size(vec2(10.0, 10.0), egui::Sense::hover());
        ui.painter().rect_filled(rect, 2.0, theme::method(ui, retriever_method(short)));
        let described = loadable.value().map_or_else(|| name.clone(), |ranked| ranked.describe.clone());
        let shown = if other.is_some() { &name } else { &described };
        ui.add(Label::new(theme::strong(shown.as_str())).truncate()).on_hover_text(described);
    });
    if let Some(reading) = loadable.pending() {
        // What comes at once needs no bar.
        let slow =
            loadable.value().is_none() || reading.total > 64 || &*reading.step == "Loading the encoder";
        if slow && kit::working(ui, &reading, &format!("Ranking by {name}")) {
            loadable.cancel();
        }
    }
    if let Some(trouble) = loadable.trouble().cloned() {
        if was_canceled(&trouble) {
            if kit::notice(ui, kit::Notice::Info, "The ranking was canceled.", Some("Rank it")) {
                loadable.forget();
            }
        } else if short.contains("dense:") {
            if kit::trouble(ui, &trouble, Some("Go to Model")) {
                commands.push(Command::Go(Screen::Model));
            }
            if kit::quiet(ui, icons::ARROW_CLOCKWISE, "Try again").clicked() {
                loadable.forget();
            }
        } else {
            kit::trouble(ui, &trouble, None);
        }
        return Seen::new();
    }
    let Some(ranked) = loadable.value().cloned() else { return Seen::new() };
    if ranked.sample.profile.is_empty() {
        let text = "There is nothing to retrieve from; the prompt is the bare input.";
        kit::empty(ui, icons::INFO, "The profile has no entries", text, None);
        return Seen::new();
    }
    if ranked.places.is_empty() {
        let text = "The model reads the input alone.";
        kit::empty(ui, icons::INFO, "No entry is retrieved", text, None);
        return Seen::new();
    }
    let other = other.as_ref().map(|(ranked, name)| (&**ranked, name.as_str()));
    let list = List { ranked: &ranked, method: retriever_method(short), other, id: &name };
    list.ui(ui, entry)
}

/// Lines between the places of entries that both sides retrieved.
fn links(ui: &Ui, gutter: egui::Rect, [left, right]: &[Seen; 2], entry: Option<usize>) {
    let painter = ui.painter_at(gutter);
    let colors = colors(ui);
    for (index, from) in left {
        for (_, to) in right.iter().filter(|(other, _)| other == index) {
            let lit = entry.is_none_or(|entry| entry == *index);
            let stroke = Stroke::new(1.5, if lit { colors.accent } else { colors.line });
            painter.line_segment([pos2(gutter.left(), *from), pos2(gutter.right(), *to)], stroke);
        }
    }
}
