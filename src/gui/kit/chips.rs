//! Lists of which some are chosen, as chips.

use eframe::egui::{TextWrapMode, Ui, vec2};

use super::chip;

/// Chips for a list in which nothing said means all; gives the new list. The last one that is on stays.
pub fn chips<T: Copy + PartialEq>(
    ui: &mut Ui,
    all: &[T],
    on: impl Fn(T) -> bool,
    words: impl Fn(T) -> String,
) -> Option<Vec<T>> {
    let marked: Vec<bool> = all.iter().map(|&one| on(one)).collect();
    chips_of(ui, all, &marked, |one| words(*one))
}

/// The same for things of any kind, beside which of them are on.
pub fn chips_of<T: Clone>(
    ui: &mut Ui,
    all: &[T],
    marked: &[bool],
    words: impl Fn(&T) -> String,
) -> Option<Vec<T>> {
    let mut marked = marked.to_vec();
    let mut changed = false;
    ui.horizontal_wrapped(|ui| {
        ui.spacing_mut().item_spacing = vec2(4.0, 4.0);
        ui.style_mut().wrap_mode = Some(TextWrapMode::Extend);
        for (one, on) in all.iter().zip(&mut marked) {
            changed |= chip(ui, on, &words(one));
        }
    });
    if !changed || marked.iter().all(|on| !on) {
        return None;
    }
    if marked.iter().all(|on| *on) {
        return Some(Vec::new());
    }
    Some(all.iter().zip(&marked).filter(|(_, on)| **on).map(|(one, _)| one.clone()).collect())
}
