//! The left side: which template, its text to edit, and how the prompt is cut.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use eframe::egui::text::{LayoutJob, TextFormat};
use eframe::egui::{
    DragValue, FontFamily, FontId, Galley, ScrollArea, Stroke, TextBuffer, TextEdit, Ui, WidgetInfo,
};

use super::files::{FILES, Saving, read};
use super::wording::{self, Fault, Ink};
use crate::gui::command::{Command, Toast, Weight};
use crate::gui::kit::{self, Notice, PathField, PathKind};
use crate::gui::loadable::Loadable;
use crate::gui::shared::Shared;
use crate::gui::theme::{self, colors, icons};
use crate::gui::views::Cx;
use crate::lamp::Task;
use crate::prompt::{Preset, PromptMode, Template};
use crate::run::experiment::PromptSettings;

/// Where a template comes from, as the segmented choice shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Origin {
    Official,
    Paper,
    File,
}

/// The text being edited.
#[derive(Debug, Default)]
pub(super) struct Editor {
    task: Option<Task>,
    /// What the experiment names, of which `base` is the text.
    name: String,
    base: String,
    /// The text in the editor.
    pub(super) text: String,
    checked: Option<(String, Task, Result<(), Fault>)>,
    file: Loadable<(PathBuf, u64), String>,
    reads: u64,
    /// Open while a file is asked for.
    open: Option<PathField>,
    save: Option<Saving>,
    /// What was typed and not saved when another template was chosen.
    unsaved: Option<(Task, String)>,
}

impl Editor {
    /// Whether the text differs from what the experiment uses.
    pub(super) fn is_changed(&self) -> bool {
        self.text != self.base
    }

    /// What is wrong with the text; `None` if nothing is.
    pub(super) fn fault(&self) -> Option<&Fault> {
        self.checked.as_ref().and_then(|(_, _, result)| result.as_ref().err())
    }

    /// Whether there is a text for a task.
    pub(super) fn is_ready(&self, task: Task) -> bool {
        self.task == Some(task) && !self.text.is_empty()
    }

    /// Takes what was read and written, and follows the experiment and the sample's task.
    pub(super) fn logic(&mut self, cx: &mut Cx<'_>, task: Task) {
        self.take_saved(cx, task);
        let name = wording::of(&cx.shared.experiment().prompt.template, task).to_owned();
        let other = self.task != Some(task) || self.name != name;
        if let Ok(preset) = name.parse::<Preset>() {
            if other {
                // Where the paper has no wording of its own, the official one is the paper's.
                let template =
                    Template::preset(task, preset).or_else(|| Template::preset(task, Preset::Official));
                let text = template.and_then(|template| template.to_toml().ok()).unwrap_or_default();
                // What its comments explain, the screen says beneath.
                let text = text.lines().skip_while(|line| line.starts_with('#') || line.is_empty());
                self.load(task, name, text.collect::<Vec<_>>().join("\n") + "\n");
            }
        } else {
            let subject = (PathBuf::from(&name), self.reads);
            let path = subject.0.clone();
            self.file.want(cx.ctx, "template", subject.clone(), 0, move |_, _| read(&path));
            if let Some(text) = self.file.value_of(&subject) {
                if other || self.base != **text {
                    let text = String::clone(text);
                    self.load(task, name, text);
                }
            } else if other && self.file.trouble().is_some() {
                self.load(task, name, String::new());
            }
        }
        if self.checked.as_ref().is_none_or(|(text, of, _)| *text != self.text || *of != task) {
            self.checked = Some((self.text.clone(), task, wording::check(&self.text, task)));
        }
    }

    fn load(&mut self, task: Task, name: String, text: String) {
        if let Some(before) = self.task
            && self.is_changed()
            && !self.text.is_empty()
        {
            self.unsaved = Some((before, std::mem::take(&mut self.text)));
        }
        (self.task, self.name) = (Some(task), name);
        self.text.clone_from(&text);
        self.base = text;
    }

    fn take_saved(&mut self, cx: &mut Cx<'_>, task: Task) {
        let Some(path) = self.save.as_mut().and_then(Saving::take) else { return };
        let name = path.display().to_string();
        self.save = None;
        self.base.clone_from(&self.text);
        self.reads += 1;
        use_template(cx.shared, task, &name, cx.commands);
        let toast = Toast::new(Weight::Success, format!("Saved the template for {task} to {name}."));
        cx.commands.push(Command::Toast(toast));
    }

    /// Draws the side.
    pub(super) fn ui(&mut self, ui: &mut Ui, shared: &Shared, task: Task, commands: &mut Vec<Command>) {
        let area = ScrollArea::vertical().id_salt("template").auto_shrink(false);
        area.show(ui, |ui| {
            ui.set_max_width(ui.available_width() - 12.0);
            settings(ui, shared, commands);
            ui.add_space(4.0);
            kit::section(ui, &format!("Template for {task}"), |ui| {
                ui.add(eframe::egui::Label::new(theme::caption(ui, task.name())).truncate());
            });
            self.origin(ui, shared, task, commands);
            self.text(ui, task);
            self.beneath(ui, task);
        });
    }

    fn origin(&mut self, ui: &mut Ui, shared: &Shared, task: Task, commands: &mut Vec<Command>) {
        let name = wording::of(&shared.experiment().prompt.template, task).to_owned();
        let before = match name.parse::<Preset>() {
            Ok(Preset::Paper) if Template::preset(task, Preset::Paper).is_some() => Origin::Paper,
            Ok(_) => Origin::Official,
            Err(_) => Origin::File,
        };
        let paper = (task != Task::Lamp5).then_some("The paper words this task as the official code does.");
        let mut origin = if self.open.is_some() { Origin::File } else { before };
        let choices = [
            (Origin::Official, "Official", None),
            (Origin::Paper, "Paper", paper),
            (Origin::File, "Own file", None),
        ];
        if kit::segmented(ui, &mut origin, &choices) {
            self.open = (origin == Origin::File)
                .then(|| PathField::with(if before == Origin::File { name.as_str() } else { "" }));
            match origin {
                Origin::Official => use_template(shared, task, Preset::Official.id(), commands),
                Origin::Paper => use_template(shared, task, Preset::Paper.id(), commands),
                Origin::File => {}
            }
        }
        if before == Origin::File && self.open.is_none() {
            ui.horizontal(|ui| {
                let words = Path::new(&name)
                    .file_name()
                    .map_or_else(|| name.clone(), |last| last.to_string_lossy().into_owned());
                ui.with_layout(eframe::egui::Layout::right_to_left(eframe::egui::Align::Center), |ui| {
                    if kit::quiet(ui, "", "Another file\u{2026}").clicked() {
                        self.open = Some(PathField::with(name.as_str()));
                    }
                    if kit::icon_button(ui, icons::ARROW_CLOCKWISE, "Read the file again").clicked() {
                        self.reads += 1;
                    }
                    ui.with_layout(eframe::egui::Layout::left_to_right(eframe::egui::Align::Center), |ui| {
                        kit::cut(ui, theme::weak(ui, words)).on_hover_text(&name);
                    });
                });
            });
        }
        let mut chosen = None;
        if let Some(field) = &mut self.open {
            let settled =
                field.show(ui, PathKind::OpenFile, "Template file", "/path/of/template.toml", FILES);
            ui.horizontal(|ui| {
                let there = field.path();
                let clicked = kit::button_if(ui, there.is_some(), icons::CHECK, "Use this file").clicked();
                if (settled || clicked)
                    && let Some(path) = there
                {
                    chosen = Some(path);
                }
                ui.label(theme::caption(ui, "Or edit the text below and save it."));
            });
        }
        if let Some(path) = chosen {
            let path = std::path::absolute(&path).unwrap_or(path);
            self.open = None;
            self.reads += 1;
            use_template(shared, task, &path.display().to_string(), commands);
        }
        if before == Origin::File
            && let Some(trouble) = self.file.trouble()
            && kit::trouble(ui, trouble, Some("Use the official wording"))
        {
            use_template(shared, task, Preset::Official.id(), commands);
        }
    }

    fn text(&mut self, ui: &mut Ui, task: Task) {
        let mut layouter =
            |ui: &Ui, text: &dyn TextBuffer, width: f32| colored(ui, text.as_str(), task, width);
        // The text scrolls with the whole side: two scrolls within each other catch the wheel.
        let edit = TextEdit::multiline(&mut self.text)
            .font(eframe::egui::TextStyle::Monospace)
            .desired_width(f32::INFINITY)
            .desired_rows(8)
            .layouter(&mut layouter);
        let response = ui.add(edit);
        let value = self.text.clone();
        response.widget_info(|| {
            let mut info = WidgetInfo::text_edit(true, "", &value, "");
            info.label = Some("Template text".to_owned());
            info
        });
    }

    fn beneath(&mut self, ui: &mut Ui, task: Task) {
        if let Some(fault) = self.fault().filter(|_| !self.text.is_empty()) {
            let line = fault.line.map(|line| format!("Line {line}: ")).unwrap_or_default();
            kit::notice(ui, Notice::Error, &format!("{line}{}", fault.words), None);
        }
        let listed =
            |names: &[&str]| names.iter().map(|name| format!("{{{name}}}")).collect::<Vec<_>>().join(" ");
        let fields = wording::entry_fields(task);
        let help = [
            format!("entry words one retrieved entry: {}", listed(&fields)),
            format!("aggregate is the whole: {}", listed(&wording::WHOLE)),
            "joiner stands between entries; cut names the field that is cut; braces are doubled to stand for themselves".to_owned(),
        ];
        ui.scope(|ui| {
            ui.spacing_mut().item_spacing.y = 2.0;
            for line in help {
                ui.label(theme::caption(ui, line));
            }
        });
        let sound = self.fault().is_none();
        if self.is_changed() {
            ui.label(
                theme::caption(ui, "The preview shows your text; the experiment uses it once it is saved.")
                    .color(colors(ui).warning),
            );
        }
        ui.horizontal_wrapped(|ui| {
            if self.is_changed()
                && kit::button(ui, icons::ARROW_COUNTER_CLOCKWISE, "Discard the changes").clicked()
            {
                self.text.clone_from(&self.base);
            }
            let is_file = self.name.parse::<Preset>().is_err();
            if is_file && self.is_changed() && kit::button_if(ui, sound, icons::FLOPPY_DISK, "Save").clicked()
            {
                let mut saving = Saving::to(&self.name);
                saving.start(ui, self.text.clone(), true);
                self.save = Some(saving);
            }
            if self.save.is_none()
                && kit::button_if(ui, sound, icons::FLOPPY_DISK, "Save as\u{2026}").clicked()
            {
                self.save = Some(Saving::default());
            }
            if let Some((_, text)) = self.unsaved.as_ref().filter(|(of, _)| *of == task)
                && kit::quiet(ui, icons::ARROW_COUNTER_CLOCKWISE, "Bring back the unsaved text").clicked()
            {
                self.text.clone_from(text);
                self.unsaved = None;
            }
        });
        let mut close = false;
        if let Some(saving) = &mut self.save {
            close = saving.ui(ui, &self.text, sound, task);
        }
        if close {
            self.save = None;
        }
    }
}

fn use_template(shared: &Shared, task: Task, name: &str, commands: &mut Vec<Command>) {
    let experiment = shared.edited(|experiment| {
        let prompt = &mut experiment.prompt;
        prompt.template = wording::assign(&prompt.template, task, name);
    });
    commands.push(Command::Edit { what: "template", experiment });
}

/// Who cuts, and how long a prompt may be.
fn settings(ui: &mut Ui, shared: &Shared, commands: &mut Vec<Command>) {
    let PromptSettings { mode, max_length, .. } = shared.experiment().prompt;
    let (mut mode, mut length) = (mode, max_length);
    let mut edit = |change: &dyn Fn(&mut PromptSettings), what| {
        let experiment = shared.edited(|experiment| change(&mut experiment.prompt));
        commands.push(Command::Edit { what, experiment });
    };
    ui.horizontal(|ui| {
        let name = ui.label(theme::weak(ui, "At most"));
        let drag = DragValue::new(&mut length).range(1..=1_000_000).clamp_existing_to_range(false);
        let drag = drag.speed(1.0).suffix(" tokens");
        let mut changed = ui.add(drag).labelled_by(name.id).changed();
        for usual in [256, 512] {
            let mut on = max_length == usual;
            if kit::chip(ui, &mut on, &usual.to_string()) && max_length != usual {
                (length, changed) = (usual, true);
            }
        }
        if changed && length != max_length {
            edit(&|prompt| prompt.max_length = length, "max_length");
        }
    });
    let choices =
        [(PromptMode::Official, "Official cutting", None), (PromptMode::Clean, "Clean cutting", None)];
    if kit::segmented(ui, &mut mode, &choices) {
        edit(&|prompt| prompt.mode = mode, "mode");
    }
    let words = match mode {
        PromptMode::Official => {
            "As the benchmark\u{2019}s code, bit for bit. The papers read 512 tokens, the official scripts 256."
        }
        PromptMode::Clean => {
            "The input is never cut and nothing is rewritten; entries without room are dropped and listed."
        }
    };
    ui.label(theme::caption(ui, words));
}

fn colored(ui: &Ui, text: &str, task: Task, width: f32) -> Arc<Galley> {
    let colors = colors(ui);
    let font = FontId::new(12.0, FontFamily::Monospace);
    let mut job = LayoutJob::default();
    for (range, ink) in wording::inks(text, task) {
        let mut format = TextFormat::simple(font.clone(), colors.text);
        match ink {
            Ink::Plain => {}
            Ink::Comment => format.color = colors.weak,
            Ink::Key => format.color = colors.weak,
            Ink::Placeholder => {
                format.color = colors.accent;
                format.background = colors.mark;
            }
            Ink::Unknown => {
                format.color = colors.danger;
                format.underline = Stroke::new(1.0, colors.danger);
            }
        }
        job.append(&text[range], 0.0, format);
    }
    if text.is_empty() {
        job.append("", 0.0, TextFormat::simple(font, colors.text));
    }
    job.wrap.max_width = width;
    ui.fonts_mut(|fonts| fonts.layout_job(job))
}
