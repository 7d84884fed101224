//! The right side: the final prompt of the live sample, what it costs, and what was cut.

use eframe::egui::{self, FontFamily, FontId, Rect, ScrollArea, Sense, Ui, pos2, vec2};

use super::text::prompt_text;
use crate::gui::command::{Command, Screen};
use crate::gui::kit::{self, Notice};
use crate::gui::loadable::Loadable;
use crate::gui::preview::{
    Counter, CounterChoice, CounterSubject, Made, MadeEntry, PromptSubject, SampleBar, SampleKey, Shares,
    choose, choose_k, find_counter, first_retriever, make_prompt, numbers_of_entries, retriever_method,
    retriever_name, was_canceled,
};
use crate::gui::shared::Shared;
use crate::gui::theme::{self, colors, icons};
use crate::gui::views::Cx;
use crate::model::registry::Entry;
use crate::prompt::PromptStatus;
use crate::run::Baseline;

/// The live prompt.
#[derive(Default)]
pub(super) struct Shown {
    bar: SampleBar,
    pub(super) retriever: Option<String>,
    pub(super) k: Option<usize>,
    pub(super) counting: CounterChoice,
    /// Whether the chat template is shown; as the experiment has it while `None`.
    chat: Option<bool>,
    counter: Loadable<CounterSubject, Counter>,
    made: Loadable<PromptSubject, Made>,
}

impl Shown {
    /// As it was left.
    pub(super) fn new(retriever: Option<String>, k: Option<usize>, counting: CounterChoice) -> Self {
        Self { retriever, k, counting, ..Self::default() }
    }

    fn retriever(&self, shared: &Shared) -> String {
        self.retriever.clone().unwrap_or_else(|| first_retriever(shared))
    }

    /// `template` is `None` while there is no sound one.
    pub(super) fn logic(&mut self, cx: &mut Cx<'_>, template: Option<&str>) {
        self.bar.logic(cx, Screen::Prompt);
        self.counter.poll();
        self.made.poll();
        let shared = cx.shared;
        let (Some(sample), Some(key)) = (&shared.sample, SampleKey::of(shared)) else { return };
        if !cx.shown {
            return;
        }
        let experiment = shared.experiment();
        let wanted = CounterSubject { choice: self.counting.clone(), models: experiment.models.clone() };
        let (own, workplace) = (wanted.clone(), shared.workplace.clone());
        self.counter.want(cx.ctx, "tokenizer", wanted.clone(), shared.models_version, move |_, _| {
            find_counter(&own, &workplace)
        });
        let (Some(counter), Some(template)) = (self.counter.value_of(&wanted).cloned(), template) else {
            return;
        };
        let all = numbers_of_entries(shared);
        let subject = PromptSubject {
            sample: key,
            retriever: self.retriever(shared),
            k: self.k.filter(|k| all.contains(k)).unwrap_or(all[0]),
            use_date: experiment.retrieval.use_date,
            template: template.to_owned(),
            mode: experiment.prompt.mode,
            max_length: experiment.prompt.max_length,
            counter: std::sync::Arc::as_ptr(&counter) as usize,
        };
        let (own, dataset, index) = (subject.clone(), sample.dataset.clone(), sample.index);
        let workplace = shared.workplace.clone();
        self.made.want(cx.ctx, "prompt", subject, 0, move |cancel, progress| {
            make_prompt(&dataset, index, &own, &counter, &workplace, cancel, progress)
        });
    }

    pub(super) fn ui(&mut self, ui: &mut Ui, shared: &Shared, sound: bool, commands: &mut Vec<Command>) {
        if self.bar.show(ui, shared, "the prompt that a model would read", commands).is_none() {
            return;
        }
        self.choices(ui, shared, commands);
        if let Some(trouble) = self.counter.trouble()
            && kit::trouble(ui, trouble, Some("Count words instead"))
        {
            self.counting = CounterChoice::Words;
        }
        if !sound {
            let words = "The template has a fault, which is named at the left. This is the prompt of the last sound one.";
            kit::notice(ui, Notice::Warning, words, None);
        }
        self.state(ui, self.retriever(shared).contains("dense:"), commands);
        let Some(made) = self.made.value().cloned() else { return };
        self.figures(ui, shared, &made);
        let in_chat = self.shows_chat();
        ScrollArea::vertical().id_salt("prompt").auto_shrink(false).show(ui, |ui| {
            match made.chat.as_ref().filter(|_| in_chat) {
                Some(Ok(chat)) => {
                    let words = format!(
                        "{} tokens under the chat template, which holds what is read of the bare prompt",
                        chat.tokens
                    );
                    ui.label(theme::caption(ui, words));
                    ui.add(egui::Label::new(&chat.text).wrap().selectable(true));
                }
                Some(Err(trouble)) => {
                    kit::trouble(ui, trouble, None);
                }
                None => prompt_text(ui, &made),
            }
            ui.add_space(8.0);
            entries(ui, &made, self.unit());
            ui.add_space(8.0);
        });
    }

    /// What is counted.
    fn unit(&self) -> &'static str {
        match self.counter.value().map(|counter| counter.name.as_str()) {
            Some("words") => "words",
            Some("characters") => "characters",
            _ => "tokens",
        }
    }

    fn shows_chat(&self) -> bool {
        let chat = self.counter.value().and_then(|counter| counter.chat.as_ref());
        chat.is_some_and(|chat| self.chat.unwrap_or(chat.in_use))
    }

    fn choices(&mut self, ui: &mut Ui, shared: &Shared, commands: &mut Vec<Command>) {
        let now = self.retriever(shared);
        let mut all = shared.experiment().retrieval.retrievers.clone();
        for other in ["none", now.as_str()] {
            if !all.iter().any(|short| short == other) {
                all.push(other.to_owned());
            }
        }
        let has_chat = self.counter.value().is_some_and(|counter| counter.chat.is_some());
        ui.horizontal_wrapped(|ui| {
            let listed = all.iter().map(|short| (short.clone(), retriever_name(short), *short == now));
            if let Some(chosen) = choose(ui, "Retriever of the prompt", &retriever_name(&now), 130.0, listed)
            {
                self.retriever = Some(chosen);
            }
            choose_k(ui, shared, &mut self.k);
            self.counters(ui, shared);
            if !has_chat {
                self.copy(ui, commands);
            }
        });
        if has_chat {
            // A row of its own: what stands in a frame does not wrap.
            ui.horizontal(|ui| {
                let mut chat = self.shows_chat();
                if kit::segmented(ui, &mut chat, &[(false, "Bare", None), (true, "Chat template", None)]) {
                    self.chat = Some(chat);
                }
                self.copy(ui, commands);
            });
        }
        if let Some(note) = self.counter.value().and_then(|counter| counter.note.as_ref()) {
            ui.horizontal_wrapped(|ui| {
                ui.label(theme::caption(ui, note));
                let models = &shared.experiment().models;
                if models.is_empty() && ui.link(theme::caption(ui, "Choose a model").underline()).clicked() {
                    commands.push(Command::Go(Screen::Model));
                }
            });
        }
    }

    fn copy(&self, ui: &mut Ui, commands: &mut Vec<Command>) {
        let made = self.made.value();
        if kit::button_if(ui, made.is_some(), icons::COPY, "Copy prompt").clicked()
            && let Some(made) = made
        {
            let read = made.prompt.lost.as_ref().map_or(made.prompt.text.len(), |lost| lost.start);
            let text = match made.chat.as_ref().filter(|_| self.shows_chat()) {
                Some(Ok(chat)) => chat.text.clone(),
                _ => made.prompt.text.get(..read).unwrap_or_default().to_owned(),
            };
            commands.push(Command::Copy { text, said: "Copied what the model reads".to_owned() });
        }
    }

    fn counters(&mut self, ui: &mut Ui, shared: &Shared) {
        let reads = |name: &String| !name.is_empty() && !name.to_lowercase().starts_with(Baseline::PREFIX);
        let mut names: Vec<String> =
            shared.experiment().models.iter().map(|model| model.name.trim().to_owned()).collect();
        let installed = shared.models.value().map(|entries| entries.as_slice()).unwrap_or_default();
        names.extend(installed.iter().filter_map(|entry| match entry {
            Entry::Installed(manifest) if !manifest.kind.is_encoder() => Some(manifest.name.clone()),
            _ => None,
        }));
        names.retain(reads);
        names.sort();
        names.dedup();
        let automatic = [(CounterChoice::Automatic, "Automatic".to_owned())];
        let models =
            names.into_iter().map(|name| (CounterChoice::Model(name.clone()), format!("Tokens of {name}")));
        let words = [(CounterChoice::Words, "Words".to_owned())];
        let listed = automatic.into_iter().chain(models).chain(words);
        let listed = listed.map(|(choice, name)| {
            let selected = choice == self.counting;
            (choice, name, selected)
        });
        let shown = match self.counter.value() {
            Some(counter) => capital(&counter.name),
            None => "Tokens".to_owned(),
        };
        if let Some(chosen) = choose(ui, "Counted in", &shown, 140.0, listed) {
            (self.counting, self.chat) = (chosen, None);
        }
    }

    /// Progress or trouble.
    fn state(&mut self, ui: &mut Ui, dense: bool, commands: &mut Vec<Command>) {
        if let Some(reading) = self.made.pending() {
            let slow =
                self.made.value().is_none() || reading.total > 64 || &*reading.step == "Loading the encoder";
            if slow && kit::working(ui, &reading, "Making the prompt") {
                self.made.cancel();
            }
        }
        let Some(trouble) = self.made.trouble().cloned() else { return };
        if was_canceled(&trouble) {
            if kit::notice(ui, Notice::Info, "The preview was canceled.", Some("Make it")) {
                self.made.forget();
            }
        } else if kit::trouble(ui, &trouble, dense.then_some("Go to Model")) {
            commands.push(Command::Go(Screen::Model));
        }
    }

    /// The budget and what should be known of the prompt.
    fn figures(&self, ui: &mut Ui, shared: &Shared, made: &Made) {
        let unit = self.unit();
        budget(ui, made, &self.retriever(shared), unit);
        for (notice, words) in said(made, unit) {
            kit::notice(ui, notice, &words, None);
        }
        if !made.marker_found {
            let words = "The input lacks the task\u{2019}s marker, so all of it was the query.";
            ui.label(theme::caption(ui, words));
        }
    }
}

fn capital(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}

/// What a person should know of a prompt, the gravest first.
fn said(made: &Made, unit: &str) -> Vec<(Notice, String)> {
    let prompt = &made.prompt;
    let mut all = Vec::new();
    match &prompt.status {
        PromptStatus::FellBack { reason } => {
            all.push((Notice::Warning, format!("The record fell back to the bare input: {reason}.")));
        }
        PromptStatus::InputTooLong { over } => {
            let words =
                format!("The input alone is {over} {unit} too long; it is left whole and without entries.");
            all.push((Notice::Warning, words));
        }
        PromptStatus::Personalized | PromptStatus::Plain => {}
    }
    if let Some(lost) = &prompt.lost {
        let what = if prompt.input_cut() { ", among them the end of the input" } else { "" };
        let words = format!("The last {} {unit} are cut off and not read{what}.", lost.tokens);
        all.push((if prompt.input_cut() { Notice::Warning } else { Notice::Info }, words));
    }
    match prompt.dropped.len() {
        0 => {}
        1 => all.push((Notice::Info, "One entry was dropped for want of room.".to_owned())),
        more => all.push((Notice::Info, format!("{more} entries were dropped for want of room."))),
    }
    all
}

/// A bar of where the tokens go, with its figures beneath.
fn budget(ui: &mut Ui, made: &Made, retriever: &str, unit: &str) {
    let (prompt, Shares { input, entries, template, free }) = (&made.prompt, made.shares);
    let lost = prompt.lost.as_ref().map_or(0, |lost| lost.tokens);
    let colors = colors(ui);
    let of_entries = theme::method(ui, retriever_method(retriever));
    let parts = [
        ("Input", input, colors.text.gamma_multiply(0.75)),
        ("Entries", entries, of_entries),
        ("Template", template, colors.weak.gamma_multiply(0.55)),
        ("Free", free, colors.hover),
        ("Cut off", lost, colors.danger),
    ];
    let most = (input + entries + template + free + lost).max(1) as f32;
    let (rect, response) = ui.allocate_exact_size(vec2(ui.available_width(), 12.0), Sense::hover());
    let painter = ui.painter_at(rect);
    painter.rect_filled(rect, 3.0, colors.hover);
    let mut x = rect.left();
    for (_, tokens, color) in parts {
        let width = rect.width() * tokens as f32 / most;
        painter.rect_filled(Rect::from_min_size(pos2(x, rect.top()), vec2(width, 12.0)), 0.0, color);
        x += width;
    }
    if lost > 0 {
        let x = rect.right() - rect.width() * lost as f32 / most;
        painter.vline(x, rect.y_range(), (2.0, colors.text));
    }
    let total = format!("{} of at most {} {unit}", prompt.tokens, prompt.max_length);
    kit::described(&response, &format!("Budget: {total}"));
    ui.horizontal_wrapped(|ui| {
        ui.spacing_mut().item_spacing.x = 6.0;
        ui.label(theme::strong(total));
        for (name, tokens, color) in
            parts.into_iter().filter(|(name, tokens, _)| *tokens > 0 || *name == "Input")
        {
            ui.add_space(6.0);
            let (dot, _) = ui.allocate_exact_size(vec2(8.0, 8.0), Sense::hover());
            ui.painter().rect(dot, 2.0, color, (1.0, colors.line), egui::StrokeKind::Inside);
            ui.label(theme::weak(ui, format!("{name} {tokens}")));
        }
    });
}

/// Each entry's part in the prompt.
fn entries(ui: &mut Ui, made: &Made, unit: &str) {
    if made.entries.is_empty() {
        return;
    }
    ui.label(theme::section("Entries"));
    ui.spacing_mut().item_spacing.y = 0.0;
    let unit = capital(unit);
    let heads = ["", "Entry", unit.as_str(), "Text kept", "At most", "Left out"];
    let widths = [28.0, 120.0, 84.0, 76.0, 64.0];
    let rows: Vec<[String; 6]> =
        made.entries.iter().zip(1..).map(|(entry, rank)| cells(entry, rank)).collect();
    for (at, row) in std::iter::once(&heads.map(str::to_owned)).chain(&rows).enumerate() {
        let (rect, response) = ui.allocate_exact_size(vec2(ui.available_width(), 22.0), Sense::hover());
        let color = if at == 0 { colors(ui).weak } else { colors(ui).text };
        let size = if at == 0 { 11.0 } else { 13.0 };
        let painter = ui.painter_at(rect);
        let mut x = rect.left();
        for (column, text) in row.iter().enumerate() {
            let font = FontId::new(size, FontFamily::Proportional);
            let width = widths.get(column).copied().unwrap_or(rect.right() - x);
            let mut job = egui::text::LayoutJob::simple_singleline(text.clone(), font, color);
            job.wrap = egui::text::TextWrapping::truncate_at_width(width - 8.0);
            let galley = painter.layout_job(job);
            let right = matches!(column, 0 | 2 | 3 | 4);
            let at = if right { x + width - 8.0 - galley.size().x } else { x };
            painter.galley(pos2(at, rect.center().y - galley.size().y / 2.0), galley, color);
            x += width;
        }
        painter.hline(rect.x_range(), rect.bottom() - 0.5, (1.0, colors(ui).line));
        let words = row.iter().zip(heads).filter(|(text, _)| !text.is_empty());
        let words: Vec<String> =
            words.map(|(text, head)| if at == 0 { text.clone() } else { format!("{head} {text}") }).collect();
        response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Row, true, words.join(", ").trim()));
    }
}

fn cells(entry: &MadeEntry, rank: usize) -> [String; 6] {
    if let Some(reason) = &entry.dropped {
        let none = String::new;
        return [none(), entry.id.clone(), none(), none(), none(), format!("dropped: {reason}")];
    }
    let rewritten = if entry.rewritten { "some characters read otherwise" } else { "" };
    let left_out = match (entry.left_out, rewritten) {
        (0, "") => "nothing".to_owned(),
        (0, words) => words.to_owned(),
        (count, "") => format!("{count} characters"),
        (count, words) => format!("{count} characters; {words}"),
    };
    let tokens = entry.tokens.map_or_else(String::new, |tokens| tokens.to_string());
    let most = entry.granted.map_or_else(|| "all".to_owned(), |granted| granted.to_string());
    [rank.to_string(), entry.id.clone(), tokens, entry.kept.to_string(), most, left_out]
}
