//! Models that are known to run here and worth a try, with the facts that help to choose.
//!
//! Sizes are of the files that are downloaded. Repositories may change; what counts is what a hub says when asked.

use super::registry::EncoderDefaults;
use super::{Pooling, Prefixes};

/// What a model is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Answers prompts.
    Generator,
    /// Answers prompts put into its chat template.
    Chat,
    /// Makes vectors of texts, to retrieve with.
    Encoder,
}

impl Role {
    /// Its name in tables.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Generator => "generator",
            Self::Chat => "chat",
            Self::Encoder => "encoder",
        }
    }
}

/// A known model.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Known {
    /// The repository.
    pub repository: &'static str,
    /// The GGUF file to take from it.
    pub file: Option<&'static str>,
    /// What it is for.
    pub role: Role,
    /// Numbers that it has learned, in millions.
    pub parameters_millions: f64,
    /// What is downloaded, in millions of bytes.
    pub megabytes: u64,
    /// Its license.
    pub license: &'static str,
    /// What the literature on LaMP used it for; empty if nothing.
    pub used_for: &'static str,
    /// How vectors are made, for an encoder.
    vectors: Option<Vectors>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Vectors {
    pooling: Pooling,
    normalize: bool,
    query: &'static str,
    document: &'static str,
}

impl Known {
    /// What to write after `lamplight models get`.
    pub fn wanted(&self) -> String {
        self.file.map_or_else(|| self.repository.to_owned(), |file| format!("{}:{file}", self.repository))
    }

    /// What its encoder was trained with.
    pub fn encoder(&self) -> EncoderDefaults {
        self.vectors.map_or_else(EncoderDefaults::default, |vectors| EncoderDefaults {
            pooling: Some(vectors.pooling),
            normalize: Some(vectors.normalize),
            prefixes: Some(Prefixes {
                query: vectors.query.to_owned(),
                document: vectors.document.to_owned(),
            }),
            max_tokens: None,
        })
    }
}

/// A known model by its repository, with or without a file.
pub fn find(text: &str) -> Option<&'static Known> {
    ALL.iter().find(|known| {
        known.repository.eq_ignore_ascii_case(text) || known.wanted().eq_ignore_ascii_case(text)
    })
}

const APACHE: &str = "apache-2.0";

const fn t5(repository: &'static str, millions: f64, megabytes: u64, used_for: &'static str) -> Known {
    Known {
        repository,
        file: None,
        role: Role::Generator,
        parameters_millions: millions,
        megabytes,
        license: APACHE,
        used_for,
        vectors: None,
    }
}

const fn chat(
    (repository, file): (&'static str, &'static str),
    millions: f64,
    megabytes: u64,
    license: &'static str,
) -> Known {
    Known {
        repository,
        file: Some(file),
        role: Role::Chat,
        parameters_millions: millions,
        megabytes,
        license,
        used_for: "",
        vectors: None,
    }
}

const fn encoder(
    repository: &'static str,
    millions: f64,
    megabytes: u64,
    license: &'static str,
    used_for: &'static str,
    vectors: Vectors,
) -> Known {
    Known {
        repository,
        file: None,
        role: Role::Encoder,
        parameters_millions: millions,
        megabytes,
        license,
        used_for,
        vectors: Some(vectors),
    }
}

const CONTRIEVER: Vectors = Vectors { pooling: Pooling::Mean, normalize: false, query: "", document: "" };
const MINI_LM: Vectors = Vectors { normalize: true, ..CONTRIEVER };
const E5: Vectors =
    Vectors { pooling: Pooling::Mean, normalize: true, query: "query: ", document: "passage: " };
const BGE: Vectors = Vectors {
    pooling: Pooling::Cls,
    normalize: true,
    query: "Represent this sentence for searching relevant passages: ",
    document: "",
};

/// All known models, generators first, each kind by size.
pub const ALL: [Known; 23] = [
    t5("google/flan-t5-small", 77.0, 311, ""),
    t5("google/flan-t5-base", 247.6, 993, "fine-tuned generator (LaMP)"),
    t5("google/flan-t5-large", 783.2, 3_135, ""),
    t5("google/flan-t5-xl", 2_849.8, 11_402, "generator of per-user adapters"),
    t5("google/flan-t5-xxl", 11_135.3, 44_544, "zero-shot generator (LaMP, ROPG, RSPG, PPlug)"),
    t5("google-t5/t5-small", 60.5, 244, ""),
    t5("google-t5/t5-base", 222.9, 893, ""),
    t5("google-t5/t5-large", 737.7, 2_953, ""),
    encoder("facebook/contriever", 109.5, 439, "cc-by-nc-4.0", "retriever (LaMP, ROPG, PPlug)", CONTRIEVER),
    encoder("facebook/contriever-msmarco", 109.5, 439, "cc-by-nc-4.0", "retriever (LaMP-QA)", CONTRIEVER),
    encoder("sentence-transformers/all-MiniLM-L6-v2", 22.7, 92, APACHE, "", MINI_LM),
    encoder("intfloat/e5-small-v2", 33.4, 134, "mit", "", E5),
    encoder("intfloat/e5-base-v2", 109.5, 439, "mit", "", E5),
    encoder("BAAI/bge-small-en-v1.5", 33.4, 134, "mit", "", BGE),
    encoder("BAAI/bge-base-en-v1.5", 109.5, 439, "mit", "encoder of histories (PPlug)", BGE),
    chat(("bartowski/SmolLM2-135M-Instruct-GGUF", "SmolLM2-135M-Instruct-Q8_0.gguf"), 134.5, 145, APACHE),
    chat(("unsloth/gemma-3-270m-it-GGUF", "gemma-3-270m-it-Q8_0.gguf"), 268.1, 292, "gemma"),
    chat(("bartowski/SmolLM2-360M-Instruct-GGUF", "SmolLM2-360M-Instruct-Q8_0.gguf"), 361.8, 386, APACHE),
    chat(("Qwen/Qwen2.5-0.5B-Instruct-GGUF", "qwen2.5-0.5b-instruct-q8_0.gguf"), 494.0, 676, APACHE),
    chat(("Qwen/Qwen3-0.6B-GGUF", "Qwen3-0.6B-Q8_0.gguf"), 596.0, 639, APACHE),
    chat(
        ("bartowski/Llama-3.2-1B-Instruct-GGUF", "Llama-3.2-1B-Instruct-Q4_K_M.gguf"),
        1_235.8,
        808,
        "llama3.2",
    ),
    chat(("Qwen/Qwen2.5-1.5B-Instruct-GGUF", "qwen2.5-1.5b-instruct-q4_k_m.gguf"), 1_543.7, 1_117, APACHE),
    chat(("microsoft/Phi-3-mini-4k-instruct-gguf", "Phi-3-mini-4k-instruct-q4.gguf"), 3_821.1, 2_393, "mit"),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::hub::Wanted;

    #[test]
    fn every_known_model_can_be_asked_for() {
        for known in &ALL {
            let wanted: Wanted = known.wanted().parse().unwrap();
            assert_eq!((wanted.repository.as_str(), wanted.file.as_deref()), (known.repository, known.file));
            assert_eq!(find(&known.wanted().to_uppercase()), Some(known));
            assert_eq!(known.role == Role::Encoder, known.vectors.is_some());
            assert_eq!(known.role == Role::Chat, known.file.is_some());
            // Folders hold 32-bit numbers and little else; files at most a byte and an eighth each, and a quarter more for
            // embeddings that are stored twice.
            let bytes = known.megabytes as f64 / known.parameters_millions;
            let range = if known.file.is_some() { 0.5..1.5 } else { 3.9..4.2 };
            assert!(range.contains(&bytes), "{}: {bytes} bytes a parameter", known.repository);
        }
    }

    #[test]
    fn encoders_know_their_prefixes() {
        let e5 = find("intfloat/E5-small-v2").unwrap().encoder();
        assert_eq!(e5.prefixes.unwrap().document, "passage: ");
        let bge = find("BAAI/bge-base-en-v1.5").unwrap().encoder();
        assert_eq!((bge.pooling, bge.normalize), (Some(Pooling::Cls), Some(true)));
        assert_eq!(find("google/flan-t5-base").unwrap().encoder(), EncoderDefaults::default());
    }
}
