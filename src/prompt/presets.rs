//! The wordings that LaMP's authors used (arXiv 2304.11406, table of prompts, and the official code), with the
//! constants by which the official code reckons its token budget.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::template::{Budget, Position, Template, TemplateFile};
use crate::lamp::Task;

/// A built-in wording.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Preset {
    /// As the official code words it.
    Official,
    /// As the paper words it, where that differs: LaMP-5 ("the title" instead of "a title").
    Paper,
}

/// A name that is no preset.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{given}` is no built-in template; use official or paper, or give a template's file")]
pub struct UnknownPreset {
    given: String,
}

impl Preset {
    /// All presets.
    pub const ALL: [Self; 2] = [Self::Official, Self::Paper];

    /// `official` or `paper`.
    pub const fn id(self) -> &'static str {
        match self {
            Self::Official => "official",
            Self::Paper => "paper",
        }
    }
}

impl fmt::Display for Preset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.id())
    }
}

impl FromStr for Preset {
    type Err = UnknownPreset;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wanted = text.trim().to_lowercase();
        let found = Self::ALL.into_iter().find(|preset| preset.id() == wanted);
        found.ok_or_else(|| UnknownPreset { given: text.to_owned() })
    }
}

impl Template {
    /// A built-in template; `None` where the paper's wording is the official one.
    pub fn preset(task: Task, preset: Preset) -> Option<Self> {
        // The presets are checked by a test, so none of them is lost here.
        Self::new(file(task, preset)?).ok()
    }
}

fn file(task: Task, preset: Preset) -> Option<TemplateFile> {
    if preset == Preset::Paper && task != Task::Lamp5 {
        return None;
    }
    let entry = match (task, preset) {
        (Task::Lamp1, _) => r#""{title}""#,
        (Task::Lamp2N, _) => r#"the category for the article: "{text}" is "{category}" "#,
        (Task::Lamp2M, _) => r#"the tag for the movie: "{description}" is "{tag}" "#,
        (Task::Lamp3, _) => r#"{score} is the score for "{text}" "#,
        (Task::Lamp4 | Task::Lamp6, _) => r#""{title}" is the title for "{text}" "#,
        (Task::Lamp5, Preset::Official) => r#""{title}" is a title for "{abstract}" "#,
        (Task::Lamp5, Preset::Paper) => r#""{title}" is the title for "{abstract}" "#,
        (Task::Lamp7, _) => r#""{text}" "#,
    };
    let aggregate = match task {
        Task::Lamp1 => ", and {profile}",
        Task::Lamp5 => "{profile}. Following the given patterns {input}",
        Task::Lamp7 => "{profile} are written by a person. Following the given patterns {input}",
        _ => "{profile}. {input}",
    };
    let (reserve_for, entry_text) = match (task, preset) {
        (Task::Lamp5, Preset::Official) => {
            (Some("Following the given patterns"), Some(r#""{title}" is a title " " "#))
        }
        (Task::Lamp5, Preset::Paper) => {
            (Some("Following the given patterns"), Some(r#""{title}" is the title " " "#))
        }
        (Task::Lamp7, _) => (Some("are written by user. Following the given patterns"), Some(r#""" "#)),
        _ => (None, None),
    };
    let titles = task == Task::Lamp1;
    Some(TemplateFile {
        name: format!("{task} {preset}"),
        task,
        entry: entry.to_owned(),
        cut: titles.then(|| "title".to_owned()),
        joiner: ", and ".to_owned(),
        aggregate: aggregate.to_owned(),
        position: titles.then_some(Position::AfterTitle),
        clean_system: None,
        budget: Some(Budget {
            reserve: usize::from(!titles),
            per_joiner: 2,
            reserve_for: reserve_for.map(str::to_owned),
            entry_tokens: titles.then_some(2),
            entry_text: entry_text.map(str::to_owned),
        }),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_task_has_its_official_template_and_it_survives_its_file() {
        for task in Task::ALL {
            for preset in Preset::ALL {
                assert_eq!(file(task, preset).is_some(), preset == Preset::Official || task == Task::Lamp5);
                if let Some(file) = file(task, preset) {
                    let template = Template::new(file).unwrap();
                    let toml = template.to_toml().unwrap();
                    assert_eq!(Template::from_toml(&toml, "file").unwrap(), template, "{toml}");
                    let json = serde_json::to_string(&template).unwrap();
                    assert_eq!(serde_json::from_str::<Template>(&json).unwrap(), template);
                }
            }
        }
    }

    #[test]
    fn presets_are_read_by_name() {
        assert_eq!("Official".parse(), Ok(Preset::Official));
        assert!("offical".parse::<Preset>().unwrap_err().to_string().contains("`offical`"));
    }
}
