//! How the window looks: fonts, sizes, colors. Every screen takes its colors from [`Colors`] and its letters from the functions
//! here, so that light, dark and another size change in one place.

pub mod icons;

use std::sync::Arc;

use eframe::egui::{
    self, Color32, CornerRadius, FontData, FontDefinitions, FontFamily, FontId, Margin, RichText, Stroke,
    TextStyle, Theme, Visuals, vec2,
};

use crate::report::Method;
use crate::report::chart::{Theme as ChartTheme, method_color};

/// Rows of tables, points high.
pub const ROW: f32 = 24.0;
/// Controls, points high.
pub const CONTROL: f32 = 28.0;
/// Forms, points wide at most.
pub const FORM: f32 = 720.0;
/// The corners of everything that has some.
pub const CORNER: u8 = 6;

/// Colors by what they are for.
#[derive(Debug, Clone, Copy)]
pub struct Colors {
    /// Behind everything.
    pub ground: Color32,
    /// Cards, fields, the rail.
    pub raised: Color32,
    /// What lies under the pointer.
    pub hover: Color32,
    /// One-pixel lines.
    pub line: Color32,
    /// Words.
    pub text: Color32,
    /// Words that matter less; still readable.
    pub weak: Color32,
    /// The one main action and the selection.
    pub accent: Color32,
    /// Words on the accent.
    pub on_accent: Color32,
    /// The ground of what is selected.
    pub selected: Color32,
    /// Loss and danger.
    pub danger: Color32,
    /// Something to look at.
    pub warning: Color32,
    /// Gain.
    pub good: Color32,
    /// Text that was added or found.
    pub mark: Color32,
}

const DARK: Colors = Colors {
    ground: Color32::from_rgb(0x16, 0x19, 0x1E),
    raised: Color32::from_rgb(0x1E, 0x22, 0x29),
    hover: Color32::from_rgb(0x2A, 0x2F, 0x38),
    line: Color32::from_rgb(0x33, 0x39, 0x43),
    text: Color32::from_rgb(0xE4, 0xE6, 0xEA),
    weak: Color32::from_rgb(0x9C, 0xA3, 0xAE),
    accent: Color32::from_rgb(0xE8, 0x96, 0x2E),
    on_accent: Color32::from_rgb(0x1B, 0x13, 0x06),
    selected: Color32::from_rgb(0x3B, 0x2E, 0x1C),
    danger: Color32::from_rgb(0xF0, 0x7A, 0x6E),
    warning: Color32::from_rgb(0xE3, 0xB3, 0x41),
    good: Color32::from_rgb(0x5C, 0xC0, 0x8E),
    mark: Color32::from_rgb(0x4A, 0x3A, 0x1A),
};

const LIGHT: Colors = Colors {
    ground: Color32::from_rgb(0xFA, 0xF9, 0xF6),
    raised: Color32::from_rgb(0xFF, 0xFF, 0xFF),
    hover: Color32::from_rgb(0xEF, 0xED, 0xE7),
    line: Color32::from_rgb(0xDD, 0xDA, 0xD2),
    text: Color32::from_rgb(0x20, 0x23, 0x28),
    weak: Color32::from_rgb(0x5F, 0x65, 0x6E),
    accent: Color32::from_rgb(0xA6, 0x5E, 0x00),
    on_accent: Color32::from_rgb(0xFF, 0xFF, 0xFF),
    selected: Color32::from_rgb(0xF8, 0xE9, 0xD2),
    danger: Color32::from_rgb(0xB3, 0x2D, 0x22),
    warning: Color32::from_rgb(0x8A, 0x64, 0x00),
    good: Color32::from_rgb(0x1E, 0x7A, 0x4C),
    mark: Color32::from_rgb(0xFC, 0xE4, 0xB8),
};

/// The colors of the theme that a ui has.
pub fn colors(ui: &egui::Ui) -> &'static Colors {
    of(ui.visuals().dark_mode)
}

const fn of(dark: bool) -> &'static Colors {
    if dark { &DARK } else { &LIGHT }
}

/// The theme of charts that goes with the ui's.
pub fn chart_theme(ui: &egui::Ui) -> ChartTheme {
    if ui.visuals().dark_mode { ChartTheme::Dark } else { ChartTheme::Light }
}

/// A method's color, the same as in every chart.
pub fn method(ui: &egui::Ui, method: Method) -> Color32 {
    let color = method_color(method, chart_theme(ui));
    Color32::from_rgb(color.0, color.1, color.2)
}

/// The title of a screen.
pub fn title(text: impl Into<String>) -> RichText {
    RichText::new(text).text_style(TextStyle::Heading)
}

/// The title of a section.
pub fn section(text: impl Into<String>) -> RichText {
    RichText::new(text).text_style(TextStyle::Name("section".into()))
}

/// Words that stand out among others.
pub fn strong(text: impl Into<String>) -> RichText {
    RichText::new(text).text_style(TextStyle::Name("strong".into()))
}

/// Small words: captions, units, hints.
pub fn caption(ui: &egui::Ui, text: impl Into<String>) -> RichText {
    RichText::new(text).text_style(TextStyle::Small).color(colors(ui).weak)
}

/// Words that matter less.
pub fn weak(ui: &egui::Ui, text: impl Into<String>) -> RichText {
    RichText::new(text).color(colors(ui).weak)
}

/// Small capitals over a group, as in the rail.
pub fn overline(ui: &egui::Ui, text: &str) -> RichText {
    RichText::new(text.to_uppercase())
        .text_style(TextStyle::Name("overline".into()))
        .color(colors(ui).weak)
        .extra_letter_spacing(0.6)
}

/// Sets fonts and styles, for both themes.
pub fn install(ctx: &egui::Context) {
    ctx.set_fonts(fonts());
    for theme in [Theme::Dark, Theme::Light] {
        let dark = theme == Theme::Dark;
        ctx.style_mut_of(theme, |style| {
            style.visuals = visuals(dark);
            let strong = FontFamily::Name("strong".into());
            let plain = FontFamily::Proportional;
            style.text_styles = [
                (TextStyle::Small, FontId::new(11.0, plain.clone())),
                (TextStyle::Body, FontId::new(13.0, plain.clone())),
                (TextStyle::Button, FontId::new(13.0, plain)),
                (TextStyle::Monospace, FontId::new(12.0, FontFamily::Monospace)),
                (TextStyle::Heading, FontId::new(22.0, strong.clone())),
                (TextStyle::Name("section".into()), FontId::new(16.0, strong.clone())),
                (TextStyle::Name("strong".into()), FontId::new(13.0, strong.clone())),
                (TextStyle::Name("overline".into()), FontId::new(10.0, strong)),
            ]
            .into();
            let spacing = &mut style.spacing;
            spacing.item_spacing = vec2(8.0, 8.0);
            spacing.button_padding = vec2(12.0, 5.0);
            spacing.interact_size = vec2(32.0, CONTROL);
            spacing.window_margin = Margin::same(16);
            spacing.menu_margin = Margin::same(6);
            spacing.icon_width = 16.0;
            spacing.icon_width_inner = 9.0;
            spacing.icon_spacing = 8.0;
            spacing.combo_width = 160.0;
            spacing.text_edit_width = 260.0;
            spacing.tooltip_width = 420.0;
            spacing.scroll.floating = true;
            style.animation_time = 0.08;
            style.interaction.selectable_labels = false;
            style.url_in_tooltip = true;
        });
    }
}

fn fonts() -> FontDefinitions {
    let mut fonts = FontDefinitions::default();
    let mut add = |name: &str, bytes: &'static [u8]| {
        fonts.font_data.insert(name.to_owned(), Arc::new(FontData::from_static(bytes)));
    };
    add("sans", include_bytes!("../../../resources/fonts/LamplightSans-Regular.otf"));
    add("strong", include_bytes!("../../../resources/fonts/LamplightSans-SemiBold.otf"));
    add("icons", include_bytes!("../../../resources/fonts/LamplightIcons.ttf"));
    let spare = fonts.families.get(&FontFamily::Proportional).cloned().unwrap_or_default();
    for (family, first) in [(FontFamily::Proportional, "sans"), (FontFamily::Name("strong".into()), "strong")]
    {
        let mut names = vec![first.to_owned(), "icons".to_owned()];
        names.extend(spare.iter().cloned());
        fonts.families.insert(family, names);
    }
    if let Some(names) = fonts.families.get_mut(&FontFamily::Monospace) {
        names.push("icons".to_owned());
    }
    fonts
}

fn visuals(dark: bool) -> Visuals {
    let colors = of(dark);
    let mut visuals = if dark { Visuals::dark() } else { Visuals::light() };
    let corner = CornerRadius::same(CORNER);
    let line = Stroke::new(1.0, colors.line);
    visuals.panel_fill = colors.ground;
    visuals.window_fill = colors.raised;
    visuals.window_stroke = line;
    visuals.window_corner_radius = corner;
    visuals.menu_corner_radius = corner;
    visuals.faint_bg_color = colors.raised;
    visuals.extreme_bg_color = colors.raised;
    visuals.text_edit_bg_color = Some(colors.raised);
    visuals.code_bg_color = colors.hover;
    visuals.warn_fg_color = colors.warning;
    visuals.error_fg_color = colors.danger;
    visuals.hyperlink_color = colors.accent;
    visuals.weak_text_color = Some(colors.weak);
    visuals.selection.bg_fill = colors.selected;
    visuals.selection.stroke = Stroke::new(1.0, if dark { colors.text } else { colors.accent });
    visuals.slider_trailing_fill = true;
    visuals.indent_has_left_vline = false;
    let widgets = &mut visuals.widgets;
    widgets.noninteractive.bg_stroke = line;
    widgets.noninteractive.fg_stroke = Stroke::new(1.0, colors.text);
    widgets.noninteractive.bg_fill = colors.raised;
    widgets.noninteractive.weak_bg_fill = colors.raised;
    widgets.inactive.bg_fill = colors.hover;
    widgets.inactive.weak_bg_fill = colors.raised;
    widgets.inactive.bg_stroke = line;
    widgets.inactive.fg_stroke = Stroke::new(1.0, colors.text);
    widgets.hovered.bg_fill = colors.hover;
    widgets.hovered.weak_bg_fill = colors.hover;
    widgets.hovered.bg_stroke = Stroke::new(1.0, colors.weak);
    widgets.hovered.fg_stroke = Stroke::new(1.0, colors.text);
    widgets.active.bg_fill = colors.line;
    widgets.active.weak_bg_fill = colors.line;
    widgets.active.bg_stroke = Stroke::new(1.0, colors.accent);
    widgets.active.fg_stroke = Stroke::new(1.0, colors.text);
    widgets.open = widgets.hovered;
    for widget in [
        &mut widgets.noninteractive,
        &mut widgets.inactive,
        &mut widgets.hovered,
        &mut widgets.active,
        &mut widgets.open,
    ] {
        widget.corner_radius = corner;
        widget.expansion = 0.0;
    }
    visuals
}

#[cfg(test)]
mod tests {
    use super::*;

    fn luminance(color: Color32) -> f64 {
        let part = |value: u8| {
            let value = f64::from(value) / 255.0;
            if value <= 0.03928 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
        };
        0.2126 * part(color.r()) + 0.7152 * part(color.g()) + 0.0722 * part(color.b())
    }

    fn contrast(one: Color32, other: Color32) -> f64 {
        let (one, other) = (luminance(one), luminance(other));
        (one.max(other) + 0.05) / (one.min(other) + 0.05)
    }

    /// WCAG 2.1, criterion 1.4.3.
    #[test]
    fn every_color_of_words_can_be_read_on_every_ground() {
        for colors in [DARK, LIGHT] {
            for ground in [colors.ground, colors.raised, colors.selected, colors.hover] {
                for text in [colors.text, colors.weak] {
                    let ratio = contrast(text, ground);
                    assert!(ratio >= 4.5, "{text:?} on {ground:?}: {ratio:.2}");
                }
            }
            for ground in [colors.ground, colors.raised] {
                for text in [colors.danger, colors.warning, colors.good] {
                    let ratio = contrast(text, ground);
                    assert!(ratio >= 4.5, "{text:?} on {ground:?}: {ratio:.2}");
                }
            }
            assert!(
                contrast(colors.on_accent, colors.accent) >= 4.5
                    && contrast(colors.accent, colors.ground) >= 4.5
            );
        }
    }
}
