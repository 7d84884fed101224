//! The matrix drawn: rows of data, columns of methods, a click for a cell, a drag for a block.

use eframe::egui::{
    self, Align, Align2, CornerRadius, FontFamily, FontId, Id, Layout, Rect, Response, Role, ScrollArea,
    Sense, Stroke, StrokeKind, TextStyle, Ui, UiBuilder, WidgetInfo, pos2, vec2,
};

use super::survey::{Column, Kind, Place, Survey};
use super::ticks::Ticks;
use crate::gui::kit;
use crate::gui::theme::{self, colors, icons};
use crate::record::RunStatus;

const ROW: f32 = 26.0;
const HEADS: [f32; 3] = [24.0, 22.0, 20.0];
const NAMES: f32 = 148.0;
const LEAST: f32 = 34.0;

/// What is drawn.
pub(super) struct Grid<'a> {
    pub survey: &'a Survey,
    pub ticks: &'a Ticks,
    /// The models' names, in the order of the experiment.
    pub models: Vec<String>,
    /// How a cell of the survey is stored, by its number.
    pub stored: &'a [Option<(RunStatus, f32)>],
}

/// A block that is being drawn over.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Drag {
    from: Option<(usize, usize)>,
    on: bool,
}

/// What a person did: these cells are to be ticked or not.
pub(super) struct Switched {
    pub cells: Vec<(usize, usize)>,
    pub on: bool,
}

/// Neighboring columns of one model and retriever.
struct Group {
    first: usize,
    count: usize,
    width: f32,
}

impl Grid<'_> {
    /// Draws it; gives what was switched.
    pub fn show(&self, ui: &mut Ui, drag: &mut Drag) -> Option<Switched> {
        let height = HEADS.iter().sum::<f32>() + ROW * self.survey.rows.len() as f32 + 4.0;
        let groups = self.groups(ui);
        let mut switched = None;
        ui.horizontal_top(|ui| {
            ui.spacing_mut().item_spacing.x = 4.0;
            let (names, _) = ui.allocate_exact_size(vec2(NAMES, height), Sense::hover());
            self.names(ui, names, &mut switched);
            let width: f32 = groups.iter().map(|group| group.width * group.count as f32).sum();
            ScrollArea::horizontal().id_salt("matrix").auto_shrink([true, true]).show(ui, |ui| {
                let (area, _) = ui.allocate_exact_size(vec2(width, height), Sense::hover());
                let lefts = self.lefts(&groups, area.left());
                self.heads(ui, area, &groups, &lefts, &mut switched);
                self.cells(ui, area, &lefts, drag, &mut switched);
            });
        });
        switched
    }

    fn columns(&self) -> &[Column] {
        &self.survey.columns
    }

    fn groups(&self, ui: &Ui) -> Vec<Group> {
        let font = TextStyle::Small.resolve(ui.style());
        let mut groups: Vec<Group> = Vec::new();
        for (number, column) in self.columns().iter().enumerate() {
            let same = groups.last().is_some_and(|group| {
                let first = &self.columns()[group.first];
                first.kind == Kind::Retriever
                    && (first.model, &first.retriever, first.kind)
                        == (column.model, &column.retriever, column.kind)
            });
            match groups.last_mut().filter(|_| same) {
                Some(group) => group.count += 1,
                None => groups.push(Group { first: number, count: 1, width: LEAST }),
            }
        }
        for group in &mut groups {
            let name = self.columns()[group.first].name();
            let room = ui.painter().layout_no_wrap(name, font.clone(), colors(ui).weak).size().x.min(118.0);
            group.width = ((room + 14.0) / group.count as f32).max(LEAST).ceil();
        }
        groups
    }

    fn lefts(&self, groups: &[Group], left: f32) -> Vec<(f32, f32)> {
        let mut x = left;
        let mut all = Vec::with_capacity(self.columns().len());
        for group in groups {
            for _ in 0..group.count {
                all.push((x, group.width));
                x += group.width;
            }
        }
        all
    }

    fn names(&self, ui: &mut Ui, area: Rect, switched: &mut Option<Switched>) {
        let top = area.top() + HEADS.iter().sum::<f32>();
        for (row, (id, samples)) in self.survey.rows.iter().enumerate() {
            let rect = Rect::from_min_size(pos2(area.left(), top + ROW * row as f32), vec2(NAMES, ROW));
            let words = format!("All of {} {}", id.task, id.setting);
            let response =
                self.head(ui, rect, &words, Id::unique(("matrix row", id.task.id(), id.setting.id())));
            let mut cell = ui.new_child(
                UiBuilder::new()
                    .max_rect(rect.shrink2(vec2(6.0, 0.0)))
                    .layout(Layout::left_to_right(Align::Center)),
            );
            cell.label(theme::strong(id.task.id()));
            cell.label(theme::weak(&cell, id.setting.id()));
            cell.with_layout(Layout::right_to_left(Align::Center), |ui| {
                if *samples > 0 {
                    ui.label(theme::caption(ui, kit::count(*samples as u64)));
                }
            });
            if response.clicked() {
                let cells = (0..self.columns().len()).map(|column| (row, column));
                *switched = self.toggle(cells.collect());
            }
        }
    }

    /// A head that ticks all its cells, or none.
    fn head(&self, ui: &mut Ui, rect: Rect, words: &str, id: Id) -> Response {
        let response = ui.interact(rect, id, Sense::click());
        response.widget_info(|| WidgetInfo::labeled(Role::Button, true, words));
        if response.hovered() || response.has_focus() {
            ui.painter().rect_filled(rect.shrink(1.0), CornerRadius::same(4), colors(ui).hover);
        }
        response.on_hover_text("Tick all of these, or none")
    }

    fn heads(
        &self,
        ui: &mut Ui,
        area: Rect,
        groups: &[Group],
        lefts: &[(f32, f32)],
        switched: &mut Option<Switched>,
    ) {
        let colors = colors(ui);
        let right = |column: usize| lefts[column].0 + lefts[column].1;
        for (model, name) in self.models.iter().enumerate() {
            let own: Vec<usize> =
                (0..self.columns().len()).filter(|&number| self.columns()[number].model == model).collect();
            let (Some(&first), Some(&last)) = (own.first(), own.last()) else { continue };
            let rect = Rect::from_min_max(
                pos2(lefts[first].0, area.top()),
                pos2(right(last) - 4.0, area.top() + HEADS[0]),
            );
            let words = format!("All of the model {name}");
            let response = self.head(ui, rect, &words, Id::unique(("matrix model", model)));
            self.text(ui, rect, &format!("{}  {name}", icons::CUBE), colors.text, Align2::LEFT_CENTER);
            ui.painter().hline(rect.x_range(), rect.bottom(), Stroke::new(1.0, colors.line));
            if response.clicked() {
                *switched = self.toggle(self.down(&own));
            }
            response.on_hover_text(name);
        }
        for group in groups {
            let column = &self.columns()[group.first];
            let last = group.first + group.count - 1;
            let top = area.top() + HEADS[0];
            let rect =
                Rect::from_min_max(pos2(lefts[group.first].0, top), pos2(right(last) - 2.0, top + HEADS[1]));
            let own: Vec<usize> = (group.first..=last).collect();
            let model = self.models.get(column.model).map_or("", String::as_str);
            let words = format!("All of {} with {model}", column.name());
            let response =
                self.head(ui, rect, &words, Id::unique(("matrix group", column.model, &column.retriever)));
            let mark = Rect::from_min_max(
                pos2(rect.left() + 6.0, rect.bottom() - 3.0),
                pos2(rect.right() - 6.0, rect.bottom() - 1.0),
            );
            ui.painter().rect_filled(mark, 1.0, theme::method(ui, column.method()));
            self.text(ui, rect, &column.name(), colors.weak, Align2::CENTER_CENTER);
            if response.clicked() {
                *switched = self.toggle(self.down(&own));
            }
            response.on_hover_text(column.name());
            for number in own.iter().copied().filter(|_| column.kind == Kind::Retriever) {
                let top = top + HEADS[1];
                let (left, width) = lefts[number];
                let rect = Rect::from_min_size(pos2(left, top), vec2(width - 2.0, HEADS[2]));
                let column = &self.columns()[number];
                let id = Id::unique(("matrix k", column.model, &column.retriever, column.k));
                let words = format!("All of {} with {model}", column.full_name());
                let response = self.head(ui, rect, &words, id);
                self.text(ui, rect, &format!("k {}", column.k), colors.weak, Align2::CENTER_CENTER);
                if response.clicked() {
                    *switched = self.toggle(self.down(&[number]));
                }
            }
        }
    }

    /// Small words, cut where their room ends.
    fn text(&self, ui: &Ui, rect: Rect, words: &str, color: egui::Color32, align: Align2) {
        let font = TextStyle::Small.resolve(ui.style());
        let mut job = egui::text::LayoutJob::simple_singleline(words.to_owned(), font, color);
        job.wrap = egui::text::TextWrapping::truncate_at_width(rect.width() - 8.0);
        let galley = ui.painter().layout_job(job);
        let at = align.align_size_within_rect(galley.size(), rect.shrink2(vec2(4.0, 0.0)));
        ui.painter().galley(at.min, galley, color);
    }

    fn down(&self, columns: &[usize]) -> Vec<(usize, usize)> {
        let rows = 0..self.survey.rows.len();
        rows.flat_map(|row| columns.iter().map(move |&column| (row, column))).collect()
    }

    fn place(&self, row: usize, column: usize) -> &Place {
        self.survey.places.get(row).and_then(|places| places.get(column)).unwrap_or(&Place::Missing)
    }

    /// All on, unless all that can be are on.
    fn toggle(&self, mut cells: Vec<(usize, usize)>) -> Option<Switched> {
        cells.retain(|&(row, column)| !matches!(self.place(row, column), Place::Refused(_)));
        let on = !cells.iter().all(|&(row, column)| self.ticks.is_on(row, column));
        (!cells.is_empty()).then_some(Switched { cells, on })
    }

    fn cells(
        &self,
        ui: &mut Ui,
        area: Rect,
        lefts: &[(f32, f32)],
        drag: &mut Drag,
        switched: &mut Option<Switched>,
    ) {
        let top = area.top() + HEADS.iter().sum::<f32>();
        let pointer = ui.input(|input| input.pointer.interact_pos());
        let at = pointer.and_then(|pointer| {
            let column = lefts.iter().position(|(left, width)| (*left..left + width).contains(&pointer.x));
            let column =
                column.unwrap_or(if pointer.x < area.left() { 0 } else { lefts.len().saturating_sub(1) });
            let row = ((pointer.y - top) / ROW).floor().max(0.0) as usize;
            let rows = self.survey.rows.len();
            (rows > 0 && !lefts.is_empty()).then(|| (row.min(rows - 1), column))
        });
        let block = drag.from.zip(at).map(|((row, column), (to_row, to_column))| {
            (row.min(to_row)..=row.max(to_row), column.min(to_column)..=column.max(to_column))
        });
        let seen = ui.clip_rect();
        for (row, (id, _)) in self.survey.rows.iter().enumerate() {
            for (number, &(left, width)) in lefts.iter().enumerate() {
                let whole = Rect::from_min_size(pos2(left, top + ROW * row as f32), vec2(width, ROW));
                if !seen.intersects(whole) {
                    continue;
                }
                let rect = whole.shrink2(vec2(2.0, 2.0));
                let column = &self.columns()[number];
                let place = self.place(row, number);
                let within = block
                    .as_ref()
                    .is_some_and(|(rows, columns)| rows.contains(&row) && columns.contains(&number));
                let possible = !matches!(place, Place::Refused(_));
                let on = possible && if within { drag.on } else { self.ticks.is_on(row, number) };
                let name = (id.task.id(), id.setting.id(), column.model, column.retriever.as_str(), column.k);
                let response = ui.interact(whole, Id::unique(("matrix cell", name)), Sense::click_and_drag());
                let model = self.models.get(column.model).map_or("", String::as_str);
                let words = format!("{} {}, {}, {model}", id.task, id.setting, column.full_name());
                response.widget_info(|| WidgetInfo::selected(Role::CheckBox, possible, on, &words));
                if response.drag_started() && possible {
                    *drag = Drag { from: Some((row, number)), on: !self.ticks.is_on(row, number) };
                }
                if response.clicked() {
                    *switched = self.toggle(vec![(row, number)]);
                }
                if response.has_focus() || (response.hovered() && possible) {
                    ui.painter().rect_stroke(
                        whole.shrink(0.5),
                        4.0,
                        Stroke::new(1.0, colors(ui).weak),
                        StrokeKind::Inside,
                    );
                }
                self.cell(ui, rect, on, place);
                if response.hovered() && drag.from.is_none() {
                    response.on_hover_ui(|ui| self.about(ui, &words, place, on));
                }
            }
        }
        if drag.from.is_some() && !ui.input(|input| input.pointer.any_down()) {
            if let Some((rows, columns)) = block {
                let all = rows.flat_map(|row| columns.clone().map(move |column| (row, column)));
                let cells: Vec<_> = all
                    .filter(|&(row, column)| !matches!(self.place(row, column), Place::Refused(_)))
                    .collect();
                *switched = Some(Switched { cells, on: drag.on });
            }
            *drag = Drag::default();
        }
    }

    fn cell(&self, ui: &Ui, rect: Rect, on: bool, place: &Place) {
        let colors = colors(ui);
        let painter = ui.painter();
        let corner = CornerRadius::same(4);
        let icon = |icon: &str, color| {
            let font = FontId::new(13.0, FontFamily::Proportional);
            painter.text(rect.center(), Align2::CENTER_CENTER, icon, font, color);
        };
        match place {
            Place::Refused(_) => icon("\u{2013}", colors.weak.gamma_multiply(0.7)),
            _ if !on => {
                painter.rect_stroke(rect, corner, Stroke::new(1.0, colors.line), StrokeKind::Inside);
            }
            Place::Missing => {
                painter.rect_stroke(rect, corner, Stroke::new(1.0, colors.line), StrokeKind::Inside);
                icon(icons::CHECK, colors.weak);
            }
            Place::Cells(cells) => {
                painter.rect_filled(rect, corner, colors.selected);
                let (done, part) = self.stored_part(cells);
                if part > 0.0 {
                    let mut bar = rect.shrink2(vec2(3.0, 0.0));
                    bar.set_top(rect.bottom() - 3.0);
                    bar.set_width(bar.width() * part);
                    painter.rect_filled(bar, 1.0, colors.good);
                }
                icon(if done { icons::CHECK_CIRCLE } else { icons::CHECK }, colors.text);
            }
        }
    }

    /// Whether all of a place is stored, and which part of it.
    fn stored_part(&self, cells: &[usize]) -> (bool, f32) {
        let known = |cell: &usize| self.stored.get(*cell).copied().flatten();
        let done = cells.iter().all(|cell| known(cell).is_some_and(|(status, _)| status == RunStatus::Done));
        let parts: f32 = cells.iter().map(|cell| known(cell).map_or(0.0, |(_, part)| part)).sum();
        (done, parts / cells.len().max(1) as f32)
    }

    fn about(&self, ui: &mut Ui, words: &str, place: &Place, on: bool) {
        ui.label(theme::strong(words));
        match place {
            Place::Refused(reason) => {
                ui.label(format!("Impossible: {reason}."));
            }
            Place::Missing => {
                ui.label("Its data, model or retriever has a problem, or is still being looked at.");
            }
            Place::Cells(cells) => {
                let (done, part) = self.stored_part(cells);
                let seeds = if cells.len() > 1 { format!("{} runs. ", cells.len()) } else { String::new() };
                let stored = match (done, part > 0.0) {
                    (true, _) => "Stored already.".to_owned(),
                    (_, true) => format!("{:.0} % is stored.", part * 100.0),
                    _ if on => "To be run.".to_owned(),
                    _ => "Left out.".to_owned(),
                };
                ui.label(format!("{seeds}{stored}"));
            }
        }
    }
}
