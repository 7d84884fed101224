//! How series are painted: methods by color, hatching and outline; models by surface and dashes.

use super::super::super::Method;
use super::super::scene::{Form, Stroke};
use super::super::spec::Paint;
use super::super::theme::{Color, FUSION_OUTLINE, Theme, method_color};
use super::Pen;

/// The dashes of the second, third, … line of a color.
const DASHES: [Option<(f64, f64)>; 4] = [None, Some((3.6, 1.6)), Some((1.3, 1.3)), Some((5.0, 1.4))];

impl Pen {
    /// A bar: filled or outlined.
    pub(super) fn bar(&mut self, (x, y, width, height): (f64, f64, f64, f64), paint: Paint) {
        let color = method_color(paint.method, self.theme);
        let fusion = paint.method == Method::Fusion;
        let ground = self.theme.ground();
        let random = paint.method == Method::Random;
        let inset = |by: f64| {
            let by = by.min(width / 2.0).min(height / 2.0);
            (x + by, y + by, width - 2.0 * by, height - 2.0 * by)
        };
        let form = |(x, y, width, height): (f64, f64, f64, f64)| Form::Rectangle { x, y, width, height };
        let whole = form((x, y, width, height));
        if paint.filled {
            self.scene.shape("bar", whole, Some(color), None);
            if random {
                self.scene.hatch((x, y, width, height), 2.6, Stroke::new(ground, 0.7));
            }
        } else {
            self.scene.shape("bar", whole, Some(ground), None);
            if random {
                self.scene.hatch((x, y, width, height), 2.6, Stroke::new(color, 0.7));
            }
            let edge = if fusion { 1.4 } else { 1.0 };
            self.scene.shape("outline", form(inset(edge / 2.0)), None, Some(Stroke::new(color, edge)));
        }
        if fusion {
            self.scene.shape("outline", form(inset(0.25)), None, Some(Stroke::new(FUSION_OUTLINE, 0.5)));
        }
    }

    /// A line through points.
    pub(super) fn curve(&mut self, points: &[(f64, f64)], paint: Paint) {
        let path = || Form::Path { points: points.to_vec(), closed: false };
        let color = method_color(paint.method, self.theme);
        let dash = DASHES[paint.dash % DASHES.len()];
        if paint.method == Method::Fusion {
            self.scene.shape(
                "outline",
                path(),
                None,
                Some(Stroke { dash, ..Stroke::new(FUSION_OUTLINE, 1.9) }),
            );
        }
        self.scene.shape("line", path(), None, Some(Stroke { dash, ..Stroke::new(color, 1.2) }));
    }

    /// The color of a method's thin lines, which are seen on every ground.
    pub(super) fn thin(&self, method: Method) -> Color {
        match method {
            Method::Fusion if self.theme != Theme::Dark => FUSION_OUTLINE,
            method => method_color(method, self.theme),
        }
    }

    /// A point of a line.
    pub(super) fn dot(&mut self, (x, y): (f64, f64), paint: Paint) {
        let color = method_color(paint.method, self.theme);
        let (fill, mut stroke) = match paint.filled {
            true => (color, Stroke::new(self.theme.ground(), 0.5)),
            false => (self.theme.ground(), Stroke::new(color, 1.0)),
        };
        if paint.method == Method::Fusion {
            if paint.filled {
                stroke = Stroke::new(FUSION_OUTLINE, 0.5);
            } else {
                self.scene.shape("outline", Form::Circle { x, y, radius: 2.9 }, Some(FUSION_OUTLINE), None);
            }
        }
        self.scene.shape("point", Form::Circle { x, y, radius: 2.1 }, Some(fill), Some(stroke));
    }
}
