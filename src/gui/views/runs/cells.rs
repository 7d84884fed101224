//! What is at work: the experiment with a line for each of its cells, what waits behind it, and what ended in this session.

use eframe::egui::{self, Align, Layout, Rect, Stroke, Ui, pos2, vec2};
use egui_extras::Column;

use crate::gui::command::{Command, Inspection};
use crate::gui::kit::{self, Notice};
use crate::gui::runner::{Active, Board, CellLine, CellState, Finished, Trace};
use crate::gui::shared::Shared;
use crate::gui::theme::{self, ROW, colors, icons};
use crate::gui::words::run_trouble;
use crate::record::{RetrieverSpec, RunId, RunRecord, RunStatus};
use crate::report::{Method, method_name};
use crate::run::series::Purpose;
use crate::run::{Phase, RunProgress};

/// The experiment at work.
pub(super) fn active(
    ui: &mut Ui,
    active: &Active,
    shared: &Shared,
    height: f32,
    commands: &mut Vec<Command>,
) {
    let board = active.board();
    let progress = active.progress();
    kit::card(ui, |ui| {
        ui.set_width(ui.available_width());
        ui.horizontal(|ui| {
            let name = if board.name.is_empty() { &active.name } else { &board.name };
            ui.scope(|ui| {
                ui.set_max_width((ui.available_width() - 240.0).max(120.0));
                kit::cut(ui, theme::section(name));
            });
            ui.with_layout(Layout::right_to_left(Align::Center), |ui| controls(ui, active, commands));
        });
        overall(ui, active, &board, progress.as_deref());
        if let Some(progress) = &progress {
            super::traffic::traffic(ui, progress);
        }
    });
    for changed in &board.changed {
        kit::notice(ui, Notice::Warning, changed, None);
    }
    if board.planned {
        ui.scope(|ui| lines(ui, &board, shared, Some(active), height, commands));
        asides(ui, &board);
    }
}

fn controls(ui: &mut Ui, active: &Active, commands: &mut Vec<Command>) {
    let stopping = active.is_canceled();
    if kit::button_if(ui, !stopping, icons::STOP, "Cancel the experiment").clicked() {
        commands.push(Command::Cancel(active.id));
    }
    let (icon, words) = match active.is_paused() {
        true => (icons::PLAY, "Go on with it"),
        false => (icons::PAUSE, "Pause it"),
    };
    if kit::button_if(ui, !stopping, icon, words).clicked() {
        commands.push(Command::Pause(!active.is_paused()));
    }
}

fn overall(ui: &mut Ui, active: &Active, board: &Board, progress: Option<&RunProgress>) {
    let mut parts = Vec::new();
    let part = if board.planned {
        let part = board.part(progress);
        parts.push(format!("{} of {} runs", board.ended(), board.cells.len()));
        parts.push(format!("{:.0} %", part * 100.0));
        Some(part)
    } else {
        let reading = active.planning();
        let step = if reading.step.is_empty() { "looking at data and models" } else { &reading.step };
        parts.push(format!("Preparing: {step}"));
        (reading.total > 0).then(|| reading.done as f32 / reading.total as f32)
    };
    match () {
        () if active.is_canceled() => parts.push("stopping after what is being answered".to_owned()),
        () if active.is_paused() => parts.push("paused".to_owned()),
        () => {
            if let Some(eta) = active.eta() {
                parts.push(format!("about {} left", kit::clock(eta)));
            }
        }
    }
    parts.push(format!("for {}", kit::clock(active.began().elapsed())));
    kit::progress(ui, part, ui.available_width(), "Progress of the experiment");
    ui.label(theme::weak(ui, parts.join("  \u{b7}  ")));
}

/// What was left out, and what to know.
pub(super) fn asides(ui: &mut Ui, board: &Board) {
    let count = board.refused.len() + board.notes.len();
    if count == 0 {
        return;
    }
    egui::CollapsingHeader::new(theme::caption(ui, kit::counted(count, "remark", "remarks")))
        .id_salt("remarks")
        .icon(kit::caret)
        .show(ui, |ui| {
            for text in board
                .refused
                .iter()
                .map(|text| format!("Left out: {text}"))
                .chain(board.notes.iter().cloned())
            {
                ui.add(egui::Label::new(theme::caption(ui, text)).wrap().selectable(true));
            }
        });
}

/// A line for each cell.
pub(super) fn lines(
    ui: &mut Ui,
    board: &Board,
    shared: &Shared,
    active: Option<&Active>,
    height: f32,
    commands: &mut Vec<Command>,
) {
    dense(ui);
    let wide = ui.available_width() > 860.0;
    let running = board.cells.iter().position(|cell| cell.state == CellState::Running);
    let progress = active.and_then(Active::progress);
    let follow = running.filter(|row| {
        let id = ui.scope_id().with("running row");
        let before = ui.data_mut(|data| data.get_temp::<usize>(id));
        ui.data_mut(|data| data.insert_temp(id, *row));
        before != Some(*row)
    });
    let mut table = kit::table(ui, ("cells", board.name.as_str()))
        .min_scrolled_height(ROW)
        .max_scroll_height(height)
        .auto_shrink([false, true])
        .column(Column::exact(if wide { 168.0 } else { 140.0 }))
        .column(Column::remainder().at_least(90.0).clip(true))
        .column(Column::exact(if wide { 132.0 } else { 110.0 }).clip(true))
        .column(Column::exact(if wide { 150.0 } else { 120.0 }));
    if wide {
        table = table.column(Column::exact(72.0)).column(Column::exact(72.0));
    }
    table = table.column(Column::exact(if wide { 168.0 } else { 120.0 })).column(Column::exact(56.0));
    // What is at work stays in sight.
    if let Some(row) = follow {
        table = table.scroll_to_row(row, Some(Align::Center));
    }
    table
        .header(20.0, |mut header| {
            let mut heads = vec!["Data", "Method", "Model", "Samples"];
            if wide {
                heads.extend(["Samples/s", "Tokens/s"]);
            }
            heads.extend(["Figure so far", ""]);
            for head in heads {
                header.col(|ui| {
                    ui.label(theme::caption(ui, head));
                });
            }
        })
        .body(|body| {
            body.rows(ROW, board.cells.len(), |mut row| {
                let cell = &board.cells[row.index()];
                let own = progress.as_deref().filter(|_| cell.state == CellState::Running);
                let trace = active.and_then(|active| active.trace(&cell.key));
                let record = record(cell, shared);
                row.col(|ui| {
                    let id = cell.dataset;
                    ui.spacing_mut().item_spacing.x = 6.0;
                    ui.label(theme::strong(id.task.id()));
                    kit::cut(ui, theme::weak(ui, format!("{} {}", id.setting, id.split)));
                });
                row.col(|ui| method(ui, &cell.retriever, cell.k, cell.purpose));
                row.col(|ui| {
                    kit::cut(ui, theme::weak(ui, cell.model.as_str())).on_hover_text(&cell.model);
                });
                row.col(|ui| samples(ui, cell, own, record));
                if wide {
                    let rates = rates(own, record);
                    row.col(|ui| {
                        kit::number(ui, rates.0);
                    });
                    row.col(|ui| {
                        kit::number(ui, rates.1);
                    });
                }
                row.col(|ui| figure(ui, own, trace, record));
                row.col(|ui| ways_on(ui, cell, commands));
            });
        });
}

/// Rows close to each other.
pub(super) fn dense(ui: &mut Ui) {
    ui.spacing_mut().item_spacing.y = 0.0;
    ui.spacing_mut().interact_size.y = ROW - 4.0;
}

/// The method with its color.
pub(super) fn method(ui: &mut Ui, retriever: &str, k: usize, purpose: Purpose) {
    let spec = RetrieverSpec { config: retriever.to_owned(), k, use_date: false, encoders: Vec::new() };
    let (rect, _) = ui.allocate_exact_size(vec2(8.0, 8.0), egui::Sense::hover());
    let method = if purpose == Purpose::Winner { Method::Tuned } else { Method::of(&spec) };
    ui.painter().rect_filled(rect, 2.0, theme::method(ui, method));
    let mut text = method_name(&spec);
    if !spec.is_none() {
        text.push_str(&format!(", k {k}"));
    }
    match purpose {
        Purpose::Matrix => {}
        Purpose::Grid => text.push_str(" (tuning)"),
        Purpose::Winner => text.push_str(" (tuned)"),
    }
    kit::cut(ui, text);
}

fn record<'s>(cell: &CellLine, shared: &'s Shared) -> Option<&'s RunRecord> {
    let CellState::Ended { run, .. } = cell.state else { return None };
    of_id(&shared.store.runs, run)
}

/// The run of a number, in a list in the order of numbers.
pub(super) fn of_id(runs: &[RunRecord], id: RunId) -> Option<&RunRecord> {
    let place = runs.binary_search_by_key(&id, |run| run.id).ok()?;
    runs.get(place)
}

fn samples(ui: &mut Ui, cell: &CellLine, progress: Option<&RunProgress>, record: Option<&RunRecord>) {
    let colors = colors(ui);
    match &cell.state {
        CellState::Waiting => {
            ui.label(theme::weak(ui, format!("{} waiting", cell.samples)));
        }
        CellState::Failed(trouble) => {
            let text = egui::RichText::new(format!("{}  not run", icons::X_CIRCLE)).color(colors.danger);
            kit::cut(ui, text).on_hover_text(&trouble.0);
        }
        CellState::Running => {
            let Some(progress) = progress else {
                ui.label(theme::weak(ui, "beginning"));
                return;
            };
            let part = progress.done as f32 / progress.total.max(1) as f32;
            let (part, words) = match progress.phase {
                Phase::Loading => (None, "loading".to_owned()),
                Phase::Preparing { done, total } => {
                    (Some(done as f32 / total.max(1) as f32), format!("preparing {done} of {total}"))
                }
                Phase::Answering => (Some(part), format!("{} of {}", progress.done, progress.total)),
                Phase::Paused => (Some(part), format!("paused at {}", progress.done)),
                Phase::Finishing => (Some(1.0), "finishing".to_owned()),
            };
            ui.spacing_mut().item_spacing.x = 6.0;
            let words = match progress.eta.filter(|_| progress.phase == Phase::Answering) {
                Some(eta) => format!("{words}, {}", kit::clock(eta)),
                None => words,
            };
            kit::progress(ui, part, 40.0, "Progress of the run").on_hover_text(&words);
            kit::cut(ui, words);
        }
        CellState::Ended { status, .. } => {
            let (icon, color) = mark(*status, colors);
            let failed = record.map_or(0, |run| run.totals.failed);
            let done = record.map_or(cell.samples, |run| run.totals.done);
            let mut text = match status {
                RunStatus::Done => format!("{done} done"),
                other => format!("{} at {done}", other.id()),
            };
            if failed > 0 {
                text.push_str(&format!(", {failed} failed"));
            }
            ui.spacing_mut().item_spacing.x = 6.0;
            ui.label(egui::RichText::new(icon).color(color));
            let response = kit::cut(ui, text);
            if let Some(reason) = record.and_then(|run| run.reason.as_ref()) {
                response.on_hover_text(reason);
            }
        }
    }
}

/// A status as an icon, with its color.
pub(super) const fn mark(status: RunStatus, colors: &theme::Colors) -> (&'static str, egui::Color32) {
    match status {
        RunStatus::Done => (icons::CHECK_CIRCLE, colors.good),
        RunStatus::Failed => (icons::X_CIRCLE, colors.danger),
        RunStatus::Interrupted => (icons::PAUSE, colors.warning),
        RunStatus::Running => (icons::PLAY, colors.text),
        RunStatus::Planned => (icons::CLOCK, colors.weak),
    }
}

/// Samples and tokens a second: lately where it is at work, over the whole run where it is over.
fn rates(progress: Option<&RunProgress>, record: Option<&RunRecord>) -> (String, String) {
    let words = |rate: f64| match rate {
        rate if !rate.is_finite() || rate <= 0.0 => String::new(),
        ..10.0 => format!("{rate:.1}"),
        _ => format!("{rate:.0}"),
    };
    match (progress, record) {
        (Some(progress), _) => (words(progress.samples_per_s), words(progress.new_tokens_per_s)),
        (None, Some(run)) if run.active_ms > 0 => {
            let seconds = run.active_ms as f64 / 1000.0;
            (words(run.totals.done as f64 / seconds), words(run.totals.new_tokens as f64 / seconds))
        }
        _ => (String::new(), String::new()),
    }
}

fn figure(ui: &mut Ui, progress: Option<&RunProgress>, trace: Option<&Trace>, record: Option<&RunRecord>) {
    let live = progress.and_then(|progress| progress.live.first().copied());
    let last = || {
        let run = record?;
        let metric = run.spec.dataset.task.metrics().first().copied()?;
        let figures = &run.aggregate.as_ref()?.figures;
        figures.iter().find(|figure| figure.metric == metric).map(|figure| (metric, figure.value))
    };
    let Some((metric, value)) = live.or_else(last) else { return };
    ui.spacing_mut().item_spacing.x = 6.0;
    let points = trace.map(Trace::points).unwrap_or_default();
    let words = format!("{} {value:.3}", metric.name());
    spark(ui, points, &format!("{words} over time"));
    kit::cut(ui, theme::weak(ui, words));
}

/// A small line over time.
fn spark(ui: &mut Ui, points: &[(f32, f32)], words: &str) {
    let (rect, response) = ui.allocate_exact_size(vec2(48.0, 16.0), egui::Sense::hover());
    let (mut low, mut high) = (f32::INFINITY, f32::NEG_INFINITY);
    for (_, value) in points {
        low = low.min(*value);
        high = high.max(*value);
    }
    let (first, last) =
        (points.first().map_or(0.0, |point| point.0), points.last().map_or(0.0, |point| point.0));
    if points.len() > 1 && last > first {
        let span = if high > low { high - low } else { 1.0 };
        let inner =
            Rect::from_min_max(pos2(rect.left(), rect.top() + 2.0), pos2(rect.right(), rect.bottom() - 2.0));
        let at = |(x, y): &(f32, f32)| {
            let y = if high > low { (y - low) / span } else { 0.5 };
            pos2(
                inner.left() + inner.width() * (x - first) / (last - first),
                inner.bottom() - inner.height() * y,
            )
        };
        let line: Vec<egui::Pos2> = points.iter().map(at).collect();
        ui.painter().add(egui::Shape::line(line, Stroke::new(1.5, colors(ui).weak)));
    }
    kit::described(&response, words);
    response.on_hover_text(words);
}

fn ways_on(ui: &mut Ui, cell: &CellLine, commands: &mut Vec<Command>) {
    let CellState::Ended { run, .. } = cell.state else { return };
    ui.spacing_mut().item_spacing.x = 2.0;
    if kit::icon_button(ui, icons::CHART_BAR, &format!("Results of run {}", run.0)).clicked() {
        commands.push(Command::ShowResults(vec![run]));
    }
    if kit::icon_button(ui, icons::LIST_MAGNIFYING_GLASS, &format!("Samples of run {}", run.0)).clicked() {
        commands.push(Command::Inspect(Inspection { run, position: None, against: None }));
    }
}

/// What waits, each to be taken away.
pub(super) fn queue(ui: &mut Ui, shared: &Shared, commands: &mut Vec<Command>) {
    let waiting: Vec<_> = shared.runner.queue().collect();
    if waiting.is_empty() {
        return;
    }
    let mut title = if waiting.len() == 1 { "1 waits".to_owned() } else { format!("{} wait", waiting.len()) };
    if let Some(work) = shared.trainings.at_work() {
        title.push_str(&format!(
            "; the first begins when the training of \u{201c}{}\u{201d} has ended: one at a time computes",
            work.name
        ));
    }
    egui::CollapsingHeader::new(theme::strong(title))
        .id_salt("queue")
        .icon(kit::caret)
        .default_open(true)
        .show(ui, |ui| {
            let height = (waiting.len() as f32 * ROW).min(4.0 * ROW);
            egui::ScrollArea::vertical()
                .id_salt("queue rows")
                .max_height(height)
                .auto_shrink([false, true])
                .show_rows(ui, ROW, waiting.len(), |ui, rows| {
                    ui.spacing_mut().item_spacing.y = 0.0;
                    for queued in waiting.get(rows).unwrap_or_default() {
                        ui.horizontal(|ui| {
                            ui.set_height(ROW);
                            ui.label(theme::weak(ui, icons::QUEUE));
                            let words = format!("Take {} from the queue", queued.name);
                            if kit::icon_button(ui, icons::X, &words).clicked() {
                                commands.push(Command::Cancel(queued.id));
                            }
                            kit::cut(ui, queued.name.as_str());
                        });
                    }
                });
        });
}

/// What ended since the window opened, the latest first.
pub(super) fn finished(ui: &mut Ui, shared: &Shared, commands: &mut Vec<Command>) {
    let all = shared.runner.finished();
    if all.is_empty() {
        return;
    }
    let title = format!("Ended in this session: {}", all.len());
    let open = shared.runner.active().is_none();
    egui::CollapsingHeader::new(theme::strong(title))
        .id_salt("ended")
        .icon(kit::caret)
        .default_open(open)
        .show(ui, |ui| {
            let height = (all.len() as f32 * ROW).min(4.0 * ROW);
            egui::ScrollArea::vertical()
                .id_salt("ended rows")
                .max_height(height)
                .auto_shrink([false, true])
                .show_rows(ui, ROW, all.len(), |ui, rows| {
                    ui.spacing_mut().item_spacing.y = 0.0;
                    for number in rows {
                        if let Some(finished) =
                            all.len().checked_sub(number + 1).and_then(|place| all.get(place))
                        {
                            ended(ui, finished, commands);
                        }
                    }
                });
        });
}

fn ended(ui: &mut Ui, finished: &Finished, commands: &mut Vec<Command>) {
    ui.horizontal(|ui| {
        ui.set_height(ROW);
        let colors = colors(ui);
        let runs = finished.runs();
        let (icon, color, words, details) = match &finished.outcome {
            Err(trouble) => {
                (icons::X_CIRCLE, colors.danger, "could not be run".to_owned(), Some(trouble.0.clone()))
            }
            Ok(outcome) if outcome.canceled => {
                let of = finished.board.cells.len();
                (
                    icons::STOP,
                    colors.weak,
                    format!("stopped after {} of {of} runs", finished.board.ended()),
                    None,
                )
            }
            Ok(outcome) if !outcome.failures.is_empty() || !finished.board.changed.is_empty() => {
                let failures = outcome.failures.iter().map(|failure| run_trouble(&failure.error).0);
                let lines: Vec<String> = failures.chain(finished.board.changed.iter().cloned()).collect();
                let count = lines.len();
                let plural = if count == 1 { "" } else { "s" };
                (
                    icons::WARNING,
                    colors.warning,
                    format!("{count} run{plural} not run"),
                    Some(lines.join("\n")),
                )
            }
            Ok(outcome) if outcome.has_failed_samples() => {
                let failed: u64 = outcome.runs.iter().map(|run| run.totals.failed).sum();
                (
                    icons::WARNING,
                    colors.warning,
                    format!("{} runs, {failed} samples failed", runs.len()),
                    None,
                )
            }
            Ok(outcome) if outcome.runs.iter().any(|run| run.status != RunStatus::Done) => {
                let count = outcome.runs.iter().filter(|run| run.status != RunStatus::Done).count();
                (icons::WARNING, colors.warning, format!("{count} of {} runs not done", runs.len()), None)
            }
            Ok(_) => (icons::CHECK_CIRCLE, colors.good, format!("{} runs done", runs.len()), None),
        };
        ui.label(egui::RichText::new(icon).color(color));
        ui.label(theme::strong(finished.name.as_str()));
        if !runs.is_empty()
            && kit::icon_button(ui, icons::CHART_BAR, &format!("Results of {}", finished.name)).clicked()
        {
            commands.push(Command::ShowResults(runs));
        }
        let first = details.as_ref().and_then(|details| details.lines().next().map(ToOwned::to_owned));
        let text = first.map_or_else(|| words.clone(), |first| format!("{words}: {first}"));
        let response = kit::cut(ui, theme::weak(ui, text));
        if let Some(details) = details {
            response.on_hover_text(details);
        }
    });
}
