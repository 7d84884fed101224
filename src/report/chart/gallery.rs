//! Every kind of chart, easy and hard, drawn in every theme and width, and looked at as a strict reader would.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;

use super::font::{Faces, Weight};
use super::scene::{Anchor, Scene};
use super::*;
use crate::lamp::{Metric, Setting, Split, Task, published_figures};
use crate::metrics::Interval;
use crate::record::{Column, RunId, Training, Tuning, TuningCell};
use crate::report::{
    Method, MethodColumn, ModelBlock, ModelLabel, Note, ResultTable, Row, RunRef, SampleSet, Section, Spread,
    TableCell,
};

fn samples(count: u64) -> SampleSet {
    SampleSet { fingerprint: "d1".into(), limit: None, sample_seed: None, skip_broken: false, count }
}

fn figure(value: f64, half: f64, n: usize) -> TableCell {
    TableCell {
        runs: vec![RunRef { id: RunId(1), key: "k".into() }],
        value,
        interval: Some(Interval { low: (value - half).max(0.0), high: value + half }),
        spread: None,
        n,
        failed: 0,
        parse_failure_rate: Some(0.0),
        endings: None,
        difference_percent: None,
        test: None,
        best: false,
        choice: None,
        published: Vec::new(),
    }
}

fn column(method: Method, name: &str, k: Option<usize>) -> MethodColumn {
    MethodColumn { method, name: name.into(), k, variant: String::new() }
}

fn methods() -> Vec<MethodColumn> {
    vec![
        column(Method::NonPersonalized, "Non-personalized", None),
        column(Method::Random, "Random", Some(4)),
        column(Method::Bm25, "BM25", Some(4)),
        column(Method::FullText, "Full-text", Some(4)),
        column(Method::Dense, "Dense (all-MiniLM-L6-v2)", Some(4)),
        column(Method::Fusion, "RRF (BM25, Recency)", Some(4)),
        column(Method::Tuned, "Tuned", None),
    ]
}

fn model(name: &str, training: Training) -> ModelLabel {
    ModelLabel { name: name.into(), training, variant: String::new() }
}

/// Values that rise with the column, in a way of the task's own.
fn value(task: Task, metric: Metric, at: usize, shift: f64) -> f64 {
    let place = Task::ALL.iter().position(|other| *other == task).unwrap_or(0) as f64;
    let wave = ((place * 3.7 + at as f64 * 1.3).sin() + 1.0) / 40.0;
    match metric {
        Metric::Mae => 0.62 - at as f64 * 0.05 + wave + shift,
        Metric::SacreBleu => 12.0 + at as f64 + wave,
        _ => 0.18 + place * 0.06 + at as f64 * 0.02 + wave + shift,
    }
}

fn block(model: ModelLabel, columns: Vec<MethodColumn>, tasks: &[Task], shift: f64) -> ModelBlock {
    let rows = tasks.iter().map(|&task| {
        let metric = task.primary_metric();
        let n = 1_500 * (task as usize + 1) - 7;
        let cells = (0..columns.len()).map(|at| Some(figure(value(task, metric, at, shift), 0.021, n)));
        Row {
            task,
            metric: metric.into(),
            samples: samples(n as u64),
            mark: None,
            cells: cells.collect(),
            published: Vec::new(),
            waiting: Vec::new(),
        }
    });
    let rows = rows.collect();
    ModelBlock { model, columns, rows }
}

fn one_model(setting: Setting) -> Section {
    let tuned = model("flan-t5-base", Training::FineTuned);
    let mut block = block(tuned, methods(), &Task::ALL, if setting == Setting::Time { 0.05 } else { 0.0 });
    if setting == Setting::Time {
        block.columns[3] = column(Method::Recency, "Recency", Some(4));
        let figures = published_figures().iter().filter(|figure| figure.task == Some(Task::Lamp4));
        let figures: Vec<_> =
            figures.filter(|figure| figure.metric == Some(Metric::Rouge1)).take(2).collect();
        block.rows[4].cells[2].as_mut().unwrap().published = figures;
        block.rows[3].cells[4].as_mut().unwrap().failed = 3;
    }
    Section { setting, split: Split::Dev, blocks: vec![block] }
}

fn table(sections: Vec<Section>) -> ResultTable {
    ResultTable { sections, notes: Vec::new() }
}

fn two_models() -> ResultTable {
    let columns = || methods().into_iter().take(5).collect::<Vec<_>>();
    let tasks = [Task::Lamp2M, Task::Lamp3, Task::Lamp4, Task::Lamp7];
    let blocks = vec![
        block(model("flan-t5-base", Training::FineTuned), columns(), &tasks, 0.1),
        block(model("Qwen/Qwen2.5-0.5B-Instruct-GGUF:q4_k_m", Training::ZeroShot), columns(), &tasks, 0.0),
    ];
    table(vec![Section { setting: Setting::User, split: Split::Test, blocks }])
}

fn baselines() -> ResultTable {
    let columns = vec![
        column(Method::NonPersonalized, "Non-personalized", None),
        column(Method::Bm25, "BM25", Some(1)),
        column(Method::Random, "Random", Some(1)),
    ];
    let mut majority =
        block(model("baseline:majority", Training::Baseline), columns.clone(), &Task::ALL[..4], 0.0);
    majority.rows[1].cells[1] = None;
    let nearest = block(model("baseline:nearest", Training::Baseline), columns, &Task::ALL[..4], 0.07);
    let mut table =
        table(vec![Section { setting: Setting::User, split: Split::Dev, blocks: vec![majority, nearest] }]);
    table.notes.push(Note::Unfinished { runs: 2 });
    table
}

fn over_k(retrievers: &[(Method, &str)], ks: &[usize], tasks: &[Task], setting: Setting) -> Section {
    let mut columns = vec![column(Method::NonPersonalized, "Non-personalized", None)];
    for (method, name) in retrievers {
        columns.extend(ks.iter().map(|&k| column(*method, name, Some(k))));
    }
    let mut block = block(model("flan-t5-base", Training::FineTuned), columns, tasks, 0.0);
    for (row_at, row) in block.rows.iter_mut().enumerate() {
        for (at, cell) in row.cells.iter_mut().enumerate().skip(1) {
            let (retriever, k) = ((at - 1) / ks.len(), ks[(at - 1) % ks.len()] as f64);
            let rise = 0.05 * (1.0 - (-k / 1.5).exp()) + 0.012 * retriever as f64 - 0.002 * k;
            let sign = if row.metric.higher_is_better() { 1.0 } else { -1.0 };
            let value = 0.4 + 0.03 * row_at as f64 + sign * rise;
            *cell = Some(figure(value, 0.011, row.samples.count as usize));
        }
        row.cells[0] = Some(figure(0.4 + 0.03 * row_at as f64, 0.011, row.samples.count as usize));
    }
    Section { setting, split: Split::Dev, blocks: vec![block] }
}

fn gains() -> Vec<GainSeries> {
    let mut all = Vec::new();
    for (number, task) in [Task::Lamp2M, Task::Lamp3, Task::Lamp4].into_iter().enumerate() {
        for (at, (method, label)) in
            [(Method::Random, "Random"), (Method::Bm25, "BM25"), (Method::Dense, "Dense (contriever)")]
                .into_iter()
                .enumerate()
        {
            let metric = task.primary_metric();
            let size = |position: u32| 1 + (position * position / 900) % 400;
            let plain = Column {
                metric,
                positions: (0..900).collect(),
                values: (0..900).map(|p| f64::from(p % 7) / 10.0).collect(),
            };
            let values = plain.positions.iter().map(|&p| {
                let gain = f64::from(size(p)) / 4_000.0 * (at as f64 + number as f64)
                    + f64::from((p * 7919) % 101) / 900.0
                    - 0.06;
                if metric.higher_is_better() {
                    f64::from(p % 7) / 10.0 + gain
                } else {
                    f64::from(p % 7) / 10.0 - gain
                }
            });
            let other = Column { values: values.collect(), ..plain.clone() };
            let entries: HashMap<u32, u32> = (0..900).map(|p| (p, size(p))).collect();
            all.push(GainSeries {
                task,
                setting: Setting::User,
                split: Split::Dev,
                metric,
                label: label.into(),
                method,
                training: Training::FineTuned,
                runs: None,
                bins: gain_bins(&plain, &other, &entries, 4),
            });
        }
    }
    all
}

fn confusions() -> Vec<(String, Confusion)> {
    let make = |name: &str, factor: u64| {
        let mut confusion = Confusion::new(Task::Lamp3).unwrap();
        for number in 0..(900 * factor) {
            let reference = [5, 5, 4, 5, 3, 1, 4, 2, 5, 5][(number % 10) as usize];
            let answer = match number % 7 {
                0 => (reference - 1).max(1),
                1 => (reference + 1).min(5),
                3 if number % 3 == 0 => 0,
                _ => reference,
            };
            let text = answer.to_string();
            confusion.add(&confusion::tests::prediction(Some(&reference.to_string()), &text, answer > 0));
        }
        (name.to_owned(), confusion)
    };
    vec![make("flan-t5-base, non-personalized", 1), make("flan-t5-base, BM25, k 4", 3)]
}

fn tunings() -> Vec<Tuning> {
    let grid = |metric: Metric| {
        let mut cells = vec![TuningCell { retriever: "none".into(), k: 0, run: "a".into(), value: 0.41 }];
        for (at, retriever) in
            ["random:0", "bm25", "dense:all-MiniLM-L6-v2", "rrf(bm25,recency)"].iter().enumerate()
        {
            for k in [1, 2, 4] {
                let value = value(Task::Lamp4, metric, at + k, 0.0);
                cells.push(TuningCell { retriever: (*retriever).into(), k, run: "b".into(), value });
            }
        }
        cells
    };
    [(Task::Lamp2M, 7), (Task::Lamp3, 9), (Task::Lamp4, 12)]
        .into_iter()
        .map(|(task, winner)| Tuning {
            task,
            setting: Setting::User,
            model: "flan-t5-base".into(),
            metric: task.primary_metric(),
            tuned_on: Split::Dev,
            grid: grid(task.primary_metric()),
            winner,
            applied: "c".into(),
            same_data: task == Task::Lamp3,
        })
        .collect()
}

/// Names, figures and counts that break careless drawings.
fn hostile() -> ResultTable {
    let long = "an-organization-with-a-very-long-name/and-a-model-name-that-never-ends-instruct-v2.5-preview";
    let columns = vec![
        column(Method::NonPersonalized, "Non-personalized", None),
        column(Method::Dense, &format!("Dense ({long})"), Some(16)),
        column(Method::Recency, "<b>&\"'\u{0}名前", Some(16)),
    ];
    let tasks = [Task::Lamp1, Task::Lamp5, Task::Lamp6];
    let mut block = block(model(long, Training::ZeroShot), columns, &tasks, 0.0);
    for row in &mut block.rows {
        row.cells.iter_mut().flatten().for_each(|cell| cell.n = 123_456_789);
    }
    block.rows[0].cells[0].as_mut().unwrap().value = f64::NAN;
    block.rows[0].cells[1].as_mut().unwrap().interval = Some(Interval { low: f64::NAN, high: f64::INFINITY });
    for cell in block.rows[1].cells.iter_mut().flatten() {
        (cell.value, cell.interval) = (0.0, None);
    }
    for cell in block.rows[2].cells.iter_mut().flatten() {
        (cell.value, cell.interval) = (0.5, Some(Interval { low: 0.5, high: 0.5 }));
    }
    block.rows[2].cells[1].as_mut().unwrap().spread =
        Some(Spread { runs: 3, deviation: 0.1, low: 0.4, high: 0.6 });
    block.rows[2].mark = Some("b".into());
    table(vec![Section { setting: Setting::Time, split: Split::Test, blocks: vec![block] }])
}

/// Every chart by name.
fn gallery() -> BTreeMap<&'static str, ChartSpec> {
    let user = || table(vec![one_model(Setting::User)]);
    let both = || table(vec![one_model(Setting::User), one_model(Setting::Time)]);
    let one_bar = table(vec![Section {
        setting: Setting::User,
        split: Split::Dev,
        blocks: vec![block(
            model("tiny-t5", Training::ZeroShot),
            vec![methods()[2].clone()],
            &[Task::Lamp4],
            0.0,
        )],
    }]);
    let retrievers = [
        (Method::Random, "Random"),
        (Method::Bm25, "BM25"),
        (Method::Dense, "Dense (contriever)"),
        (Method::Fusion, "RRF (BM25, Recency)"),
    ];
    let k_all = table(vec![over_k(&retrievers, &[1, 2, 4], &Task::ALL, Setting::User)]);
    let k_one = table(vec![over_k(&retrievers, &[1, 2, 4, 8, 16], &[Task::Lamp3], Setting::User)]);
    let many_k = table(vec![over_k(&retrievers, &[1, 2, 4], &Task::ALL[..3], Setting::User)]);
    let nothing = table(Vec::new());
    BTreeMap::from([
        ("scores-user", scores_chart(&user())),
        ("scores-both", scores_chart(&both())),
        ("scores-two-models", scores_chart(&two_models())),
        ("scores-baselines", scores_chart(&baselines())),
        ("scores-one-bar", scores_chart(&one_bar)),
        ("scores-hostile", scores_chart(&hostile())),
        ("scores-nothing", scores_chart(&nothing)),
        ("scores-many-k", scores_chart(&many_k)),
        ("k-all", k_chart(&k_all)),
        ("k-one", k_chart(&k_one)),
        ("k-two-models", k_chart(&two_models())),
        ("k-hostile", k_chart(&hostile())),
        ("k-nothing", k_chart(&nothing)),
        ("profile", profile_chart(&gains())),
        ("profile-nothing", profile_chart(&[])),
        ("confusion", confusion_chart(&confusions())),
        ("tuning", tuning_chart(&tunings(), &[])),
    ])
}

const WIDTHS: [f64; 4] = [60.0, Style::COLUMN_MM, Style::PAGE_MM, 300.0];

/// Every chart at every width; the themes, which move nothing, in turn.
fn each(mut look: impl FnMut(&str, &ChartSpec, &Style)) {
    let mut themes = Theme::ALL.into_iter().cycle();
    for (name, chart) in gallery() {
        for (width_mm, theme) in WIDTHS.into_iter().zip(&mut themes) {
            look(&format!("{name}-{}-{width_mm}", theme.id()), &chart, &Style { theme, width_mm });
        }
    }
}

/// Left, top, right and bottom of each text.
fn boxes(scene: &Scene) -> Vec<(f64, f64, f64, f64)> {
    let faces = Faces::shipped().unwrap();
    let of = |text: &scene::Text| {
        let width = faces.width(&text.text, text.weight, text.size);
        let left = text.x
            - match text.anchor {
                Anchor::Start => 0.0,
                Anchor::Middle => width / 2.0,
                Anchor::End => width,
            };
        (left, text.baseline - 0.73 * text.size, left + width, text.baseline + 0.2 * text.size)
    };
    scene.texts.iter().map(of).collect()
}

#[test]
fn no_text_meets_another_or_leaves_the_picture() {
    let mut wrong = Vec::new();
    each(|name, chart, style| {
        let scene = layout::lay_out(chart, style).unwrap();
        let boxes = boxes(&scene);
        for (at, (text, &(left, top, right, bottom))) in scene.texts.iter().zip(&boxes).enumerate() {
            if left < 0.0 || top < 0.0 || right > scene.width || bottom > scene.height {
                wrong.push(format!("{name}: `{}` leaves the picture", text.text));
            }
            assert!(text.size >= 6.5, "{name}: `{}` is too small to be read in print", text.text);
            for (other, &(l, t, r, b)) in scene.texts[at + 1..].iter().zip(&boxes[at + 1..]) {
                if left < r && l < right && top < b && t < bottom {
                    wrong.push(format!("{name}: `{}` meets `{}`", text.text, other.text));
                }
            }
        }
    });
    assert!(wrong.is_empty(), "{}\n{}", wrong.len(), wrong[..wrong.len().min(40)].join("\n"));
}

#[test]
fn shapes_stay_in_the_picture() {
    each(|name, chart, style| {
        let scene = layout::lay_out(chart, style).unwrap();
        let mut places = Vec::new();
        for shape in &scene.shapes {
            match &shape.form {
                scene::Form::Rectangle { x, y, width, height } => {
                    assert!(*width > 0.0 && *height > 0.0, "{name}: {shape:?}");
                    places.extend([(*x, *y), (x + width, y + height)]);
                }
                scene::Form::Circle { x, y, radius } => {
                    places.extend([(x - radius, y - radius), (x + radius, y + radius)])
                }
                scene::Form::Path { points, .. } => places.extend(points),
            }
        }
        for (x, y) in places {
            let inside = (0.0..=scene.width).contains(&x) && (0.0..=scene.height).contains(&y);
            assert!(inside, "{name}: a shape reaches {x}, {y}");
        }
    });
}

#[test]
fn what_is_pointed_at_lies_where_it_is_drawn() {
    each(|name, chart, style| {
        let scene = layout::lay_out(chart, style).unwrap();
        for hit in &scene.hits {
            let inside = hit.x >= 0.0
                && hit.y >= 0.0
                && hit.x + hit.width <= scene.width
                && hit.y + hit.height <= scene.height;
            assert!(inside && !hit.about.words.is_empty(), "{name}: {hit:?}");
        }
        for shape in &scene.shapes {
            let middle = match (&shape.form, shape.class) {
                (scene::Form::Rectangle { x, y, width, height }, "bar" | "cell") => {
                    (x + width / 2.0, y + height / 2.0)
                }
                (scene::Form::Path { points, .. }, "published") => {
                    let count = points.len() as f64;
                    (
                        points.iter().map(|p| p.0).sum::<f64>() / count,
                        points.iter().map(|p| p.1).sum::<f64>() / count,
                    )
                }
                _ => continue,
            };
            let found = scene.hits.iter().filter(|hit| hit.holds(middle.0, middle.1)).count();
            assert!(found > 0, "{name}: nothing is told of the {} at {middle:?}", shape.class);
        }
        // A curve's points; the key's say nothing of their own.
        let points: Vec<(f64, f64)> = scene
            .shapes
            .iter()
            .filter_map(|shape| match shape.form {
                scene::Form::Circle { x, y, .. } if shape.class == "point" => Some((x, y)),
                _ => None,
            })
            .collect();
        if chart.panels.iter().any(|panel| matches!(panel.plot, Plot::Lines(_))) {
            for hit in &scene.hits {
                let middle = (hit.x + hit.width / 2.0, hit.y + hit.height / 2.0);
                let near = |point: &&(f64, f64)| (point.0 - middle.0).hypot(point.1 - middle.1) < 1e-6;
                assert!(points.iter().any(|point| near(&point)), "{name}: no point at {hit:?}");
            }
        }
    });
}

#[test]
fn bars_points_and_cells_tell_what_they_are() {
    let charts = gallery();
    let style = Style { theme: Theme::Paper, width_mm: 175.0 };
    let told = |name: &str| {
        let ((width, _), hits) = hits(&charts[name], &style).unwrap();
        assert!((width - 175.0 * 72.0 / 25.4).abs() < 1e-9);
        hits.into_iter().map(|hit| hit.about.words).collect::<Vec<_>>()
    };
    let scores = told("scores-user");
    assert_eq!(scores.len(), 8 * 7);
    let value = value(Task::Lamp3, Metric::Mae, 2, 0.0);
    let expected = format!(
        "LaMP-3 user, BM25, k 4: MAE {value:.3} [{:.3}, {:.3}], n 5,993",
        value - 0.021,
        value + 0.021
    );
    assert!(scores.contains(&expected), "{expected} is not among {scores:#?}");
    let published = told("scores-both");
    assert!(published.iter().any(|words| words.starts_with("LaMP-4, published: ")), "{published:#?}");
    assert!(told("k-one").iter().any(|words| words.starts_with("LaMP-3 user, BM25, k 16: MAE ")));
    assert!(told("k-one").iter().any(|words| words.starts_with("LaMP-3 user, Non-personalized: MAE ")));
    assert!(
        told("profile").iter().any(|words| words.contains("profile entries: ") && words.contains(" gain "))
    );
    assert!(told("confusion").iter().any(|words| words.contains("reference 5, prediction none: ")));
    assert!(told("tuning").iter().any(|words| words.ends_with(" on dev, chosen")));
}

#[test]
fn an_svg_holds_its_bars_and_texts() {
    let chart = scores_chart(&table(vec![one_model(Setting::User)]));
    let style = Style { theme: Theme::Paper, width_mm: Style::PAGE_MM };
    let text = svg(&chart, &style).unwrap();
    let document = roxmltree::Document::parse(&text).unwrap();
    let root = document.root_element();
    assert_eq!(root.attribute("width"), Some("175mm"));
    let of_class = |class: &str| {
        document.descendants().filter(|node| node.attribute("class") == Some(class)).collect::<Vec<_>>()
    };
    assert_eq!(of_class("bar").len(), 8 * 7);
    assert_eq!(of_class("whisker").len(), 8 * 7);
    assert_eq!(of_class("reference").len(), 8);
    let fills: Vec<&str> = of_class("bar")[..7].iter().filter_map(|bar| bar.attribute("fill")).collect();
    assert_eq!(fills, ["#8A8F98", "#B9BDC4", "#0072B2", "#56B4E9", "#009E73", "#F0E442", "#D55E00"]);
    let texts: Vec<&str> = document
        .descendants()
        .filter(|node| node.has_tag_name("text"))
        .filter_map(|node| node.text())
        .collect();
    for expected in
        ["LaMP-1", "Product rating", "BM25", "Non-personalized", "n = 1,493", "0.205", "← lower is better"]
    {
        assert!(texts.iter().any(|text| text.contains(expected)), "{expected} is not among {texts:?}");
    }
    assert!(texts.iter().any(|text| text.contains("95\u{a0}% bootstrap intervals")));
    let font =
        document.descendants().find(|node| node.has_tag_name("style")).and_then(|node| node.text()).unwrap();
    assert!(
        font.contains("@font-face") && font.contains("data:font/otf;base64,") && font.contains("sans-serif")
    );
    // A bar is as long as its value says.
    let lengths: Vec<f64> =
        of_class("bar")[..2].iter().map(|bar| bar.attribute("width").unwrap().parse().unwrap()).collect();
    let values = [0, 1].map(|at| value(Task::Lamp1, Metric::Accuracy, at, 0.0));
    assert!((lengths[1] / lengths[0] - values[1] / values[0]).abs() < 1e-3, "{lengths:?} {values:?}");
}

#[test]
fn outlined_bars_are_those_of_models_that_were_not_trained() {
    let text = svg(&scores_chart(&two_models()), &Style { theme: Theme::Light, width_mm: 175.0 }).unwrap();
    let document = roxmltree::Document::parse(&text).unwrap();
    let ground = Theme::Light.ground().to_string();
    let bars: Vec<_> = document.descendants().filter(|node| node.attribute("class") == Some("bar")).collect();
    assert_eq!(bars.len(), 4 * MOST_SERIES);
    let hollow = bars.iter().filter(|bar| bar.attribute("fill") == Some(ground.as_str())).count();
    assert_eq!(hollow, 4 * 3, "of seven series four are of the trained model");
    assert!(text.contains("Not shown") && text.contains("Filled bars: fine-tuned; outlined: zero-shot"));
}

#[test]
fn every_svg_is_read_and_has_no_broken_number() {
    each(|name, chart, style| {
        let text = svg(chart, style).unwrap();
        let document = roxmltree::Document::parse(&text).unwrap_or_else(|e| panic!("{name}: {e}"));
        let broken = |value: &str| value.contains("NaN") || value.contains("inf");
        for node in document.descendants() {
            assert!(!node.attributes().any(|attribute| broken(attribute.value())), "{name}: {node:?}");
        }
        let texts = document.descendants().filter(|node| node.has_tag_name("text")).count();
        assert!(texts > 0, "{name} says nothing");
    });
}

#[test]
fn nothing_to_draw_is_said() {
    for chart in [
        scores_chart(&table(Vec::new())),
        k_chart(&table(Vec::new())),
        profile_chart(&[]),
        confusion_chart(&[]),
        tuning_chart(&[], &[]),
    ] {
        assert!(chart.panels.is_empty());
        let scene = layout::lay_out(&chart, &Style { theme: Theme::Dark, width_mm: 85.0 }).unwrap();
        let said: Vec<&str> = scene.texts.iter().map(|text| text.text.as_str()).collect();
        assert!(said.join(" ").contains(&chart.empty), "{said:?}");
    }
}

#[test]
fn figures_that_are_no_numbers_are_left_out() {
    let Plot::Bars(plot) = &scores_chart(&hostile()).finite().panels[0].plot else { panic!("no bars") };
    assert!(plot.rows[0].bar.is_none() && plot.rows[0].reference.is_none());
    assert_eq!(plot.rows[1].bar.as_ref().unwrap().interval, None);
}

#[test]
fn pngs_have_their_size_and_are_not_blank() {
    let charts = gallery();
    for (name, width_mm) in
        [("scores-user", 175.0), ("k-one", 85.0), ("confusion", 85.0), ("scores-nothing", 85.0)]
    {
        let style = Style { theme: Theme::Paper, width_mm };
        let bytes = png(&charts[name], &style).unwrap();
        assert_eq!(bytes, png(&charts[name], &style).unwrap(), "{name} changes");
        let (width, height, pixels) = decode(&bytes);
        let scene = layout::lay_out(&charts[name], &style).unwrap();
        assert_eq!(f64::from(width), (width_mm / 25.4 * 192.0).round());
        assert!((f64::from(height) - scene.height / 72.0 * 192.0).abs() <= 0.5);
        let drawn = pixels.chunks_exact(3).filter(|pixel| pixel.iter().any(|&channel| channel < 250)).count();
        let share = drawn as f64 / f64::from(width * height);
        assert!((0.01..0.6).contains(&share), "{name}: {share}");
    }
    let bytes = png(&charts["scores-user"], &Style { theme: Theme::Dark, width_mm: 85.0 }).unwrap();
    let (_, _, pixels) = decode(&bytes);
    assert_eq!(pixels[..3], [0x16, 0x19, 0x1E]);
    for color in [[0x00, 0x72, 0xB2], [0xD5, 0x5E, 0x00], [0x00, 0x9E, 0x73]] {
        assert!(
            pixels.chunks_exact(3).filter(|pixel| **pixel == color).count() > 200,
            "{color:?} is not seen"
        );
    }
}

/// Reads the PNGs that are written here: 8-bit colors without filters.
fn decode(bytes: &[u8]) -> (u32, u32, Vec<u8>) {
    use std::io::Read as _;
    assert_eq!(&bytes[..8], b"\x89PNG\r\n\x1a\n");
    let mut at = 8;
    let (mut size, mut data) = ((0, 0), Vec::new());
    while at < bytes.len() {
        let number = |at: usize| u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap());
        let length = number(at) as usize;
        let (kind, content) = (&bytes[at + 4..at + 8], &bytes[at + 8..at + 8 + length]);
        assert_eq!(number(at + 8 + length), crc32fast::hash(&bytes[at + 4..at + 8 + length]));
        match kind {
            b"IHDR" => size = (number(at + 8), number(at + 12)),
            b"IDAT" => data.extend(content),
            _ => {}
        }
        at += 12 + length;
    }
    let mut raw = Vec::new();
    flate2::read::ZlibDecoder::new(&data[..]).read_to_end(&mut raw).unwrap();
    let row = size.0 as usize * 3;
    let pixels = raw.chunks_exact(row + 1).flat_map(|line| {
        assert_eq!(line[0], 0);
        line[1..].to_vec()
    });
    (size.0, size.1, pixels.collect())
}

#[test]
fn pixels_for_a_screen_have_the_size_asked_for() {
    let chart = &gallery()["tuning"];
    let style = Style { theme: Theme::Light, width_mm: 127.0 };
    let small = pixels(chart, &style, 1.0).unwrap();
    let large = pixels(chart, &style, 1.5).unwrap();
    assert_eq!((small.width, large.width), (360, 540));
    assert_eq!(large.rgba.len(), (large.width * large.height * 4) as usize);
    assert!(large.rgba.chunks_exact(4).all(|pixel| pixel[3] == 255));
    for scale in [0.0, f64::NAN, f64::INFINITY, 1e6] {
        assert!(matches!(pixels(chart, &style, scale), Err(ChartError::TooLarge { .. })), "{scale}");
    }
}

#[test]
fn widths_and_names_out_of_bounds_are_refused() {
    let chart = ChartSpec::default();
    for width_mm in [0.0, -3.0, 59.0, 1e9, f64::NAN] {
        assert!(matches!(
            svg(&chart, &Style { theme: Theme::Paper, width_mm }),
            Err(ChartError::Width { .. })
        ));
    }
    let style = Style { theme: Theme::Paper, width_mm: 85.0 };
    let folder = tempfile::tempdir().unwrap();
    for name in ["chart", "chart.pdf", ".svg"] {
        let error = write(&folder.path().join(name), &chart, &style).unwrap_err().to_string();
        assert!(error.contains(".svg or .png"), "{error}");
    }
    let path = folder.path().join("ä b.SVG");
    write(&path, &chart, &style).unwrap();
    assert!(std::fs::read_to_string(&path).unwrap().starts_with("<svg"));
    assert!(
        write(&folder.path().join("no/chart.png"), &chart, &style)
            .unwrap_err()
            .to_string()
            .contains("chart.png")
    );
}

#[test]
fn letters_are_no_smaller_on_narrow_charts() {
    let faces = Faces::shipped().unwrap();
    assert!(faces.width("x", Weight::Regular, 6.5) > 3.0);
    let sizes = |width_mm| {
        let scene =
            layout::lay_out(&gallery()["scores-user"], &Style { theme: Theme::Paper, width_mm }).unwrap();
        scene.texts.iter().map(|text| (text.size * 10.0) as u32).collect::<std::collections::BTreeSet<_>>()
    };
    assert_eq!(sizes(85.0), sizes(175.0));
}

#[test]
#[ignore = "writes pictures to be looked at into the folder LAMPLIGHT_GALLERY"]
fn pictures_to_look_at() {
    let folder =
        PathBuf::from(std::env::var_os("LAMPLIGHT_GALLERY").expect("LAMPLIGHT_GALLERY names a folder"));
    let only = std::env::var("LAMPLIGHT_GALLERY_ONLY").unwrap_or_default();
    for (name, chart) in gallery() {
        for (theme, width_mm) in
            Theme::ALL.into_iter().flat_map(|theme| WIDTHS.map(|width_mm| (theme, width_mm)))
        {
            let name = format!("{name}-{}-{width_mm}", theme.id());
            if only.split(',').any(|part| name.contains(part)) {
                for ending in ["svg", "png"] {
                    write(&folder.join(format!("{name}.{ending}")), &chart, &Style { theme, width_mm })
                        .unwrap();
                }
            }
        }
    }
}
