//! Retrievers by name: how experiments, files and the command line say which one they mean.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::{
    Bm25, Bm25Options, BuildError, Dense, DenseConfig, EncoderSource, FullText, Fusion, NoEntries, Random,
    Recency, RecencyPlus, Retriever,
};

/// A retriever with its options.
///
/// In TOML and JSON a table with `kind`; on the command line a short form, which [`fmt::Display`] gives and [`FromStr`]
/// reads: `none`, `random`, `random:7`, `random:7:distinct`, `recency`, `bm25`, `bm25:k1=1.2:b=0.5`, `fulltext`,
/// `dense:facebook/contriever`, `recency+bm25`, `rrf(bm25,recency)`, `rrf:30(bm25,recency+fulltext)`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum RetrieverConfig {
    /// See [`NoEntries`].
    None {},
    /// See [`Random`].
    Random {
        /// Chooses the stream of draws.
        #[serde(default)]
        seed: u64,
        /// Whether an entry may be drawn again, as in the official code.
        #[serde(default = "yes")]
        replacement: bool,
    },
    /// See [`Recency`].
    Recency {},
    /// See [`Bm25`].
    Bm25(Bm25Options),
    /// See [`FullText`].
    #[serde(rename = "fulltext")]
    FullText {},
    /// See [`Dense`].
    Dense(DenseConfig),
    /// See [`RecencyPlus`].
    RecencyPlus {
        /// What gives the first half.
        other: Box<RetrieverConfig>,
    },
    /// See [`Fusion`].
    Fusion {
        /// What is fused, at least one.
        members: Vec<RetrieverConfig>,
        /// The constant of reciprocal rank fusion.
        #[serde(default = "default_c")]
        c: f64,
    },
}

const fn yes() -> bool {
    true
}

const fn default_c() -> f64 {
    Fusion::DEFAULT_C
}

/// How deep retrievers may be nested; nobody needs more, and it bounds the work on odd input.
const DEEPEST: usize = 8;

/// The most members of a fusion.
const MOST_MEMBERS: usize = 64;

/// Why a text or table names no retriever.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum ConfigError {
    /// No retriever is called that.
    #[error(
        "`{given}` is not a retriever; use none, random, recency, bm25, fulltext, dense:MODEL, recency+OTHER or \
         rrf(ONE,OTHER)"
    )]
    Unknown {
        /// What was given.
        given: String,
    },
    /// An option that the retriever does not have, or a value that cannot be read.
    #[error("`{given}` is not an option of {retriever}; use {expected}")]
    BadOption {
        /// The retriever.
        retriever: &'static str,
        /// What was given.
        given: String,
        /// What would be right.
        expected: &'static str,
    },
    /// A number outside its range.
    #[error("{option} of {retriever} is {value}; it must be {expected}")]
    OutOfRange {
        /// The retriever.
        retriever: &'static str,
        /// The option.
        option: &'static str,
        /// Its value.
        value: f64,
        /// The range.
        expected: &'static str,
    },
    /// A fusion of none or of far too many.
    #[error("a fusion has 1 to {MOST_MEMBERS} members, not {count}")]
    Members {
        /// How many there are.
        count: usize,
    },
    /// Retrievers within retrievers within retrievers.
    #[error("retrievers are nested more than {DEEPEST} deep")]
    TooDeep,
}

impl RetrieverConfig {
    /// Makes the retriever, with the encoders that it needs from `encoders`; [`super::NoEncoders`] serves those that need none.
    ///
    /// # Errors
    /// Where an option is outside its range, or an encoder cannot be had.
    pub fn build(&self, encoders: &dyn EncoderSource) -> Result<Box<dyn Retriever>, BuildError> {
        self.check()?;
        self.make(encoders)
    }

    /// Whether the retriever could be made if every encoder were there.
    ///
    /// # Errors
    /// Where an option is outside its range.
    pub fn check(&self) -> Result<(), ConfigError> {
        self.check_at(0)
    }

    fn check_at(&self, depth: usize) -> Result<(), ConfigError> {
        if depth > DEEPEST {
            return Err(ConfigError::TooDeep);
        }
        match self {
            Self::None {} | Self::Random { .. } | Self::Recency {} | Self::FullText {} => Ok(()),
            Self::Bm25(Bm25Options { k1, b, epsilon }) => {
                in_range("BM25", "k1", *k1, 0.0..=1000.0, "from 0 to 1000")?;
                in_range("BM25", "b", *b, 0.0..=1.0, "from 0 to 1")?;
                in_range("BM25", "epsilon", *epsilon, 0.0..=1000.0, "from 0 to 1000")
            }
            Self::Dense(dense) => dense.check(),
            Self::RecencyPlus { other } => other.check_at(depth + 1),
            Self::Fusion { members, c } => {
                in_range("rrf", "c", *c, 0.0..=1e9, "from 0 to 1000000000")?;
                if !(1..=MOST_MEMBERS).contains(&members.len()) {
                    return Err(ConfigError::Members { count: members.len() });
                }
                members.iter().try_for_each(|member| member.check_at(depth + 1))
            }
        }
    }

    fn make(&self, encoders: &dyn EncoderSource) -> Result<Box<dyn Retriever>, BuildError> {
        Ok(match self {
            Self::None {} => Box::new(NoEntries),
            Self::Random { seed, replacement } => Box::new(Random { seed: *seed, replacement: *replacement }),
            Self::Recency {} => Box::new(Recency),
            Self::Bm25(options) => Box::new(Bm25 { options: *options }),
            Self::FullText {} => Box::new(FullText),
            Self::Dense(dense) => {
                let encoder = encoders.encoder(dense)?;
                if let Some(wanted) = &dense.identity {
                    let mut found = encoder.identity_hash();
                    if !found.starts_with(wanted) {
                        found.truncate(wanted.len());
                        let (model, wanted) = (dense.model.clone(), wanted.clone());
                        return Err(BuildError::OtherEncoder { model, wanted, found });
                    }
                }
                Box::new(Dense::new(dense.clone(), encoder))
            }
            Self::RecencyPlus { other } => Box::new(RecencyPlus::new(other.make(encoders)?)),
            Self::Fusion { members, c } => {
                let members: Result<_, _> = members.iter().map(|member| member.make(encoders)).collect();
                Box::new(Fusion::new(members?, *c))
            }
        })
    }
}

fn in_range(
    retriever: &'static str,
    option: &'static str,
    value: f64,
    range: std::ops::RangeInclusive<f64>,
    expected: &'static str,
) -> Result<(), ConfigError> {
    if range.contains(&value) {
        Ok(())
    } else {
        Err(ConfigError::OutOfRange { retriever, option, value, expected })
    }
}

impl fmt::Display for RetrieverConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None {} => f.write_str(&NoEntries.id()),
            Self::Random { seed, replacement } => {
                f.write_str(&Random { seed: *seed, replacement: *replacement }.id())
            }
            Self::Recency {} => f.write_str(&Recency.id()),
            Self::Bm25(options) => f.write_str(&Bm25 { options: *options }.id()),
            Self::FullText {} => f.write_str(&FullText.id()),
            Self::Dense(dense) => dense.fmt(f),
            Self::RecencyPlus { other } => write!(f, "recency+{other}"),
            Self::Fusion { members, c } => {
                f.write_str("rrf")?;
                if *c != Fusion::DEFAULT_C {
                    write!(f, ":{c}")?;
                }
                for (number, member) in members.iter().enumerate() {
                    write!(f, "{}{member}", if number == 0 { '(' } else { ',' })?;
                }
                f.write_str(if members.is_empty() { "()" } else { ")" })
            }
        }
    }
}

impl FromStr for RetrieverConfig {
    type Err = ConfigError;

    /// Reads the short form and checks that it can be built. Case and spaces around names do not matter, but for the case of
    /// models and prefixes.
    fn from_str(text: &str) -> Result<Self, ConfigError> {
        let config = read(text, 0)?;
        config.check()?;
        Ok(config)
    }
}

fn read(text: &str, depth: usize) -> Result<RetrieverConfig, ConfigError> {
    let text = text.trim();
    if depth > DEEPEST {
        return Err(ConfigError::TooDeep);
    }
    if let Some(model) = after(text, "dense", ':') {
        return Ok(RetrieverConfig::Dense(DenseConfig::read(model)?));
    }
    if let Some(other) = after(text, "recency", '+') {
        return Ok(RetrieverConfig::RecencyPlus { other: Box::new(read(other, depth + 1)?) });
    }
    let unknown = || ConfigError::Unknown { given: text.chars().take(100).collect() };
    if let Some((head, rest)) = text.split_once('(') {
        let members = rest.strip_suffix(')').ok_or_else(unknown)?;
        let head = head.trim().to_lowercase();
        let c = match head.split_once(':') {
            None if head == "rrf" => Fusion::DEFAULT_C,
            Some(("rrf", c)) => c.trim().parse().map_err(|_| ConfigError::BadOption {
                retriever: "rrf",
                given: c.to_owned(),
                expected: "a number, such as rrf:60(bm25,recency)",
            })?,
            _ => return Err(unknown()),
        };
        let members: Result<Vec<_>, _> = split_members(members)
            .ok_or_else(unknown)?
            .into_iter()
            .map(|member| read(member, depth + 1))
            .collect();
        return Ok(RetrieverConfig::Fusion { members: members?, c });
    }
    let lower = text.to_lowercase();
    let mut options = lower.split(':').map(str::trim);
    let name = options.next().unwrap_or_default();
    match name {
        "none" | "recency" | "fulltext" => match options.next() {
            Some(_) => Err(unknown()),
            None if name == "none" => Ok(RetrieverConfig::None {}),
            None if name == "recency" => Ok(RetrieverConfig::Recency {}),
            None => Ok(RetrieverConfig::FullText {}),
        },
        "random" => read_random(options),
        "bm25" => read_bm25(options),
        _ => Err(unknown()),
    }
}

/// What follows a name, in any case, and a mark behind it.
fn after<'t>(text: &'t str, name: &str, mark: char) -> Option<&'t str> {
    let (head, rest) = text.split_at_checked(name.len())?;
    head.eq_ignore_ascii_case(name).then(|| rest.trim_start().strip_prefix(mark))?
}

/// The parts between commas that stand in no parentheses and no quotes; `None` where these do not match.
fn split_members(text: &str) -> Option<Vec<&str>> {
    let mut members = Vec::new();
    let (mut start, mut depth, mut quoted) = (0, 0usize, false);
    for (at, c) in text.char_indices() {
        match c {
            '"' => quoted = !quoted,
            _ if quoted => {}
            '(' => depth += 1,
            ')' => depth = depth.checked_sub(1)?,
            ',' if depth == 0 => {
                members.push(&text[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    members.push(&text[start..]);
    (depth == 0 && !quoted).then_some(members)
}

fn read_random<'t>(options: impl Iterator<Item = &'t str>) -> Result<RetrieverConfig, ConfigError> {
    let (mut seed, mut replacement) = (0, true);
    for option in options {
        match (option, option.parse()) {
            ("distinct", _) => replacement = false,
            (_, Ok(number)) => seed = number,
            _ => {
                return Err(ConfigError::BadOption {
                    retriever: "random",
                    given: option.to_owned(),
                    expected: "a seed or `distinct`, such as random:7:distinct",
                });
            }
        }
    }
    Ok(RetrieverConfig::Random { seed, replacement })
}

fn read_bm25<'t>(options: impl Iterator<Item = &'t str>) -> Result<RetrieverConfig, ConfigError> {
    let mut read = Bm25Options::default();
    for option in options {
        let bad = || ConfigError::BadOption {
            retriever: "bm25",
            given: option.to_owned(),
            expected: "k1, b and epsilon, such as bm25:k1=1.5:b=0.75",
        };
        let (name, value) = option.split_once('=').ok_or_else(bad)?;
        let value = value.trim().parse().map_err(|_| bad())?;
        match name.trim() {
            "k1" => read.k1 = value,
            "b" => read.b = value,
            "epsilon" => read.epsilon = value,
            _ => return Err(bad()),
        }
    }
    Ok(RetrieverConfig::Bm25(read))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::NoEncoders;
    use super::*;

    fn of(text: &str) -> RetrieverConfig {
        text.parse().unwrap()
    }

    #[test]
    fn short_forms_are_read_written_and_kept_by_what_is_built() {
        for text in [
            "none",
            "random:0",
            "random:7:distinct",
            "recency",
            "bm25",
            "bm25:k1=1.2:b=0.5:epsilon=0.25",
            "fulltext",
            "recency+bm25",
            "recency+rrf(bm25,random:3)",
            "rrf(bm25,recency)",
            "rrf:30(bm25,rrf(recency,fulltext),recency+none)",
        ] {
            assert_eq!(of(text).to_string(), text);
            assert_eq!(of(text).build(&NoEncoders).unwrap().id(), text);
        }
        assert_eq!(of(" RRF ( BM25 , Recency + random ) "), of("rrf(bm25,recency+random:0)"));
        assert_eq!(of("random"), RetrieverConfig::Random { seed: 0, replacement: true });
        assert_eq!(
            of("bm25: k1 = 2"),
            RetrieverConfig::Bm25(Bm25Options { k1: 2.0, ..Bm25Options::default() })
        );
    }

    #[test]
    fn dense_retrievers_are_read_wherever_they_stand() {
        for text in [
            "dense:facebook/contriever",
            "recency+dense:all-MiniLM-L6-v2",
            "rrf(bm25,dense:facebook/contriever)",
            r#"rrf:30(recency+dense:C:\Models\E5:pooling=mean,dense:"a, (b) ""c""",dense:scripted:words=256)"#,
        ] {
            assert_eq!(of(text).to_string(), text);
            let error = of(text).build(&NoEncoders).err().unwrap().to_string();
            assert!(error.contains("needs the model"), "{error}");
        }
        assert_eq!(of(" RRF( Dense : A/b , BM25 )"), of("rrf(dense:A/b,bm25)"));
        assert_ne!(of("dense:A"), of("dense:a"));
        assert_eq!(of("rrf(dense:Models (1)/x,bm25)").to_string(), r#"rrf(dense:"Models (1)/x",bm25)"#);
    }

    #[test]
    fn what_is_no_retriever_is_refused_with_what_would_be_one() {
        for (text, words) in [
            ("", "is not a retriever"),
            ("bm26", "`bm26`"),
            ("recency:3", "is not a retriever"),
            ("recency+", "is not a retriever"),
            ("bm25+recency", "is not a retriever"),
            ("rrf(bm25", "is not a retriever"),
            ("rrf(bm25))", "is not a retriever"),
            ("rrf((bm25)", "is not a retriever"),
            ("rrf()", "is not a retriever"),
            ("rrf", "is not a retriever"),
            ("rrf:x(bm25)", "a number"),
            ("rrf:-1(bm25)", "c of rrf is -1"),
            ("random:-1", "a seed"),
            ("bm25:k2=1", "k1, b and epsilon"),
            ("bm25:b=2", "from 0 to 1"),
            ("bm25:k1=nan", "from 0"),
            ("dense", "is not a retriever"),
            ("dense:", "a model"),
            ("dense:a:max_tokens=0", "at least one"),
            ("rrf(dense:\"a,bm25)", "is not a retriever"),
        ] {
            let error = text.parse::<RetrieverConfig>().unwrap_err().to_string();
            assert!(error.contains(words), "{text}: {error}");
        }
        for deep in ["recency+".repeat(100_000), "rrf(".repeat(100_000)] {
            assert!(deep.parse::<RetrieverConfig>().is_err());
        }
        let nested = format!("{}bm25{}", "rrf(".repeat(20), ")".repeat(20));
        assert_eq!(nested.parse::<RetrieverConfig>(), Err(ConfigError::TooDeep));
    }

    #[test]
    fn tables_are_read_and_written() {
        let text = "kind = \"fusion\"\n[[members]]\nkind = \"bm25\"\nk1 = 2\n[[members]]\nkind = \"recency_plus\"\nother = { kind = \"fulltext\" }\n";
        let config: RetrieverConfig = toml::from_str(text).unwrap();
        assert_eq!(config, of("rrf(bm25:k1=2,recency+fulltext)"));
        assert_eq!(toml::from_str::<RetrieverConfig>(&toml::to_string(&config).unwrap()).unwrap(), config);
        let text = "kind = \"dense\"\nmodel = 'C:\\E5'\npooling = \"cls\"\nnormalize = true\nmax_tokens = 9\n\
            prefixes = { query = \"query: \", document = \"passage: \" }\n";
        let config: RetrieverConfig = toml::from_str(text).unwrap();
        let short =
            r#"dense:C:\E5:pooling=cls:normalize=true:max_tokens=9:query="query: ":document="passage: ""#;
        assert_eq!(config, of(short));
        assert_eq!(config.to_string(), short);
        assert_eq!(toml::from_str::<RetrieverConfig>(&toml::to_string(&config).unwrap()).unwrap(), config);
        for text in [
            "dense:a",
            "none",
            "random:18:distinct",
            "recency",
            "fulltext",
            "recency+bm25:k1=1:b=1:epsilon=0",
        ] {
            let json = serde_json::to_string(&of(text)).unwrap();
            assert_eq!(serde_json::from_str::<RetrieverConfig>(&json).unwrap(), of(text), "{json}");
        }
    }

    #[test]
    fn unknown_fields_of_a_table_are_refused() {
        for json in [
            r#"{"kind":"none","k":1}"#,
            r#"{"kind":"recency","k":1}"#,
            r#"{"kind":"bm25","k2":1}"#,
            r#"{"kind":"random","seeds":1}"#,
            r#"{"kind":"fusion","members":[],"d":1}"#,
            r#"{"kind":"recency_plus"}"#,
            r#"{"kind":"dense9"}"#,
            r#"{"kind":"dense"}"#,
            r#"{"kind":"dense","model":"a","pool":"cls"}"#,
            r#"{}"#,
        ] {
            assert!(serde_json::from_str::<RetrieverConfig>(json).is_err(), "{json}");
        }
        let empty: RetrieverConfig = serde_json::from_str(r#"{"kind":"fusion","members":[]}"#).unwrap();
        assert_eq!(empty.check().err(), Some(ConfigError::Members { count: 0 }));
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(
            text in prop_oneof!["[rf(),:+ =.a-z0-9\\PC]{0,40}", "(recency\\+|rrf\\()?(dense:[a-z:\"(), =\\\\]{0,12}(:query=|:pooling=cls)?)[\" a:,)]{0,8}"],
        ) {
            if let Ok(config) = text.parse::<RetrieverConfig>() {
                prop_assert_eq!(config.to_string().parse::<RetrieverConfig>().unwrap(), config);
            }
        }
    }
}
