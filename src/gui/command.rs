//! What a person can ask for: screens push these, and [`App`](super::App) carries them out before the next frame.

use std::path::PathBuf;

use crate::dataset::Dataset;
use crate::record::RunId;
use crate::run::{Experiment, Settings};
use crate::train::TrainRecipe;

/// The screens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub enum Screen {
    /// The first thing to see while the store is empty.
    Welcome,
    /// Datasets, their check, and a browser.
    Data,
    /// Models and how they answer.
    Model,
    /// Retrievers, and what they retrieve.
    Retriever,
    /// The template, and the prompt it makes.
    Prompt,
    /// The matrix.
    Experiment,
    /// What is being run.
    Runs,
    /// Tables and charts.
    Results,
    /// Single samples.
    Inspect,
    /// Models fine-tuned.
    Train,
    /// Folders, theme, store, about.
    Settings,
}

impl Screen {
    /// Those of the rail, in its order.
    pub const RAIL: [Self; 10] = [
        Self::Data,
        Self::Model,
        Self::Retriever,
        Self::Prompt,
        Self::Experiment,
        Self::Runs,
        Self::Results,
        Self::Inspect,
        Self::Train,
        Self::Settings,
    ];

    /// What it is called.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Welcome => "Welcome",
            Self::Data => "Data",
            Self::Model => "Model",
            Self::Retriever => "Retriever",
            Self::Prompt => "Prompt",
            Self::Experiment => "Experiment",
            Self::Runs => "Runs",
            Self::Results => "Results",
            Self::Inspect => "Inspect",
            Self::Train => "Train",
            Self::Settings => "Settings",
        }
    }
}

/// A part of a screen that a command leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// Where paths of data are typed.
    OpenData,
    /// The table of results.
    Table,
    /// The charts of results.
    Charts,
    /// Where results are written to files.
    Export,
}

impl Part {
    /// Whose part it is.
    pub const fn screen(self) -> Screen {
        match self {
            Self::OpenData => Screen::Data,
            Self::Table | Self::Charts | Self::Export => Screen::Results,
        }
    }
}

/// How much an event matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Weight {
    /// Good to know.
    Info,
    /// Done as asked.
    Success,
    /// It went on, but not as meant.
    Warning,
    /// It failed.
    Error,
}

/// A short message that passes by, kept in the list of messages.
#[derive(Debug, Clone)]
pub struct Toast {
    /// How much it matters.
    pub weight: Weight,
    /// One sentence.
    pub text: String,
    /// What can be opened beneath it.
    pub details: Option<String>,
    /// A button: its words, and what it asks for.
    pub action: Option<(String, Box<Command>)>,
}

impl Toast {
    /// A message without more to it.
    pub fn new(weight: Weight, text: impl Into<String>) -> Self {
        Self { weight, text: text.into(), details: None, action: None }
    }

    /// With details to open.
    #[must_use]
    pub fn with_details(mut self, details: impl Into<String>) -> Self {
        self.details = Some(details.into());
        self
    }

    /// With a button.
    #[must_use]
    pub fn with_action(mut self, words: impl Into<String>, command: Command) -> Self {
        self.action = Some((words.into(), Box::new(command)));
        self
    }
}

/// What to look at on the screen Inspect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Inspection {
    /// Predictions of this run.
    pub run: RunId,
    /// At this position in its dataset first.
    pub position: Option<u32>,
    /// Beside the same samples of this run.
    pub against: Option<RunId>,
}

/// The sample that previews are made of.
#[derive(Debug, Clone)]
pub struct ChosenSample {
    /// Of which dataset.
    pub dataset: Dataset,
    /// Its position there.
    pub index: usize,
}

/// How light the window is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
pub enum ThemeChoice {
    /// Light.
    Light,
    /// Dark.
    Dark,
    /// As the system is.
    #[default]
    System,
}

/// What a person asked for.
#[derive(Debug, Clone)]
pub enum Command {
    /// Shows a screen.
    Go(Screen),
    /// Shows a part of a screen.
    Show(Part),
    /// Opens the palette.
    OpenPalette,
    /// Shows a message.
    Toast(Toast),
    /// Puts a text on the clipboard, and says so by these words (`Copied the table`).
    Copy {
        /// The text.
        text: String,
        /// What to say.
        said: String,
    },
    /// Opens an address in the browser.
    OpenAddress(String),

    /// Adds files and folders to the data, and shows them.
    OpenData(Vec<PathBuf>),
    /// Takes a path out of the data; the files stay.
    CloseData(PathBuf),
    /// Reads the data again from the disk.
    ReloadData,
    /// Stops reading them.
    CancelData,
    /// Looks again at which models are installed.
    ReloadModels,
    /// Shows how to get a model, with this repository (or nothing) in the field.
    GetModel(String),
    /// Shows the form of a new endpoint.
    AddEndpoint,
    /// Chooses the sample that previews show.
    ChooseSample(ChosenSample),

    /// Changes the draft of the experiment. Edits of equal `what` that follow each other closely are undone together.
    Edit {
        /// What is changed, in a few words (`k`, `template`).
        what: &'static str,
        /// The experiment afterwards.
        experiment: Box<Experiment>,
    },
    /// Takes back the last change of the draft.
    Undo,
    /// Makes it again.
    Redo,
    /// Replaces the draft by an experiment from a file (or none), with an empty history.
    OpenDraft {
        /// The experiment.
        experiment: Box<Experiment>,
        /// Its file.
        file: Option<PathBuf>,
    },
    /// Reads an experiment's file to replace the draft by it, asking first where changes would be lost.
    OpenExperiment(PathBuf),
    /// Says where the draft was saved.
    SavedDraft(PathBuf),

    /// Makes the sample set, runs the sample experiment and shows its results.
    RunSample,
    /// Puts an experiment at the end of the queue.
    Start(Box<Experiment>),
    /// Puts a stored experiment at the end of the queue, to answer what is missing.
    Resume {
        /// Its number in the store.
        experiment: i64,
    },
    /// Puts runs of a stored experiment at the end of the queue, to try the samples again that could not be answered.
    RetryFailed {
        /// Its number in the store.
        experiment: i64,
        /// The runs; all that have failed samples if empty.
        runs: Vec<RunId>,
    },
    /// Says how what is begun from now on is run; changes no answer.
    SetSeries(Settings),
    /// The same for all experiments of which something was broken off.
    ResumeAll,
    /// Lets the running model rest, or go on.
    Pause(bool),
    /// Ends what is running, or takes it from the queue, by its number in the window.
    Cancel(u64),
    /// Puts a training at the end of the queue; its result gets the name.
    Train {
        /// All that decides the result.
        recipe: Box<TrainRecipe>,
        /// What the result is called.
        name: String,
    },
    /// Puts a training that was broken off at the end of the queue.
    ResumeTraining {
        /// What the result is called.
        name: String,
        /// The job's folder.
        folder: PathBuf,
    },
    /// Lets the training rest, or go on.
    PauseTraining(bool),
    /// Ends the training for good, with the best weights so far.
    FinishTraining,
    /// Has a training save itself and stop, or takes it from the queue, by its number in the window.
    CancelTraining(u64),
    /// Deletes runs from the store.
    DeleteRuns(Vec<RunId>),

    /// Shows samples of a run.
    Inspect(Inspection),
    /// Shows these runs on the screen Results.
    ShowResults(Vec<RunId>),

    /// Light or dark.
    SetTheme(ThemeChoice),
    /// How large everything is, 1 for the system's size.
    SetZoom(f32),
    /// Threads to compute with; 0 for as many as there are processors.
    SetThreads(usize),
    /// Works with another store.
    SetStore(PathBuf),
    /// Keeps models in another folder.
    SetModels(PathBuf),
    /// Ends the program.
    Quit,
}
