//! The beginnings of samples for the list, read in pages around what is visible.

use std::collections::{HashMap, VecDeque};
use std::ops::Range;

use eframe::egui;

use super::super::words;
use crate::dataset::Dataset;
use crate::jobs::{Canceled, Job};
use crate::lamp::Query;

/// Samples that are read together.
const PAGE: usize = 32;
/// Pages that are kept.
const KEPT: usize = 64;
/// Characters of an excerpt.
const LENGTH: usize = 160;

type Page = Vec<String>;

/// The pages that were read.
#[derive(Debug, Default)]
pub(super) struct Excerpts {
    pages: HashMap<usize, Page>,
    /// The pages in the order in which they came.
    order: VecDeque<usize>,
    job: Option<(usize, Job<Result<Page, Canceled>>)>,
    seen: Range<usize>,
}

impl Excerpts {
    /// Says what is visible; tells whether something of it is to be read yet.
    pub fn see(&mut self, rows: Range<usize>) -> bool {
        self.seen = rows;
        self.job.is_none() && self.missing().is_some()
    }

    /// The first visible page that was not read.
    fn missing(&self) -> Option<usize> {
        let pages = self.seen.start / PAGE..self.seen.end.div_ceil(PAGE);
        pages.into_iter().find(|page| !self.pages.contains_key(page))
    }

    /// The beginning of a sample; `None` until it is read.
    pub fn get(&self, sample: usize) -> Option<&str> {
        self.pages.get(&(sample / PAGE))?.get(sample % PAGE).map(String::as_str)
    }

    /// Takes what was read, and reads what is visible and missing.
    pub fn logic(&mut self, ctx: &egui::Context, dataset: &Dataset) {
        if let Some(outcome) = self.job.as_mut().and_then(|(_, job)| job.poll())
            && let Some((page, _)) = self.job.take()
        {
            // One that cannot be read is not read again and again.
            self.pages.insert(page, outcome.ok().and_then(Result::ok).unwrap_or_default());
            self.order.push_back(page);
            if self.order.len() > KEPT
                && let Some(oldest) = self.order.pop_front()
            {
                self.pages.remove(&oldest);
            }
        }
        let wanted = |page: usize| self.seen.start / PAGE <= page && page * PAGE < self.seen.end;
        if self.job.as_ref().is_some_and(|(page, _)| !wanted(*page)) {
            self.job = None;
        }
        if self.job.is_some() || self.seen.is_empty() {
            return;
        }
        let missing = (self.seen.start / PAGE..self.seen.end.div_ceil(PAGE))
            .find(|page| !self.pages.contains_key(page));
        let Some(page) = missing else { return };
        let (dataset, wake) = (dataset.clone(), ctx.clone());
        let read = move |cancel: &crate::jobs::CancelToken, _: &_| {
            let all = page * PAGE..((page + 1) * PAGE).min(dataset.len());
            all.map(|sample| {
                cancel.check()?;
                Ok(excerpt(&dataset, sample))
            })
            .collect()
        };
        self.job = Some((page, Job::start("excerpts", move || wake.request_repaint(), read)));
    }
}

fn excerpt(dataset: &Dataset, sample: usize) -> String {
    match dataset.sample(sample) {
        Ok(sample) => {
            let text = Query::of(dataset.id().task, &sample).text;
            let start = words::beginning(&text, LENGTH * 4).0;
            let line = start.split_whitespace().collect::<Vec<_>>().join(" ");
            words::beginning(&line, LENGTH).0.to_owned()
        }
        Err(error) => error.to_string(),
    }
}
