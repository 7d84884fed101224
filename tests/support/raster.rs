//! Pictures of the window without a graphics card: egui's triangles drawn by the processor, the same on every machine.

use std::collections::HashMap;

use eframe::egui::epaint::{ImageData, ImageDelta, Primitive, Vertex};
use eframe::egui::{Color32, Context, FullOutput, Mesh, Pos2, Rect, TextureId, TexturesDelta};
use egui_kittest::TestRenderer;
use image::{Rgba, RgbaImage};

/// Textures by their id, and what is drawn with them.
#[derive(Default)]
pub struct Raster {
    textures: HashMap<TextureId, Texture>,
}

struct Texture {
    width: usize,
    height: usize,
    pixels: Vec<Color32>,
}

impl Texture {
    fn change(&mut self, delta: &ImageDelta) {
        let ImageData::Color(image) = &delta.image;
        let [width, height] = image.size;
        let Some([left, top]) = delta.pos else {
            *self = Self { width, height, pixels: image.pixels.clone() };
            return;
        };
        for row in 0..height {
            let start = (top + row) * self.width + left;
            self.pixels[start..start + width].copy_from_slice(&image.pixels[row * width..][..width]);
        }
    }

    fn at(&self, x: i64, y: i64) -> [f32; 4] {
        let x = x.clamp(0, self.width as i64 - 1) as usize;
        let y = y.clamp(0, self.height as i64 - 1) as usize;
        self.pixels[y * self.width + x].to_array().map(f32::from)
    }

    /// Between the four nearest pixels.
    fn sample(&self, u: f32, v: f32) -> [f32; 4] {
        let (x, y) = (u * self.width as f32 - 0.5, v * self.height as f32 - 0.5);
        let (left, top) = (x.floor(), y.floor());
        let (right_part, low_part) = (x - left, y - top);
        let (left, top) = (left as i64, top as i64);
        let mix = |one: [f32; 4], other: [f32; 4], part: f32| {
            std::array::from_fn(|i| one[i] + (other[i] - one[i]) * part)
        };
        let high = mix(self.at(left, top), self.at(left + 1, top), right_part);
        let low = mix(self.at(left, top + 1), self.at(left + 1, top + 1), right_part);
        mix(high, low, low_part)
    }
}

impl TestRenderer for Raster {
    fn handle_delta(&mut self, delta: &mut TexturesDelta) {
        for (id, changes) in delta.set.drain() {
            let texture =
                self.textures.entry(id).or_insert(Texture { width: 0, height: 0, pixels: Vec::new() });
            changes.iter().for_each(|change| texture.change(change));
        }
        for id in delta.free.drain() {
            self.textures.remove(&id);
        }
    }

    fn render(&mut self, ctx: &Context, output: &FullOutput) -> Result<RgbaImage, String> {
        let scale = ctx.pixels_per_point();
        let size = ctx.content_rect().size() * scale;
        let mut picture =
            RgbaImage::from_pixel(size.x.round() as u32, size.y.round() as u32, Rgba([0, 0, 0, 255]));
        for clipped in ctx.tessellate(output.shapes.clone(), scale) {
            let Primitive::Mesh(mesh) = clipped.primitive else { continue };
            let texture = self.textures.get(&mesh.texture_id).ok_or("a texture that never came")?;
            draw(&mut picture, &mesh, texture, clipped.clip_rect, scale);
        }
        Ok(picture)
    }
}

fn draw(picture: &mut RgbaImage, mesh: &Mesh, texture: &Texture, clip: Rect, scale: f32) {
    let bound = |value: f32, most: u32| (value * scale).round().clamp(0.0, most as f32) as i64;
    let (width, height) = picture.dimensions();
    let clip = [
        bound(clip.left(), width),
        bound(clip.top(), height),
        bound(clip.right(), width),
        bound(clip.bottom(), height),
    ];
    for corners in mesh.indices.chunks_exact(3) {
        let corners: [&Vertex; 3] = std::array::from_fn(|i| &mesh.vertices[corners[i] as usize]);
        triangle(picture, corners, texture, clip, scale);
    }
}

fn triangle(picture: &mut RgbaImage, corners: [&Vertex; 3], texture: &Texture, clip: [i64; 4], scale: f32) {
    // In whole 256ths of a pixel, so that two triangles agree on their common edge.
    let place = |at: Pos2| [at.x, at.y].map(|value| (value * scale * 256.0).round() as i64);
    let mut corners = corners.map(|vertex| (place(vertex.pos), vertex));
    let twice =
        |a: [i64; 2], b: [i64; 2], c: [i64; 2]| (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0]);
    let mut area = twice(corners[0].0, corners[1].0, corners[2].0);
    if area == 0 {
        return;
    }
    if area < 0 {
        corners.swap(1, 2);
        area = -area;
    }
    let [a, b, c] = corners.map(|(at, _)| at);
    // A pixel on an edge belongs to the triangle whose upper or left edge it is.
    let edge = |from: [i64; 2], to: [i64; 2]| {
        let owns = to[1] < from[1] || (to[1] == from[1] && to[0] > from[0]);
        i64::from(!owns)
    };
    let least = [edge(b, c), edge(c, a), edge(a, b)];
    let range = |axis: usize, low: i64, high: i64| {
        let values = [a[axis], b[axis], c[axis]];
        let first = values.iter().min().map_or(0, |value| value.div_euclid(256));
        let last = values.iter().max().map_or(0, |value| value.div_euclid(256) + 1);
        first.max(low)..last.min(high)
    };
    for y in range(1, clip[1], clip[3]) {
        for x in range(0, clip[0], clip[2]) {
            let at = [x * 256 + 128, y * 256 + 128];
            let parts = [twice(b, c, at), twice(c, a, at), twice(a, b, at)];
            if parts.iter().zip(least).any(|(&part, least)| part < least) {
                continue;
            }
            let parts = parts.map(|part| part as f32 / area as f32);
            let mix = |of: &dyn Fn(&Vertex) -> f32| {
                corners.iter().zip(parts).map(|((_, vertex), part)| of(vertex) * part).sum::<f32>()
            };
            let texel = texture.sample(mix(&|vertex| vertex.uv.x), mix(&|vertex| vertex.uv.y));
            let color: [f32; 4] = std::array::from_fn(|i| {
                texel[i] * mix(&|vertex| f32::from(vertex.color.to_array()[i])) / 255.0
            });
            let under = picture.get_pixel_mut(x as u32, y as u32);
            let through = 1.0 - color[3] / 255.0;
            for (under, over) in under.0.iter_mut().zip(color).take(3) {
                *under = (over + f32::from(*under) * through).round().clamp(0.0, 255.0) as u8;
            }
        }
    }
}
