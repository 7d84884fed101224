//! The panel that lets a language model judge: the runs shown by points, or two runs that are compared by preference. Asking is a
//! job; what is said of its cost beforehand is another.

use std::path::{Path, PathBuf};

use eframe::egui::{self, ComboBox, ScrollArea, TextEdit, Ui, WidgetInfo};

use super::judge_order::{Ended, Meant, Order, in_words};
use super::picks::name;
use crate::gui::command::{Command, Toast, Weight};
use crate::gui::kit::{self, Notice, PathField, PathKind};
use crate::gui::loadable::{Loadable, Trouble};
use crate::gui::shared::Shared;
use crate::gui::theme::{self, icons};
use crate::gui::views::Cx;
use crate::jobs::{CancelToken, Job};
use crate::lamp::TaskKind;
use crate::model::endpoint::PREFIX;
use crate::model::registry::{Entry, Registry};
use crate::record::{JudgeMethod, RunId, RunRecord};
use crate::report::{Judged, template_name};
use crate::run::{Control, Estimate, Settings};
use crate::store::Reader;

/// The panel's state.
#[derive(Debug, Default)]
pub struct Judging {
    model: String,
    chat: bool,
    template: PathField,
    limit: String,
    spending_limit: String,
    /// What can judge, by name.
    known: Loadable<(PathBuf, u64), Vec<String>>,
    /// What is settled, of which the cost is told.
    settled: Option<Order>,
    estimate: Loadable<Order, Estimate>,
    /// What was said so far of the runs meant.
    said: Loadable<(PathBuf, Vec<RunId>), Vec<Said>>,
    work: Option<Work>,
    trouble: Option<Trouble>,
    /// How often judging has ended.
    ended: u64,
}

/// Judging under way.
#[derive(Debug)]
struct Work {
    control: Control,
    job: Job<Result<Ended, Trouble>>,
    /// How many judgings are made, one after the other.
    judgings: u64,
}

/// A judging in texts.
#[derive(Debug)]
struct Said {
    title: String,
    runs: String,
    lines: Vec<String>,
}

/// A number that may be left out; `Err` where something else is typed.
fn number<T: std::str::FromStr>(text: &str, good: impl Fn(&T) -> bool) -> Result<Option<T>, ()> {
    match text.trim() {
        "" => Ok(None),
        text => text.parse().ok().filter(good).map(Some).ok_or(()),
    }
}

impl Judging {
    /// How often judging has ended: what shows verdicts is read again then.
    pub const fn ended(&self) -> u64 {
        self.ended
    }

    fn order(&self, meant: &Meant) -> Option<Order> {
        let limit = number(&self.limit, |limit: &usize| *limit > 0).ok()?;
        let spending_limit =
            number(&self.spending_limit, |limit: &f64| limit.is_finite() && *limit >= 0.0).ok()?;
        let model = self.model.trim().to_owned();
        let (meant, chat, template) = (meant.clone(), self.chat, self.template.path());
        (!model.is_empty()).then_some(Order { meant, model, chat, template, limit, spending_limit })
    }

    /// Takes the end of the work; asks, while the panel is open, for what it shows.
    pub fn logic(&mut self, cx: &mut Cx<'_>, open: Option<&Meant>) {
        self.take(cx);
        let Some(meant) = open else { return };
        let places = &cx.shared.places;
        let registry = cx.shared.workplace.registry().clone();
        let subject = (places.models.clone(), cx.shared.models_version);
        self.known.want(cx.ctx, "judges", subject, 0, move |_, _| names(&registry));
        let (path, runs) = (places.store.clone(), meant.runs());
        let own = (path.clone(), runs.clone());
        self.said.want(cx.ctx, "judgings", (path, runs), self.ended, move |cancel, _| {
            said(&own.0, &own.1, cancel)
        });
        let order = self.settled.clone().filter(|order| order.meant == *meant && self.work.is_none());
        if let Some(order) = order {
            let (own, places) = (order.clone(), places.clone());
            self.estimate.want(cx.ctx, "cost of judging", order, self.ended, move |cancel, progress| {
                own.estimate(&places, cancel, progress)
            });
        }
    }

    fn take(&mut self, cx: &mut Cx<'_>) {
        let Some(outcome) = self.work.as_mut().and_then(|work| work.job.poll()) else { return };
        self.work = None;
        self.ended += 1;
        match outcome.map_err(Trouble::from).and_then(|ended| ended) {
            Ok(Ended { canceled: true, .. }) => {
                let text = "Judging was canceled. What was judged is stored; starting again goes on.";
                cx.commands.push(Command::Toast(Toast::new(Weight::Info, text)));
            }
            Ok(Ended { judged, reasons, .. }) if reasons.is_empty() => {
                let text = format!("The judge is done with {}.", kit::counted(judged, "judging", "judgings"));
                cx.commands.push(Command::Toast(Toast::new(Weight::Success, text)));
            }
            Ok(Ended { reasons, .. }) => self.trouble = Some(Trouble(reasons.join("\n"))),
            Err(trouble) => self.trouble = Some(trouble),
        }
    }

    /// Draws the panel.
    pub fn show(&mut self, ui: &mut Ui, shared: &Shared, meant: &Meant) {
        ScrollArea::vertical().id_salt("judge").auto_shrink(false).show(ui, |ui| {
            self.form(ui, shared, meant);
            ui.separator();
            self.so_far(ui);
        });
    }

    fn form(&mut self, ui: &mut Ui, shared: &Shared, meant: &Meant) {
        let about = match meant {
            Meant::Shown(_) => {
                "A language model gives each answer points from 1 to 5, against its reference. Only texts are judged: LaMP-4 to \
                 LaMP-7."
            }
            Meant::Pair(..) => {
                "A language model says of each sample which answer is better, once in each order. Where the orders disagree, neither \
                 is."
            }
        };
        ui.label(theme::weak(ui, about));
        let runs = meant.runs();
        if runs.is_empty() {
            kit::notice(
                ui,
                Notice::Info,
                "No finished run of LaMP-4 to LaMP-7 is shown. Choose others above.",
                None,
            );
            return;
        }
        kit::label(ui, "Runs");
        for id in runs.iter().take(4) {
            if let Some(run) = super::grid::find(shared, *id) {
                kit::cut(ui, format!("{} \u{b7} {}", name(run), run.spec.model.name));
            }
        }
        if runs.len() > 4 {
            ui.label(theme::caption(ui, format!("and {} more", runs.len() - 4)));
        }
        let at_work = self.work.is_some();
        let settled = ui.add_enabled_ui(!at_work, |ui| self.fields(ui, meant)).inner;
        let order = self.order(meant);
        if settled || self.settled.as_ref().is_none_or(|settled| settled.meant != *meant) {
            self.settled.clone_from(&order);
        }
        ui.add_space(4.0);
        if let Some(work) = &self.work {
            work.show(ui);
        } else if kit::primary_if(ui, order.is_some(), "Start judging").clicked()
            && let Some(order) = order
        {
            self.start(ui.ctx(), shared, order);
        }
        // Beneath the button, which must not move away from under a click that settles a field.
        self.cost(ui);
        if let Some(trouble) = &self.trouble {
            kit::trouble(ui, trouble, None);
        }
    }

    /// The fields; tells whether one was just settled.
    fn fields(&mut self, ui: &mut Ui, meant: &Meant) -> bool {
        let mut settled = false;
        kit::label(ui, "Judge");
        let known = self.known.value().cloned();
        ui.horizontal(|ui| {
            settled |= text(ui, &mut self.model, "Model that judges", "endpoint:name or a model", 200.0);
            let names = known.as_ref().map_or(&[][..], |names| names);
            let combo = ComboBox::from_id_salt("known judges").selected_text("Choose").width(80.0);
            let response = combo.show_ui(ui, |ui| {
                ui.set_min_width(240.0);
                if names.is_empty() {
                    ui.label(theme::weak(ui, "No endpoint is saved and no model is installed."));
                }
                for name in names {
                    if ui.selectable_label(*name == self.model, name).clicked() {
                        self.model.clone_from(name);
                        settled = true;
                    }
                }
            });
            response
                .response
                .widget_info(|| WidgetInfo::labeled(egui::Role::ComboBox, true, "Choose a judge"));
        });
        if self.model.to_lowercase().ends_with(".gguf") || self.chat {
            settled |= ui.checkbox(&mut self.chat, "With the model\u{2019}s chat template").changed();
        }
        kit::label(ui, "Template (the program\u{2019}s own if empty)");
        let hint = match meant.method() {
            JudgeMethod::Rubric => "A text with {input}, {reference}, {answer}",
            JudgeMethod::Pairwise => "A text with {answer_a}, {answer_b}",
        };
        settled |= self.template.show(ui, PathKind::OpenFile, "Template of the judge", hint, None);
        ui.horizontal(|ui| {
            ui.vertical(|ui| {
                kit::label(ui, "Samples at most");
                settled |= text(ui, &mut self.limit, "Samples to judge at most", "all", 100.0);
            });
            ui.vertical(|ui| {
                kit::label(ui, "Spending limit");
                settled |= text(ui, &mut self.spending_limit, "Spending limit", "as saved", 100.0);
            });
        });
        let danger = theme::colors(ui).danger;
        if number(&self.limit, |limit: &usize| *limit > 0).is_err() {
            ui.label(egui::RichText::new("Samples are a whole number from 1 on.").color(danger));
        }
        if number(&self.spending_limit, |limit: &f64| limit.is_finite() && *limit >= 0.0).is_err() {
            ui.label(egui::RichText::new("The limit is a number from 0 on.").color(danger));
        }
        settled
    }

    /// What it would take.
    fn cost(&self, ui: &mut Ui) {
        if self.settled.is_none() || self.work.is_some() {
            return;
        }
        if let Some(trouble) = self.estimate.trouble() {
            kit::trouble(ui, trouble, None);
        } else if self.estimate.is_pending() {
            ui.label(theme::weak(ui, "Counting tokens\u{2026}"));
        } else if let Some(estimate) = self.settled.as_ref().and_then(|order| self.estimate.value_of(order)) {
            ui.add(egui::Label::new(in_words(estimate)).wrap());
        }
    }

    /// What was said so far.
    fn so_far(&self, ui: &mut Ui) {
        ui.label(theme::strong("Judged so far"));
        if let Some(trouble) = self.said.trouble() {
            kit::trouble(ui, trouble, None);
        }
        let Some(said) = self.said.value() else { return };
        if said.is_empty() {
            ui.label(theme::weak(ui, "Nothing was judged yet."));
        }
        for one in said.iter() {
            kit::card(ui, |ui| {
                ui.set_width(ui.available_width());
                ui.add(egui::Label::new(theme::strong(&one.title)).wrap());
                ui.add(egui::Label::new(theme::caption(ui, &one.runs)).wrap());
                for line in &one.lines {
                    ui.add(egui::Label::new(line).wrap());
                }
            });
        }
    }

    fn start(&mut self, ctx: &egui::Context, shared: &Shared, order: Order) {
        self.trouble = None;
        let control = Control::default();
        let (places, threads, own) = (shared.places.clone(), shared.threads, control.clone());
        let settings = Settings { spending_limit: order.spending_limit, ..Settings::default() };
        let wake = ctx.clone();
        let judgings = order.meant.groups().len() as u64;
        let job = Job::start(
            "judging",
            move || wake.request_repaint(),
            move |cancel, progress| order.judge(&places, threads, settings, &own, cancel, progress),
        );
        self.work = Some(Work { control, job, judgings });
    }
}

impl Drop for Judging {
    fn drop(&mut self) {
        if let Some(work) = &self.work {
            work.control.cancel().cancel();
        }
    }
}

impl Work {
    fn show(&self, ui: &mut Ui) {
        let progress = self.control.latest().get();
        let runs = self.job.progress().read();
        let part =
            progress.as_ref().filter(|now| now.total > 0).map(|now| now.done as f32 / now.total as f32);
        // Of all runs: what is done of the one at work is a part of its share.
        let at_work = runs.done < self.judgings;
        let part = part.map(|part| {
            let begun = if at_work { part } else { 0.0 };
            (runs.done as f32 + begun) / self.judgings.max(1) as f32
        });
        kit::progress(ui, part, ui.available_width().min(300.0), "Judging");
        ui.horizontal(|ui| {
            let words = match &progress {
                Some(now) => {
                    let mut words = match self.judgings {
                        0 | 1 => String::new(),
                        all => format!("Run {} of {all}: ", (runs.done + 1).min(all)),
                    };
                    words.push_str(&format!(
                        "{} of {} verdicts",
                        kit::count(now.done),
                        kit::count(now.total)
                    ));
                    if now.failed > 0 {
                        words.push_str(&format!(", {} failed", now.failed));
                    }
                    if let Some(cost) = now.endpoint.as_ref().and_then(|endpoint| endpoint.cost) {
                        words.push_str(&format!(", cost {:.4}", cost.run));
                    }
                    words
                }
                None if self.judgings > 1 => format!("Beginning with the first of {} runs", self.judgings),
                None => "Beginning".to_owned(),
            };
            ui.label(theme::weak(ui, words));
            if kit::quiet(ui, icons::X, "Cancel").clicked() {
                self.control.cancel().cancel();
            }
        });
        if let Some(held) = progress
            .as_ref()
            .and_then(|now| now.endpoint.as_ref())
            .and_then(|endpoint| endpoint.traffic.held.as_ref())
        {
            kit::notice(ui, Notice::Warning, &held.to_string(), None);
        }
        ui.ctx().request_repaint_after(crate::gui::AT_WORK);
    }
}

/// A field of text; tells whether it is settled: left, or ended by Enter.
fn text(ui: &mut Ui, value: &mut String, words: &str, hint: &str, width: f32) -> bool {
    let response = ui.add(TextEdit::singleline(value).hint_text(hint).desired_width(width));
    let (now, settled) = (value.clone(), response.lost_focus());
    response.widget_info(|| {
        let mut info = WidgetInfo::text_edit(true, "", &now, hint);
        info.label = Some(words.to_owned());
        info
    });
    settled
}

/// What can judge: saved endpoints, and installed models that write.
fn names(registry: &Registry) -> Result<Vec<String>, Trouble> {
    let mut names: Vec<String> =
        registry.endpoints().names()?.iter().map(|name| format!("{PREFIX}{name}")).collect();
    for entry in registry.list()? {
        if let Entry::Installed(manifest) = entry
            && !manifest.kind.is_encoder()
        {
            names.push(manifest.name.clone());
        }
    }
    Ok(names)
}

/// The finished runs of texts among these.
pub fn can_be_judged(runs: &[RunRecord]) -> Vec<RunId> {
    let texts = runs.iter().filter(|run| {
        run.spec.dataset.task.kind() == TaskKind::Generation && run.status == crate::record::RunStatus::Done
    });
    texts.map(|run| run.id).collect()
}

fn said(path: &Path, meant: &[RunId], cancel: &CancelToken) -> Result<Vec<Said>, Trouble> {
    let reader = Reader::open(path)?;
    let runs: Vec<RunRecord> = reader.runs()?.into_iter().filter(|run| meant.contains(&run.id)).collect();
    let judged = Judged::all(reader.judgings()?, &runs, |judging| reader.verdicts(judging))?;
    cancel.check()?;
    let of = |judged: &Judged| -> Said {
        let spec = &judged.judging.spec;
        let names = judged.judging.runs.iter().filter_map(|id| runs.iter().find(|run| run.id == *id));
        let names: Vec<String> = names.map(name).collect();
        Said {
            title: format!("{}, {}", spec.model.name, spec.method.id()),
            runs: format!("{}; template {}", names.join(" \u{2194} "), template_name(spec)),
            lines: judged.lines(),
        }
    };
    Ok(judged.iter().rev().map(of).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_may_be_left_out_and_nothing_else_is_one() {
        let limit = |text: &str| number(text, |limit: &usize| *limit > 0);
        assert_eq!((limit(""), limit(" 12 ")), (Ok(None), Ok(Some(12))));
        assert!(limit("0").is_err() && limit("-1").is_err() && limit("ten").is_err());
    }

    #[test]
    fn nothing_is_ordered_of_nobody() {
        let meant = Meant::Pair(RunId(1), RunId(2));
        let mut judging = Judging::default();
        assert_eq!(judging.order(&meant), None);
        judging.model = " endpoint:gpt ".into();
        let order = judging.order(&meant).unwrap();
        assert_eq!((order.model.as_str(), order.meant.method()), ("endpoint:gpt", JudgeMethod::Pairwise));
        assert_eq!(order.meant.groups(), [vec![RunId(1), RunId(2)]]);
        judging.limit = "x".into();
        assert_eq!(judging.order(&meant), None);
    }
}
