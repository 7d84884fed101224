//! A drawing in points (1/72 inch): shapes and texts, painted in their order, texts last.

use super::font::Weight;
use super::hits::Hit;
use super::spec::About;
use super::theme::Color;

/// A drawing.
#[derive(Debug)]
pub(super) struct Scene {
    pub(super) width: f64,
    pub(super) height: f64,
    pub(super) ground: Color,
    /// What it is, for readers who do not see it.
    pub(super) title: String,
    pub(super) description: String,
    pub(super) shapes: Vec<Shape>,
    pub(super) texts: Vec<Text>,
    /// Places that tell something; not drawn.
    pub(super) hits: Vec<Hit>,
}

/// A shape with its surface and its edge.
#[derive(Debug, Clone)]
pub(super) struct Shape {
    /// What it stands for, as a class within an SVG.
    pub(super) class: &'static str,
    pub(super) form: Form,
    pub(super) fill: Option<Color>,
    pub(super) stroke: Option<Stroke>,
}

#[derive(Debug, Clone)]
pub(super) enum Form {
    Rectangle {
        x: f64,
        y: f64,
        width: f64,
        height: f64,
    },
    Circle {
        x: f64,
        y: f64,
        radius: f64,
    },
    /// Joined points; closed ones enclose a surface.
    Path {
        points: Vec<(f64, f64)>,
        closed: bool,
    },
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Stroke {
    pub(super) color: Color,
    pub(super) width: f64,
    /// Lengths of dashes and of the gaps between them.
    pub(super) dash: Option<(f64, f64)>,
}

impl Stroke {
    pub(super) const fn new(color: Color, width: f64) -> Self {
        Self { color, width, dash: None }
    }
}

/// A text on one line.
#[derive(Debug, Clone)]
pub(super) struct Text {
    /// Where it begins, has its middle or ends, by its anchor.
    pub(super) x: f64,
    /// Where its letters stand.
    pub(super) baseline: f64,
    pub(super) anchor: Anchor,
    pub(super) size: f64,
    pub(super) weight: Weight,
    pub(super) color: Color,
    pub(super) text: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Anchor {
    Start,
    Middle,
    End,
}

impl Scene {
    /// Says what is at a place.
    pub(super) fn hit(&mut self, (x, y, width, height): (f64, f64, f64, f64), about: &About) {
        if !about.words.is_empty() {
            self.hits.push(Hit { x, y, width, height, about: about.clone() });
        }
    }

    pub(super) fn shape(
        &mut self,
        class: &'static str,
        form: Form,
        fill: Option<Color>,
        stroke: Option<Stroke>,
    ) {
        self.shapes.push(Shape { class, form, fill, stroke });
    }

    pub(super) fn line(&mut self, class: &'static str, from: (f64, f64), to: (f64, f64), stroke: Stroke) {
        self.shape(class, Form::Path { points: vec![from, to], closed: false }, None, Some(stroke));
    }

    /// Slanted lines within a rectangle.
    pub(super) fn hatch(&mut self, (x, y, width, height): (f64, f64, f64, f64), step: f64, stroke: Stroke) {
        let mut along = step / 2.0;
        while along < width + height {
            // The distances from the left and from the top have one sum all along.
            let from = if along <= height { (x, y + along) } else { (x + along - height, y + height) };
            let to = if along <= width { (x + along, y) } else { (x + width, y + along - width) };
            self.line("hatch", from, to, stroke);
            along += step;
        }
    }
}
