//! The kinds of retrievers, as the form offers them.

use crate::retrieval::{Bm25Options, DenseConfig, RetrieverConfig};
use crate::run::experiment::RetrievalSettings;

/// A kind of retriever.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    None,
    Random,
    Bm25,
    FullText,
    Dense,
    Recency,
    RecencyPlus,
    Fusion,
}

/// The encoder of the papers, for when none is installed.
const CONTRIEVER: &str = "facebook/contriever";

impl Kind {
    pub const ALL: [Self; 8] = [
        Self::None,
        Self::Random,
        Self::Bm25,
        Self::FullText,
        Self::Dense,
        Self::Recency,
        Self::RecencyPlus,
        Self::Fusion,
    ];

    pub const fn of(config: &RetrieverConfig) -> Self {
        match config {
            RetrieverConfig::None {} => Self::None,
            RetrieverConfig::Random { .. } => Self::Random,
            RetrieverConfig::Bm25(_) => Self::Bm25,
            RetrieverConfig::FullText {} => Self::FullText,
            RetrieverConfig::Dense(_) => Self::Dense,
            RetrieverConfig::Recency {} => Self::Recency,
            RetrieverConfig::RecencyPlus { .. } => Self::RecencyPlus,
            RetrieverConfig::Fusion { .. } => Self::Fusion,
        }
    }

    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "Non-personalized",
            Self::Random => "Random",
            Self::Bm25 => "BM25",
            Self::FullText => "Full-text",
            Self::Dense => "Dense",
            Self::Recency => "Recency",
            Self::RecencyPlus => "Recency + another",
            Self::Fusion => "Fusion",
        }
    }

    /// What it does, in a line.
    pub const fn note(self) -> &'static str {
        match self {
            Self::None => "The bare input: what the others are compared with",
            Self::Random => "Entries drawn at random",
            Self::Bm25 => "Okapi BM25 on words as they stand, as in the benchmark",
            Self::FullText => "BM25 of a search engine: stemmed, without stop words",
            Self::Dense => "An encoder\u{2019}s vectors, such as Contriever\u{2019}s",
            Self::Recency => "The newest entries",
            Self::RecencyPlus => "Half from another retriever, half the newest",
            Self::Fusion => "Several rankings fused by reciprocal ranks",
        }
    }

    pub const fn has_options(self) -> bool {
        !matches!(self, Self::None | Self::FullText | Self::Recency)
    }

    /// The retriever that it begins with.
    pub fn first(self, encoders: &[String]) -> RetrieverConfig {
        let bm25 = || RetrieverConfig::Bm25(Bm25Options::default());
        match self {
            Self::None => RetrieverConfig::None {},
            Self::Random => RetrieverConfig::Random { seed: 0, replacement: true },
            Self::Bm25 => bm25(),
            Self::FullText => RetrieverConfig::FullText {},
            Self::Dense => {
                // Texts go to another machine only where a person says so.
                let here = encoders.iter().find(|name| !name.starts_with(crate::model::endpoint::PREFIX));
                let model = here.map_or(CONTRIEVER, String::as_str);
                RetrieverConfig::Dense(DenseConfig::of(model))
            }
            Self::Recency => RetrieverConfig::Recency {},
            Self::RecencyPlus => RetrieverConfig::RecencyPlus { other: Box::new(bm25()) },
            Self::Fusion => RetrieverConfig::Fusion {
                members: vec![bm25(), RetrieverConfig::FullText {}],
                c: crate::retrieval::Fusion::DEFAULT_C,
            },
        }
    }

    /// The short form that it begins with. Random leaves its seed to the experiment.
    pub fn first_text(self, encoders: &[String]) -> String {
        if self == Self::Random { "random".to_owned() } else { self.first(encoders).to_string() }
    }
}

/// Whether a retriever cannot do without dates.
pub fn needs_dates(config: &RetrieverConfig) -> bool {
    match config {
        RetrieverConfig::Recency {} | RetrieverConfig::RecencyPlus { .. } => true,
        RetrieverConfig::Fusion { members, .. } => members.iter().any(needs_dates),
        _ => false,
    }
}

/// Puts a retriever where its kind belongs: before the first of a later kind.
pub fn insert(retrieval: &mut RetrievalSettings, short: String) {
    if retrieval.retrievers.contains(&short) {
        return;
    }
    let kind = |short: &String| short.parse().ok().map(|config| Kind::of(&config));
    let own = kind(&short);
    let at = retrieval.retrievers.iter().position(|other| kind(other).is_some() && kind(other) > own);
    retrieval.retrievers.insert(at.unwrap_or(retrieval.retrievers.len()), short);
}

/// The retrievers and k in a few words: `BM25, k 4`.
pub fn summary(retrieval: &RetrievalSettings) -> String {
    use crate::gui::preview::{retriever_method, retriever_name};
    let personal = |short: &&String| retriever_method(short) != crate::report::Method::NonPersonalized;
    let names: Vec<String> =
        retrieval.retrievers.iter().filter(personal).map(|short| retriever_name(short)).collect();
    let k: Vec<String> = retrieval.k.iter().map(usize::to_string).collect();
    match names.as_slice() {
        [] if retrieval.retrievers.is_empty() => String::new(),
        [] => "none".to_owned(),
        [one] => format!("{one}, k {}", k.join(", ")),
        [one, two] if one.len() + two.len() < 18 => format!("{one}, {two}, k {}", k.join(", ")),
        more => format!("{} retrievers, k {}", more.len(), k.join(", ")),
    }
}

/// Reads a list of numbers of entries.
pub fn read_k(text: &str) -> Result<Vec<usize>, String> {
    let mut all = Vec::new();
    for part in text.split([',', ';', ' ', '\t']).map(str::trim).filter(|part| !part.is_empty()) {
        match part.parse::<usize>() {
            Ok(k) if all.contains(&k) => {}
            Ok(k) => all.push(k),
            Err(_) => {
                return Err(format!(
                    "`{part}` is not a number of entries. Give whole numbers, such as 1, 4."
                ));
            }
        }
    }
    if all.is_empty() { Err("Give at least one number of entries, such as 4.".to_owned()) } else { Ok(all) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn retrieval(retrievers: &[&str]) -> RetrievalSettings {
        let retrievers = retrievers.iter().map(|&short| short.to_owned()).collect();
        RetrievalSettings { retrievers, k: vec![1, 4], use_date: false }
    }

    #[test]
    fn every_kind_begins_with_a_retriever_of_its_own() {
        for kind in Kind::ALL {
            let config: RetrieverConfig = kind.first_text(&[]).parse().unwrap();
            assert_eq!(Kind::of(&config), kind);
        }
        assert_eq!(Kind::Dense.first_text(&["a/b".to_owned()]), "dense:a/b");
    }

    #[test]
    fn a_retriever_goes_where_its_kind_belongs_and_stands_once() {
        let mut settings = retrieval(&["none", "dense:x", "odd("]);
        for short in ["bm25", "recency", "bm25", "bm25:k1=2:b=0.5:epsilon=0.25"] {
            insert(&mut settings, short.to_owned());
        }
        let wanted = ["none", "bm25", "bm25:k1=2:b=0.5:epsilon=0.25", "dense:x", "odd(", "recency"];
        assert_eq!(settings.retrievers, wanted);
    }

    #[test]
    fn the_rail_reads_the_whole_choice() {
        assert_eq!(summary(&retrieval(&["none", "bm25"])), "BM25, k 1, 4");
        assert_eq!(summary(&retrieval(&["none", "bm25", "recency"])), "BM25, Recency, k 1, 4");
        assert_eq!(summary(&retrieval(&["bm25", "recency", "random"])), "3 retrievers, k 1, 4");
        assert_eq!(summary(&retrieval(&["none"])), "none");
        assert_eq!(summary(&retrieval(&[])), "");
    }

    #[test]
    fn numbers_of_entries_are_read_however_they_are_parted() {
        assert_eq!(read_k(" 1,4; 16 4"), Ok(vec![1, 4, 16]));
        assert!(read_k("1, x").unwrap_err().contains("`x`"));
        assert!(read_k("-1").unwrap_err().contains("`-1`"));
        assert!(read_k(" , ").unwrap_err().contains("at least one"));
    }
}
