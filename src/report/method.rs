//! How a run personalizes, as tables head their columns.

use serde::Serialize;

use crate::record::{RetrieverSpec, RunSpec, Training};

/// A way to personalize, in the order of a table's columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Method {
    /// The input alone.
    NonPersonalized,
    /// Entries drawn at random.
    Random,
    /// Okapi BM25.
    Bm25,
    /// Full-text search.
    FullText,
    /// An encoder's vectors.
    Dense,
    /// The newest entries.
    Recency,
    /// Several retrievers together: reciprocal rank fusion, or half by recency.
    Fusion,
    /// No entry in the prompt, but a model with an adapter that was trained on the user's profile.
    PerUser,
    /// Retriever and k chosen for each task on another split.
    Tuned,
    /// The best answer of several runs, chosen by looking at the references: what choosing a method for each sample could
    /// reach at most.
    Oracle,
}

impl Method {
    /// All, in the order of a table's columns.
    pub const ALL: [Self; 10] = [
        Self::NonPersonalized,
        Self::Random,
        Self::Bm25,
        Self::FullText,
        Self::Dense,
        Self::Recency,
        Self::Fusion,
        Self::PerUser,
        Self::Tuned,
        Self::Oracle,
    ];

    /// What a retriever's short form is; a form that this program does not know counts as a fusion.
    pub fn of(spec: &RetrieverSpec) -> Self {
        if spec.is_none() { Self::NonPersonalized } else { of_config(&spec.config) }
    }

    /// The same for a whole run: a profile may reach the model by its weights, too.
    pub fn of_run(spec: &RunSpec) -> Self {
        match Self::of(&spec.retriever) {
            Self::NonPersonalized if spec.model.training == Training::PerUserLora => Self::PerUser,
            method => method,
        }
    }

    /// The word for it in files.
    pub const fn id(self) -> &'static str {
        match self {
            Self::NonPersonalized => "non-personalized",
            Self::Random => "random",
            Self::Bm25 => "bm25",
            Self::FullText => "full-text",
            Self::Dense => "dense",
            Self::Recency => "recency",
            Self::Fusion => "fusion",
            Self::PerUser => "per-user",
            Self::Tuned => "tuned",
            Self::Oracle => "oracle",
        }
    }

    /// Its name in tables and on axes.
    pub const fn name(self) -> &'static str {
        match self {
            Self::NonPersonalized => "Non-personalized",
            Self::Random => "Random",
            Self::Bm25 => "BM25",
            Self::FullText => "Full-text",
            Self::Dense => "Dense",
            Self::Recency => "Recency",
            Self::Fusion => "Fusion",
            Self::PerUser => "Per-user LoRA",
            Self::Tuned => "Tuned",
            Self::Oracle => "Oracle",
        }
    }
}

fn of_config(config: &str) -> Method {
    let lower = config.trim().to_ascii_lowercase();
    let head = lower.split([':', '(', '+']).next().unwrap_or_default().trim();
    match head {
        "none" => Method::NonPersonalized,
        "random" => Method::Random,
        "bm25" => Method::Bm25,
        "fulltext" => Method::FullText,
        "dense" => Method::Dense,
        "recency" if !lower.contains('+') => Method::Recency,
        _ => Method::Fusion,
    }
}

/// Retrievers within retrievers are named to this depth; stored text may be anything.
const DEEPEST: usize = 8;

/// A retriever as tables name it, without its seed: `BM25`, `BM25 (k1=1.2, b=0.5, epsilon=0.25)`,
/// `Dense (all-MiniLM-L6-v2)`, `RRF (BM25, Recency)`, `Recency + BM25, with dates`.
pub fn method_name(spec: &RetrieverSpec) -> String {
    if spec.is_none() {
        return Method::NonPersonalized.name().to_owned();
    }
    let name = config_name(without_seed(&spec.config).0.as_str(), 0);
    if spec.use_date { format!("{name}, with dates") } else { name }
}

/// How a run personalizes, as tables name it: [`method_name`], or that of adapters for each user where nothing is retrieved.
pub fn run_method_name(spec: &RunSpec) -> String {
    match Method::of_run(spec) {
        Method::PerUser => Method::PerUser.name().to_owned(),
        _ => method_name(&spec.retriever),
    }
}

/// A random retriever's short form without its seed, and the seed; any other form as it is.
pub(super) fn without_seed(config: &str) -> (String, Option<String>) {
    let mut parts: Vec<&str> = config.trim().split(':').collect();
    let is_random = parts.first().is_some_and(|head| head.eq_ignore_ascii_case("random"));
    let seed_at = parts.iter().skip(1).position(|part| part.trim().parse::<u64>().is_ok());
    match seed_at.filter(|_| is_random) {
        Some(at) => {
            let seed = parts.remove(at + 1).trim().to_owned();
            (parts.join(":"), Some(seed))
        }
        None => (config.trim().to_owned(), None),
    }
}

fn config_name(config: &str, depth: usize) -> String {
    let config = config.trim();
    if depth > DEEPEST {
        return config.to_owned();
    }
    let after = |name: &str, mark: char| {
        let (head, rest) = config.split_at_checked(name.len())?;
        head.eq_ignore_ascii_case(name).then(|| rest.trim_start().strip_prefix(mark))?
    };
    if let Some(other) = after("recency", '+') {
        return format!("Recency + {}", config_name(other, depth + 1));
    }
    if let Some(model) = after("dense", ':') {
        return format!("Dense ({})", encoder_name(model));
    }
    if let Some((head, rest)) = config.split_once('(')
        && let Some(members) = rest.strip_suffix(')')
        && head.trim_start().get(..3).is_some_and(|head| head.eq_ignore_ascii_case("rrf"))
    {
        let constant = head.trim().get(4..).map(|c| format!("; c={c}")).unwrap_or_default();
        let members: Vec<String> =
            members_of(members).into_iter().map(|member| config_name(member, depth + 1)).collect();
        return format!("RRF ({}{constant})", members.join(", "));
    }
    let mut options = config.split(':').map(str::trim);
    let head = options.next().unwrap_or_default();
    let name = match of_config(head) {
        Method::Fusion => return config.to_owned(),
        Method::NonPersonalized => "None",
        method => method.name(),
    };
    let options: Vec<&str> = options.filter(|option| !option.is_empty()).collect();
    if options.is_empty() { name.to_owned() } else { format!("{name} ({})", options.join(", ")) }
}

/// An encoder's name, the last part of a path or address, with the options that tell it from others.
fn encoder_name(text: &str) -> String {
    const OPTIONS: [&str; 6] =
        [":pooling=", ":normalize=", ":max_tokens=", ":query=", ":document=", ":identity="];
    let at = |option: &str| text.find(option);
    let end = OPTIONS.into_iter().filter_map(at).min().unwrap_or(text.len());
    let (model, options) = text.split_at(end);
    // What the identity tells apart, the encoders' hashes in the spec tell apart too.
    let options = at(":identity=").map_or(options, |identity| &text[end..identity]);
    let model = model.trim().trim_matches('"').trim_end_matches(['/', '\\']);
    let model = model.rsplit(['/', '\\']).next().unwrap_or(model);
    let options = options.strip_prefix(':').unwrap_or(options);
    if options.is_empty() { model.to_owned() } else { format!("{model}, {}", options.replace(':', ", ")) }
}

/// The parts between commas outside of parentheses and quotes.
fn members_of(text: &str) -> Vec<&str> {
    let mut members = Vec::new();
    let (mut start, mut depth, mut quoted) = (0, 0usize, false);
    for (at, c) in text.char_indices() {
        match c {
            '"' => quoted = !quoted,
            _ if quoted => {}
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            ',' if depth == 0 => {
                members.push(&text[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    members.push(&text[start..]);
    members
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(config: &str) -> RetrieverSpec {
        RetrieverSpec { config: config.into(), k: 4, use_date: false, encoders: Vec::new() }
    }

    #[test]
    fn retrievers_have_their_methods_and_names() {
        for (config, method, name) in [
            ("none", Method::NonPersonalized, "Non-personalized"),
            ("random:0", Method::Random, "Random"),
            ("random:7:distinct", Method::Random, "Random (distinct)"),
            ("bm25", Method::Bm25, "BM25"),
            ("bm25:k1=1.2:b=0.5:epsilon=0.25", Method::Bm25, "BM25 (k1=1.2, b=0.5, epsilon=0.25)"),
            ("fulltext", Method::FullText, "Full-text"),
            ("dense:facebook/contriever", Method::Dense, "Dense (contriever)"),
            (r"dense:C:\Models\E5:pooling=cls:identity=01ab", Method::Dense, "Dense (E5, pooling=cls)"),
            ("dense:scripted:words=256", Method::Dense, "Dense (scripted:words=256)"),
            (r#"dense:"a, (b)""#, Method::Dense, "Dense (a, (b))"),
            ("recency", Method::Recency, "Recency"),
            ("recency+dense:x/y", Method::Fusion, "Recency + Dense (y)"),
            (
                "rrf(bm25,rrf:30(recency,random:3))",
                Method::Fusion,
                "RRF (BM25, RRF (Recency, Random (3); c=30))",
            ),
            ("", Method::Fusion, ""),
            ("rrf(", Method::Fusion, "rrf("),
            ("später", Method::Fusion, "später"),
        ] {
            assert_eq!(
                (Method::of(&spec(config)), method_name(&spec(config)).as_str()),
                (method, name),
                "{config}"
            );
        }
        let none = RetrieverSpec { k: 0, ..spec("bm25") };
        assert_eq!(Method::of(&none), Method::NonPersonalized);
        assert_eq!(method_name(&RetrieverSpec { use_date: true, ..spec("recency") }), "Recency, with dates");
    }

    #[test]
    fn seeds_are_taken_from_the_random_retriever_alone() {
        assert_eq!(without_seed("random:7:distinct"), ("random:distinct".into(), Some("7".into())));
        assert_eq!(without_seed("Random:12"), ("Random".into(), Some("12".into())));
        assert_eq!(without_seed("rrf:30(bm25)"), ("rrf:30(bm25)".into(), None));
    }

    #[test]
    fn any_stored_text_has_a_name() {
        for hostile in
            ["recency+".repeat(10_000), "rrf(".repeat(10_000), format!("rrf({})", ",".repeat(10_000))]
        {
            assert!(!method_name(&spec(&hostile)).is_empty());
        }
    }
}
