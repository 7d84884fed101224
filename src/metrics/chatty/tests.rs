use super::*;
use crate::metrics::{Parsing, SampleScore, Scorer, parse_answer};

fn label(task: Task, raw: &str) -> Option<&'static str> {
    let prediction = parse_answer(task, raw, Parsing::Chatty);
    let Answer::Label(found) = prediction.answer else { panic!("{task} has labels") };
    let name = found.map(|at| task.labels()[usize::from(at)]);
    if let Some(name) = name {
        assert_eq!(prediction.text, name, "{raw}");
    }
    name
}

fn rating(raw: &str) -> Option<f32> {
    match parse_answer(Task::Lamp3, raw, Parsing::Chatty).answer {
        Answer::Rating(rating) => rating,
        _ => panic!("ratings are numbers"),
    }
}

fn text(task: Task, raw: &str) -> String {
    parse_answer(task, raw, Parsing::Chatty).text
}

#[test]
fn citations() {
    for (raw, wanted) in [
        ("[1]", Some("[1]")),
        (" [2]\n", Some("[2]")),
        ("Answer: [2]", Some("[2]")),
        ("The answer is [1].", Some("[1]")),
        ("**[2]**", Some("[2]")),
        ("\"[1]\"", Some("[1]")),
        ("`[2]`", Some("[2]")),
        ("```\n[2]\n```", Some("[2]")),
        ("```json\n{\"answer\": \"[2]\"}\n```", Some("[2]")),
        ("{\"answer\": \"[2]\"}", Some("[2]")),
        ("{\"reason\": \"[1] is about fish\", \"Answer\": \"[2]\"}", Some("[2]")),
        ("{\"answer\": 2}", Some("[2]")),
        ("<answer>[2]</answer>", Some("[2]")),
        ("[2] Attention is all you need", Some("[2]")),
        ("I believe reference [2] fits better than [1].", Some("[2]")),
        ("Between [1] and [2], the first is closer.", Some("[1]")),
        ("[1] is about vision, [2] about speech.\n\nAnswer: [2]", Some("[2]")),
        ("[1] is about vision. [2] is about speech. The final answer is \\boxed{[2]}", Some("[2]")),
        ("[1]\n\nQuestion: which one?\nAnswer: [2]", Some("[1]")),
        ("<think>It may be [1], but no.</think>\n[2]", Some("[2]")),
        ("It may be [1].</think>[2]", Some("[2]")),
        ("<think>[1]", None),
        ("<THINKING>[1]</THINKING>[2]<|im_end|>\n<|im_start|>user [1]", Some("[2]")),
        ("[THINK]so [1]?[/THINK] [2]", Some("[2]")),
        (
            "<|channel|>analysis<|message|>[1]?<|end|><|start|>assistant<|channel|>final<|message|>[2]",
            Some("[2]"),
        ),
        ("<|channel|>analysis<|message|>It may be [1]", None),
        ("[ 1 ]", Some("[1]")),
        ("\\[1\\]", Some("[1]")),
        ("【２】", Some("[2]")),
        ("答案是[2]。", Some("[2]")),
        ("2", Some("[2]")),
        ("(1)", Some("[1]")),
        ("Option 2", Some("[2]")),
        ("I would cite Reference #1, since", Some("[1]")),
        ("Answer: 2.", Some("[2]")),
        ("2 papers fit", None),
        ("[12]", None),
        ("[3]", None),
        ("Option 12", None),
        ("1989", None),
        ("both", None),
        ("", None),
        ("\"\"", None),
        ("\u{0}\u{feff}", None),
        // What a sentence means is not understood.
        ("It is not [1].", Some("[1]")),
    ] {
        assert_eq!(label(Task::Lamp1, raw), wanted, "{raw}");
    }
}

#[test]
fn categories_and_tags() {
    for (raw, wanted) in [
        ("sports", Some("sports")),
        ("Sports.", Some("sports")),
        ("**Food & Drink**", Some("food & drink")),
        ("food and drink", Some("food & drink")),
        ("Category: Food &amp; Drink", Some("food & drink")),
        ("science_&_technology", Some("science & technology")),
        ("The category is: Style and Beauty", Some("style & beauty")),
        ("Healthy-Living", Some("healthy living")),
        ("I would say this is politics, though business is close.", Some("politics")),
        ("This article about women's rights is politics.", Some("politics")),
        ("'women'", Some("women")),
        ("{\"category\": \"culture & arts\", \"confidence\": 0.9}", Some("culture & arts")),
        ("<think>crime? no</think>\n\nReligion", Some("religion")),
        ("sportswear", None),
        ("transports", None),
        ("Спорт", None),
        ("类别：travel。", Some("travel")),
        ("类别是travel", Some("travel")),
        ("none of them", None),
        ("", None),
    ] {
        assert_eq!(label(Task::Lamp2N, raw), wanted, "{raw}");
    }
    for (raw, wanted) in [
        ("comedy", Some("comedy")),
        ("COMEDY", Some("comedy")),
        ("dark comedy", Some("dark comedy")),
        ("It is a Dark Comedy.", Some("dark comedy")),
        ("dark_comedy", Some("dark comedy")),
        ("Tag: *sci-fi*", Some("sci-fi")),
        ("Sci Fi", Some("sci-fi")),
        ("sci\u{2011}fi", Some("sci-fi")),
        ("scifi", None),
        ("The movie is BASED ON A BOOK", Some("based on a book")),
        ("Thought Provoking", Some("thought-provoking")),
        ("- twist ending\n- action", Some("twist ending")),
        ("1. romance\n2. comedy", Some("romance")),
        ("romance/comedy", Some("romance")),
        ("_fantasy_", Some("fantasy")),
        ("An action-packed thriller: violence", Some("violence")),
        ("a non-violence movement", None),
        ("classical", None),
        ("reaction", None),
        ("#fantasy", Some("fantasy")),
        ("[\"true story\"]", Some("true story")),
        ("It has no comedy; tag: psychology", Some("psychology")),
        ("喜剧", None),
        ("\"", None),
    ] {
        assert_eq!(label(Task::Lamp2M, raw), wanted, "{raw}");
    }
}

#[test]
fn ratings() {
    for (raw, wanted) in [
        ("4", Some(4.0)),
        ("4.0", Some(4.0)),
        (" 4\n", Some(4.0)),
        ("4.", Some(4.0)),
        ("4.5", Some(4.5)),
        ("**4**", Some(4.0)),
        ("\"4\"", Some(4.0)),
        ("Answer: 4", Some(4.0)),
        ("Rating: 4 stars", Some(4.0)),
        ("**Rating:** 4/5", Some(4.0)),
        ("4/5", Some(4.0)),
        ("4 / 5", Some(4.0)),
        ("4.0/5.0", Some(4.0)),
        ("4 out of 5", Some(4.0)),
        ("4 out of five", Some(4.0)),
        ("4 stars out of 5", Some(4.0)),
        ("4⭐/5", Some(4.0)),
        ("4 (out of 5)", Some(4.0)),
        ("4stars", Some(4.0)),
        ("a 4-star review", Some(4.0)),
        ("Out of 5 stars, I would give it 4.", Some(4.0)),
        ("On a scale of 1 to 5, I'd rate it a 4.", Some(4.0)),
        ("On a scale from 1 (worst) to 5 (best): 2", Some(2.0)),
        ("Score (1-5): 3", Some(3.0)),
        ("Between 1 and 5 I choose 2", Some(2.0)),
        ("I read 3 reviews of this user. Rating: 5", Some(5.0)),
        ("The user wrote 12 reviews; 4 it is", Some(4.0)),
        ("{\"rating\": 4}", Some(4.0)),
        ("{\"rating\": \"4\", \"confidence\": 0.9}", Some(4.0)),
        ("```json\n{\"confidence\": 0.9, \"rating\": 4}\n```", Some(4.0)),
        ("<think>3? 2?</think>4", Some(4.0)),
        ("The final score is \\boxed{4}.", Some(4.0)),
        ("\u{ff14}", Some(4.0)),
        ("评分是4分", Some(4.0)),
        ("٤", Some(4.0)),
        ("4,5", Some(4.5)),
        ("five", Some(5.0)),
        ("Five stars!", Some(5.0)),
        ("Rating: four", Some(4.0)),
        ("four out of five stars", Some(4.0)),
        ("a five-star product", Some(5.0)),
        ("This is one of the best. Five stars.", Some(5.0)),
        ("two stars, perhaps three stars", None),
        ("one of the best", None),
        ("twenty-five stars", None),
        ("10", None),
        ("0", None),
        ("-4", None),
        ("0.5", None),
        (".5", None),
        ("1e1", None),
        ("10/10", None),
        ("8/10", None),
        ("4/10", None),
        ("3-4", None),
        ("80%", None),
        ("5 % of users", None),
        ("$5", None),
        ("v4", None),
        ("4th", None),
        ("covid-19", None),
        ("2024-03-05", None),
        ("03/05/2024", None),
        ("4:30", None),
        ("1,234", None),
        ("1.2.3", None),
        ("nan", None),
        ("great", None),
        ("", None),
        ("\"\"", None),
        ("4000000000000000000000000000000000000000", None),
    ] {
        assert_eq!(rating(raw), wanted, "{raw}");
    }
    assert_eq!(parse_answer(Task::Lamp3, "I say 4/5.", Parsing::Chatty).text, "4");
}

#[test]
fn texts() {
    for (task, raw, wanted) in [
        (Task::Lamp4, "Bees Are Back", "Bees Are Back"),
        (Task::Lamp4, "\"Bees Are Back\"", "Bees Are Back"),
        (Task::Lamp4, "“Bees Are Back”\n\nThis headline says…", "Bees Are Back"),
        (Task::Lamp4, "Answer: Bees Are Back", "Bees Are Back"),
        (Task::Lamp4, "Headline: \"Bees Are Back\"", "Bees Are Back"),
        (Task::Lamp4, "**Headline:** Bees Are Back", "Bees Are Back"),
        (Task::Lamp4, "**Bees Are Back**", "Bees Are Back"),
        (Task::Lamp4, "# Bees Are Back", "Bees Are Back"),
        (Task::Lamp4, "Here is the headline: Bees Are Back", "Bees Are Back"),
        (Task::Lamp4, "Here's a possible headline for the article:\n\n\"Bees Are Back\"", "Bees Are Back"),
        (Task::Lamp4, "Sure! Here\u{2019}s a headline: **\"Bees Are Back\"**", "Bees Are Back"),
        (Task::Lamp4, "Sure!\nBees Are Back", "Bees Are Back"),
        (Task::Lamp4, "1. Bees Are Back\n2. The Bees", "Bees Are Back"),
        (Task::Lamp4, "1. FC Köln", "1. FC Köln"),
        (Task::Lamp4, "- Bees Are Back", "Bees Are Back"),
        (Task::Lamp4, "Here's Why Bees Matter: A Guide", "Here's Why Bees Matter: A Guide"),
        (Task::Lamp4, "Finding the Answer: How Bees Fly", "Finding the Answer: How Bees Fly"),
        (Task::Lamp4, "Politics: Bees Win", "Politics: Bees Win"),
        (Task::Lamp4, "\"Bees\" and \"Wasps\"", "\"Bees\" and \"Wasps\""),
        (Task::Lamp4, "\"Bees Are", "Bees Are"),
        (Task::Lamp4, "'Don't Stop'", "Don't Stop"),
        (Task::Lamp4, "{\"headline\": \"Bees Are Back\"}", "Bees Are Back"),
        (Task::Lamp4, "Here you go:\n```json\n{\"headline\": \"Bees Are Back\"}\n```", "Bees Are Back"),
        (Task::Lamp4, "<think>Wasps?\n</think>\n\nBees Are Back</s>", "Bees Are Back"),
        (Task::Lamp4, "<think>Wasps?", ""),
        (Task::Lamp5, "Title: A Study of Bees: Part One", "A Study of Bees: Part One"),
        (Task::Lamp5, "The suggested title is: *A Study of Bees*", "A Study of Bees"),
        (Task::Lamp5, "Headline: A Study", "Headline: A Study"),
        (Task::Lamp6, "Subject: Re: Lunch", "Re: Lunch"),
        (Task::Lamp6, "Subject line: Lunch\n\nHi all,", "Lunch"),
        (Task::Lamp6, "Re: Lunch", "Re: Lunch"),
        (Task::Lamp6, "```\nSubject: Lunch\n```", "Lunch"),
        (Task::Lamp7, "Certainly! The paraphrased tweet is: \"so tired lol\"", "so tired lol"),
        (Task::Lamp7, "Paraphrased tweet: so tired #monday", "so tired #monday"),
        (Task::Lamp7, "#monday is here", "#monday is here"),
        (Task::Lamp7, "@ann: you were right", "@ann: you were right"),
        (Task::Lamp7, "「とても疲れた」", "とても疲れた"),
        (Task::Lamp7, "<answer>\nso tired\n</answer>", "so tired"),
        (Task::Lamp7, "\"\"", ""),
        (Task::Lamp7, "\"", ""),
        (Task::Lamp7, "Answer:", ""),
        (Task::Lamp7, " \n\t", ""),
    ] {
        assert_eq!(text(task, raw), wanted, "{raw}");
    }
}

#[test]
fn what_the_official_rules_read_is_read_the_same() {
    for task in Task::ALL {
        for reference in task.labels() {
            let (official, chatty) = (
                parse_answer(task, reference, Parsing::Official),
                parse_answer(task, reference, Parsing::Chatty),
            );
            assert_eq!(official, chatty);
        }
    }
    for text in ["1", "5.0", "+3", "4e0", "2.5", "\u{1d7d8}4", " 3\u{2003}"] {
        let official = parse_answer(Task::Lamp3, text, Parsing::Official).answer;
        assert_eq!(official, parse_answer(Task::Lamp3, text, Parsing::Chatty).answer, "{text}");
    }
}

#[test]
fn any_text_is_read_in_a_time_that_follows_its_length() {
    let long = |unit: &str| unit.repeat(20_000 / unit.len());
    let units = [
        "[", "<", "1", "1-", "4/", "and ", "<think>", "</think>", "answer: ", "{\"a\":", "\"", "a:\n", "- ",
        "```\n", "comedy-", "one ", "dark ", "\\boxed{", "(", "评", "food & ",
    ];
    for unit in units {
        let raw = long(unit);
        for task in Task::ALL {
            let _ = parse_answer(task, &raw, Parsing::Chatty);
        }
    }
    assert_eq!(label(Task::Lamp1, &(long("well ") + "[2]")), Some("[2]"));
    assert_eq!(rating(&(long("well ") + "4")), Some(4.0));
}

#[test]
fn scores_are_of_what_was_read_and_references_of_what_they_say() {
    let mut scorer = Scorer::new(Task::Lamp2M, None).reading(Parsing::Chatty);
    let right = scorer.score("It is a Comedy.", "comedy").unwrap();
    assert_eq!(right, SampleScore::Classification { predicted: Some(2), reference: Some(2) });
    // A reference is read by the official rules.
    let foreign = scorer.score("comedy", "It is a Comedy.").unwrap();
    assert_eq!(foreign, SampleScore::Classification { predicted: Some(2), reference: None });
    let mut scorer = Scorer::new(Task::Lamp4, None).reading(Parsing::Chatty);
    let spoken = scorer.score("Headline: \"Bees Are Back\"\nbecause they are", "Bees Are Back").unwrap();
    assert_eq!(spoken, scorer.score("Bees Are Back", "Bees Are Back").unwrap());
}
