//! Charts for papers, slides and the screen.
//!
//! A [`ChartSpec`] says what is shown; [`svg`], [`png`] and [`pixels`] draw it, all from one drawing, at a width and in a
//! theme. Lengths are those of print: letters have the same size on a narrow chart as on a wide one, which has more panels
//! abreast instead. The specs are made from result tables, columns of values, predictions and tunings by the functions
//! beside. The only place that names plotters. Must not know where its data is stored.

mod confusion;
mod font;
mod gather;
mod hits;
mod layout;
mod profile;
mod raster;
mod scale;
mod scene;
mod scores;
mod spec;
mod svg;
mod theme;
mod tuning;

#[cfg(test)]
mod gallery;

use std::io;
use std::path::{Path, PathBuf};

pub use confusion::{Confusion, confusion_chart};
pub use gather::{ChartKind, RunChart, RunData, chart_of_runs};
pub use hits::Hit;
pub use profile::{GainBin, GainSeries, gain_bins, profile_chart};
pub use scores::{MOST_SERIES, k_chart, scores_chart};
pub use spec::{
    About, Axis, Bar, BarPlot, BarRow, Better, ChartSpec, HeatCell, HeatPlot, Line, LinePlot, Mark, Paint,
    Panel, Plot, Point, Tick,
};
pub use theme::{Color, Theme, UnknownTheme, method_color};
pub use tuning::tuning_chart;

use crate::whole_file::WholeFile;

/// How a chart is drawn.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Style {
    /// What it lies on.
    pub theme: Theme,
    /// Its width in millimeters; its height follows from what it shows.
    pub width_mm: f64,
}

impl Style {
    /// A column of a paper in two columns, in millimeters.
    pub const COLUMN_MM: f64 = 85.0;
    /// A page's width, in millimeters.
    pub const PAGE_MM: f64 = 175.0;
    /// The narrowest and the widest chart, in millimeters.
    pub const WIDTHS_MM: (f64, f64) = (60.0, 1000.0);

    /// The style, if charts can have the width.
    ///
    /// # Errors
    /// A width beyond [`Style::WIDTHS_MM`].
    pub fn checked(self) -> Result<Self, ChartError> {
        let (narrowest, widest) = Self::WIDTHS_MM;
        let fits = (narrowest..=widest).contains(&self.width_mm);
        fits.then_some(self).ok_or(ChartError::Width { mm: self.width_mm })
    }
}

/// A chart as pixels, from the top, row by row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pixels {
    /// Pixels a row.
    pub width: u32,
    /// Rows.
    pub height: u32,
    /// Red, green, blue and opacity of each; all are opaque.
    pub rgba: Vec<u8>,
}

/// Why a chart could not be drawn or written.
#[derive(Debug, thiserror::Error)]
pub enum ChartError {
    /// A width out of bounds.
    #[error("a chart cannot be {mm} mm wide; choose from {} to {} mm, such as 85 for a column or 175 for a page", Style::WIDTHS_MM.0, Style::WIDTHS_MM.1)]
    Width {
        /// The width asked for.
        mm: f64,
    },
    /// More pixels than can be meant.
    #[error("a picture of {width:.0} by {height:.0} pixels is too large; draw fewer panels or write an SVG")]
    TooLarge {
        /// In pixels.
        width: f64,
        /// In pixels.
        height: f64,
    },
    /// A file of another kind.
    #[error("{}: charts are written as SVG or PNG; end the file's name in .svg or .png", path.display())]
    Format {
        /// The file.
        path: PathBuf,
    },
    /// The file cannot be written.
    #[error("{} cannot be written: {source}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The shipped letters cannot be read: the program itself is broken.
    #[error("the program's own font cannot be read; install the program again")]
    Font,
    /// The drawing library refused: the program itself is broken.
    #[error("the picture could not be drawn; write an SVG instead")]
    Drawing,
}

/// Pixels a point at twice the density of a screen (96 pixels an inch).
const TWICE: f64 = 2.0 * 96.0 / 72.0;

/// Draws a chart as SVG, its text as text, with the letters embedded. Equal charts give equal bytes.
///
/// # Errors
/// A width out of bounds.
pub fn svg(chart: &ChartSpec, style: &Style) -> Result<String, ChartError> {
    Ok(svg::write(&layout::lay_out(chart, style)?))
}

/// Draws a chart as PNG, at twice a screen's density. Equal charts give equal bytes.
///
/// # Errors
/// A width out of bounds, or too many pixels.
pub fn png(chart: &ChartSpec, style: &Style) -> Result<Vec<u8>, ChartError> {
    let pixels = raster::draw(&layout::lay_out(chart, style)?, TWICE)?;
    Ok(raster::png(&pixels, (2.0 * 96.0 / 0.0254_f64).round() as u32))
}

/// Draws a chart as pixels for a screen, with `scale` pixels a point (1/72 inch).
///
/// # Errors
/// A width out of bounds, or too many pixels.
pub fn pixels(chart: &ChartSpec, style: &Style, scale: f64) -> Result<Pixels, ChartError> {
    raster::draw(&layout::lay_out(chart, style)?, scale)
}

/// Where a chart's bars, points and cells lie in a picture of it, with what they are: the same layout that draws them tells. In the
/// order in which they are drawn: of two at one place the later lies above. With the picture's width and height, in points.
///
/// # Errors
/// A width out of bounds.
pub fn hits(chart: &ChartSpec, style: &Style) -> Result<((f64, f64), Vec<Hit>), ChartError> {
    let scene = layout::lay_out(chart, style)?;
    Ok(((scene.width, scene.height), scene.hits))
}

/// Kinds of files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Scalable, with text as text.
    Svg,
    /// Pixels.
    Png,
}

impl Format {
    /// The kind that a file's name ends in.
    ///
    /// # Errors
    /// Another ending than `.svg` and `.png`.
    pub fn of(path: &Path) -> Result<Self, ChartError> {
        let ending = path.extension().map(|ending| ending.to_string_lossy().to_ascii_lowercase());
        match ending.as_deref() {
            Some("svg") => Ok(Self::Svg),
            Some("png") => Ok(Self::Png),
            _ => Err(ChartError::Format { path: path.to_owned() }),
        }
    }
}

/// Writes a chart as its file's name ends, `.svg` or `.png`; the file appears whole.
///
/// # Errors
/// Another ending, a width out of bounds, or a file that cannot be written.
pub fn write(path: &Path, chart: &ChartSpec, style: &Style) -> Result<(), ChartError> {
    let bytes = match Format::of(path)? {
        Format::Svg => svg(chart, style)?.into_bytes(),
        Format::Png => png(chart, style)?,
    };
    WholeFile::put(path, &bytes).map_err(|source| ChartError::Write { path: path.to_owned(), source })
}
