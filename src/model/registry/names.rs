//! Models' names: written as in a hub, `OWNER/NAME` or `NAME`, and usable as files' names on every system.

use std::path::Path;

use strsim::levenshtein;

use crate::model::hub::{is_portable, is_repository};

/// The name as part of a path. Names that differ in case only are one: some systems cannot tell them apart.
pub(super) fn key(name: &str) -> Option<String> {
    let good = is_repository(name) && is_portable(name);
    good.then(|| name.to_ascii_lowercase().replace('/', "--"))
}

/// The name of a key, in lower case.
pub(super) fn name_of(key: &str) -> String {
    key.replace("--", "/")
}

/// A name for a repository's model, or for one of its GGUF files.
pub(super) fn of_repository(repository: &str, file: Option<&str>) -> String {
    let Some(file) = file else { return repository.to_owned() };
    let stem = file.rsplit('/').next().unwrap_or(file);
    let stem = stem.strip_suffix(".gguf").unwrap_or(stem);
    match repository.split_once('/') {
        // A part of a file's name, such as Q4_K_M, says little without the repository's.
        Some((_, name)) if !file.ends_with(".gguf") => {
            format!("{}-{}", repository_base(repository, name), tidy(stem))
        }
        Some((owner, _)) => format!("{owner}/{}", tidy(stem)),
        None => tidy(stem),
    }
}

fn repository_base<'a>(repository: &'a str, name: &str) -> &'a str {
    let suffix = if name.to_ascii_lowercase().ends_with("-gguf") { "-gguf".len() } else { 0 };
    &repository[..repository.len() - suffix]
}

/// A name for what lies at a path.
pub(super) fn of_path(path: &Path) -> String {
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    tidy(name.strip_suffix(".gguf").unwrap_or(&name))
}

/// The text with what no name can have made into single dashes.
fn tidy(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        let c = if c.is_ascii_alphanumeric() || "._".contains(c) { c } else { '-' };
        if !(matches!(c, '-' | '.') && out.ends_with(['-', '.'])) {
            out.push(c);
        }
    }
    out.trim_matches(['-', '.']).to_owned()
}

/// Up to three of the names that are like a text: one contains the other, or few letters differ.
pub(super) fn alike<'a>(text: &str, names: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let text: String = text.to_ascii_lowercase().chars().take(200).collect();
    let last = |name: &str| name.rsplit('/').next().unwrap_or_default().to_owned();
    let mut close: Vec<(usize, &str)> = names
        .filter_map(|name| {
            let lower = name.to_ascii_lowercase();
            let contains = text.len() >= 3 && (lower.contains(&text) || lower.contains(&last(&text)));
            let whole = levenshtein(&text, &lower).min(levenshtein(&last(&text), &last(&lower)));
            let limit = (last(&lower).len() / 3).max(2);
            (contains || whole <= limit).then_some((if contains { 0 } else { whole }, name))
        })
        .collect();
    close.sort();
    close.into_iter().take(3).map(|(_, name)| name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_safe_everywhere() {
        assert_eq!(key("Google/Flan-T5-small").unwrap(), "google--flan-t5-small");
        assert_eq!(name_of("google--flan-t5-small"), "google/flan-t5-small");
        for bad in
            ["", "..", "a/../b", "a/b/c", "con", "x/NUL", "a b", "a:b", "a--b", ".a", "a.", "é", "a\\b"]
        {
            assert_eq!(key(bad), None, "{bad}");
        }
    }

    #[test]
    fn models_are_named_after_what_they_are() {
        assert_eq!(of_repository("a/b", None), "a/b");
        assert_eq!(of_repository("a/b-GGUF", Some("dir/b-Q8_0.gguf")), "a/b-Q8_0");
        assert_eq!(of_repository("a/b-GGUF", Some("q4_k_m")), "a/b-q4_k_m");
        assert_eq!(of_path(Path::new("/x/My model (1).gguf")), "My-model-1");
        assert_eq!(of_path(Path::new("/x/e5..small--v2/")), "e5.small-v2");
    }

    #[test]
    fn slips_are_noticed() {
        let names = ["google/flan-t5-small", "google/flan-t5-base", "facebook/contriever"];
        assert_eq!(alike("flan-t5-small", names.into_iter())[0], "google/flan-t5-small");
        assert_eq!(alike("google/flant5-small", names.into_iter())[0], "google/flan-t5-small");
        assert_eq!(alike("facebok/contreiver", names.into_iter()), ["facebook/contriever"]);
        assert!(alike("zzzzzz", names.into_iter()).is_empty());
        assert_eq!(levenshtein("kitten", "sitting"), 3);
    }
}
