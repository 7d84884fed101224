use std::path::{Path, PathBuf};

use super::*;
use crate::model::registry::Registry;
use crate::run::CellModel;

fn workplace(folder: &Path) -> Workplace {
    Workplace::new(Registry::new(folder.join("models"))).with_cache(Some(folder.join("cache")))
}

fn sample_set() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("datasets").join("sample")
}

fn planned(text: &str) -> Result<Plan, Vec<String>> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("e.toml");
    std::fs::write(&file, text.replace("SAMPLE", &sample_set().display().to_string())).unwrap();
    let (experiment, problems) = Experiment::draft(&file);
    let made =
        plan_draft(&experiment, problems, &workplace(folder.path()), &CancelToken::new(), &Progress::new());
    made.map_err(|error| match error {
        PlanError::Problems(problems) => {
            let folder = format!("{}{}", folder.path().display(), std::path::MAIN_SEPARATOR);
            problems.0.iter().map(|problem| problem.to_string().replace(&folder, "")).collect()
        }
        PlanError::Canceled(_) => panic!("nobody canceled"),
    })
}

/// The problems, each of which must begin with its words, in order.
fn refused(text: &str, expected: &[&str]) {
    let problems = planned(text).map(|plan| plan.cells.len()).unwrap_err();
    let shown = problems.join("\n");
    assert_eq!(problems.len(), expected.len(), "{shown}");
    for (problem, words) in problems.iter().zip(expected) {
        let mut parts = words.split(" … ");
        assert!(problem.starts_with(parts.next().unwrap()), "{words}\n{shown}");
        assert!(parts.all(|part| problem.contains(part)), "{words}\n{shown}");
    }
}

fn short(plan: &Plan) -> Vec<String> {
    let name = |cell: &Cell| {
        let spec = &cell.spec;
        let id = cell.dataset.id();
        format!(
            "{} {} {} {} {}",
            id.task, id.setting, spec.model.name, spec.retriever.config, spec.retriever.k
        )
    };
    plan.cells.iter().map(name).collect()
}

#[test]
fn lists_make_a_matrix_and_nothing_is_run_twice() {
    let plan = planned(
        "name = 'x'\n[data]\npaths = 'SAMPLE'\ntasks = ['LaMP-3', 'LaMP-7']\nlimit = 10\n\
         [[models]]\nname = 'scripted:echo'\n[[models]]\nname = 'baseline:majority'\n\
         [retrieval]\nretrievers = ['none', 'bm25', 'Random : 7', 'random:7', 'recency']\nk = [0, 1, 1, 4]\n",
    )
    .unwrap();
    let user = |model: &str, task: &str| {
        ["none 0", "bm25 1", "bm25 4", "random:7 1", "random:7 4"]
            .map(|retriever| format!("{task} user {model} {retriever}"))
    };
    let found: Vec<String> = short(&plan).into_iter().filter(|cell| cell.contains("user")).collect();
    assert_eq!(
        found,
        [
            user("scripted:echo", "LaMP-3"),
            user("scripted:echo", "LaMP-7"),
            user("baseline:majority", "LaMP-3")
        ]
        .concat()
    );
    let time = short(&plan).iter().filter(|cell| cell.contains("time")).count();
    assert_eq!(time, (2 + 1) * (1 + 6));
    let keys: std::collections::HashSet<String> = plan.cells.iter().map(|cell| cell.spec.key()).collect();
    assert_eq!(keys.len(), plan.cells.len());
    assert!(plan.cells.iter().all(|cell| *cell.positions == *(0..10).collect::<Vec<u32>>()));
    let none = &plan.cells[0];
    assert_eq!((none.k, none.spec.retriever.is_none()), (0, true));
    let baseline = plan.cells.last().unwrap();
    assert!(baseline.prompt.is_none() && baseline.spec.generation.is_none());
    assert!(matches!(baseline.model, CellModel::Baseline(_)));
    let reasons: Vec<String> = plan.refused.iter().map(ToString::to_string).collect();
    assert!(
        reasons.contains(
            &"LaMP-3 user dev, recency: recency is undefined where entries have no dates, and profiles of the user \
              setting carry none"
                .to_owned()
        ),
        "{reasons:?}"
    );
    assert!(reasons.iter().any(|reason| reason.starts_with("LaMP-7 time dev, baseline:majority: ")));
    assert_eq!(reasons.len(), 2 + 2, "{reasons:?}");
    let lines = refused_in_words(&plan.refused);
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert!(lines[0].starts_with("recency on LaMP-3 user dev, LaMP-7 user dev: recency is undefined"));
    assert!(lines[1].starts_with("baseline:majority on LaMP-7 user dev, LaMP-7 time dev: "), "{lines:?}");
}

#[test]
fn cells_of_one_model_stand_together() {
    let plan = planned(
        "name = 'x'\n[data]\npaths = 'SAMPLE'\nsettings = 'user'\nlimit = 1\n\
         [[models]]\nname = 'scripted:echo'\n[[models]]\nname = 'scripted:word=1'\n",
    )
    .unwrap();
    assert_eq!(plan.cells.len(), 16);
    let mut models: Vec<&str> = plan.cells.iter().map(|cell| cell.spec.model.name.as_str()).collect();
    models.dedup();
    assert_eq!(models, ["scripted:echo", "scripted:word=1"]);
}

#[test]
fn what_is_possible_nowhere_is_a_problem_with_line_and_key() {
    refused(
        "name = 'x'\n[data]\npaths = 'SAMPLE'\nsettings = ['user']\ntasks = ['LaMP-3']\n\
         [[models]]\nname = 'baseline:copy'\n[retrieval]\nretrievers = [\n  'bm25',\n  'rrf(bm25,recency)',\n]\n\
         use_date = true\n",
        &[
            "e.toml:7: models[0].name: baseline:copy cannot answer LaMP-3",
            "e.toml:11: retrieval.retrievers[1]: rrf(bm25,recency) is possible nowhere … user setting",
            "e.toml:13: retrieval.use_date: ",
        ],
    );
}

#[test]
fn problems_of_the_file_of_data_and_of_models_come_together() {
    refused(
        "name = 'x'\nnaem = 'y'\n[data]\npaths = 'SAMPLE'\nsettings = ['user']\ntasks = ['LaMP-3']\n\
         [[models]]\nname = 'no/such-model'\n[[models]]\nname = 'scripted:shout'\n[[models]]\nname = 'baseline:best'\n\
         [[models]]\nname = 'scripted:echo'\ndevice = 'cuda'\nchat = true\n\
         [retrieval]\nretrievers = ['bm26', 'recency', 'dense:no/such-encoder']\n\
         [generation]\nbeams = 2\nmin_new_tokens = 200\n[prompt]\ntemplate = 'offical'\n",
        &[
            "e.toml:2: naem: unknown key; did you mean `name`?",
            "e.toml:8: models[0].name: no model \"no/such-model\" is installed",
            "e.toml:10: models[1].name: ",
            "e.toml:12: models[2].name: `baseline:best` is no baseline",
            "e.toml:15: models[3].device: scripted models have no such setting",
            "e.toml:16: models[3].chat: scripted models have no such setting",
            "e.toml:18: retrieval.retrievers[0]: `bm26` is not a retriever",
            "e.toml:18: retrieval.retrievers[1]: recency is possible nowhere",
            "e.toml:18: retrieval.retrievers[2]: no model \"no/such-encoder\"",
            "e.toml:21: generation.min_new_tokens: ",
            "e.toml:23: prompt.template: `offical` is neither",
        ],
    );
}

#[test]
fn data_that_is_not_there_is_told_by_its_key() {
    let models = "[[models]]\nname = 'scripted:echo'\n";
    refused(
        &format!("name = 'x'\n[[data]]\npaths = ['SAMPLE', 'nowhere']\n[[data]]\npaths = 'e.toml'\n{models}"),
        &[
            "e.toml:3: data[0].paths[1]: cannot read … nowhere",
            "e.toml:5: data[1].paths: no dataset is there",
        ],
    );
    let user = sample_set().join("LaMP_3");
    let user = user.display();
    refused(
        &format!(
            "name = 'x'\n[data]\npaths = ['{user}']\ntasks = ['LaMP-3', 'LaMP-4']\nsettings = ['time']\n{models}"
        ),
        &[
            "e.toml:4: data.tasks[1]: LaMP-4 is not in the data, which has LaMP-3",
            "e.toml:5: data.settings[0]: the time setting is not in the data, which has user",
        ],
    );
    let dev = sample_set().join("LaMP_3").join("dev");
    let dev = dev.display();
    // Two files, so that the split chooses and does not decide.
    let more = sample_set().join("LaMP_4").join("dev");
    refused(
        &format!("name = 'x'\n[data]\npaths = ['{dev}', '{}']\nsplit = 'test'\n{models}", more.display()),
        &["e.toml:4: data.split: the data has no test split … LaMP-3 user dev"],
    );
    refused(
        &format!(
            "name = 'x'\n[data]\npaths = ['{dev}', '{}']\n{models}[retrieval]\nretrievers = 'bm25'\n[tune]\non = 'train'\n",
            more.display()
        ),
        &[
            "e.toml:9: tune.on: the data has no train split … LaMP-3 user dev",
            "e.toml:9: tune.on: the data has no train split … LaMP-4 user dev",
        ],
    );
}

#[test]
fn missing_references_are_refused_unless_they_are_not_wanted() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("test_questions.json.gz");
    let question = sample_set().join("LaMP_3").join("test").join("test_questions.json.gz");
    std::fs::copy(question, &file).unwrap();
    let text = |more: &str| {
        format!(
            "name = 'x'\n[data]\npaths = ['{}']\nsplit = 'test'\nlimit = 5\n{more}\n[[models]]\nname = 'scripted:echo'\n",
            file.display()
        )
    };
    refused(
        &text(""),
        &["e.toml:4: data.split: 5 of 5 samples of LaMP-3 user test have no reference … unscored"],
    );
    let plan = planned(&text("unscored = true")).unwrap();
    assert_eq!(plan.cells.len(), 1);
    assert!(plan.notes[0].to_string().starts_with("5 of 5 samples of LaMP-3 user test have no reference"));
}

#[test]
fn templates_are_for_their_tasks() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("t.toml");
    let template = crate::prompt::Template::preset(Task::Lamp3, crate::prompt::Preset::Official)
        .unwrap()
        .to_toml()
        .unwrap();
    std::fs::write(&file, template).unwrap();
    let text = |task: &str, template: &str| {
        format!(
            "name = 'x'\n[data]\npaths = 'SAMPLE'\nsettings = 'user'\ntasks = {task}\nlimit = 1\n\
             [[models]]\nname = 'scripted:echo'\n[prompt]\ntemplate = {template}\n"
        )
    };
    let file = format!("'{}'", file.display());
    assert_eq!(planned(&text("['LaMP-3']", &file)).unwrap().cells.len(), 1);
    refused(
        &text("['LaMP-3', 'LaMP-4']", &file),
        &["e.toml:10: prompt.template: template LaMP-3 official is for LaMP-3 and not for LaMP-4"],
    );
    let plan =
        planned(&text("['LaMP-3', 'LaMP-5']", &format!("{{ LaMP-3 = {file}, LaMP-5 = 'paper' }}"))).unwrap();
    let names: Vec<_> =
        plan.cells.iter().map(|cell| cell.spec.prompt.as_ref().unwrap().template.clone()).collect();
    assert_eq!(names, ["LaMP-3 official", "LaMP-5 paper"]);
    refused(
        &text("['LaMP-3']", &format!("{{ LaMP-4 = {file} }}")),
        &["e.toml:10: prompt.template.LaMP-4: template LaMP-3 official is for LaMP-3 and not for LaMP-4"],
    );
}

#[test]
fn draws_are_the_same_everywhere_and_grow() {
    assert_eq!(draw(5, None, None), [0, 1, 2, 3, 4]);
    assert_eq!(draw(5, Some(9), Some(1)), [0, 1, 2, 3, 4]);
    assert_eq!(draw(5, Some(2), None), [0, 1]);
    let ten = draw(1000, Some(10), Some(1));
    assert_eq!(ten, draw(1000, Some(10), Some(1)));
    assert_ne!(ten, draw(1000, Some(10), Some(2)));
    assert!(ten.is_sorted() && ten.iter().any(|&place| place >= 10));
    let hundred = draw(1000, Some(100), Some(1));
    assert!(ten.iter().all(|place| hundred.contains(place)));
    // Evenly: each of ten places is in about half of the draws of five.
    let mut counts = [0; 10];
    for seed in 0..2000 {
        draw(10, Some(5), Some(seed)).iter().for_each(|&place| counts[place as usize] += 1);
    }
    assert!(counts.iter().all(|count| (900..1100).contains(count)), "{counts:?}");
}

#[test]
fn a_limit_that_leaves_all_in_is_none() {
    let text = |more: &str| {
        format!(
            "name = 'x'\n[data]\npaths = 'SAMPLE'\nsettings = 'user'\ntasks = 'LaMP-3'\n{more}\n\
             [[models]]\nname = 'scripted:echo'\n"
        )
    };
    let key = |more: &str| planned(&text(more)).unwrap().cells[0].spec.key();
    assert_eq!(key(""), key("limit = 60\nseed = 3"));
    assert_ne!(key(""), key("limit = 59"));
    assert_ne!(key("limit = 5"), key("limit = 5\nseed = 3"));
}

#[test]
fn seeds_repeat_what_is_drawn_at_random_and_nothing_else() {
    let text = |retrievers: &str, more: &str| {
        format!(
            "name = 'x'\nseeds = [1, 2]\n[data]\npaths = 'SAMPLE'\nsettings = 'user'\ntasks = 'LaMP-3'\nlimit = 1\n\
             [[models]]\nname = 'scripted:echo'\n[retrieval]\nretrievers = {retrievers}\n{more}"
        )
    };
    let configs = |plan: Plan| -> Vec<String> {
        plan.cells.iter().map(|cell| cell.spec.retriever.config.clone()).collect()
    };
    let plan = planned(&text("['none', 'random', 'random:9', 'bm25']", "")).unwrap();
    assert_eq!(configs(plan), ["none", "random:1", "random:9", "bm25", "random:2"]);
    refused(&text("['none', 'random:9']", ""), &["e.toml:2: seeds: nothing here is drawn at random"]);
    let plan = planned(&text("['none']", "[generation]\nsampling = { temperature = 0.5 }\n")).unwrap();
    let seeds: Vec<u64> = plan.cells.iter().map(|cell| cell.generation.sampling.unwrap().seed).collect();
    assert_eq!(seeds, [1, 2]);
}

#[test]
fn choices_compete_in_the_order_of_ties() {
    let plan = planned(
        "name = 'x'\n[data]\npaths = 'SAMPLE'\ntasks = 'LaMP-3'\nsplit = 'test'\nlimit = 10\n\
         [[models]]\nname = 'scripted:echo'\n[[models]]\nname = 'baseline:nearest'\n\
         [retrieval]\nretrievers = ['none', 'bm25', 'recency']\n[tune]\nk = [4, 0, 1]\n",
    )
    .unwrap();
    assert_eq!(plan.tunings.len(), 4);
    let grid = |number: usize| -> Vec<String> {
        let one = |cell: &Cell| format!("{} {}", cell.spec.retriever.config, cell.spec.retriever.k);
        plan.tunings[number].grid.iter().map(one).collect()
    };
    assert_eq!(grid(0), ["none 0", "bm25 1", "bm25 4"]);
    assert_eq!(grid(1), grid(0));
    assert_eq!(grid(2), ["none 0", "bm25 1", "recency 1", "bm25 4", "recency 4"]);
    for tuning in &plan.tunings {
        assert!(!tuning.same_data && tuning.metric == Metric::Mae && tuning.on == Split::Dev);
        for (one, other) in tuning.grid.iter().zip(&tuning.applied) {
            assert_eq!(one.spec.retriever, other.spec.retriever);
            assert_eq!((one.spec.dataset.split, other.spec.dataset.split), (Split::Dev, Split::Test));
        }
    }
    let same = planned(
        "name = 'x'\n[data]\npaths = 'SAMPLE'\ntasks = 'LaMP-3'\nsettings = 'user'\n\
         [[models]]\nname = 'scripted:echo'\n[retrieval]\nretrievers = []\n[tune]\nretrievers = ['bm25']\n",
    )
    .unwrap();
    assert!(same.cells.is_empty() && same.tunings[0].same_data);
    assert!(same.notes[0].to_string().contains("report another split"));
}

#[test]
fn a_canceled_plan_is_no_problem() {
    let folder = tempfile::tempdir().unwrap();
    let text =
        format!("name = 'x'\ndata.paths = '{}'\nmodels.name = 'scripted:echo'\n", sample_set().display());
    let experiment = Experiment::from_toml(&text, Path::new("e.toml")).unwrap();
    let cancel = CancelToken::new();
    cancel.cancel();
    let made = plan(&experiment, &workplace(folder.path()), &cancel, &Progress::new());
    assert!(matches!(made, Err(PlanError::Canceled(_))));
}

#[test]
fn the_best_of_a_grid_wins_and_ties_go_to_the_smaller_k_then_to_the_earlier_retriever() {
    use crate::metrics::{Aggregate, Figure};
    use crate::record::{RunId, RunRecord, RunStatus, Totals};
    use crate::run::tune::{Unchosen, choose};

    let plan = planned(
        "name = 'x'\n[data]\npaths = 'SAMPLE'\ntasks = ['LaMP-3', 'LaMP-4']\nsettings = 'time'\nsplit = 'test'\n\
         limit = 5\n[[models]]\nname = 'scripted:echo'\n\
         [retrieval]\nretrievers = []\n[tune]\nretrievers = ['bm25', 'recency']\nk = [0, 1, 2]\n",
    )
    .unwrap();
    let record = |cell: &Cell, value: Option<f64>| RunRecord {
        id: RunId(1),
        key: cell.spec.key(),
        spec: cell.spec.clone(),
        status: RunStatus::Done,
        reason: None,
        samples: 5,
        totals: Totals::default(),
        prices: None,
        created_ms: 0,
        finished_ms: None,
        active_ms: 0,
        aggregate: value.map(|value| Aggregate {
            task: cell.spec.dataset.task,
            samples: 5,
            parse_failures: 0,
            parse_failure_rate: 0.0,
            figures: vec![Figure { metric: cell.spec.dataset.task.primary_metric(), value, interval: None }],
            meteor_stages: None,
        }),
    };
    let records = |tuning: &TunePlan, values: [Option<f64>; 5]| -> Vec<Option<RunRecord>> {
        tuning.grid.iter().zip(values).map(|(cell, value)| Some(record(cell, value))).collect()
    };
    // none 0, bm25 1, recency 1, bm25 2, recency 2
    let [errors, overlap] = plan.tunings.as_slice() else { panic!("two tunings") };
    for (tuning, values, winner) in [
        (errors, [1.0, 0.5, 0.5, 0.5, 0.4], ("recency", 2)),
        (errors, [0.5, 0.5, 0.5, 0.5, 0.5], ("none", 0)),
        (errors, [1.0, 0.5, 0.5, 0.5, 0.5], ("bm25", 1)),
        (overlap, [0.1, 0.2, 0.3, 0.3, 0.3], ("recency", 1)),
        (overlap, [0.1, 0.2, 0.3, 0.4, 0.4], ("bm25", 2)),
    ] {
        let (number, chosen) = choose(tuning, &records(tuning, values.map(Some))).unwrap();
        let cell = &chosen.grid[chosen.winner];
        assert_eq!((cell.retriever.as_str(), cell.k), winner);
        assert_eq!(chosen.grid.len(), 5);
        assert_eq!(chosen.applied, tuning.applied[number].spec.key());
        assert_eq!(cell.run, tuning.grid[number].spec.key());
    }
    let (_, chosen) = choose(errors, &records(errors, [None, None, Some(2.0), Some(3.0), None])).unwrap();
    assert_eq!((chosen.grid.len(), chosen.grid[chosen.winner].retriever.as_str()), (2, "recency"));
    assert_eq!(choose(errors, &records(errors, [None; 5])).unwrap_err(), Unchosen::NoFigures);
    let mut missing = records(errors, [Some(1.0); 5]);
    missing[3] = None;
    assert_eq!(choose(errors, &missing).unwrap_err(), Unchosen::Undone { undone: 1, of: 5 });
}

#[test]
fn what_is_skipped_is_not_run_and_its_place_is_known() {
    let head = "name = 'x'\n[data]\npaths = 'SAMPLE'\ntasks = ['LaMP-3', 'LaMP-4']\nsettings = 'user'\nlimit = 2\n\
        [[models]]\nname = 'scripted:echo'\n[[models]]\nname = 'baseline:nearest'\n\
        [retrieval]\nretrievers = ['none', 'bm25']\nk = [1, 4]\n[tune]\non = 'dev'\nk = [1]\n";
    let plan = planned(&format!(
        "{head}[[skip]]\ntasks = 'LaMP-3'\nmodels = 'scripted:echo'\nretrievers = 'bm25'\nk = 4\n\
         [[skip]]\nmodels = 'baseline:nearest'\nretrievers = ['none', 'tuned']\n\
         [[skip]]\nsettings = 'time'\n"
    ))
    .unwrap();
    assert_eq!(
        short(&plan),
        [
            "LaMP-3 user scripted:echo none 0",
            "LaMP-3 user scripted:echo bm25 1",
            "LaMP-4 user scripted:echo none 0",
            "LaMP-4 user scripted:echo bm25 1",
            "LaMP-4 user scripted:echo bm25 4",
            "LaMP-3 user baseline:nearest bm25 1",
            "LaMP-3 user baseline:nearest bm25 4",
            "LaMP-4 user baseline:nearest bm25 1",
            "LaMP-4 user baseline:nearest bm25 4",
        ]
    );
    let tuned: Vec<_> =
        plan.tunings.iter().map(|tuning| (tuning.model_number, tuning.model.as_str())).collect();
    assert_eq!(tuned, [(0, "scripted:echo"); 2]);
    assert!(plan.notes.contains(&Note::IdleSkip { number: 2 }), "{:?}", plan.notes);
    assert!(!plan.notes.contains(&Note::IdleSkip { number: 1 }), "{:?}", plan.notes);
    // Two models, two tasks, two retrievers, two k.
    assert_eq!(plan.slots.len(), 16);
    for slot in &plan.slots {
        let Fate::Cell(cell) = slot.fate else { continue };
        let cell = &plan.cells[cell];
        assert_eq!(cell.dataset.id(), slot.dataset);
        assert_eq!(cell.spec.model.name, ["scripted:echo", "baseline:nearest"][slot.model]);
        assert_eq!(cell.spec.retriever.config, ["none", "bm25"][slot.retriever]);
    }
    let skipped = plan.slots.iter().filter(|slot| slot.fate == Fate::Skipped).count();
    assert_eq!(skipped, 1 + 4, "none stands there with both k");
    refused(
        &format!("{head}[[skip]]\ntasks = ['LaMP-3', 'LaMP-4']\n"),
        &[
            "e.toml:11: retrieval: nothing is left to run: every cell that could be run is left out by [[skip]]",
        ],
    );
}
