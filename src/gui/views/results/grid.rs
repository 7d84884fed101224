//! Draws the result table: headings and tasks stay in sight while figures are scrolled, and what is out of sight is not drawn.

use std::sync::Arc;

use eframe::egui::{
    self, Align2, Color32, FontFamily, FontId, Painter, Pos2, Rect, Response, Role, ScrollArea, Sense, Shape,
    Stroke, StrokeKind, Ui, WidgetInfo, pos2, vec2,
};

use super::sheet::{Block, Line, Sheet, Shown, Slot};
use crate::gui::command::{Command, Inspection};
use crate::gui::shared::Shared;
use crate::gui::theme::{self, Colors, colors};
use crate::record::{RunId, RunRecord, RunStatus};

/// Around texts in cells.
const PAD: f32 = 10.0;
/// The line of a figure.
const FIRST: f32 = 18.0;
/// A line beneath it.
const NEXT: f32 = 14.0;
/// Above and below a row's texts.
const AIR: f32 = 5.0;
/// The line over rows that says what they are of.
const TITLE: f32 = 30.0;
/// Room of a star.
const STAR: f32 = 7.0;

/// How wide things are; measured once a sheet.
#[derive(Debug)]
pub struct Widths {
    of: Arc<Sheet>,
    task: f32,
    metric: f32,
    columns: Vec<Column>,
    head: f32,
    height: f32,
}

#[derive(Debug)]
struct Column {
    /// From the column's left.
    left: f32,
    width: f32,
    /// From the end of the figure to the column's right.
    tail: f32,
}

fn body() -> FontId {
    FontId::new(13.0, FontFamily::Proportional)
}

fn heavy(size: f32) -> FontId {
    FontId::new(size, FontFamily::Name("strong".into()))
}

fn small() -> FontId {
    FontId::new(11.0, FontFamily::Proportional)
}

fn width(painter: &Painter, text: &str, font: FontId) -> f32 {
    painter.layout_no_wrap(text.to_owned(), font, Color32::WHITE).size().x
}

fn line_height(line: &Line) -> f32 {
    2.0 * AIR + FIRST + NEXT * line.beneath.max(1) as f32
}

fn block_height(block: &Block) -> f32 {
    TITLE + block.lines.iter().map(line_height).sum::<f32>()
}

impl Widths {
    /// Measures a sheet, unless that was done.
    pub fn keep(kept: &mut Option<Self>, painter: &Painter, sheet: &Arc<Sheet>) {
        if kept.as_ref().is_none_or(|kept| !Arc::ptr_eq(&kept.of, sheet)) {
            *kept = Some(Self::measure(painter, sheet));
        }
    }

    fn measure(painter: &Painter, sheet: &Arc<Sheet>) -> Self {
        let lines = || sheet.blocks.iter().flat_map(|block| &block.lines);
        let task = lines()
            .map(|line| width(painter, &line.task, heavy(13.0)).max(width(painter, line.name, small())))
            .fold(56.0, f32::max);
        let metric = lines()
            .map(|line| width(painter, &line.metric, body()).max(width(painter, &line.n, small())))
            .fold(48.0, f32::max);
        let mut left = 0.0;
        let mut columns = Vec::with_capacity(sheet.heads.len());
        for (number, head) in sheet.heads.iter().enumerate() {
            // Figures that are to come shall not move what is there.
            let mut figure = width(painter, "0.000", heavy(13.0));
            let mut tail = width(painter, "±0.000", small()) + 4.0;
            let mut least =
                head.lines.iter().map(|line| width(painter, line, heavy(12.0))).fold(64.0, f32::max) + 12.0;
            for slot in lines().filter_map(|line| line.cells.get(number)) {
                let Slot::Figure(shown) = slot else { continue };
                figure = figure.max(width(painter, &shown.figure, heavy(13.0)));
                if let Some((text, _)) = &shown.difference {
                    figure = figure.max(width(painter, text, small()));
                }
                if let Some((text, _)) = &shown.published {
                    figure = figure.max(width(painter, text, small()) + 14.0);
                }
                if !shown.spread.is_empty() {
                    tail = tail.max(width(painter, &shown.spread, small()) + 4.0);
                }
                for text in &shown.beneath {
                    least = least.max(width(painter, text, small()));
                }
            }
            let width = (figure + tail + STAR).max(least) + 2.0 * PAD;
            columns.push(Column { left, width, tail: tail + STAR + PAD });
            left += width;
        }
        let most = sheet.heads.iter().map(|head| head.lines.len()).max().unwrap_or(1);
        let group = if sheet.groups.is_empty() { 0.0 } else { 22.0 };
        Self {
            of: Arc::clone(sheet),
            task: task + 2.0 * PAD,
            metric: metric + 2.0 * PAD,
            columns,
            head: group + 12.0 + 15.0 * most as f32,
            height: sheet.blocks.iter().map(block_height).sum(),
        }
    }

    fn left(&self) -> f32 {
        self.task + self.metric
    }

    fn across(&self) -> f32 {
        self.columns.last().map_or(0.0, |column| column.left + column.width)
    }

    /// How high the whole table is.
    pub fn whole_height(&self) -> f32 {
        self.head + self.height + 2.0
    }
}

/// What drawing needs beside the ui.
struct Drawing<'a> {
    sheet: &'a Sheet,
    widths: &'a Widths,
    shared: &'a Shared,
    colors: &'static Colors,
    /// Where the whole content would begin were nothing scrolled away.
    origin: Pos2,
    /// Where figures are seen.
    body: Rect,
    /// Between columns that belong together, more room than they need.
    stretch: f32,
}

/// Draws the table into the room that is left, at most `room` high.
pub fn show(ui: &mut Ui, widths: &Widths, shared: &Shared, room: f32, commands: &mut Vec<Command>) {
    let sheet = Arc::clone(&widths.of);
    let colors = colors(ui);
    let height = widths.whole_height().min(room.max(widths.head + 60.0));
    let (rect, _) = ui.allocate_exact_size(vec2(ui.available_width(), height), Sense::hover());
    // Columns take some of the room that is left over.
    let spare = rect.width() - widths.left() - widths.across();
    let count = widths.columns.len().max(1) as f32;
    let stretch = (spare / count).clamp(0.0, 40.0);
    let size = vec2(widths.left() + widths.across() + stretch * count, widths.whole_height() - 2.0);
    let mut child = ui.new_child(egui::UiBuilder::new().max_rect(rect).id_salt("table"));
    ScrollArea::both().id_salt("cells").auto_shrink(false).show_viewport(&mut child, |ui, _| {
        let origin = ui.min_rect().min;
        ui.allocate_exact_size(size, Sense::hover());
        let body = Rect::from_min_max(rect.min + vec2(widths.left(), widths.head), rect.max);
        let drawing = Drawing { sheet: &sheet, widths, shared, colors, origin, body, stretch };
        let right = (origin.x + size.x).min(rect.right());
        drawing.rows(ui, rect, right, commands);
        drawing.heads(ui, rect, right);
    });
}

impl Drawing<'_> {
    fn column(&self, number: usize) -> (f32, f32) {
        let Some(column) = self.widths.columns.get(number) else { return (0.0, 0.0) };
        let left = self.origin.x + self.widths.left() + column.left + self.stretch * number as f32;
        (left, left + column.width + self.stretch)
    }

    fn rows(&self, ui: &mut Ui, rect: Rect, right: f32, commands: &mut Vec<Command>) {
        let mut y = self.origin.y + self.widths.head;
        let seen = Rect::from_min_max(pos2(rect.left(), self.body.top()), rect.max);
        for block in &self.sheet.blocks {
            let height = block_height(block);
            if y + height >= seen.top() && y <= seen.bottom() {
                self.block(ui, block, y, seen, right, commands);
            }
            y += height;
        }
    }

    fn block(
        &self,
        ui: &mut Ui,
        block: &Block,
        mut y: f32,
        seen: Rect,
        right: f32,
        commands: &mut Vec<Command>,
    ) {
        let painter = ui.painter().with_clip_rect(seen);
        let place = Rect::from_min_max(pos2(seen.left(), y), pos2(right, y + TITLE));
        let title = pos2(seen.left() + PAD, y + TITLE - 6.0);
        painter.text(title, Align2::LEFT_BOTTOM, &block.title, heavy(13.0), self.colors.text);
        let label =
            ui.interact(place.intersect(seen), ui.scope_id().with(("block", &block.title)), Sense::hover());
        label.widget_info(|| WidgetInfo::labeled(Role::Label, true, &block.title));
        y += TITLE;
        painter.hline(seen.left()..=right, y - 0.5, Stroke::new(1.0, self.colors.line));
        for line in &block.lines {
            let height = line_height(line);
            if y + height >= seen.top() && y <= seen.bottom() {
                let row = Rect::from_min_max(pos2(seen.left(), y), pos2(right, y + height));
                self.line(ui, block, line, row, seen, commands);
            }
            y += height;
        }
    }

    fn line(
        &self,
        ui: &mut Ui,
        block: &Block,
        line: &Line,
        row: Rect,
        seen: Rect,
        commands: &mut Vec<Command>,
    ) {
        let colors = self.colors;
        let painter = ui.painter().with_clip_rect(seen);
        if ui.rect_contains_pointer(row.intersect(seen)) {
            painter.rect_filled(row, 0.0, colors.hover.gamma_multiply(0.5));
        }
        painter.hline(row.x_range(), row.bottom() - 0.5, Stroke::new(1.0, colors.line.gamma_multiply(0.6)));
        let top = row.top() + AIR;
        if !line.again {
            let x = row.left() + PAD;
            painter.text(pos2(x, top), Align2::LEFT_TOP, &line.task, heavy(13.0), colors.text);
            painter.text(pos2(x, top + FIRST), Align2::LEFT_TOP, line.name, small(), colors.weak);
        }
        let x = row.left() + self.widths.task + PAD;
        painter.text(pos2(x, top), Align2::LEFT_TOP, &line.metric, body(), colors.text);
        painter.text(pos2(x, top + FIRST), Align2::LEFT_TOP, &line.n, small(), colors.weak);
        for (number, slot) in line.cells.iter().enumerate() {
            let (left, right) = self.column(number);
            if right < self.body.left() || left > self.body.right() {
                continue;
            }
            let cell = Rect::from_min_max(pos2(left, row.top()), pos2(right, row.bottom()));
            let inside = painter.with_clip_rect(self.body);
            let tail = self.widths.columns.get(number).map_or(PAD, |column| column.tail);
            let edge = right - tail;
            match slot {
                Slot::Empty => {
                    inside.text(pos2(edge, top), Align2::RIGHT_TOP, "\u{2013}", body(), colors.weak);
                }
                Slot::Waiting(runs) => self.waiting(ui, &inside, (block, line, number), runs, cell),
                Slot::Figure(shown) => {
                    let response = self.figure(ui, &inside, (block, line, number), shown, cell, edge);
                    if response.clicked()
                        && let Some(run) = shown.run
                    {
                        let inspection = Inspection { run, position: None, against: shown.against };
                        commands.push(Command::Inspect(inspection));
                    }
                }
            }
        }
    }

    fn figure(
        &self,
        ui: &Ui,
        painter: &Painter,
        (block, line, number): (&Block, &Line, usize),
        shown: &Shown,
        cell: Rect,
        edge: f32,
    ) -> Response {
        let colors = self.colors;
        let label = self.sheet.heads.get(number).map_or("", |head| head.label.as_str());
        let id = ui.scope_id().with((&block.title, &line.task, &line.metric, label, number));
        let sense = if shown.run.is_some() { Sense::click() } else { Sense::hover() };
        let response = ui.interact(cell.intersect(self.body), id, sense);
        response.widget_info(|| WidgetInfo::labeled(Role::Button, true, &shown.words));
        if response.hovered() || response.has_focus() {
            painter.rect_filled(cell.shrink(1.0), 4.0, colors.hover);
        }
        if response.gained_focus() {
            response.scroll_to_me(None);
        }
        if response.has_focus() {
            let stroke = Stroke::new(1.0, colors.accent);
            painter.rect_stroke(cell.shrink(1.0), 4.0, stroke, StrokeKind::Inside);
        }
        let mut y = cell.top() + AIR;
        let font = if shown.best { heavy(13.0) } else { body() };
        let drawn = painter.text(pos2(edge, y), Align2::RIGHT_TOP, &shown.figure, font, colors.text);
        if !shown.spread.is_empty() {
            let place = pos2(edge + 4.0, drawn.bottom() - 1.0);
            painter.text(place, Align2::LEFT_BOTTOM, &shown.spread, small(), colors.weak);
        }
        if shown.star {
            let place = pos2(cell.right() - PAD, y);
            painter.text(place, Align2::RIGHT_TOP, "*", heavy(13.0), colors.text);
        }
        y += FIRST;
        if let Some((text, gain)) = &shown.difference {
            // The sign says it; color only where the test does.
            let color = match gain {
                Some(true) if shown.star => colors.good,
                Some(false) if shown.star => colors.danger,
                _ => colors.weak,
            };
            painter.text(pos2(edge, y), Align2::RIGHT_TOP, text, small(), color);
            y += NEXT;
        }
        for text in &shown.beneath {
            let edge = cell.right() - PAD;
            painter.text(pos2(edge, y), Align2::RIGHT_TOP, text, small(), colors.weak);
            y += NEXT;
        }
        if let Some((text, _)) = &shown.published {
            let drawn = painter.text(pos2(edge, y), Align2::RIGHT_TOP, text, small(), colors.weak);
            diamond(painter, pos2(drawn.left() - 8.0, drawn.center().y), 3.5, colors.weak);
        }
        response.on_hover_ui(|ui| tip(ui, line, label, shown))
    }

    /// A place whose run is not done: how far it is.
    fn waiting(
        &self,
        ui: &Ui,
        painter: &Painter,
        (block, line, number): (&Block, &Line, usize),
        runs: &[RunId],
        cell: Rect,
    ) {
        let colors = self.colors;
        let Some(run) = runs.first().and_then(|run| find(self.shared, *run)) else { return };
        let state = state_of(run, self.shared);
        let label = self.sheet.heads.get(number).map_or("", |head| head.label.as_str());
        let id = ui.scope_id().with((&block.title, &line.task, &line.metric, label, number));
        let words = format!("{}, {label}: {}", line.task, state.words);
        let response = ui.interact(cell.intersect(self.body), id, Sense::hover());
        response.widget_info(|| WidgetInfo::labeled(Role::Label, true, &words));
        let color = if state.failed { colors.danger } else { colors.weak };
        let edge = cell.right() - PAD;
        let place = pos2(edge, cell.top() + AIR + 2.0);
        painter.text(place, Align2::RIGHT_TOP, &state.short, small(), color);
        if let Some(part) = state.part {
            let y = cell.top() + AIR + FIRST + 4.0;
            let bar = Rect::from_min_max(pos2(edge - 56.0, y), pos2(edge, y + 3.0));
            painter.rect_filled(bar, 1.5, colors.hover);
            let done = Rect::from_min_size(bar.min, vec2(bar.width() * part, bar.height()));
            painter.rect_filled(done, 1.5, if state.at_work { colors.accent } else { colors.weak });
        }
        response.on_hover_text(words);
    }

    fn heads(&self, ui: &mut Ui, rect: Rect, right: f32) {
        let colors = self.colors;
        let area = Rect::from_min_max(rect.min, pos2(rect.right(), self.body.top()));
        let painter = ui.painter().with_clip_rect(area);
        painter.rect_filled(area, 0.0, colors.ground);
        let over = Rect::from_min_max(pos2(self.body.left(), area.top()), area.max);
        let inside = painter.with_clip_rect(over);
        for (words, columns) in &self.sheet.groups {
            let (left, _) = self.column(columns.start);
            let (_, end) = self.column(columns.end.saturating_sub(1));
            // The words stay in sight as long as any of their columns.
            let middle = (left.max(over.left()) + end.min(over.right())) / 2.0;
            inside.text(pos2(middle, area.top() + 2.0), Align2::CENTER_TOP, words, heavy(13.0), colors.text);
            inside.hline(left + PAD..=end - PAD, area.top() + 20.5, Stroke::new(1.0, colors.line));
        }
        for (number, head) in self.sheet.heads.iter().enumerate() {
            let (left, end) = self.column(number);
            if end < over.left() || left > over.right() {
                continue;
            }
            let edge = end - PAD;
            let mut y = area.bottom() - 6.0;
            let mut widest = 0.0_f32;
            for (line, text) in head.lines.iter().enumerate().rev() {
                let color = if line == 0 { colors.text } else { colors.weak };
                let drawn = inside.text(pos2(edge, y), Align2::RIGHT_BOTTOM, text, heavy(12.0), color);
                if line == 0 {
                    widest = drawn.width();
                }
                y -= 15.0;
            }
            let mark = pos2(edge - widest - 9.0, y + 7.5);
            inside.circle_filled(mark, 3.5, theme::method(ui, head.method));
            let place = Rect::from_min_max(pos2(left, area.top()), pos2(end, area.bottom()));
            let id = ui.scope_id().with(("head", number, &head.label));
            let response = ui.interact(place.intersect(over), id, Sense::hover());
            response.widget_info(|| WidgetInfo::labeled(Role::Label, true, &head.label));
        }
        let y = area.bottom() - 6.0;
        for (x, text) in [(rect.left() + PAD, "Task"), (rect.left() + self.widths.task + PAD, "Metric")] {
            painter.text(pos2(x, y), Align2::LEFT_BOTTOM, text, heavy(12.0), colors.weak);
        }
        painter.hline(rect.left()..=right, area.bottom() - 0.5, Stroke::new(1.0, colors.weak));
        if self.origin.x < rect.left() - 0.5 {
            // Something is scrolled away beneath the tasks.
            let full = ui.painter().with_clip_rect(rect);
            full.vline(self.body.left() - 0.5, rect.y_range(), Stroke::new(1.0, colors.line));
        }
    }
}

/// A hollow diamond, as in charts.
fn diamond(painter: &Painter, at: Pos2, half: f32, color: Color32) {
    let points = vec![at - vec2(0.0, half), at + vec2(half, 0.0), at + vec2(0.0, half), at - vec2(half, 0.0)];
    painter.add(Shape::closed_line(points, Stroke::new(1.0, color)));
}

fn tip(ui: &mut Ui, line: &Line, label: &str, shown: &Shown) {
    ui.set_max_width(380.0);
    ui.spacing_mut().item_spacing.y = 3.0;
    ui.label(theme::strong(format!("{} \u{b7} {label}", line.task)));
    ui.label(format!("{}: {} {}", line.metric, shown.figure, shown.spread));
    egui::Grid::new("facts").num_columns(2).spacing([12.0, 3.0]).show(ui, |ui| {
        for (what, value) in &shown.facts {
            ui.label(theme::weak(ui, *what));
            ui.label(value);
            ui.end_row();
        }
    });
    if let Some((_, sources)) = &shown.published {
        ui.label(theme::weak(ui, "Published"));
        for source in sources.iter().take(6) {
            ui.label(source);
        }
        if sources.len() > 6 {
            ui.label(theme::weak(ui, format!("and {} more", sources.len() - 6)));
        }
    }
    if shown.run.is_some() {
        ui.label(theme::caption(ui, "Click to see its samples."));
    }
}

/// Where a run that is not done stands.
pub struct State {
    /// For a cell.
    pub short: String,
    /// For a sentence.
    pub words: String,
    /// How much is answered.
    pub part: Option<f32>,
    /// Whether somebody works on it.
    pub at_work: bool,
    /// Whether it ended by failures.
    pub failed: bool,
}

/// A run of the store.
pub fn find(shared: &Shared, run: RunId) -> Option<&RunRecord> {
    let runs = &shared.store.runs;
    runs.binary_search_by_key(&run, |run| run.id).ok().and_then(|at| runs.get(at))
}

/// Where a run stands.
pub fn state_of(run: &RunRecord, shared: &Shared) -> State {
    let part = if run.samples == 0 { 0.0 } else { run.totals.done as f32 / run.samples as f32 };
    let at_work = run.status == RunStatus::Running && shared.store.claimed.contains(&run.id);
    let percent = format!("{:.0} %", (part * 100.0).floor());
    let counts = format!("{} of {} samples", run.totals.done, run.samples);
    let (short, words) = match run.status {
        RunStatus::Planned => ("waiting".to_owned(), "waiting for its turn".to_owned()),
        RunStatus::Running if at_work => (percent, format!("running, {counts}")),
        RunStatus::Running | RunStatus::Interrupted => {
            (format!("stopped, {percent}"), format!("stopped after {counts}; Runs resumes it"))
        }
        RunStatus::Failed => {
            let why = run.reason.as_deref().unwrap_or("too many samples failed");
            (format!("failed, {percent}"), format!("failed after {counts}: {why}"))
        }
        RunStatus::Done => ("no score".to_owned(), "done, without a scored sample".to_owned()),
    };
    let shown = (run.totals.done > 0 && run.status != RunStatus::Done).then_some(part.clamp(0.0, 1.0));
    State { short, words, part: shown, at_work, failed: run.status == RunStatus::Failed }
}
