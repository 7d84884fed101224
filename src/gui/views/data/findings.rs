//! Findings of the check as a list: what, how many, in which records, and what to do.

use eframe::egui::{Label, RichText, Sense, Ui};

use crate::dataset::{Finding, Severity};
use crate::gui::kit;
use crate::gui::theme::{self, colors, icons};

/// Draws them; `place` finds a record by its id. Gives the sample that was clicked.
pub(super) fn list(
    ui: &mut Ui,
    findings: &[Finding],
    place: impl Fn(&str) -> Option<usize>,
) -> Option<usize> {
    let mut jump = None;
    ui.spacing_mut().interact_size.y = 18.0;
    for finding in findings {
        let colors = colors(ui);
        let (icon, color, word) = match finding.severity {
            Severity::Error => (icons::WARNING_CIRCLE, colors.danger, "Error"),
            Severity::Warning => (icons::WARNING, colors.warning, "Warning"),
            Severity::Note => (icons::INFO, colors.weak, "Note"),
        };
        ui.horizontal_top(|ui| {
            ui.label(RichText::new(icon).size(15.0).color(color));
            ui.vertical(|ui| {
                ui.spacing_mut().item_spacing.y = 2.0;
                ui.horizontal_wrapped(|ui| {
                    ui.label(RichText::new(word).color(color));
                    ui.label(finding.what.as_str());
                });
                if !finding.records.is_empty() {
                    ui.horizontal_wrapped(|ui| {
                        ui.spacing_mut().item_spacing.x = 4.0;
                        ui.label(theme::weak(ui, if finding.count == 1 { "record" } else { "records" }));
                        for id in &finding.records {
                            match place(id) {
                                Some(sample) => {
                                    let shown = super::words::beginning(id, 40).0;
                                    let text = RichText::new(shown).color(colors.text).underline();
                                    let response = ui.add(Label::new(text).sense(Sense::click()));
                                    let words = format!("Show record {id}");
                                    kit::named(&response, eframe::egui::Role::Link, true, &words);
                                    if response.on_hover_text(words).clicked() {
                                        jump = Some(sample);
                                    }
                                }
                                None => {
                                    ui.label(super::words::beginning(id, 40).0);
                                }
                            }
                        }
                        if finding.count > finding.records.len() {
                            ui.label(theme::weak(ui, "and others"));
                        }
                    });
                }
                ui.label(theme::weak(ui, sentence(finding.advice)));
            });
        });
        ui.add_space(2.0);
    }
    jump
}

/// Advice as a sentence; flags of the command line in the words of the window.
fn sentence(advice: &str) -> String {
    let advice = advice
        .replace("use --skip-broken to work with", "skip broken records to use")
        .replace("name it with --split", "put it into a folder called train, dev or test");
    let mut letters = advice.chars();
    let first = letters.next().map(|first| first.to_uppercase().collect::<String>()).unwrap_or_default();
    format!("{first}{}.", letters.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::FindingKind;

    #[test]
    fn advice_names_no_flag_of_the_command_line() {
        for kind in FindingKind::ALL {
            let said = sentence(kind.advice());
            assert!(!said.contains("--"), "{said}");
        }
        assert_eq!(
            sentence(FindingKind::BrokenRecords.advice()),
            "Download the file again, or skip broken records to use the others."
        );
    }
}
