//! The charts: drawn by a job as they are exported, at the window's width, theme and density; a new picture replaces the old one
//! when it is there. What lies under the pointer is told by the layout that drew it.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use eframe::egui::{
    self, Color32, ColorImage, Rect, Role, ScrollArea, Sense, Stroke, StrokeKind, TextureHandle,
    TextureOptions, Ui, WidgetInfo, pos2, vec2,
};

use super::choice::{Choice, Metrics};
use super::data::StoreData;
use crate::gui::command::{Command, Inspection, Toast, Weight};
use crate::gui::kit;
use crate::gui::loadable::{Loadable, Trouble};
use crate::gui::shared::Snapshot;
use crate::gui::theme::{self, colors, icons};
use crate::gui::views::Cx;
use crate::jobs::{CancelToken, Progress};
use crate::report::chart::{
    self, ChartError, ChartKind, ChartSpec, Hit, RunChart, Style, Theme, chart_of_runs,
};
use crate::store::Reader;

/// Points of the window a point of print: its letters of 7 points are as large as the window's small ones.
const ENLARGED: f64 = 1.7;
/// The window's width is at rest after so long.
const REST: Duration = Duration::from_millis(140);
/// Rows of a texture at most: every graphics driver has textures so high.
const STRIP: usize = 2048;

/// The kinds, with their words.
pub const KINDS: [(ChartKind, &str); 5] = [
    (ChartKind::Scores, "Scores"),
    (ChartKind::K, "Over k"),
    (ChartKind::Profile, "Profile size"),
    (ChartKind::Confusion, "Confusion"),
    (ChartKind::Tuning, "Tuning"),
];

/// What a chart is made of.
type Subject = (PathBuf, Choice, Metrics, ChartKind);

/// What a picture is of and how it looks: its width in points of the window, its theme, and pixels a point as bits.
#[derive(Debug, Clone, PartialEq)]
struct Look {
    subject: Subject,
    width: u32,
    theme: Theme,
    density: u32,
}

/// A picture, ready for the screen.
#[derive(Debug)]
struct Picture {
    strips: Vec<Arc<ColorImage>>,
    /// In points of the window.
    size: egui::Vec2,
    /// In points of the window from the picture's corner.
    hits: Vec<(Rect, Hit)>,
    alt: String,
}

/// The state of the charts.
#[derive(Default)]
pub struct Charts {
    spec: Loadable<Subject, RunChart>,
    latest: Option<Arc<RunChart>>,
    version: u64,
    picture: Loadable<Look, Picture>,
    shown: Option<(Arc<Picture>, Vec<TextureHandle>)>,
    /// The width that there is room for, and since when.
    room: Option<(u32, Instant)>,
    /// Whether the picture is not the one that is wanted yet.
    waits: bool,
}

impl std::fmt::Debug for Charts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Charts").field("version", &self.version).finish_non_exhaustive()
    }
}

impl Charts {
    /// Asks for the chart of a choice and its picture.
    pub fn want(&mut self, cx: &Cx<'_>, choice: &Choice, metrics: Metrics, kind: ChartKind) {
        let store = &cx.shared.store;
        let path = cx.shared.places.store.clone();
        let subject = (path.clone(), choice.clone(), metrics, kind);
        let (snapshot, choice) = (Arc::clone(store), choice.clone());
        self.spec.want(cx.ctx, "chart", subject.clone(), store.version, move |cancel, progress| {
            make_chart(&snapshot, &path, &choice, metrics, kind, (cancel, progress))
        });
        self.picture.poll();
        self.waits = self.spec.trouble().is_none();
        let Some(value) = self.spec.value_of(&subject) else { return };
        if self.latest.as_ref().is_none_or(|latest| !Arc::ptr_eq(latest, value)) {
            // A run that goes on changes few charts.
            if self.latest.as_ref().is_none_or(|latest| latest.spec != value.spec) {
                self.version += 1;
            }
            self.latest = Some(Arc::clone(value));
        }
        self.want_picture(cx, subject);
    }

    fn want_picture(&mut self, cx: &Cx<'_>, subject: Subject) {
        let (Some(chart), Some((width, since))) = (&self.latest, self.room) else { return };
        let resting = since.elapsed();
        if self.shown.is_some() && resting < REST {
            cx.ctx.request_repaint_after(REST - resting);
            return;
        }
        if chart.spec.panels.is_empty() {
            return;
        }
        let theme = match cx.ctx.theme() {
            egui::Theme::Dark => Theme::Dark,
            egui::Theme::Light => Theme::Light,
        };
        let density = cx.ctx.pixels_per_point();
        let look = Look { subject, width, theme, density: density.to_bits() };
        let (chart, own) = (Arc::clone(chart), look.clone());
        self.picture.want(cx.ctx, "picture", look.clone(), self.version, move |_, _| {
            Ok(draw(&chart.spec, &own, f64::from(density))?)
        });
        self.waits = self.picture.value_of(&look).is_none();
        if let Some(picture) = self.picture.value()
            && self.shown.as_ref().is_none_or(|(shown, _)| !Arc::ptr_eq(shown, picture))
        {
            let texture = |strip: &Arc<ColorImage>| {
                cx.ctx.load_texture("chart", Arc::clone(strip), TextureOptions::LINEAR)
            };
            let textures = picture.strips.iter().map(texture).collect();
            self.shown = Some((Arc::clone(picture), textures));
        }
    }

    /// The chart that is shown.
    pub fn spec(&self) -> Option<&ChartSpec> {
        self.latest.as_ref().map(|chart| &chart.spec)
    }

    /// Draws the chart; tells whether tuning was asked for.
    pub fn show(&mut self, ui: &mut Ui, kind: ChartKind, commands: &mut Vec<Command>) -> Asked {
        let width = ui.available_width().floor().max(200.0) as u32;
        if self.room.is_none_or(|(known, _)| known != width) {
            self.room = Some((width, Instant::now()));
            ui.ctx().request_repaint();
        }
        for trouble in [self.spec.trouble(), self.picture.trouble()].into_iter().flatten() {
            kit::trouble(ui, trouble, None);
        }
        let Some(chart) = self.latest.clone() else {
            if let Some(reading) = self.spec.pending()
                && kit::working(ui, &reading, "Making the chart")
            {
                self.spec.cancel();
            }
            return Asked::Nothing;
        };
        if chart.spec.panels.is_empty() {
            return nothing(ui, &chart.spec, kind);
        }
        let Some((picture, textures)) = &self.shown else {
            ui.label(theme::weak(ui, "Drawing\u{2026}"));
            return Asked::Nothing;
        };
        if self.waits {
            // The picture before stays until then.
            kit::progress(ui, None, ui.available_width(), "Drawing the chart");
            ui.ctx().request_repaint_after(crate::gui::AT_WORK);
        } else {
            ui.allocate_exact_size(vec2(0.0, 6.0), Sense::hover());
        }
        ScrollArea::vertical().id_salt("chart").auto_shrink(false).show(ui, |ui| {
            on_screen(ui, picture, textures, commands);
            for note in &chart.notes {
                ui.label(theme::caption(ui, note));
            }
        });
        Asked::Nothing
    }

    /// Puts the picture on the clipboard.
    pub fn copy(&self, ctx: &egui::Context, commands: &mut Vec<Command>) {
        let Some((picture, _)) = &self.shown else { return };
        let width = picture.strips.first().map_or(0, |strip| strip.size[0]);
        let height = picture.strips.iter().map(|strip| strip.size[1]).sum();
        let pixels = picture.strips.iter().flat_map(|strip| strip.pixels.iter().copied()).collect();
        ctx.copy_image(ColorImage::new([width, height], pixels));
        commands.push(Command::Toast(Toast::new(Weight::Success, "Copied the chart as a picture.")));
    }

    /// Whether there is a picture to copy.
    pub fn is_drawn(&self) -> bool {
        self.shown.is_some() && self.spec().is_some_and(|spec| !spec.panels.is_empty())
    }
}

/// What a chart that cannot be drawn leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    /// Nothing.
    Nothing,
    /// To choose retriever and k.
    Tune,
    /// To show every run.
    All,
}

fn nothing(ui: &mut Ui, spec: &ChartSpec, kind: ChartKind) -> Asked {
    if kind == ChartKind::Tuning {
        let text = "Tuning tries every retriever and k on one split and reports the best of them on another.";
        if kit::empty(ui, icons::GRID_FOUR, "Nothing was tuned yet", text, Some("Tune on dev\u{2026}")) {
            return Asked::Tune;
        }
    } else if kit::empty(ui, icons::CHART_BAR, "Nothing to draw", &spec.empty, Some("Show all runs")) {
        return Asked::All;
    }
    Asked::Nothing
}

fn make_chart(
    store: &Snapshot,
    path: &std::path::Path,
    choice: &Choice,
    metrics: Metrics,
    kind: ChartKind,
    (cancel, progress): (&CancelToken, &Progress),
) -> Result<RunChart, Trouble> {
    let chosen = choice.chosen(&store.runs, &store.experiments, &store.tunings);
    let reader = Reader::open(path)?;
    let mut data = StoreData { reader: &reader, cancel, progress };
    chart_of_runs(kind, &chosen.runs, &chosen.tunings, &chosen.metrics(metrics), &mut data)
}

/// Draws a chart for the screen. What is too large for the memory of a picture is drawn less finely.
fn draw(spec: &ChartSpec, look: &Look, density: f64) -> Result<Picture, ChartError> {
    let (narrowest, widest) = Style::WIDTHS_MM;
    let width_mm = (f64::from(look.width) / ENLARGED / 72.0 * 25.4).clamp(narrowest, widest);
    let style = Style { theme: look.theme, width_mm };
    let (_, hits) = chart::hits(spec, &style)?;
    let mut scale = ENLARGED * density;
    let pixels = loop {
        match chart::pixels(spec, &style, scale) {
            Err(ChartError::TooLarge { .. }) if scale > 0.3 => scale /= 2.0,
            other => break other?,
        }
    };
    let (columns, rows) = (pixels.width as usize, pixels.height as usize);
    let colors: Vec<Color32> =
        pixels.rgba.chunks_exact(4).map(|pixel| Color32::from_rgb(pixel[0], pixel[1], pixel[2])).collect();
    let strips = colors
        .chunks((STRIP * columns).max(1))
        .map(|strip| Arc::new(ColorImage::new([columns, strip.len() / columns.max(1)], strip.to_vec())))
        .collect();
    // Points of the window a pixel.
    let point = (ENLARGED / scale) as f32;
    let place = |hit: Hit| {
        let [x, y, width, height] =
            [hit.x, hit.y, hit.width, hit.height].map(|length| (length * ENLARGED) as f32);
        (Rect::from_min_size(pos2(x, y), vec2(width, height)), hit)
    };
    Ok(Picture {
        strips,
        size: vec2(columns as f32, rows as f32) * point,
        hits: hits.into_iter().map(place).collect(),
        alt: std::iter::once(&spec.title).chain(&spec.notes).cloned().collect::<Vec<_>>().join(". "),
    })
}

fn on_screen(ui: &mut Ui, picture: &Picture, textures: &[TextureHandle], commands: &mut Vec<Command>) {
    let (rect, response) = ui.allocate_exact_size(picture.size, Sense::hover());
    kit::described(&response, &picture.alt);
    let density = ui.ctx().pixels_per_point();
    let round = |length: f32| (length * density).round() / density;
    let corner = pos2(round(rect.left()), round(rect.top()));
    let mut top = corner.y;
    for texture in textures {
        let rows = texture.size()[1] as f32;
        let height =
            picture.size.y * rows / picture.strips.iter().map(|s| s.size[1]).sum::<usize>().max(1) as f32;
        let place = Rect::from_min_size(pos2(corner.x, top), vec2(picture.size.x, height));
        if ui.is_rect_visible(place) {
            let whole = Rect::from_min_max(pos2(0.0, 0.0), pos2(1.0, 1.0));
            ui.painter().image(texture.id(), place, whole, Color32::WHITE);
        }
        top += height;
    }
    for (number, (place, hit)) in picture.hits.iter().enumerate() {
        let place = place.translate(corner.to_vec2());
        if !ui.is_rect_visible(place) {
            continue;
        }
        let id = ui.scope_id().with((number, &hit.about.words));
        let sense = if hit.about.run.is_some() { Sense::click() } else { Sense::hover() };
        let response = ui.interact(place, id, sense);
        response.widget_info(|| WidgetInfo::labeled(Role::Button, true, &hit.about.words));
        if response.hovered() || response.has_focus() {
            let stroke = Stroke::new(1.0, colors(ui).accent);
            ui.painter().rect_stroke(place.expand(1.0), 2.0, stroke, StrokeKind::Outside);
        }
        if response.clicked()
            && let Some(run) = hit.about.run
        {
            let inspection = Inspection { run, position: None, against: hit.about.against };
            commands.push(Command::Inspect(inspection));
        }
        response.on_hover_ui(|ui| {
            ui.label(&hit.about.words);
            if hit.about.run.is_some() {
                ui.label(theme::caption(ui, "Click to see its samples."));
            }
        });
    }
}
