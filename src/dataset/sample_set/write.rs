//! The sample set as files in the official layout, one record at a time.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use flate2::{Compression, GzBuilder};
use serde_json::{Map, Value};

use crate::jobs::{CancelToken, Canceled, Progress};
use crate::lamp::{ProfileEntry, Sample, Setting, Split, Task};

use super::{SHIPPED_SEED, generate, shipped_records};

/// What to write. The default is the shipped set, uncompressed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// The seed; equal seeds give equal files.
    pub seed: u64,
    /// Records in every split; `None` as in the shipped set.
    pub records: Option<usize>,
    /// The tasks.
    pub tasks: Vec<Task>,
    /// The settings.
    pub settings: Vec<Setting>,
    /// The splits.
    pub splits: Vec<Split>,
    /// Whether to compress (`.json.gz`).
    pub gzip: bool,
    /// Whether to write into a folder that has something in it, over files of the same name.
    pub force: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            seed: SHIPPED_SEED,
            records: None,
            tasks: Task::ALL.to_vec(),
            settings: Setting::ALL.to_vec(),
            splits: Split::ALL.to_vec(),
            gzip: false,
            force: false,
        }
    }
}

/// What was written.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Summary {
    /// The files, questions and outputs in turn.
    pub files: Vec<PathBuf>,
    /// Records in all of them.
    pub records: usize,
    /// Profile entries in all of them.
    pub entries: usize,
}

/// Why the sample set could not be written.
#[derive(Debug, thiserror::Error)]
pub enum SampleSetError {
    /// The folder has something in it.
    #[error("{} is not empty; choose another folder, or allow writing into it (`--force`)", .0.display())]
    NotEmpty(PathBuf),
    /// A file or folder could not be read or written.
    #[error("cannot write {}: {source}", path.display())]
    Io {
        /// Which one.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Asked to stop; finished files stay, unfinished ones are removed.
    #[error(transparent)]
    Canceled(#[from] Canceled),
}

/// Writes the set into `folder`, which is made if need be. Progress counts records.
///
/// A file has its name only when it is complete. Memory does not grow with the number of records.
///
/// # Errors
/// When the folder is not empty and `force` is off, when something cannot be written, or when canceled.
pub fn write(
    folder: &Path,
    options: &Options,
    cancel: &CancelToken,
    progress: &Progress,
) -> Result<Summary, SampleSetError> {
    fs::create_dir_all(folder).map_err(at(folder))?;
    if !options.force && fs::read_dir(folder).map_err(at(folder))?.next().is_some() {
        return Err(SampleSetError::NotEmpty(folder.to_owned()));
    }
    let records = |split| options.records.unwrap_or(shipped_records(split));
    let total: usize = options.splits.iter().map(|&split| records(split)).sum();
    progress.start("writing records", (total * options.tasks.len() * options.settings.len()) as u64);
    let mut summary = Summary::default();
    for &setting in &options.settings {
        for &task in &options.tasks {
            for &split in &options.splits {
                let part = folder.join(official_path(task, setting, split));
                fs::create_dir_all(&part).map_err(at(&part))?;
                let [questions, outputs] = ["questions", "outputs"].map(|kind| {
                    part.join(format!("{split}_{kind}.json{}", if options.gzip { ".gz" } else { "" }))
                });
                let mut questions = Growing::create(&questions, options.gzip)?;
                let mut outputs = Growing::create(&outputs, options.gzip)?;
                let samples =
                    generate(task, setting, split, records(split), options.seed).inspect(|sample| {
                        summary.records += 1;
                        summary.entries += sample.profile.len();
                        progress.add(1);
                    });
                write_split(task, samples, &mut questions, &mut outputs, cancel)?;
                summary.files.push(questions.finish()?);
                summary.files.push(outputs.finish()?);
            }
        }
    }
    Ok(summary)
}

/// `LaMP_2/new/dev`, `time/LaMP_3/test`, …
pub(in crate::dataset) fn official_path(task: Task, setting: Setting, split: Split) -> PathBuf {
    let root = if setting == Setting::Time { Path::new("time") } else { Path::new("") };
    task.official_folder().split('/').fold(root.to_owned(), |path, part| path.join(part)).join(split.id())
}

/// Writes questions and outputs as the official files have them: one line, a space after `,` and `:`.
pub(in crate::dataset) fn write_split(
    task: Task,
    samples: impl Iterator<Item = Sample>,
    questions: &mut Growing,
    outputs: &mut Growing,
    cancel: &CancelToken,
) -> Result<(), SampleSetError> {
    questions.write(b"[")?;
    outputs.write(format!("{{\"task\": \"{}\", \"golds\": [", task.official_id()).as_bytes())?;
    for (number, mut sample) in samples.enumerate() {
        cancel.check()?;
        if number > 0 {
            questions.write(b", ")?;
            outputs.write(b", ")?;
        }
        let reference = sample.reference.take().unwrap_or_default();
        outputs.write_object(&fields([("id", sample.id.clone()), ("output", reference)]))?;
        questions.write_object(&question(task, sample))?;
    }
    questions.write(b"]")?;
    outputs.write(b"]}")
}

fn fields<const N: usize>(fields: [(&str, String); N]) -> Map<String, Value> {
    fields.into_iter().map(|(name, value)| (name.to_owned(), Value::String(value))).collect()
}

fn question(task: Task, sample: Sample) -> Map<String, Value> {
    let profile = sample.profile.into_iter().map(|entry| Value::Object(profile_entry(task, entry))).collect();
    let mut object = fields([("id", sample.id)]);
    if let Some(user) = sample.user_id {
        object.insert("user_id".to_owned(), user.into());
    }
    object.extend(fields([("input", sample.input)]));
    object.insert("profile".to_owned(), Value::Array(profile));
    object
}

fn profile_entry(task: Task, entry: ProfileEntry) -> Map<String, Value> {
    let text = Some((task.text_field(), entry.text));
    let title = task.title_field().zip(entry.title);
    let label = task.label_field().zip(entry.label);
    let id = Some(("id", entry.id));
    let date = entry.date.map(|date| ("date", date));
    // The order of the official files, which readers must not depend on.
    let order = match task {
        Task::Lamp1 | Task::Lamp5 => [title, text, label, id, date],
        Task::Lamp3 => [id, text, title, label, date],
        _ => [text, title, label, id, date],
    };
    order.into_iter().flatten().map(|(name, value)| (name.to_owned(), Value::String(value))).collect()
}

fn at(path: &Path) -> impl Fn(io::Error) -> SampleSetError + '_ {
    move |source| SampleSetError::Io { path: path.to_owned(), source }
}

/// A file under a temporary name, removed again unless it is finished.
pub(in crate::dataset) struct Growing {
    sink: Option<Box<dyn Sink>>,
    partial: PathBuf,
    path: PathBuf,
}

/// Something that can be written and brought to its end.
trait Sink: Write {
    fn end(self: Box<Self>) -> io::Result<()>;
}

impl Sink for BufWriter<File> {
    fn end(mut self: Box<Self>) -> io::Result<()> {
        self.flush()
    }
}

impl Sink for flate2::write::GzEncoder<BufWriter<File>> {
    fn end(self: Box<Self>) -> io::Result<()> {
        self.finish()?.flush()
    }
}

impl Growing {
    pub(in crate::dataset) fn create(path: &Path, gzip: bool) -> Result<Self, SampleSetError> {
        let mut name = path.file_name().unwrap_or_default().to_owned();
        name.push(".partial");
        let partial = path.with_file_name(name);
        let file = BufWriter::new(File::create(&partial).map_err(at(path))?);
        let sink: Box<dyn Sink> = if gzip {
            // No time, no name, no system: equal content is equal bytes.
            Box::new(GzBuilder::new().mtime(0).operating_system(255).write(file, Compression::best()))
        } else {
            Box::new(file)
        };
        Ok(Self { sink: Some(sink), partial, path: path.to_owned() })
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), SampleSetError> {
        self.sink.as_mut().map_or(Ok(()), |sink| sink.write_all(bytes)).map_err(at(&self.path))
    }

    fn write_object(&mut self, object: &Map<String, Value>) -> Result<(), SampleSetError> {
        let Some(sink) = self.sink.as_mut() else { return Ok(()) };
        let mut serializer = serde_json::Serializer::with_formatter(sink, Spaced);
        serde::Serialize::serialize(object, &mut serializer).map_err(|error| at(&self.path)(error.into()))
    }

    pub(in crate::dataset) fn finish(mut self) -> Result<PathBuf, SampleSetError> {
        self.sink.take().map_or(Ok(()), Sink::end).map_err(at(&self.path))?;
        fs::rename(&self.partial, &self.path).map_err(at(&self.path))?;
        Ok(self.path.clone())
    }
}

impl Drop for Growing {
    fn drop(&mut self) {
        self.sink = None; // an open file cannot be removed everywhere
        // Already renamed, or there is nobody left to tell.
        let _ = fs::remove_file(&self.partial);
    }
}

/// JSON with a space after `,` and `:`, as the official files have it.
struct Spaced;

impl serde_json::ser::Formatter for Spaced {
    fn begin_array_value<W: ?Sized + Write>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        if first { Ok(()) } else { writer.write_all(b", ") }
    }

    fn begin_object_key<W: ?Sized + Write>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        if first { Ok(()) } else { writer.write_all(b", ") }
    }

    fn begin_object_value<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        writer.write_all(b": ")
    }
}
