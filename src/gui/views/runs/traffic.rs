//! How the run at work stands with the endpoint that it asks: requests, rates, what failed, what holds it up, tokens and cost.
//! Reads what the run published; asks nobody.

use eframe::egui::{self, Label, Ui};

use crate::gui::kit::{self, Notice};
use crate::gui::theme::{self, icons};
use crate::model::endpoint::DEVICE;
use crate::record::RunRecord;
use crate::run::{Cost, EndpointProgress, RunProgress};

/// Draws it, where the run asks an endpoint.
pub(super) fn traffic(ui: &mut Ui, progress: &RunProgress) {
    let Some(endpoint) = &progress.endpoint else { return };
    ui.add_space(4.0);
    ui.horizontal_wrapped(|ui| {
        ui.spacing_mut().item_spacing.x = 18.0;
        for (words, value) in figures(progress, endpoint) {
            ui.horizontal(|ui| {
                ui.spacing_mut().item_spacing.x = 6.0;
                let response = ui.label(theme::strong(value.as_str()));
                response.widget_info(|| {
                    let words = format!("{words}: {value}");
                    egui::WidgetInfo::labeled(egui::Role::Label, true, words)
                });
                ui.label(theme::weak(ui, words));
            });
        }
    });
    let failures = &endpoint.traffic.failures;
    if !failures.is_empty() {
        ui.add(Label::new(theme::caption(ui, format!("{}  {}", icons::WARNING, failed(failures)))).wrap());
    }
    if let Some(cost) = &endpoint.cost
        && let Some(limit) = cost.limit
    {
        let part = if limit > 0.0 { (cost.experiment / limit) as f32 } else { 1.0 };
        ui.horizontal(|ui| {
            kit::progress(ui, Some(part), 160.0, "Part of the spending limit");
            let words = format!("{} of {} spent by the experiment", amount(cost.experiment), amount(limit));
            ui.label(theme::weak(ui, words));
        });
    }
    if let Some(held) = &endpoint.traffic.held {
        let seconds = kit::counted(held.seconds as usize, "second", "seconds");
        let text = match held.broken {
            true => format!(
                "The endpoint does not answer, so nothing is sent but a look now and then; the next in {seconds}. Last: {}",
                held.said
            ),
            false => format!("The endpoint asked for a wait: {seconds} more. It said: {}", held.said),
        };
        kit::notice(ui, Notice::Warning, &text, None);
    }
}

/// The figures, each with what it counts.
fn figures(progress: &RunProgress, endpoint: &EndpointProgress) -> Vec<(&'static str, String)> {
    let traffic = &endpoint.traffic;
    let mut all = vec![
        (
            "requests in flight",
            format!("{} of {}", kit::count(traffic.under_way), kit::count(traffic.allowed)),
        ),
        ("answers a second", format!("{:.1}", progress.samples_per_s)),
        ("sent again", kit::count(traffic.retries)),
        ("tokens read", kit::count(endpoint.prompt_tokens)),
        ("tokens written", kit::count(endpoint.new_tokens)),
    ];
    all.extend(endpoint.cost.map(|Cost { run, .. }| ("cost of this run", amount(run))));
    all
}

/// What to know of a stored run's answers beside their scores: how many are none, and what they took; whether any of them is none. `None`
/// where all are whole and nothing was paid.
pub(super) fn answers(run: &RunRecord) -> Option<(bool, String)> {
    let totals = &run.totals;
    let mut parts = Vec::new();
    let of = totals.done.saturating_sub(totals.failed).max(1);
    for (count, what) in [
        (totals.unparsed, "not parsed"),
        (totals.empty, "empty"),
        (totals.refused, "refused"),
        (totals.filtered, "kept back by a filter"),
        (totals.at_limit, "cut at the limit of new tokens"),
    ] {
        if count > 0 {
            let share = 100.0 * count as f64 / of as f64;
            parts.push(format!("{} {what} ({share:.1} %)", kit::count(count)));
        }
    }
    let troubled = !parts.is_empty();
    if run.spec.model.device == DEVICE {
        let about = if totals.estimated > 0 { "about " } else { "" };
        parts.push(format!(
            "{about}{} tokens read and {} written at the endpoint",
            kit::count(totals.asked_prompt_tokens),
            kit::count(totals.asked_new_tokens)
        ));
        parts.extend(run.cost().map(|cost| format!("cost {}", amount(cost))));
    }
    (!parts.is_empty()).then(|| (troubled, parts.join("; ")))
}

/// What came instead of answers, the commonest first.
fn failed(failures: &[(String, u64)]) -> String {
    let mut sorted: Vec<&(String, u64)> = failures.iter().collect();
    sorted.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    let parts: Vec<String> =
        sorted.iter().map(|(kind, count)| format!("{} \u{d7} {kind}", kit::count(*count))).collect();
    format!("Instead of an answer: {}", parts.join(", "))
}

/// An amount in the unit of the prices; small ones with more decimals.
fn amount(amount: f64) -> String {
    if amount != 0.0 && amount.abs() < 0.1 { format!("{amount:.4}") } else { format!("{amount:.2}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_are_told_by_how_often_they_came() {
        let failures = [("status 500".to_owned(), 2), ("status 429".to_owned(), 1200)];
        assert_eq!(failed(&failures), "Instead of an answer: 1,200 \u{d7} status 429, 2 \u{d7} status 500");
        assert_eq!(
            (amount(0.0), amount(0.00123), amount(1.5)),
            ("0.00".into(), "0.0012".into(), "1.50".into())
        );
    }
}
