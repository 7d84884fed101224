//! A drawing as pixels.
//!
//! Plotters' bitmap backend fills shapes on a finer grid, which is then averaged, so that edges are smooth and lie where
//! they lie in the SVG. Letters are drawn at their exact places by the font's own outlines.

use std::io::Write as _;

use ab_glyph::{Font, Glyph, point};
use flate2::Compression;
use flate2::write::ZlibEncoder;
use plotters::backend::{BitMapBackend, DrawingBackend};
use plotters::style::RGBColor;

use super::font::Faces;
use super::scene::{Anchor, Form, Scene, Shape, Stroke, Text};
use super::theme::Color;
use super::{ChartError, Pixels};

/// Fine pixels along the side of a pixel.
const FINE: u32 = 4;

/// More pixels than any chart needs, and few enough for any machine.
const MOST_PIXELS: f64 = 24e6;

/// The drawing with `scale` pixels a point.
pub(super) fn draw(scene: &Scene, scale: f64) -> Result<Pixels, ChartError> {
    let side = |points: f64| (points * scale).round().max(1.0);
    let (width, height) = (side(scene.width), side(scene.height));
    if !scale.is_finite() || scale <= 0.0 || width * height > MOST_PIXELS {
        return Err(ChartError::TooLarge { width, height });
    }
    let (width, height) = (width as u32, height as u32);
    // A band at a time, so that memory does not grow with the finer grid.
    const BAND: u32 = 64;
    let mut rgba = Vec::with_capacity((width * height * 4) as usize);
    for top in (0..height).step_by(BAND as usize) {
        let rows = BAND.min(height - top);
        let (fine_width, fine_rows) = (width * FINE, rows * FINE);
        let Color(r, g, b) = scene.ground;
        let mut fine = [r, g, b].repeat((fine_width * fine_rows) as usize);
        let backend = BitMapBackend::with_buffer(&mut fine, (fine_width, fine_rows));
        let mut canvas =
            Canvas { backend, scale: scale * f64::from(FINE), above: f64::from(top * FINE), rows: fine_rows };
        scene.shapes.iter().try_for_each(|shape| canvas.shape(shape))?;
        drop(canvas);
        average(&fine, fine_width, rows, &mut rgba);
    }
    let mut pixels = Pixels { width, height, rgba };
    let faces = Faces::shipped()?;
    scene.texts.iter().for_each(|text| write(&mut pixels, faces, text, scale));
    Ok(pixels)
}

/// Pixels as the mean of their fine pixels.
fn average(fine: &[u8], fine_width: u32, rows: u32, rgba: &mut Vec<u8>) {
    let (fine_width, side) = (fine_width as usize, FINE as usize);
    for row in 0..rows as usize {
        for column in 0..fine_width / side {
            let mut sums = [0u32; 3];
            for line in row * side..(row + 1) * side {
                let start = (line * fine_width + column * side) * 3;
                for pixel in fine[start..start + side * 3].chunks_exact(3) {
                    for (sum, &channel) in sums.iter_mut().zip(pixel) {
                        *sum += u32::from(channel);
                    }
                }
            }
            rgba.extend(sums.map(|sum| ((sum + FINE * FINE / 2) / (FINE * FINE)) as u8));
            rgba.push(255);
        }
    }
}

/// A band of the drawing in fine pixels.
struct Canvas<'a> {
    backend: BitMapBackend<'a>,
    /// Fine pixels a point.
    scale: f64,
    /// Fine pixels above the band.
    above: f64,
    rows: u32,
}

impl Canvas<'_> {
    fn shape(&mut self, shape: &Shape) -> Result<(), ChartError> {
        if self.is_elsewhere(shape) {
            return Ok(());
        }
        if let Some(color) = shape.fill {
            match &shape.form {
                &Form::Rectangle { x, y, width, height } => {
                    self.rectangle(x, y, x + width, y + height, color)?
                }
                &Form::Circle { x, y, radius } => self.polygon(&circle(x, y, radius), color)?,
                Form::Path { points, .. } => self.polygon(points, color)?,
            }
        }
        let Some(stroke) = shape.stroke else { return Ok(()) };
        match &shape.form {
            &Form::Rectangle { x, y, width, height } => {
                let corners = [(x, y), (x + width, y), (x + width, y + height), (x, y + height)];
                self.outline(&corners, true, stroke)
            }
            &Form::Circle { x, y, radius } => self.outline(&circle(x, y, radius), true, stroke),
            Form::Path { points, closed } => self.outline(points, *closed, stroke),
        }
    }

    /// Whether no part of a shape is within the band.
    fn is_elsewhere(&self, shape: &Shape) -> bool {
        let (top, bottom) = match &shape.form {
            Form::Rectangle { y, height, .. } => (*y, y + height),
            Form::Circle { y, radius, .. } => (y - radius, y + radius),
            Form::Path { points, .. } => {
                points.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(top, bottom), &(_, y)| {
                    (top.min(y), bottom.max(y))
                })
            }
        };
        let edge = shape.stroke.map_or(0.0, |stroke| stroke.width) + 1.0;
        (bottom + edge) * self.scale < self.above
            || (top - edge) * self.scale > self.above + f64::from(self.rows)
    }

    fn place(&self, (x, y): (f64, f64)) -> (i32, i32) {
        ((x * self.scale).round() as i32, (y * self.scale - self.above).round() as i32)
    }

    fn rectangle(&mut self, x0: f64, y0: f64, x1: f64, y1: f64, color: Color) -> Result<(), ChartError> {
        let (from, to) = (self.place((x0, y0)), self.place((x1, y1)));
        // At least one fine pixel; the backend leaves the last ones out.
        let to = (to.0.max(from.0 + 1), to.1.max(from.1 + 1));
        self.backend.draw_rect(from, to, &rgb(color), true).map_err(|_| ChartError::Drawing)
    }

    fn polygon(&mut self, points: &[(f64, f64)], color: Color) -> Result<(), ChartError> {
        let points: Vec<(i32, i32)> = points.iter().map(|&point| self.place(point)).collect();
        self.backend.fill_polygon(points, &rgb(color)).map_err(|_| ChartError::Drawing)
    }

    fn outline(&mut self, points: &[(f64, f64)], closed: bool, stroke: Stroke) -> Result<(), ChartError> {
        let mut all = points.to_vec();
        if closed {
            all.extend(points.first());
        }
        for piece in dashes(&all, stroke.dash) {
            let piece_is_all = piece.len() == all.len();
            for pair in piece.windows(2) {
                self.segment(pair[0], pair[1], stroke)?;
            }
            let joints = if closed && piece_is_all {
                &piece[..]
            } else {
                piece.get(1..piece.len() - 1).unwrap_or(&[])
            };
            for &(x, y) in joints {
                self.polygon(&circle(x, y, stroke.width / 2.0), stroke.color)?;
            }
        }
        Ok(())
    }

    fn segment(&mut self, from: (f64, f64), to: (f64, f64), stroke: Stroke) -> Result<(), ChartError> {
        let half = stroke.width / 2.0;
        let (x0, x1) = (from.0.min(to.0), from.0.max(to.0));
        let (y0, y1) = (from.1.min(to.1), from.1.max(to.1));
        if x0 == x1 {
            return self.rectangle(x0 - half, y0, x0 + half, y1, stroke.color);
        }
        if y0 == y1 {
            return self.rectangle(x0, y0 - half, x1, y0 + half, stroke.color);
        }
        let (dx, dy) = (to.0 - from.0, to.1 - from.1);
        let length = dx.hypot(dy);
        let (nx, ny) = (-dy / length * half, dx / length * half);
        let corners = [
            (from.0 + nx, from.1 + ny),
            (to.0 + nx, to.1 + ny),
            (to.0 - nx, to.1 - ny),
            (from.0 - nx, from.1 - ny),
        ];
        self.polygon(&corners, stroke.color)
    }
}

const fn rgb(Color(r, g, b): Color) -> RGBColor {
    RGBColor(r, g, b)
}

fn circle(x: f64, y: f64, radius: f64) -> Vec<(f64, f64)> {
    const CORNERS: u32 = 40;
    let corner = |number: u32| {
        let angle = std::f64::consts::TAU * f64::from(number) / f64::from(CORNERS);
        (x + radius * angle.cos(), y + radius * angle.sin())
    };
    (0..CORNERS).map(corner).collect()
}

/// The pieces of a line that are drawn.
fn dashes(points: &[(f64, f64)], dash: Option<(f64, f64)>) -> Vec<Vec<(f64, f64)>> {
    let Some((on, off)) = dash.filter(|(on, off)| *on > 0.0 && *off > 0.0) else {
        return vec![points.to_vec()];
    };
    let mut pieces = Vec::new();
    let (mut drawn, mut left) = (true, on);
    let mut piece = points.first().map(|&point| vec![point]).unwrap_or_default();
    for pair in points.windows(2) {
        let (mut from, to) = (pair[0], pair[1]);
        loop {
            let rest = (to.0 - from.0).hypot(to.1 - from.1);
            if rest < left {
                left -= rest;
                if drawn {
                    piece.push(to);
                }
                break;
            }
            let share = if rest > 0.0 { left / rest } else { 0.0 };
            from = (from.0 + (to.0 - from.0) * share, from.1 + (to.1 - from.1) * share);
            if drawn {
                piece.push(from);
                pieces.push(std::mem::take(&mut piece));
            } else {
                piece = vec![from];
            }
            drawn = !drawn;
            left = if drawn { on } else { off };
        }
    }
    if drawn && piece.len() > 1 {
        pieces.push(piece);
    }
    pieces
}

/// Writes a text over the pixels.
fn write(pixels: &mut Pixels, faces: &Faces, text: &Text, scale: f64) {
    let (letters, width) = faces.place(&text.text, text.weight);
    let size = text.size * scale;
    let begin = match text.anchor {
        Anchor::Start => 0.0,
        Anchor::Middle => width / 2.0,
        Anchor::End => width,
    };
    let left = text.x * scale - begin * size;
    // Letters that stand on a row of pixels are sharper.
    let baseline = (text.baseline * scale).round() as f32;
    let face = faces.face(text.weight);
    let Color(r, g, b) = text.color;
    for (id, at) in letters {
        let position = point((left + at * size) as f32, baseline);
        let glyph = Glyph { id, scale: faces.scale(text.weight, size), position };
        let Some(outlined) = face.outline_glyph(glyph) else { continue };
        let bounds = outlined.px_bounds();
        let (x0, y0) = (bounds.min.x as i64, bounds.min.y as i64);
        outlined.draw(|x, y, coverage| {
            let (x, y) = (x0 + i64::from(x), y0 + i64::from(y));
            if (0..i64::from(pixels.width)).contains(&x) && (0..i64::from(pixels.height)).contains(&y) {
                let start = (y as usize * pixels.width as usize + x as usize) * 4;
                for (channel, ink) in pixels.rgba[start..start + 3].iter_mut().zip([r, g, b]) {
                    let before = f32::from(*channel);
                    *channel = (before + (f32::from(ink) - before) * coverage.clamp(0.0, 1.0)).round() as u8;
                }
            }
        });
    }
}

/// Pixels as a PNG of `per_meter` pixels a meter, without a channel for what all pixels are: opaque.
pub(super) fn png(pixels: &Pixels, per_meter: u32) -> Vec<u8> {
    let row = pixels.width as usize * 3;
    let mut raw = Vec::with_capacity((row + 1) * pixels.height as usize);
    for line in pixels.rgba.chunks_exact(pixels.width as usize * 4) {
        raw.push(0);
        raw.extend(line.chunks_exact(4).flat_map(|pixel| &pixel[..3]));
    }
    // Compressing into memory has no way to fail.
    let mut zlib = ZlibEncoder::new(Vec::new(), Compression::best());
    let _ = zlib.write_all(&raw);
    let data = zlib.finish().unwrap_or_default();
    let mut header = Vec::with_capacity(13);
    header.extend(pixels.width.to_be_bytes());
    header.extend(pixels.height.to_be_bytes());
    header.extend([8, 2, 0, 0, 0]);
    let mut resolution = Vec::with_capacity(9);
    resolution.extend(per_meter.to_be_bytes());
    resolution.extend(per_meter.to_be_bytes());
    resolution.push(1);
    let mut out = b"\x89PNG\r\n\x1a\n".to_vec();
    for (kind, content) in
        [(b"IHDR", header), (b"sRGB", vec![0]), (b"pHYs", resolution), (b"IDAT", data), (b"IEND", Vec::new())]
    {
        out.extend((content.len() as u32).to_be_bytes());
        let start = out.len();
        out.extend(kind);
        out.extend(content);
        let checksum = crc32fast::hash(&out[start..]);
        out.extend(checksum.to_be_bytes());
    }
    out
}
