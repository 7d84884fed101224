use super::*;

const WHOLE: &str = r#"
name = "Everything"
metrics = ["rouge-1", "ROUGE-L"]
seeds = [1, 2]

[[data]]
paths = ["LaMP", "more/dev_questions.json"]
tasks = ["LaMP-1", "lamp_2m"]
settings = ["user", "time"]
split = "test"
limit = 200
seed = 7
skip_broken = true
unscored = true

[[data]]
paths = "other"

[[models]]
name = "google/flan-t5-base"
training = "fine-tuned"
device = "cuda:1"
precision = "bf16"
batch = 16
[models.generation]
beams = 2
length_penalty = 0.7
early_stopping = "when_full"

[[models]]
name = "gemma"
chat = true
system = "Answer \"briefly\"."
context = 4096
tokenizer_beside = true
generation = { answers = "Chatty", stop = ["\n"], sampling = { temperature = 0.7, top_k = 40, top_p = 0.9, seed = 3 } }

[[models]]
name = "endpoint:test"
[models.endpoint]
url = "http://localhost:8000/v1"
model = "m"
kind = "completions"
key = "env:KEY"
concurrency = 64
price_in = 1
omit = "temperature"
headers = { X-Title = "env:TITLE" }
extra = { top_k = 1, nested = { deep = [true] } }

[prompt]
mode = "clean"
max_length = 256
[prompt.template]
"LaMP-1" = "titles.toml"
LaMP-5 = "paper"

[retrieval]
retrievers = ["none", "random", "dense:all-MiniLM-L6-v2", "rrf(bm25,recency)"]
k = [0, 1, 4]
use_date = true

[generation]
beams = 4
max_new_tokens = 64
min_new_tokens = 2

[tune]
on = "dev"
k = [0, 2]
retrievers = ["bm25"]

[[skip]]
tasks = "lamp-1"
settings = ["user"]
models = ["gemma"]
retrievers = ["random"]
k = 4

[[skip]]
retrievers = ["tuned", "none"]
"#;

fn read(text: &str) -> Result<Experiment, Vec<String>> {
    Experiment::from_toml(text, Path::new("e.toml"))
        .map_err(|problems| problems.0.iter().map(ToString::to_string).collect())
}

#[test]
fn every_key_is_read_and_written_again() {
    let experiment = read(WHOLE).unwrap();
    assert_eq!(experiment.data.len(), 2);
    assert_eq!(experiment.data[0].tasks, [Task::Lamp1, Task::Lamp2M]);
    assert_eq!(experiment.data[1].paths, [PathBuf::from("other")]);
    assert_eq!(experiment.models[0].precision, Some(Precision::Bf16));
    assert_eq!(experiment.models[1].generation.sampling.unwrap().temperature, 0.7);
    assert_eq!(experiment.models[1].generation.answers, Some(Parsing::Chatty));
    assert_eq!(experiment.generation.answers, None);
    let endpoint = experiment.models[2].endpoint.as_ref().unwrap();
    assert_eq!((endpoint.concurrency, endpoint.price_in, endpoint.timeout), (64, Some(1.0), 120));
    assert_eq!(endpoint.headers["X-Title"].to_string(), "env:TITLE");
    assert_eq!(endpoint.extra["top_k"], 1);
    assert_eq!(
        experiment.skip[0],
        Skip {
            tasks: vec![Task::Lamp1],
            settings: vec![Setting::User],
            models: vec!["gemma".into()],
            retrievers: vec!["random".into()],
            k: vec![4],
        }
    );
    let toml = experiment.to_toml().unwrap();
    let again = read(&toml).unwrap();
    assert_eq!(again, experiment, "{toml}");
    assert_eq!(again.to_toml().unwrap(), toml);
}

#[test]
fn little_needs_to_be_said() {
    let text = "name = 'x'\ndata.paths = 'LaMP'\nmodels.name = 'baseline:nearest'\n";
    let experiment = read(text).unwrap();
    assert_eq!(experiment.retrieval, RetrievalSettings::default());
    assert_eq!(experiment.prompt.max_length, 512);
    assert_eq!(experiment.data[0].split(), Split::Dev);
    assert_eq!(experiment.tune, None);
    assert_eq!(read(&experiment.to_toml().unwrap()).unwrap(), experiment);
    let tuned = read(&format!("{text}[tune]\n")).unwrap();
    assert_eq!(tuned.tune, Some(TuneSettings::default()));
}

#[test]
fn whatever_is_wrong_is_told_at_once_with_line_and_key() {
    let text = r#"name = 5
nmae = "x"
metrics = ["rouge-1", "rouge-9"]
seeds = [-1]
[data]
path = ["LaMP"]
tasks = ["LaMP-1", "LaMP-2", 3]
split = "validate"
limit = 0
skip_broken = "yes"
[[models]]
name = "m"
trainig = "zero-shot"
training = "tuned"
device = "gpu"
precision = "int4"
batch = 9999
[models.generation]
beams = 65
sampling = { temperature = "hot", top = 1 }
[[models]]
chat = 1
[prompt]
mode = "clear"
max_length = 2.5
template = { "LaMP-9" = "x", "LaMP-3" = 1 }
[retrieval]
retrievers = ["none", 7]
k = ["one", -1]
[generation]
bems = 1
[tune]
on = "never"
k = []
[extra]
"#;
    let problems = read(text).unwrap_err();
    let expected = [
        "e.toml:1: name: must be a text, and is a whole number",
        "e.toml:2: nmae: unknown key; did you mean `name`?",
        "e.toml:3: metrics[1]: `rouge-9` is not a metric",
        "e.toml:4: seeds[0]: -1 is not from 0",
        "e.toml:5: data.paths: missing; give files or folders",
        "e.toml:6: data.path: unknown key; did you mean `paths`?",
        "e.toml:7: data.tasks[1]: `LaMP-2` is not a task",
        "e.toml:7: data.tasks[2]: must be a text, and is a whole number",
        "e.toml:8: data.split: `validate` is not a split",
        "e.toml:9: data.limit: 0 is not from 1",
        "e.toml:10: data.skip_broken: must be true or false, and is a text",
        "e.toml:13: models[0].trainig: unknown key; did you mean `training`?",
        "e.toml:14: models[0].training: `tuned` is not one of zero-shot, fine-tuned",
        "e.toml:15: models[0].device: ",
        "e.toml:16: models[0].precision: `int4` is not one of f32, bf16, f16, int8",
        "e.toml:17: models[0].batch: 9999 is not from 1 to 4096",
        "e.toml:19: models[0].generation.beams: 65 is not from 1 to 64",
        "e.toml:20: models[0].generation.sampling.temperature: must be a number, and is a text",
        "e.toml:20: models[0].generation.sampling.top: unknown key; did you mean `top_",
        "e.toml:21: models[1].name: missing",
        "e.toml:22: models[1].chat: must be true or false",
        "e.toml:24: prompt.mode: `clear` is not one of official, clean",
        "e.toml:25: prompt.max_length: must be a whole number, and is a number",
        "e.toml:26: prompt.template.LaMP-9: `LaMP-9` is not a task",
        "e.toml:26: prompt.template.LaMP-3: must be a text, and is a whole number",
        "e.toml:28: retrieval.retrievers[1]: must be a text, and is a whole number",
        "e.toml:29: retrieval.k[0]: must be a whole number, and is a text",
        "e.toml:29: retrieval.k[1]: -1 is not from 0",
        "e.toml:31: generation.bems: unknown key; did you mean `beams`?",
        "e.toml:33: tune.on: `never` is not a split",
        "e.toml:34: tune.k: missing",
        "e.toml:35: extra: unknown key",
    ];
    for words in expected {
        assert!(
            problems.iter().any(|problem| problem.starts_with(words)),
            "{words}\n{}",
            problems.join("\n")
        );
    }
    assert_eq!(problems.len(), expected.len(), "{}", problems.join("\n"));
    let empty = read("name = 'x'\n[retrieval]\nretrievers = []\n").unwrap_err();
    assert!(empty[0].starts_with("e.toml: data: missing") && empty[1].starts_with("e.toml: models: missing"));
    assert!(empty.iter().any(|problem| problem.starts_with("e.toml:3: retrieval.retrievers: missing")));
}

#[test]
fn all_that_is_wrong_with_an_endpoint_is_told_without_its_secrets() {
    let text = r#"name = "x"
data.paths = "LaMP"
[generation]
answers = "loose"
[[models]]
name = "endpoint:test"
[models.endpoint]
url = 5
kind = "chatty"
key = "sk-hush"
concurrency = 0
requests_per_minute = "many"
timeout = 0
attempts = 2000
price_in = -1
price_out = "hush"
omit = [1]
headers = { Authorization = "env:hush hush", X-Title = 1 }
extra = "hush"
modle = "m"
"#;
    let problems = read(text).unwrap_err();
    let expected = [
        "e.toml:4: generation.answers: `loose` is not one of official, chatty",
        "e.toml:7: models[0].endpoint.model: missing; give the model's name at the server",
        "e.toml:8: models[0].endpoint.url: must be a text, and is a whole number",
        "e.toml:9: models[0].endpoint.kind: `chatty` is not one of chat, completions",
        "e.toml:10: models[0].endpoint.key: a key is never written down",
        "e.toml:11: models[0].endpoint.concurrency: 0 is not from 1 to 4096",
        "e.toml:12: models[0].endpoint.requests_per_minute: must be a whole number, and is a text",
        "e.toml:13: models[0].endpoint.timeout: 0 is not from 1 to 86400",
        "e.toml:14: models[0].endpoint.attempts: 2000 is not from 1 to 1000",
        "e.toml:15: models[0].endpoint.price_in: must be a number from 0 on, and is -1",
        "e.toml:16: models[0].endpoint.price_out: must be a number, and is a text",
        "e.toml:17: models[0].endpoint.omit[0]: must be a text, and is a whole number",
        "e.toml:18: models[0].endpoint.headers.Authorization: a key is never written down",
        "e.toml:18: models[0].endpoint.headers.X-Title: must be a text, and is a whole number",
        "e.toml:19: models[0].endpoint.extra: must be a table, and is a text",
        "e.toml:20: models[0].endpoint.modle: unknown key; did you mean `model`?",
    ];
    assert_eq!(problems.len(), expected.len(), "{}", problems.join("\n"));
    for (problem, words) in problems.iter().zip(expected) {
        assert!(problem.starts_with(words) && !problem.contains("hush"), "{words}\n{}", problems.join("\n"));
    }
    let no_table =
        read("name = 'x'\ndata.paths = 'LaMP'\nmodels = [{ name = 'm', endpoint = 'http://a' }]\n");
    assert!(
        no_table.unwrap_err()[0].starts_with("e.toml:3: models[0].endpoint: must be a table, and is a text")
    );
}

#[test]
fn mistakes_in_the_syntax_are_told_with_their_lines() {
    let problems = read("name = \"x\n[data]\npaths = [\n").unwrap_err();
    assert!(problems[0].starts_with("e.toml:1: "), "{problems:?}");
    let twice = read("name = 'x'\nname = 'y'\n").unwrap_err();
    assert!(twice[0].starts_with("e.toml:2: "), "{twice:?}");
    let missing = Experiment::read(Path::new("no/such.toml")).unwrap_err().to_string();
    assert!(missing.contains("such.toml") && missing.contains("cannot read"), "{missing}");
}

#[test]
fn paths_are_relative_to_the_file() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["model", "encoder", "template.toml"] {
        std::fs::write(folder.path().join(name), "").unwrap();
    }
    let text = "name = 'x'\ndata.paths = ['LaMP', '/data']\nmodels = [{ name = 'model' }, { name = 'other/model' }]\n\
        prompt.template = 'template.toml'\nretrieval.retrievers = ['bm25', 'rrf(bm25,dense:encoder)', 'dense:x']\n";
    let file = folder.path().join("e.toml");
    std::fs::write(&file, text).unwrap();
    let experiment = Experiment::read(&file).unwrap();
    let at = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    assert_eq!(experiment.data[0].paths[0], folder.path().join("LaMP"));
    #[cfg(unix)]
    assert_eq!(experiment.data[0].paths[1], Path::new("/data"));
    assert_eq!(experiment.models[0].name, at("model"));
    assert_eq!(experiment.models[1].name, "other/model");
    assert_eq!(experiment.prompt.template, Templates::All(at("template.toml")));
    assert_eq!(experiment.retrieval.retrievers[0], "bm25");
    assert_eq!(experiment.retrieval.retrievers[1], format!("rrf(bm25,dense:{})", at("encoder")));
    assert_eq!(experiment.retrieval.retrievers[2], "dense:x");
}

#[test]
fn settings_of_a_model_go_before_those_of_all() {
    let all = GenerationSettings { beams: Some(4), max_new_tokens: Some(9), ..Default::default() };
    let own = GenerationSettings { beams: Some(1), ..Default::default() };
    let config = own.over(&all).config(false, 0);
    assert_eq!((config.beams, config.max_new_tokens), (1, 9));
    assert_eq!(GenerationSettings::default().config(false, 0), GenerationConfig::default());
    assert_eq!(GenerationSettings::default().config(true, 0).beams, 1);
    let drawn = GenerationSettings { sampling: Some(SamplingSettings::default()), ..Default::default() };
    let config = drawn.config(false, 5);
    assert_eq!((config.beams, config.sampling.unwrap().seed), (1, 5));
    assert!(config.validate().is_ok());
}

#[test]
fn a_slip_in_a_skip_is_a_problem_where_it_stands() {
    let head = "name = 'x'\ndata.paths = 'LaMP'\nmodels.name = 'baseline:nearest'\nretrieval.retrievers = ['bm25']\n\
        retrieval.k = 2\n";
    let problems = |skip: &str| read(&format!("{head}[[skip]]\n{skip}")).unwrap_err().join("\n");
    let shown = problems("models = 'nearest'\nretrievers = ['bm25', 'none', 'tuned']\nk = [2, 0]\n");
    assert_eq!(
        shown,
        "e.toml:7: skip[0].models: `nearest` is no model of this experiment, which has baseline:nearest\n\
         e.toml:8: skip[0].retrievers[1]: `none` is no retriever of this experiment, which has bm25\n\
         e.toml:8: skip[0].retrievers[2]: `tuned` is no retriever of this experiment, which has bm25\n\
         e.toml:9: skip[0].k[1]: `0` is no k of this experiment, which has 2"
    );
    assert!(problems("").starts_with("e.toml:6: skip[0]: missing; give at least one of tasks"));
    assert!(
        problems("task = 'LaMP-1'\n").contains("e.toml:7: skip[0].task: unknown key; did you mean `tasks`?")
    );
}
