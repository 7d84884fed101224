//! The left side: which retrievers take part in the experiment, their options, and k.

use eframe::egui::{ScrollArea, TextEdit, Ui, WidgetInfo};

use crate::gui::command::{Command, Screen};
use crate::gui::kit::{self, Notice};
use crate::gui::preview::retriever_name;
use crate::gui::retrievers::{Kind, insert, installed_encoders, needs_dates, options, read_k};
use crate::gui::shared::Shared;
use crate::gui::theme::{self, colors, icons};
use crate::retrieval::RetrieverConfig;
use crate::run::experiment::RetrievalSettings;

/// What the open datasets have of dates.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Dates {
    /// Datasets with samples.
    pub(super) datasets: usize,
    /// Those of them where some entry has a date.
    pub(super) dated: usize,
}

/// What the form remembers between frames.
#[derive(Debug, Default)]
pub(super) struct Form {
    /// The retriever whose options are open.
    open: Option<String>,
    /// The list of k as it is typed.
    k: Option<String>,
    short: String,
    problem: Option<String>,
}

/// What the form asks of the screen beside commands.
#[derive(Debug, Default)]
pub(super) struct Asked {
    /// This retriever is to be shown.
    pub(super) show: Option<String>,
}

impl Form {
    pub(super) fn ui(
        &mut self,
        ui: &mut Ui,
        shared: &Shared,
        dates: Option<&Dates>,
        commands: &mut Vec<Command>,
    ) -> Asked {
        let mut asked = Asked::default();
        ScrollArea::vertical().auto_shrink(false).show(ui, |ui| {
            ui.set_max_width(ui.available_width() - 12.0);
            let encoders = installed_encoders(shared);
            self.numbers(ui, shared, commands);
            ui.add_space(4.0);
            ui.label(theme::section("In the experiment"));
            ui.spacing_mut().item_spacing.y = 6.0;
            let retrieval = &shared.experiment().retrieval;
            let read: Vec<(usize, Option<RetrieverConfig>)> =
                retrieval.retrievers.iter().map(|short| short.parse().ok()).enumerate().collect();
            for kind in Kind::ALL {
                let mut any = false;
                for (at, config) in &read {
                    if let Some(config) = config.as_ref().filter(|config| Kind::of(config) == kind) {
                        any = true;
                        self.chosen(ui, shared, dates, &encoders, (*at, config), &mut asked, commands);
                    }
                }
                if !any {
                    self.offered(ui, shared, dates, &encoders, kind, &mut asked, commands);
                }
            }
            for (at, _) in read.iter().filter(|(_, config)| config.is_none()) {
                unreadable(ui, shared, *at, commands);
            }
            self.by_short_form(ui, shared, &mut asked, commands);
        });
        asked
    }

    fn numbers(&mut self, ui: &mut Ui, shared: &Shared, commands: &mut Vec<Command>) {
        let retrieval = &shared.experiment().retrieval;
        let listed = retrieval.k.iter().map(usize::to_string).collect::<Vec<_>>().join(", ");
        ui.horizontal(|ui| {
            let name = ui.label(theme::weak(ui, "Entries per prompt, k"));
            let mut text = self.k.clone().unwrap_or(listed);
            let response = ui.add(TextEdit::singleline(&mut text).desired_width(90.0).hint_text("1, 4"));
            let response = response.labelled_by(name.id);
            if response.changed() {
                if let Ok(k) = read_k(&text)
                    && k != retrieval.k
                {
                    let experiment = shared.edited(|experiment| experiment.retrieval.k = k);
                    commands.push(Command::Edit { what: "k", experiment });
                }
                self.k = Some(text);
            } else if !response.has_focus() && self.k.as_deref().is_some_and(|text| read_k(text).is_ok()) {
                self.k = None;
            }
            response.on_hover_text("The most entries that a prompt carries. Several numbers make several cells; 0 is the bare input.");
        });
        if let Some(Err(problem)) = self.k.as_deref().map(read_k) {
            kit::notice(ui, Notice::Error, &problem, None);
        }
        let mut use_date = retrieval.use_date;
        if ui
            .checkbox(&mut use_date, "Retrievers read each entry\u{2019}s date")
            .on_hover_text("The date is put behind an entry\u{2019}s text before it is ranked, as the benchmark\u{2019}s code can.")
            .changed()
        {
            let experiment = shared.edited(|experiment| experiment.retrieval.use_date = use_date);
            commands.push(Command::Edit { what: "dates", experiment });
        }
    }

    /// A retriever of the experiment.
    #[expect(clippy::too_many_arguments, reason = "what a row is drawn from")]
    fn chosen(
        &mut self,
        ui: &mut Ui,
        shared: &Shared,
        dates: Option<&Dates>,
        encoders: &[String],
        (at, config): (usize, &RetrieverConfig),
        asked: &mut Asked,
        commands: &mut Vec<Command>,
    ) {
        let Some(short) = shared.experiment().retrieval.retrievers.get(at).cloned() else { return };
        let kind = Kind::of(config);
        let name = retriever_name(&short);
        let open = self.open.as_ref() == Some(&short);
        kit::card_frame(ui, false).inner_margin(8).show(ui, |ui| {
            tight(ui);
            let mut on = true;
            row(ui, &mut on, &name, &short, |ui| {
                if !kind.has_options() {
                    ui.add_space(32.0);
                } else {
                    let (icon, words) = match open {
                        true => (icons::CARET_UP, format!("Hide the options of {name}")),
                        false => (icons::CARET_DOWN, format!("Options of {name}")),
                    };
                    if kit::icon_button(ui, icon, &words).clicked() {
                        self.open = (!open).then(|| short.clone());
                        asked.show = Some(short.clone());
                    }
                    let more = format!("Another {}, with other options", kind.name());
                    if open && kit::icon_button(ui, icons::PLUS, &more).clicked() {
                        self.another(shared, &short, config, asked, commands);
                    }
                }
            });
            if !on {
                let experiment = shared.edited(|experiment| {
                    experiment.retrieval.retrievers.retain(|other| *other != short);
                });
                commands.push(Command::Edit { what: "retrievers", experiment });
            }
            notes(ui, kind, config, dates, open);
            if open {
                let mut edited = config.clone();
                let mut text = None;
                if kind == Kind::Random {
                    text = random(ui, &short, &mut edited);
                } else if options(ui, &mut edited, encoders, &format!("options {at}"), 0) {
                    text = Some(edited.to_string());
                }
                if let Some(text) = text.filter(|text| *text != short) {
                    self.replace(shared, at, text, asked, commands);
                }
            }
        });
    }

    fn replace(
        &mut self,
        shared: &Shared,
        at: usize,
        text: String,
        asked: &mut Asked,
        commands: &mut Vec<Command>,
    ) {
        // Two of the same would be one and the same cell twice.
        if shared.experiment().retrieval.retrievers.contains(&text) {
            return;
        }
        let experiment = shared.edited(|experiment| {
            if let Some(place) = experiment.retrieval.retrievers.get_mut(at) {
                place.clone_from(&text);
            }
        });
        commands.push(Command::Edit { what: "retriever options", experiment });
        asked.show = Some(text.clone());
        self.open = Some(text);
    }

    /// A second one of the same kind, with something changed so that it is another.
    fn another(
        &mut self,
        shared: &Shared,
        short: &str,
        config: &RetrieverConfig,
        asked: &mut Asked,
        commands: &mut Vec<Command>,
    ) {
        let mut other = config.clone();
        let taken = &shared.experiment().retrieval.retrievers;
        for _ in 0..64 {
            match &mut other {
                RetrieverConfig::Random { seed, .. } => *seed += 1,
                RetrieverConfig::Bm25(options) => {
                    options.k1 = ((options.k1 - 0.1) * 1000.0).round().max(0.0) / 1000.0
                }
                RetrieverConfig::Dense(dense) => {
                    dense.max_tokens = Some(dense.max_tokens.map_or(256, |most| most + 1))
                }
                RetrieverConfig::RecencyPlus { other } => **other = RetrieverConfig::FullText {},
                RetrieverConfig::Fusion { c, .. } => *c += 1.0,
                _ => return,
            }
            let text = other.to_string();
            if text != short && !taken.contains(&text) {
                return self.add(shared, text, asked, commands);
            }
        }
    }

    fn add(&mut self, shared: &Shared, short: String, asked: &mut Asked, commands: &mut Vec<Command>) {
        let experiment = shared.edited(|experiment| insert(&mut experiment.retrieval, short.clone()));
        commands.push(Command::Edit { what: "retrievers", experiment });
        self.open = Some(short.clone());
        asked.show = Some(short);
    }

    /// A kind that is not in the experiment.
    #[expect(clippy::too_many_arguments, reason = "what a row is drawn from")]
    fn offered(
        &mut self,
        ui: &mut Ui,
        shared: &Shared,
        dates: Option<&Dates>,
        encoders: &[String],
        kind: Kind,
        asked: &mut Asked,
        commands: &mut Vec<Command>,
    ) {
        kit::card_frame(ui, false).fill(colors(ui).ground).inner_margin(8).show(ui, |ui| {
            tight(ui);
            let config = kind.first(encoders);
            let impossible =
                needs_dates(&config) && dates.is_some_and(|dates| dates.datasets > 0 && dates.dated == 0);
            let mut on = false;
            let short = kind.first_text(encoders);
            ui.add_enabled_ui(!impossible, |ui| {
                row(ui, &mut on, kind.name(), &short, |ui| ui.add_space(32.0))
            });
            if on {
                self.add(shared, short, asked, commands);
            }
            notes(ui, kind, &config, dates, false);
            if kind == Kind::Dense
                && !encoders.iter().any(|name| !name.starts_with(crate::model::endpoint::PREFIX))
            {
                ui.horizontal_wrapped(|ui| {
                    ui.label(theme::caption(ui, "No encoder is installed."));
                    if ui.link(theme::caption(ui, "Get one").underline()).clicked() {
                        commands.push(Command::Go(Screen::Model));
                    }
                });
            }
        });
    }

    fn by_short_form(
        &mut self,
        ui: &mut Ui,
        shared: &Shared,
        asked: &mut Asked,
        commands: &mut Vec<Command>,
    ) {
        ui.add_space(4.0);
        ui.horizontal(|ui| {
            let name = ui.label(theme::weak(ui, "Or by its short form"));
            let edit = TextEdit::singleline(&mut self.short).hint_text("rrf(bm25,recency)");
            let response =
                ui.add(edit.desired_width((ui.available_width() - 70.0).max(80.0))).labelled_by(name.id);
            if response.changed() {
                self.problem = None;
            }
            let entered =
                response.lost_focus() && ui.input(|input| input.key_pressed(eframe::egui::Key::Enter));
            let clicked = kit::button_if(ui, !self.short.trim().is_empty(), "", "Add").clicked();
            if (entered || clicked) && !self.short.trim().is_empty() {
                match self.short.parse::<RetrieverConfig>() {
                    Ok(config) => {
                        // A random one without a seed keeps having none.
                        let given = self.short.trim().to_lowercase();
                        let unseeded = matches!(given.as_str(), "random" | "random:distinct");
                        let short = if unseeded { given } else { config.to_string() };
                        self.short.clear();
                        self.add(shared, short, asked, commands);
                    }
                    Err(error) => self.problem = Some(error.to_string()),
                }
            }
        });
        if let Some(problem) = &self.problem {
            kit::notice(ui, Notice::Error, problem, None);
        }
    }
}

/// Lines of a card close to each other, over its whole width.
fn tight(ui: &mut Ui) {
    ui.set_width(ui.available_width());
    ui.spacing_mut().item_spacing.y = 3.0;
    ui.spacing_mut().interact_size.y = 22.0;
}

/// A box to tick, with what belongs to its right end.
fn row(ui: &mut Ui, on: &mut bool, name: &str, short: &str, right: impl FnOnce(&mut Ui)) {
    use eframe::egui::{Align, Layout, Sense, vec2};
    ui.horizontal(|ui| {
        let method = crate::gui::preview::retriever_method(short);
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            right(ui);
            let (rect, _) = ui.allocate_exact_size(vec2(10.0, 10.0), Sense::hover());
            ui.painter().rect_filled(rect, 2.0, theme::method(ui, method));
            ui.with_layout(Layout::left_to_right(Align::Center), |ui| {
                let text = if *on { theme::strong(name) } else { eframe::egui::RichText::new(name) };
                ui.style_mut().wrap_mode = Some(eframe::egui::TextWrapMode::Truncate);
                let response = ui.checkbox(on, text);
                let ticked = *on;
                response
                    .widget_info(|| WidgetInfo::selected(eframe::egui::Role::CheckBox, true, ticked, name));
            });
        });
    });
}

/// What a retriever does, and why it is or may be impossible.
fn notes(ui: &mut Ui, kind: Kind, config: &RetrieverConfig, dates: Option<&Dates>, open: bool) {
    if !open {
        ui.add(eframe::egui::Label::new(theme::caption(ui, kind.note())).truncate());
    }
    let Some(Dates { datasets, dated }) = dates.filter(|_| needs_dates(config)) else { return };
    let words = match (datasets, dated) {
        (0, _) => return,
        (_, 0) => "Impossible with the open data: no entry has a date. The time setting has them.".to_owned(),
        (all, some) if some < all => {
            format!("Only for the {some} of {all} datasets whose entries have dates.")
        }
        _ => return,
    };
    let color = if *dated == 0 { colors(ui).warning } else { colors(ui).weak };
    ui.label(theme::caption(ui, words).color(color));
}

/// Random's options: whether the seeds are the experiment's, else its own.
fn random(ui: &mut Ui, short: &str, config: &mut RetrieverConfig) -> Option<String> {
    let RetrieverConfig::Random { seed, replacement } = config else { return None };
    let folded = short.trim().to_lowercase();
    let before = matches!(folded.as_str(), "random" | "random:distinct");
    let (mut unseeded, mut distinct) = (before, !*replacement);
    let mut changed = false;
    ui.horizontal_wrapped(|ui| {
        let seeds = ui.checkbox(&mut unseeded, "Seeds of the experiment");
        changed |= seeds.changed();
        seeds.on_hover_text("The experiment\u{2019}s seeds, a run for each; 0 if it names none.");
        if !unseeded {
            let name = ui.label(theme::weak(ui, "Seed"));
            let drag = ui.add(eframe::egui::DragValue::new(seed).speed(0.1));
            changed |= drag.labelled_by(name.id).changed();
        }
        let twice = ui.checkbox(&mut distinct, "No entry twice");
        changed |= twice.changed();
        twice.on_hover_text("The benchmark\u{2019}s code may draw an entry again.");
    });
    *replacement = !distinct;
    changed.then(|| match (unseeded, distinct) {
        (true, false) => "random".to_owned(),
        (true, true) => "random:distinct".to_owned(),
        _ => config.to_string(),
    })
}

/// A text in the experiment that names no retriever.
fn unreadable(ui: &mut Ui, shared: &Shared, at: usize, commands: &mut Vec<Command>) {
    let Some(short) = shared.experiment().retrieval.retrievers.get(at) else { return };
    let Err(error) = short.parse::<RetrieverConfig>() else { return };
    if kit::notice(ui, Notice::Error, &error.to_string(), Some("Take it out")) {
        let experiment = shared.edited(|experiment| {
            let RetrievalSettings { retrievers, .. } = &mut experiment.retrieval;
            if at < retrievers.len() {
                retrievers.remove(at);
            }
        });
        commands.push(Command::Edit { what: "retrievers", experiment });
    }
}
