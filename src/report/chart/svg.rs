//! A drawing as SVG: text stays text, and the letters travel with it.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::font::{FAMILY, FILES, Weight};
use super::scene::{Anchor, Form, Scene, Shape, Stroke, Text};

/// Points a millimeter.
pub(super) const POINTS_PER_MM: f64 = 72.0 / 25.4;

/// Where the shipped letters are not read, others that are no wider.
const FALLBACK: &str = "Inter, Helvetica, Arial, 'Liberation Sans', sans-serif";

/// The drawing as a file that stands on its own.
pub(super) fn write(scene: &Scene) -> String {
    // Writing to a string has no way to fail.
    let mut out = String::with_capacity(1 << 18);
    let Scene { width, height, .. } = scene;
    let mm = |points: f64| number(points / POINTS_PER_MM);
    let _ = writeln!(
        out,
        r#"<svg xmlns="http://www.w3.org/2000/svg" width="{}mm" height="{}mm" viewBox="0 0 {} {}" role="img" aria-labelledby="title description">"#,
        mm(*width),
        mm(*height),
        number(*width),
        number(*height)
    );
    let _ = writeln!(out, r#"<title id="title">{}</title>"#, escape(&scene.title));
    let _ = writeln!(out, r#"<desc id="description">{}</desc>"#, escape(&scene.description));
    out.push_str("<style>\n");
    for (weight, bytes) in FILES {
        let weight = weight_number(weight);
        let _ = write!(
            out,
            "@font-face{{font-family:'{FAMILY}';font-weight:{weight};src:url(data:font/otf;base64,"
        );
        STANDARD.encode_string(bytes, &mut out);
        out.push_str(") format('opentype')}\n");
    }
    let _ = write!(out, "text{{font-family:'{FAMILY}',{FALLBACK};white-space:pre}}\n</style>\n");
    let _ = writeln!(
        out,
        r#"<rect class="ground" width="{}" height="{}" fill="{}"/>"#,
        number(*width),
        number(*height),
        scene.ground
    );
    scene.shapes.iter().for_each(|shape| write_shape(&mut out, shape));
    scene.texts.iter().for_each(|text| write_text(&mut out, text));
    out.push_str("</svg>\n");
    out
}

fn write_shape(out: &mut String, shape: &Shape) {
    let _ = match &shape.form {
        Form::Rectangle { x, y, width, height } => write!(
            out,
            r#"<rect class="{}" x="{}" y="{}" width="{}" height="{}""#,
            shape.class,
            number(*x),
            number(*y),
            number(*width),
            number(*height)
        ),
        Form::Circle { x, y, radius } => write!(
            out,
            r#"<circle class="{}" cx="{}" cy="{}" r="{}""#,
            shape.class,
            number(*x),
            number(*y),
            number(*radius)
        ),
        Form::Path { points, closed } => {
            let _ = write!(out, r#"<path class="{}" d=""#, shape.class);
            for (at, (x, y)) in points.iter().enumerate() {
                let _ = write!(out, "{}{} {}", if at == 0 { 'M' } else { 'L' }, number(*x), number(*y));
            }
            out.write_str(if *closed { r#"Z""# } else { r#"""# })
        }
    };
    let _ = match shape.fill {
        Some(color) => write!(out, r#" fill="{color}""#),
        None => out.write_str(r#" fill="none""#),
    };
    if let Some(Stroke { color, width, dash }) = shape.stroke {
        let _ = write!(out, r#" stroke="{color}" stroke-width="{}" stroke-linejoin="round""#, number(width));
        if let Some((on, off)) = dash {
            let _ = write!(out, r#" stroke-dasharray="{} {}""#, number(on), number(off));
        }
    }
    out.push_str("/>\n");
}

fn write_text(out: &mut String, text: &Text) {
    let anchor = match text.anchor {
        Anchor::Start => "",
        Anchor::Middle => r#" text-anchor="middle""#,
        Anchor::End => r#" text-anchor="end""#,
    };
    let weight = match text.weight {
        Weight::Regular => String::new(),
        heavy @ Weight::SemiBold => format!(r#" font-weight="{}""#, weight_number(heavy)),
    };
    let _ = writeln!(
        out,
        r#"<text x="{}" y="{}" font-size="{}"{weight}{anchor} fill="{}">{}</text>"#,
        number(text.x),
        number(text.baseline),
        number(text.size),
        text.color,
        escape(&text.text)
    );
}

const fn weight_number(weight: Weight) -> u16 {
    match weight {
        Weight::Regular => 400,
        Weight::SemiBold => 600,
    }
}

/// To a hundredth of a point, without needless zeros.
fn number(value: f64) -> String {
    let text = format!("{value:.2}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    if text == "-0" { "0".to_owned() } else { text.to_owned() }
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short() {
        let all: Vec<String> = [1.0, 0.126, -0.001, 12.5, 100.0].into_iter().map(number).collect();
        assert_eq!(all, ["1", "0.13", "0", "12.5", "100"]);
    }
}
