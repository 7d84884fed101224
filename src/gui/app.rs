//! The program in the window: carries out commands before a frame, draws the frame and the screen in it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use eframe::egui::{self, ThemePreference};

use super::command::{Command, Screen, ThemeChoice, Toast, Weight};
use super::draft::Draft;
use super::frame::{Drawing, FrameState};
use super::memory::Memory;
use super::runner::Wanted;
use super::shared::Shared;
use super::store_watch::StoreWatch;
use super::views::data::DataView;
use super::views::experiment::ExperimentView;
use super::views::inspect::InspectView;
use super::views::model::ModelView;
use super::views::prompt::PromptView;
use super::views::results::ResultsView;
use super::views::retriever::RetrieverView;
use super::views::runs::RunsView;
use super::views::settings::SettingsView;
use super::views::train::TrainView;
use super::views::welcome::WelcomeView;
use super::views::{Cx, View};
use super::{frame, theme};
use crate::record::RunStatus;
use crate::run::experiment::{self, Source};
use crate::run::{Experiment, Places};

/// How long closing waits for what is at work.
const CLOSING: Duration = Duration::from_secs(5);
/// How long closing waits for a training to save itself: a step of it may take long, and much may have been learned.
const SAVING: Duration = Duration::from_secs(20);
/// What has changed is remembered after so long.
const REMEMBER: Duration = Duration::from_millis(700);

/// The screens' states.
#[derive(Default)]
pub(super) struct Views {
    welcome: WelcomeView,
    data: DataView,
    model: ModelView,
    retriever: RetrieverView,
    prompt: PromptView,
    experiment: ExperimentView,
    runs: RunsView,
    pub(super) results: ResultsView,
    inspect: InspectView,
    train: TrainView,
    settings: SettingsView,
}

impl Views {
    fn new(memory: &Memory) -> Self {
        Self {
            welcome: WelcomeView::default(),
            data: DataView::new(memory),
            model: ModelView::new(memory),
            retriever: RetrieverView::new(memory),
            prompt: PromptView::new(memory),
            experiment: ExperimentView::new(memory),
            runs: RunsView::new(memory),
            results: ResultsView::new(memory),
            inspect: InspectView::new(memory),
            train: TrainView::new(memory),
            settings: SettingsView::new(memory),
        }
    }

    pub(super) fn get(&self, screen: Screen) -> &dyn View {
        match screen {
            Screen::Welcome => &self.welcome,
            Screen::Data => &self.data,
            Screen::Model => &self.model,
            Screen::Retriever => &self.retriever,
            Screen::Prompt => &self.prompt,
            Screen::Experiment => &self.experiment,
            Screen::Runs => &self.runs,
            Screen::Results => &self.results,
            Screen::Inspect => &self.inspect,
            Screen::Train => &self.train,
            Screen::Settings => &self.settings,
        }
    }

    fn get_mut(&mut self, screen: Screen) -> &mut dyn View {
        match screen {
            Screen::Welcome => &mut self.welcome,
            Screen::Data => &mut self.data,
            Screen::Model => &mut self.model,
            Screen::Retriever => &mut self.retriever,
            Screen::Prompt => &mut self.prompt,
            Screen::Experiment => &mut self.experiment,
            Screen::Runs => &mut self.runs,
            Screen::Results => &mut self.results,
            Screen::Inspect => &mut self.inspect,
            Screen::Train => &mut self.train,
            Screen::Settings => &mut self.settings,
        }
    }
}

/// The program.
pub struct App {
    shared: Shared,
    views: Views,
    frame: FrameState,
    screen: Screen,
    watch: StoreWatch,
    commands: Vec<Command>,
    memory: Memory,
    changed: Option<Instant>,
    /// Whether the store was looked at for the first time.
    greeted: bool,
}

impl App {
    /// The program over its places, as it was left.
    pub fn new(ctx: &egui::Context, mut places: Places, memory: Memory) -> Self {
        theme::install(ctx);
        if let Some(store) = memory.store.as_ref().filter(|_| !places.store_given) {
            places.store.clone_from(store);
        }
        if let Some(models) = memory.models.as_ref().filter(|_| !places.models_given) {
            places.models.clone_from(models);
        }
        // An unfinished one is kept as well; what is wrong with it is said on its screen.
        let read = memory.draft.as_ref().map(|text| Experiment::draft_from_toml(text, "draft".as_ref()).0);
        let mut draft = read.unwrap_or_else(first_draft);
        draft.source = Source::default();
        let draft = Draft::new(draft, memory.draft_file.clone()).left_changed(memory.draft_changed);
        let mut shared = Shared::new(places, draft);
        shared.theme = memory.theme;
        shared.zoom = memory.zoom.clamp(0.5, 3.0);
        shared.threads = memory.threads;
        shared.data_paths.clone_from(&memory.data);
        let watch = StoreWatch::new(shared.places.store.clone(), ctx);
        let app = Self {
            views: Views::new(&memory),
            frame: FrameState::default(),
            screen: memory.screen.unwrap_or(Screen::Welcome),
            watch,
            commands: Vec::new(),
            memory,
            changed: None,
            greeted: false,
            shared,
        };
        app.apply_theme(ctx);
        ctx.set_zoom_factor(app.shared.zoom);
        app
    }

    /// The state that screens share.
    pub const fn shared(&self) -> &Shared {
        &self.shared
    }

    /// The screen that is shown.
    pub const fn screen(&self) -> Screen {
        self.screen
    }

    /// Asks for something, as a screen would.
    pub fn push(&mut self, command: Command) {
        self.commands.push(command);
    }

    /// All that happens between two frames; draws nothing.
    pub fn logic(&mut self, ctx: &egui::Context) {
        for command in std::mem::take(&mut self.commands) {
            self.carry_out(command, ctx);
        }
        self.shared.logic(ctx, &self.watch);
        let (places, threads) = (self.shared.places.clone(), self.shared.threads);
        let (runner, trainings) = (&self.shared.runner, &self.shared.trainings);
        // Who has waited longer is next, and one alone computes.
        let (run, training) = (runner.waits_since(), trainings.waits_since());
        let run_first = training.is_none_or(|training| run.is_some_and(|run| run < training));
        let may_run = trainings.at_work().is_none() && run_first;
        let may_train = runner.active().is_none() && !run_first;
        if let Some(finished) = self.shared.runner.logic(ctx, &places, threads, may_run) {
            let toast = frame::told_end(finished);
            self.commands.push(Command::Toast(toast));
        }
        if let Some(ended) = self.shared.trainings.logic(ctx, &places, threads, may_train) {
            self.commands.push(Command::Toast(frame::told_training(ended)));
            self.commands.push(Command::ReloadModels);
        }
        for screen in std::iter::once(Screen::Welcome).chain(Screen::RAIL) {
            let shown = screen == self.screen;
            let mut cx = Cx { ctx, shared: &self.shared, commands: &mut self.commands, shown };
            self.views.get_mut(screen).logic(&mut cx);
        }
        self.greet();
        self.frame.shortcuts(ctx, &self.shared, &mut self.commands);
        let dropped: Vec<_> =
            ctx.input(|input| input.raw.dropped_files.iter().map(|file| file.path().to_owned()).collect());
        match dropped.as_slice() {
            [] => {}
            [file] if experiment::is_called_so(file) => {
                self.commands.push(Command::OpenExperiment(file.clone()))
            }
            _ => self.commands.push(Command::OpenData(dropped)),
        }
        self.remember(ctx);
        if !self.commands.is_empty() {
            ctx.request_repaint();
        }
    }

    /// Draws everything.
    pub fn draw(&mut self, ui: &mut egui::Ui) {
        let screen = self.screen;
        let drawing = Drawing { screen, shared: &self.shared, views: &self.views, path: self.watch.path() };
        self.frame.around(ui, &drawing, &mut self.commands);
        let (shared, commands, views) = (&self.shared, &mut self.commands, &mut self.views);
        frame::central(ui, screen, |ui| views.get_mut(screen).ui(ui, shared, commands));
        self.frame.above(ui, &self.shared, &self.views, &mut self.commands);
        if !self.commands.is_empty() {
            ui.ctx().request_repaint();
        }
    }

    /// Once the store was looked at: the welcome where it is empty, and an offer where something was broken off.
    fn greet(&mut self) {
        if self.greeted || self.shared.store.version == 0 {
            return;
        }
        self.greeted = true;
        let store = &self.shared.store;
        if self.screen == Screen::Welcome && !store.runs.is_empty() {
            self.screen = Screen::Results;
        }
        let open = |status| matches!(status, RunStatus::Interrupted | RunStatus::Running);
        let left =
            store.runs.iter().filter(|run| open(run.status) && !store.claimed.contains(&run.id)).count();
        if left > 0 {
            let runs = if left == 1 { "One run was".to_owned() } else { format!("{left} runs were") };
            let toast = Toast::new(Weight::Info, format!("{runs} broken off. What was answered is stored."))
                .with_action("Show", Command::Go(Screen::Runs));
            self.commands.push(Command::Toast(toast));
        }
    }

    fn carry_out(&mut self, command: Command, ctx: &egui::Context) {
        match command {
            Command::Go(screen) => self.screen = screen,
            Command::Show(part) => {
                self.screen = part.screen();
                self.views.get_mut(part.screen()).show_part(part);
            }
            Command::OpenPalette => self.frame.open_palette(),
            Command::Toast(toast) => {
                self.shared.messages.push(toast.clone());
                self.frame.toast(toast);
            }
            Command::Copy { text, said } => {
                ctx.copy_text(text);
                self.frame.toast(Toast::new(Weight::Success, said));
            }
            Command::OpenAddress(address) => ctx.open_url(egui::OpenUrl::new_tab(address)),
            Command::OpenData(paths) => {
                for path in paths {
                    let path = std::path::absolute(&path).unwrap_or(path);
                    if !self.shared.data_paths.contains(&path) {
                        self.shared.data_paths.push(path);
                    }
                }
                self.shared.data_version += 1;
                self.screen = Screen::Data;
            }
            Command::CloseData(path) => self.shared.data_paths.retain(|open| *open != path),
            Command::ReloadData => {
                self.shared.data_version += 1;
                self.shared.catalog.forget();
            }
            Command::CancelData => self.shared.catalog.cancel(),
            Command::ReloadModels => {
                self.shared.models_version += 1;
                self.shared.models.forget();
                self.shared.endpoints.forget();
            }
            Command::GetModel(repository) => {
                self.views.model.offer(&repository);
                self.screen = Screen::Model;
            }
            Command::AddEndpoint => {
                self.views.model.add_endpoint();
                self.screen = Screen::Model;
            }
            Command::ChooseSample(sample) => self.shared.sample = Some(sample),
            Command::Edit { what, experiment } => self.shared.draft.edit(what, *experiment, Instant::now()),
            Command::Undo => {
                self.shared.draft.undo();
            }
            Command::Redo => {
                self.shared.draft.redo();
            }
            Command::OpenDraft { experiment, file } => self.shared.draft = Draft::new(*experiment, file),
            Command::OpenExperiment(path) => {
                self.views.experiment.open(path);
                self.screen = Screen::Experiment;
            }
            Command::SavedDraft(path) => self.shared.draft.saved(path),
            Command::RunSample => {
                self.shared.runner.enqueue("sample benchmark".to_owned(), Wanted::Sample);
                self.screen = Screen::Results;
            }
            Command::Start(experiment) => {
                let name = experiment.name.clone();
                self.shared.runner.enqueue(name, Wanted::New(experiment));
                self.screen = Screen::Runs;
            }
            Command::Resume { experiment } => {
                let wanted = Wanted::Stored { experiment, runs: Vec::new(), retry_failed: false };
                self.shared.runner.enqueue(self.name_of(experiment), wanted);
            }
            Command::RetryFailed { experiment, runs } => {
                let wanted = Wanted::Stored { experiment, runs, retry_failed: true };
                self.shared.runner.enqueue(self.name_of(experiment), wanted);
            }
            Command::SetSeries(settings) => self.shared.runner.set_settings(settings),
            Command::ResumeAll => {
                let numbers: Vec<i64> = self.shared.broken_off().map(|stored| stored.id).collect();
                self.commands.extend(numbers.into_iter().map(|experiment| Command::Resume { experiment }));
                self.screen = Screen::Runs;
            }
            Command::Pause(paused) => self.shared.runner.pause(paused),
            Command::Cancel(id) => self.shared.runner.cancel(id),
            Command::Train { recipe, name } => {
                self.shared.trainings.begin(name, recipe, &self.shared.workplace);
                self.screen = Screen::Train;
            }
            Command::ResumeTraining { name, folder } => self.shared.trainings.go_on(name, folder),
            Command::PauseTraining(paused) => self.shared.trainings.pause(paused),
            Command::FinishTraining => self.shared.trainings.finish(),
            Command::CancelTraining(id) => self.shared.trainings.cancel(id),
            Command::DeleteRuns(_) | Command::Inspect(_) | Command::ShowResults(_) => {
                self.hand_on(command);
            }
            Command::SetTheme(theme) => {
                self.shared.theme = theme;
                self.apply_theme(ctx);
            }
            Command::SetZoom(zoom) => {
                self.shared.zoom = zoom.clamp(0.5, 3.0);
                ctx.set_zoom_factor(self.shared.zoom);
            }
            Command::SetThreads(threads) => {
                self.shared.threads = threads;
                let workplace = self.shared.places.workplace().with_threads(threads);
                self.shared.workplace = Arc::new(workplace);
            }
            Command::SetStore(path) => {
                self.shared.places.store = path.clone();
                self.memory.store = Some(path.clone());
                self.watch = StoreWatch::new(path, ctx);
            }
            Command::SetModels(path) => {
                self.shared.places.models = path.clone();
                self.memory.models = Some(path);
                let workplace = self.shared.places.workplace().with_threads(self.shared.threads);
                self.shared.workplace = Arc::new(workplace);
                self.shared.models_version += 1;
            }
            Command::Quit => ctx.send_viewport_cmd(egui::ViewportCommand::Close),
        }
        self.changed = Some(Instant::now());
    }

    /// Commands that a screen carries out by itself.
    fn hand_on(&mut self, command: Command) {
        match command {
            Command::Inspect(inspection) => {
                self.views.inspect.open(inspection);
                self.screen = Screen::Inspect;
            }
            Command::ShowResults(runs) => {
                self.views.results.show(runs);
                self.screen = Screen::Results;
            }
            Command::DeleteRuns(runs) => self.views.runs.delete(runs),
            _ => {}
        }
    }

    /// What a stored experiment is called.
    fn name_of(&self, experiment: i64) -> String {
        let stored = self.shared.store.experiments.iter().find(|stored| stored.id == experiment);
        let name = stored.map(|stored| stored.name.clone()).filter(|name| !name.is_empty());
        name.unwrap_or_else(|| format!("experiment {experiment}"))
    }

    fn apply_theme(&self, ctx: &egui::Context) {
        ctx.set_theme(match self.shared.theme {
            ThemeChoice::Light => ThemePreference::Light,
            ThemeChoice::Dark => ThemePreference::Dark,
            ThemeChoice::System => ThemePreference::System,
        });
    }

    /// Writes what has changed, a moment after it has.
    fn remember(&mut self, ctx: &egui::Context) {
        let Some(changed) = self.changed else { return };
        let waited = changed.elapsed();
        if waited < REMEMBER {
            ctx.request_repaint_after(REMEMBER - waited);
            return;
        }
        self.changed = None;
        let memory = self.gather();
        if let Some(folder) = self.shared.places.memory.clone() {
            // A frame does not wait for a disk; what cannot be remembered is forgotten.
            let _ = std::thread::Builder::new().name("memory".into()).spawn(move || memory.write(&folder));
        }
    }

    /// What is to be remembered, gathered from everywhere.
    fn gather(&mut self) -> Memory {
        let memory = &mut self.memory;
        memory.theme = self.shared.theme;
        memory.zoom = self.shared.zoom;
        memory.threads = self.shared.threads;
        memory.screen = Some(self.screen);
        memory.data.clone_from(&self.shared.data_paths);
        memory.draft = self.shared.experiment().to_toml().ok();
        memory.draft_file = self.shared.draft.file().cloned();
        memory.draft_changed = self.shared.draft.is_changed();
        for screen in Screen::RAIL {
            self.views.get(screen).remember(memory);
        }
        memory.clone()
    }

    /// Ends what is at work and remembers the rest.
    pub fn close(&mut self) {
        self.shared.runner.close(CLOSING);
        self.shared.trainings.close(SAVING);
        let memory = self.gather();
        if let Some(folder) = &self.shared.places.memory {
            let _ = memory.write(folder);
        }
    }
}

/// The draft of someone who begins: BM25 beside no profile.
fn first_draft() -> Experiment {
    let mut experiment = Experiment { name: "My experiment".to_owned(), ..Experiment::default() };
    experiment.retrieval.retrievers = vec!["none".to_owned(), "bm25".to_owned()];
    experiment.retrieval.k = vec![4];
    experiment
}

impl eframe::App for App {
    fn logic(&mut self, ctx: &egui::Context, _frame: &mut eframe::Frame) {
        Self::logic(self, ctx);
    }

    fn ui(&mut self, ui: &mut egui::Ui, _frame: &mut eframe::Frame) {
        self.draw(ui);
    }

    fn on_exit(&mut self, _gl: Option<&eframe::glow::Context>) {
        self.close();
    }

    fn clear_color(&self, visuals: &egui::Visuals) -> [f32; 4] {
        visuals.panel_fill.to_normalized_gamma_f32()
    }

    fn persist_egui_memory(&self) -> bool {
        false
    }
}
