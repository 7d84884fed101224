//! An encoder that many threads share, and that encodes no text twice.

use std::collections::HashSet;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::thread::JoinHandle;

use rayon::ThreadPoolBuilder;
use sha2::{Digest, Sha256};

use super::file::EmbeddingFile;
use super::recent::Recent;
use super::{EmbeddingCacheError, TextKey, TextRole};
use crate::jobs::{CancelToken, Progress};
use crate::model::{Encoder, Matrix, ModelError, Prefixes};

/// The most texts that an encoder gets at once: between two calls work is kept, counted, and can be canceled.
const MOST_TEXTS: usize = 256;
/// The most bytes of text that it gets at once, unless a single text has more.
const MOST_BYTES: usize = 1 << 16;
/// Beyond so many bytes a text costs no more, since models cut it.
const LONGEST: usize = 4096;
/// What vectors may take in memory where they cannot be kept on disk, in bytes.
const RECENT_BYTES: usize = 1 << 28;

/// What was asked of a [`SharedEncoder`] so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct EncoderCounts {
    /// Vectors that were used; a text may be among them several times.
    pub used: u64,
    /// Texts that the model had to read for them. The other vectors were there already.
    pub encoded: u64,
}

/// An encoder with a memory, for any number of threads.
///
/// A thread of its own owns the model and takes batches from a bounded channel, so that no lock is held while it works: whoever
/// waits for vectors may be any thread, one of rayon's among them, which must not come upon a lock that it holds itself.
pub struct SharedEncoder {
    owner: Owner,
    identity: String,
    dimensions: usize,
    prefixes: Prefixes,
    file: Option<EmbeddingFile>,
    /// Why vectors are not, or no longer, kept on disk.
    trouble: OnceLock<EmbeddingCacheError>,
    recent: Mutex<Recent>,
    used: AtomicU64,
    encoded: AtomicU64,
}

impl SharedEncoder {
    /// Shares an encoder. What it computes with rayon runs on `threads` threads, 0 for as many as there are processors.
    /// Vectors are kept in `folder` where one is given and can be used (see [`SharedEncoder::trouble`]), else in memory
    /// up to a limit.
    ///
    /// # Errors
    /// [`ModelError::Threads`] where the system gives no threads.
    pub fn new(encoder: Box<dyn Encoder>, threads: usize, folder: Option<&Path>) -> Result<Self, ModelError> {
        let (identity, dimensions) = (encoder.identity().to_owned(), encoder.dimensions());
        if dimensions == 0 {
            return Err(ModelError::VectorShape { texts: 0, dimensions, rows: 0, columns: 0 });
        }
        let prefixes = encoder.prefixes().clone();
        let trouble = OnceLock::new();
        let file = folder.and_then(|folder| {
            EmbeddingFile::open(folder, &identity, dimensions).map_or_else(
                |error| {
                    let _ = trouble.set(error); // it is empty
                    EmbeddingFile::open_to_read(folder, &identity, dimensions)
                },
                Some,
            )
        });
        Ok(Self {
            owner: Owner::start(encoder, threads)?,
            identity,
            dimensions,
            prefixes,
            file,
            trouble,
            recent: Mutex::new(Recent::new(RECENT_BYTES)),
            used: AtomicU64::new(0),
            encoded: AtomicU64::new(0),
        })
    }

    /// The encoder's identity, see [`Encoder::identity`].
    pub fn identity(&self) -> &str {
        &self.identity
    }

    /// The identity's hash, 64 hexadecimal digits: its beginning names an encoder where the whole is too long.
    pub fn identity_hash(&self) -> String {
        hex::encode(Sha256::digest(&self.identity))
    }

    /// The length of a vector.
    pub fn dimensions(&self) -> usize {
        self.dimensions
    }

    /// Why vectors are not kept on disk though a folder was given, or no longer.
    pub fn trouble(&self) -> Option<&EmbeddingCacheError> {
        self.trouble.get()
    }

    /// What was asked of it so far.
    pub fn counts(&self) -> EncoderCounts {
        EncoderCounts {
            used: self.used.load(Ordering::Relaxed),
            encoded: self.encoded.load(Ordering::Relaxed),
        }
    }

    /// Encodes those of the texts whose vectors are not there yet, in batches of texts of like length. What is done when it is
    /// canceled stays. `progress` gets one unit a text, known ones at once.
    ///
    /// Without a cache on disk the vectors of far more texts than fit in memory would be forgotten before they are used, so give no
    /// more than some thousands.
    ///
    /// # Errors
    /// What the encoder says; vectors of another shape than it promised, or with values that are no numbers.
    pub fn encode_ahead<'t>(
        &'t self,
        cancel: &CancelToken,
        progress: &Progress,
        texts: impl IntoIterator<Item = (TextRole, &'t str)>,
    ) -> Result<(), ModelError> {
        let texts = texts.into_iter().map(|(role, text)| self.text(role, text));
        self.fill(cancel, progress, texts)
    }

    fn fill<'t>(
        &self,
        cancel: &CancelToken,
        progress: &Progress,
        texts: impl Iterator<Item = Text<'t>>,
    ) -> Result<(), ModelError> {
        let mut met = HashSet::new();
        let mut missing = Vec::new();
        for text in texts {
            if !self.contains(&text.key) && met.insert(text.key) {
                missing.push(text);
            } else {
                progress.add(1);
            }
        }
        // The longest first: if memory does not suffice for them, that shows at once.
        missing.sort_by_key(|missing| std::cmp::Reverse(missing.text.len()));
        let mut rest = &missing[..];
        while !rest.is_empty() {
            let (batch, others) = rest.split_at(batch_length(rest));
            self.encode(cancel, batch)?;
            progress.add(batch.len() as u64);
            rest = others;
        }
        Ok(())
    }

    /// Gives the vector of each text in turn to `take`, with the text's place. Vectors that are not there yet are encoded.
    ///
    /// # Errors
    /// As [`SharedEncoder::encode_ahead`].
    pub fn each(
        &self,
        cancel: &CancelToken,
        texts: &[(TextRole, &str)],
        mut take: impl FnMut(usize, &[f32]),
    ) -> Result<(), ModelError> {
        let texts: Vec<Text<'_>> = texts.iter().map(|&(role, text)| self.text(role, text)).collect();
        self.fill(cancel, &Progress::new(), texts.iter().copied())?;
        let mut buffer = Vec::new();
        let mut rows = Vec::new();
        for (chunk, start) in texts.chunks(MOST_TEXTS).zip((0..).step_by(MOST_TEXTS)) {
            cancel.check()?;
            rows.resize(chunk.len() * self.dimensions, 0.0);
            let mut lacking = Vec::new();
            for (place, (text, row)) in chunk.iter().zip(rows.chunks_exact_mut(self.dimensions)).enumerate() {
                if !self.get(&text.key, &mut buffer, row) {
                    lacking.push(place);
                }
            }
            if !lacking.is_empty() {
                // Damaged on disk, or forgotten since there are so many.
                let batch: Vec<Text<'_>> = lacking.iter().map(|&place| chunk[place]).collect();
                let matrix = self.encode(cancel, &batch)?;
                for (row, &place) in lacking.iter().enumerate() {
                    rows[place * self.dimensions..][..self.dimensions].copy_from_slice(matrix.row(row));
                }
            }
            self.used.fetch_add(chunk.len() as u64, Ordering::Relaxed);
            rows.chunks_exact(self.dimensions).zip(start..).for_each(|(row, index)| take(index, row));
        }
        Ok(())
    }

    fn text<'t>(&'t self, role: TextRole, text: &'t str) -> Text<'t> {
        let prefix = role.prefix(&self.prefixes);
        Text { key: TextKey::of(prefix, text), prefix, text }
    }

    /// Encodes texts, keeps their vectors and gives them.
    fn encode(&self, cancel: &CancelToken, batch: &[Text<'_>]) -> Result<Matrix, ModelError> {
        let texts = batch.iter().map(|text| format!("{}{}", text.prefix, text.text)).collect();
        let matrix = self.owner.encode(cancel, texts)?;
        let promised = batch.len() * self.dimensions;
        if (matrix.columns, matrix.values.len()) != (self.dimensions, promised) {
            return Err(ModelError::VectorShape {
                texts: batch.len(),
                dimensions: self.dimensions,
                rows: matrix.rows(),
                columns: matrix.columns,
            });
        }
        if let Some(place) = matrix.values.iter().position(|value| !value.is_finite()) {
            let text = batch[place / self.dimensions].text;
            return Err(ModelError::VectorNotFinite { beginning: text.chars().take(40).collect() });
        }
        self.encoded.fetch_add(batch.len() as u64, Ordering::Relaxed);
        self.keep(batch, &matrix);
        Ok(matrix)
    }

    fn keep(&self, batch: &[Text<'_>], matrix: &Matrix) {
        if let (Some(file), None) = (&self.file, self.trouble.get()) {
            let keys: Vec<TextKey> = batch.iter().map(|text| text.key).collect();
            match file.put(&keys, matrix) {
                Ok(()) => return,
                Err(error) => {
                    let _ = self.trouble.set(error); // the first one counts
                }
            }
        }
        let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        for (row, text) in batch.iter().enumerate() {
            recent.put(text.key, matrix.row(row));
        }
    }

    fn contains(&self, key: &TextKey) -> bool {
        self.file.as_ref().is_some_and(|file| file.contains(key))
            || self.recent.lock().unwrap_or_else(PoisonError::into_inner).contains(key)
    }

    fn get(&self, key: &TextKey, buffer: &mut Vec<u8>, vector: &mut [f32]) -> bool {
        if self.file.as_ref().is_some_and(|file| file.get(key, buffer, vector)) {
            return true;
        }
        match self.recent.lock().unwrap_or_else(PoisonError::into_inner).get(key) {
            Some(known) => {
                vector.copy_from_slice(known);
                true
            }
            None => false,
        }
    }
}

/// A text as the model reads it.
#[derive(Clone, Copy)]
struct Text<'t> {
    key: TextKey,
    prefix: &'t str,
    text: &'t str,
}

/// How many texts the next batch takes, at least one.
fn batch_length(texts: &[Text<'_>]) -> usize {
    let mut bytes = 0;
    let fits = |text: &&Text<'_>| {
        bytes += text.text.len().min(LONGEST);
        bytes <= MOST_BYTES
    };
    texts.iter().take(MOST_TEXTS).take_while(fits).count().max(1)
}

/// The thread that owns a model.
struct Owner {
    /// `None` only while it ends.
    requests: Option<SyncSender<Request>>,
    thread: Option<JoinHandle<()>>,
}

/// Texts to be encoded, and where the answer goes.
struct Request {
    cancel: CancelToken,
    texts: Vec<String>,
    reply: SyncSender<Result<Matrix, ModelError>>,
}

impl Owner {
    fn start(mut encoder: Box<dyn Encoder>, threads: usize) -> Result<Self, ModelError> {
        // A pool of the model's own: the common one may be full of threads that wait for this model.
        let pool =
            ThreadPoolBuilder::new().num_threads(threads).thread_name(|n| format!("encoder {n}")).build();
        let pool = pool.map_err(|error| ModelError::Threads { source: std::io::Error::other(error) })?;
        let (requests, queue): (_, Receiver<Request>) = sync_channel(4);
        let work = move || {
            for Request { cancel, texts, reply } in queue {
                let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
                // Whoever asked may have gone.
                let _ = reply.send(pool.install(|| encoder.encode(&cancel, &texts)));
            }
        };
        let thread = std::thread::Builder::new().name("encoder".to_owned()).spawn(work);
        let thread = thread.map_err(|source| ModelError::Threads { source })?;
        Ok(Self { requests: Some(requests), thread: Some(thread) })
    }

    /// Waits for its turn and for the vectors. Where the thread panicked there is nobody to answer.
    fn encode(&self, cancel: &CancelToken, texts: Vec<String>) -> Result<Matrix, ModelError> {
        cancel.check()?;
        let (reply, answer) = sync_channel(1);
        let request = Request { cancel: cancel.clone(), texts, reply };
        // A request that could not be sent comes back in the error, and is dropped here: else its reply would be waited for.
        let sent = self.requests.as_ref().is_some_and(|requests| requests.send(request).is_ok());
        if sent {
            answer.recv().unwrap_or(Err(ModelError::EncoderPanicked))
        } else {
            Err(ModelError::EncoderPanicked)
        }
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        self.requests = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join(); // a panic was told to whoever asked
        }
    }
}

#[cfg(test)]
mod tests;
