//! Templates as people write them, and clean prompts of random samples, with the real T5 tokenizer.

#![allow(clippy::unwrap_used, reason = "a test may fail in the plainest way")]

use std::io::Read;
use std::path::Path;
use std::sync::LazyLock;

use flate2::read::GzDecoder;
use lamplight::lamp::{ProfileEntry, Sample, Task};
use lamplight::model::{HfTokenizer, TextTokenizer};
use lamplight::prompt::{
    FallBack, Preset, Prompt, PromptBuilder, PromptError, PromptMode, PromptOptions, PromptStatus, Template,
};
use proptest::prelude::*;

static TOKENIZER: LazyLock<HfTokenizer> = LazyLock::new(|| HfTokenizer::from_bytes(&tokenizer()).unwrap());
static LIBRARY: LazyLock<tokenizers::Tokenizer> =
    LazyLock::new(|| tokenizers::Tokenizer::from_bytes(tokenizer()).unwrap());

fn tokenizer() -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/t5_tokenizer.json.gz");
    let mut plain = Vec::new();
    GzDecoder::new(std::fs::File::open(path).unwrap()).read_to_end(&mut plain).unwrap();
    plain
}

fn entry(id: &str, title: &str, text: &str) -> ProfileEntry {
    ProfileEntry {
        id: id.into(),
        title: Some(title.into()),
        text: text.into(),
        label: Some("3".into()),
        ..ProfileEntry::default()
    }
}

fn sample(input: &str, profile: Vec<ProfileEntry>) -> Sample {
    Sample { id: "010".into(), input: input.into(), profile, ..Sample::default() }
}

fn build(
    template: &Template,
    mode: PromptMode,
    max_length: usize,
    sample: &Sample,
    retrieved: &[usize],
) -> Prompt {
    let options = PromptOptions { mode, max_length };
    let builder = PromptBuilder::new(template.task(), template, options, &*TOKENIZER).unwrap();
    builder.build(sample, retrieved).unwrap()
}

fn official(task: Task) -> Template {
    Template::preset(task, Preset::Official).unwrap()
}

const HEADLINE: &str = "Generate a headline for the following article: The council met on Monday.";

#[test]
fn clean_prompts_keep_every_character() {
    let odd = "日本語 😀 {braces} ~tilde~ <b>bold</b> , spaced  twice\nand lines";
    let sample = sample(HEADLINE, vec![entry("1", "A ~title~", odd)]);
    let template = official(Task::Lamp4);
    let clean = build(&template, PromptMode::Clean, 512, &sample, &[0]);
    assert_eq!(clean.text, format!("\"A ~title~\" is the title for \"{odd}\" . {HEADLINE}"));
    assert_eq!(clean.entries[0].cut, None);
    let lossy = build(&template, PromptMode::Official, 512, &sample, &[0]);
    assert!(lossy.entries[0].rewritten && !lossy.text.contains("日本語"));
}

#[test]
fn room_that_one_entry_leaves_goes_to_the_others() {
    let long = "a steady stream of plain words that goes on and on ".repeat(30);
    let sample = sample(HEADLINE, vec![entry("1", "T", "short"), entry("2", "U", &long)]);
    let prompt = build(&official(Task::Lamp4), PromptMode::Clean, 128, &sample, &[0, 1]);
    assert_eq!(prompt.entries[0].cut, None);
    assert!(prompt.tokens > 120 && prompt.tokens <= 128, "{} tokens", prompt.tokens);
    let cut = prompt.entries[1].cut.clone().unwrap();
    assert!(long.starts_with(&prompt.text[prompt.entries[1].long.clone()]) && cut.end == long.len());
}

#[test]
fn entries_without_room_are_dropped_from_the_lowest_rank_and_listed() {
    let long = "a steady stream of plain words that goes on and on ".repeat(10);
    let profile = (0..12).map(|i| entry(&format!("0{i}"), "Some title", &long)).collect();
    let sample = sample(HEADLINE, profile);
    let order: Vec<usize> = (0..12).rev().collect();
    let prompt = build(&official(Task::Lamp4), PromptMode::Clean, 100, &sample, &order);
    let carried: Vec<_> = prompt.entries.iter().map(|entry| entry.index).collect();
    let dropped: Vec<_> = prompt.dropped.iter().map(|entry| entry.index).collect();
    assert!(carried.len() > 1 && !dropped.is_empty());
    assert_eq!([carried, dropped].concat(), order);
    assert!(prompt.dropped.iter().all(|entry| entry.reason == FallBack::NoRoom));
    assert!(prompt.entries.iter().all(|entry| entry.kept >= 8));
}

#[test]
fn an_input_that_is_too_long_is_left_whole_and_said_so() {
    let input = format!("{HEADLINE} {}", "word ".repeat(300));
    let sample = sample(&input, vec![entry("1", "T", "short")]);
    let prompt = build(&official(Task::Lamp4), PromptMode::Clean, 256, &sample, &[0]);
    assert_eq!(prompt.text, input);
    assert_eq!(prompt.status, PromptStatus::InputTooLong { over: prompt.tokens - 256 });
    assert!(prompt.input_cut() && prompt.lost_text().trim().starts_with("word"));
}

#[test]
fn what_cannot_be_personalized_says_why() {
    let template = official(Task::Lamp4);
    for mode in [PromptMode::Official, PromptMode::Clean] {
        let empty = build(&template, mode, 512, &sample(HEADLINE, vec![]), &[]);
        assert_eq!(empty.fell_back(), Some(&FallBack::EmptyProfile));
        let full = sample(HEADLINE, vec![entry("1", "T", "short")]);
        let unasked = build(&template, mode, 512, &full, &[]);
        assert_eq!((unasked.status, unasked.text.as_str()), (PromptStatus::Plain, HEADLINE));

        let untitled = ProfileEntry { title: None, ..entry("7", "", "text") };
        let lacking = build(&template, mode, 512, &sample(HEADLINE, vec![untitled]), &[0]);
        let reason = lacking.fell_back().unwrap().to_string();
        assert!(reason.contains('7') && reason.contains("title"), "{reason}");

        let unmarked = sample("no such word here", vec![entry("1", "T", "short")]);
        let citation = build(&official(Task::Lamp1), mode, 512, &unmarked, &[0]);
        assert_eq!(citation.fell_back(), Some(&FallBack::NoPlace));
        assert_eq!(citation.text, "no such word here");
    }
}

#[test]
fn wrong_requests_are_refused_by_name() {
    let template = official(Task::Lamp4);
    let sample = sample(HEADLINE, vec![entry("1", "T", "short")]);
    let options = PromptOptions { mode: PromptMode::Official, max_length: 512 };
    let builder = PromptBuilder::new(Task::Lamp4, &template, options, &*TOKENIZER).unwrap();
    let error = builder.build(&sample, &[1]).unwrap_err();
    assert!(matches!(error, PromptError::NoSuchEntry { index: 1, entries: 1, .. }));
    let other = PromptBuilder::new(Task::Lamp6, &template, options, &*TOKENIZER);
    assert!(matches!(other, Err(PromptError::WrongTask { .. })));
    let nothing = PromptOptions { max_length: 1, ..options };
    let none = PromptBuilder::new(Task::Lamp4, &template, nothing, &*TOKENIZER);
    assert!(matches!(none, Err(PromptError::MaxLength { .. })));
}

#[test]
fn one_prompt_for_each_entry_carries_the_input_in_each() {
    let template = official(Task::Lamp4);
    let sample = sample(HEADLINE, vec![entry("1", "T", "first"), entry("2", "U", "second")]);
    let builder = PromptBuilder::new(Task::Lamp4, &template, PromptOptions::default(), &*TOKENIZER).unwrap();
    let prompts = builder.build_each(&sample, &[1, 0]).unwrap();
    let texts: Vec<_> = prompts.iter().map(|prompt| prompt.text.as_str()).collect();
    assert_eq!(texts[0], format!("\"U\" is the title for \"second\" . {HEADLINE}"));
    assert_eq!(texts[1], format!("\"T\" is the title for \"first\" . {HEADLINE}"));
    assert_eq!(builder.build_each(&sample, &[]).unwrap()[0].text, HEADLINE);
}

#[test]
fn a_template_of_ones_own_is_worded_and_placed_as_written() {
    let own = |position: &str| {
        let toml = format!(
            "name = \"own\"\ntask = \"LaMP-3\"\nentry = '{{{{{{score}}}}}}: {{text}}'\njoiner = \"\\n\"\n\
             aggregate = \"[{{profile}}]\"\nposition = \"{position}\"\nclean_system = \"Look: \""
        );
        Template::from_toml(&toml, "own.toml").unwrap()
    };
    let sample = sample("review: good", vec![entry("1", "", "fine"), entry("2", "", "poor")]);
    let text = |position, mode| build(&own(position), mode, 512, &sample, &[0, 1]).text;
    assert_eq!(text("before-input", PromptMode::Official), "[{3}: fine\n{3}: poor]review: good");
    assert_eq!(text("after-input", PromptMode::Official), "review: good[{3}: fine\n{3}: poor]");
    assert_eq!(text("after-input", PromptMode::Clean), "Look: review: good[{3}: fine\n{3}: poor]");
}

#[test]
fn the_papers_wording_differs_by_a_word() {
    let paper = Template::preset(Task::Lamp5, Preset::Paper).unwrap();
    let sample =
        sample("Generate a title for the following abstract of a paper: x", vec![entry("1", "T", "y")]);
    let prompt = build(&paper, PromptMode::Official, 512, &sample, &[0]);
    assert!(
        prompt.text.starts_with("\"T\" is the title for \"y\" . Following the given patterns "),
        "{}",
        prompt.text
    );
}

#[test]
fn a_template_that_makes_no_prompt_is_refused_with_its_place() {
    let start = "name = \"own\"\ntask = \"LaMP-5\"\n";
    let cases = [
        (
            "entry = '{text}'\njoiner = ''\naggregate = '{profile}{input}'",
            "line 3, `entry`: {text} is unknown",
        ),
        ("entry = '{text}'\njoiner = ''\naggregate = '{profile}{input}'", "did you mean {abstract}?"),
        (
            "entry = \"\"\"\nx\n{abstract} {titel}\"\"\"\njoiner = ''\naggregate = ''",
            "line 5, `entry`: {titel}",
        ),
        ("entry = '{title}'\njoiner = ''\naggregate = '{profile}{input}'", "{abstract} is missing"),
        (
            "entry = '{abstract}{abstract}'\njoiner = ''\naggregate = ''",
            "{abstract} stands there more than once",
        ),
        (
            "entry = '{abstract}'\njoiner = ''\naggregate = '{input}'",
            "line 5, `aggregate`: {profile} is missing",
        ),
        ("entry = '{abstract}'\njoiner = ''\naggregate = '{profile}'", "the input has no place"),
        (
            "entry = '{abstract}'\njoiner = ''\naggregate = '{profile}{input}'\nposition = 'before-input'",
            "line 6, `position`: `aggregate` already places {input}",
        ),
        (
            "entry = '{abstract}'\njoiner = ''\naggregate = '{profile}'\nposition = 'after-title'",
            "for LaMP-1",
        ),
        ("entry = '{abstract}'\njoiner = ''\naggregate = '{profile} {'", "the brace at `{`"),
        (
            "entry = '{abstract}'\ncut = 'date'\njoiner = ''\naggregate = ''",
            "line 4, `cut`: {date} is unknown",
        ),
        ("entry = '{abstract}'\njoiner = ''\naggregate = ''\nsuffix = ''", "unknown field `suffix`"),
        (
            "entry = '{abstract}'\njoiner = ''\naggregate = '{profile}{input}'\n[budget]\nentry_text = '{tag}'",
            "line 7, `entry_text`: {tag} is unknown",
        ),
        (
            "entry = '{abstract}'\njoiner = ''\naggregate = '{profile}{input}'\n[budget]\nentry_text = ''\nentry_tokens = 1",
            "remove one of the two",
        ),
        ("entry = ", "TOML parse error at line 3"),
    ];
    for (rest, expected) in cases {
        let error = Template::from_toml(&format!("{start}{rest}"), "mine.toml").unwrap_err().to_string();
        assert!(error.contains(expected) && error.contains("mine.toml"), "{rest}\n{error}");
    }
    let missing = Template::read(Path::new("no-such-template.toml")).unwrap_err().to_string();
    assert!(missing.contains("no-such-template.toml"));
    let json = r#"{"name":"n","task":"LaMP-5","entry":"{x}","joiner":"","aggregate":""}"#;
    assert!(serde_json::from_str::<Template>(json).unwrap_err().to_string().contains("{x} is unknown"));
}

fn odd_text(most: usize) -> impl Strategy<Value = String> {
    let word = prop_oneof![
        8 => "[a-z]{1,12}",
        2 => "[A-Z][a-z]{0,8}[.,!?]",
        1 => Just("日本語".to_owned()),
        1 => Just("👩‍👩‍👧".to_owned()),
        1 => Just("e\u{301}½ﬁ…".to_owned()),
        1 => "[{}~<> \t\n\"'\u{a0}\u{85}\u{fffd}\u{200b}]{1,3}",
        1 => Just("</s><extra_id_0>".to_owned()),
    ];
    (proptest::collection::vec(word, 0..most), any::<bool>())
        .prop_map(|(words, spaced)| words.join(if spaced { " " } else { "" }))
}

fn odd_sample() -> impl Strategy<Value = Sample> {
    let entry = (odd_text(15), odd_text(120)).prop_map(|(title, text)| entry("1", &title, &text));
    let entries = proptest::collection::vec(entry, 1..8);
    (odd_text(80), entries).prop_map(|(input, profile)| {
        // LaMP-1 needs its word; the other tasks do not mind.
        sample(&format!("the title {input}"), profile)
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, ..ProptestConfig::default() })]

    #[test]
    fn clean_prompts_fit_and_keep_what_they_carry(
        sample in odd_sample(),
        task in proptest::sample::select(&Task::ALL[..]),
        max_length in 2_usize..300,
    ) {
        let retrieved: Vec<usize> = (0..sample.profile.len()).collect();
        let prompt = build(&official(task), PromptMode::Clean, max_length, &sample, &retrieved);
        assert_eq!(prompt.tokens, TOKENIZER.encode(&prompt.text).unwrap().len());
        let input: String = prompt.input.iter().map(|piece| &prompt.text[piece.clone()]).collect();
        assert_eq!(input, sample.input);
        let alone = TOKENIZER.encode(&sample.input).unwrap().len();
        if alone > max_length {
            assert_eq!(prompt.status, PromptStatus::InputTooLong { over: alone - max_length });
            assert_eq!(prompt.text, sample.input);
            return Ok(());
        }
        assert!(prompt.tokens <= max_length && prompt.lost.is_none());
        let mut accounted: Vec<_> = prompt.entries.iter().map(|entry| entry.index).collect();
        accounted.extend(prompt.dropped.iter().map(|entry| entry.index));
        accounted.sort_unstable();
        assert_eq!(accounted, retrieved, "each entry is carried or listed as dropped");
        assert_eq!(prompt.entries.is_empty(), prompt.fell_back().is_some());
        for entry in &prompt.entries {
            let profile = &sample.profile[entry.index];
            let long = if task == Task::Lamp1 { profile.title.as_deref().unwrap() } else { &profile.text };
            let cut = entry.cut.clone().map_or(long.len(), |cut| cut.start);
            assert_eq!(&prompt.text[entry.long.clone()], &long[..cut]);
        }
    }

    #[test]
    fn official_prompts_of_anything_are_built(
        sample in odd_sample(),
        task in proptest::sample::select(&Task::ALL[..]),
        max_length in 2_usize..300,
    ) {
        let retrieved: Vec<usize> = (0..sample.profile.len()).collect();
        let prompt = build(&official(task), PromptMode::Official, max_length, &sample, &retrieved);
        assert_eq!(prompt.tokens, TOKENIZER.encode(&prompt.text).unwrap().len());
        assert_eq!(prompt.lost.is_some(), prompt.tokens > max_length);
        assert!((1..=7).contains(&prompt.attempts));
    }

    #[test]
    fn odd_text_has_the_tokens_of_the_tokenizer_library(text in odd_text(100)) {
        let theirs = LIBRARY.encode(text.as_str(), true).unwrap();
        assert_eq!(TOKENIZER.encode(&text).unwrap(), theirs.get_ids());
        let start = TOKENIZER.encode_start(&text, usize::MAX).unwrap();
        assert!(start.complete && start.ids == theirs.get_ids()[..theirs.len() - 1]);
        let ends: Vec<usize> = theirs.get_offsets().iter().map(|offsets| offsets.1).take(start.ends.len()).collect();
        assert_eq!(start.ends, ends);
    }

    #[test]
    fn the_start_of_odd_text_has_the_tokens_of_the_whole(text in odd_text(100), limit in 0_usize..80) {
        let whole = TOKENIZER.encode_start(&text, usize::MAX).unwrap();
        let start = TOKENIZER.encode_start(&text, limit).unwrap();
        let kept = limit.min(whole.ids.len());
        assert_eq!((&start.ids[..], &start.ends[..]), (&whole.ids[..kept], &whole.ends[..kept]));
        assert_eq!(start.complete, limit >= whole.ids.len());
    }
}
