//! What well-known servers want, for a form to begin with.

use crate::model::endpoint::{Endpoint, KeyPlace};

/// A kind of server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Preset {
    /// The service of OpenAI.
    OpenAi,
    /// vLLM's server.
    #[default]
    Vllm,
    /// llama.cpp's server.
    LlamaCpp,
    /// Ollama.
    Ollama,
    /// Anything else that speaks the OpenAI API.
    Other,
}

impl Preset {
    pub(super) const ALL: [Self; 5] = [Self::OpenAi, Self::Vllm, Self::LlamaCpp, Self::Ollama, Self::Other];

    pub(super) const fn words(self) -> &'static str {
        match self {
            Self::OpenAi => "OpenAI",
            Self::Vllm => "vLLM",
            Self::LlamaCpp => "llama.cpp",
            Self::Ollama => "Ollama",
            Self::Other => "Other",
        }
    }

    /// What to know of it, in a line.
    pub(super) const fn note(self) -> &'static str {
        match self {
            Self::OpenAi => "Hosted, with a key. Requests cost money: give prices and a limit under More.",
            Self::Vllm => "Serves many requests at once: vllm serve MODEL.",
            Self::LlamaCpp => {
                "One GGUF model: llama-server -m MODEL.gguf. Its slots decide how many run at once."
            }
            Self::Ollama => "Models by the names of ollama list. Few requests at once.",
            Self::Other => "Anything that speaks the OpenAI API: SGLang, TGI, Azure, a gateway.",
        }
    }

    /// The usual base address.
    pub(super) const fn url(self) -> &'static str {
        match self {
            Self::OpenAi => "https://api.openai.com/v1",
            Self::Vllm => "http://localhost:8000/v1",
            Self::LlamaCpp => "http://localhost:8080/v1",
            Self::Ollama => "http://localhost:11434/v1",
            Self::Other => "",
        }
    }

    /// The name that an endpoint of it may begin with.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::OpenAi => "openai",
            Self::Vllm => "vllm",
            Self::LlamaCpp => "llama-cpp",
            Self::Ollama => "ollama",
            Self::Other => "",
        }
    }

    /// Requests under way at most.
    pub(super) const fn concurrency(self) -> usize {
        match self {
            Self::OpenAi | Self::Other => 32,
            Self::Vllm => 256,
            Self::LlamaCpp | Self::Ollama => 4,
        }
    }

    /// The variable that its key is usually in; `None` where no key is wanted.
    pub(super) const fn variable(self) -> Option<&'static str> {
        match self {
            Self::OpenAi => Some("OPENAI_API_KEY"),
            _ => None,
        }
    }

    /// What an endpoint is likely of.
    pub(super) fn of(endpoint: &Endpoint) -> Self {
        let own =
            |preset: &Self| !preset.url().is_empty() && endpoint.url.trim_end_matches('/') == preset.url();
        Self::ALL.into_iter().find(own).unwrap_or(Self::Other)
    }
}

/// Where a key is kept, as the form has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Place {
    /// No key is wanted.
    #[default]
    None,
    /// A variable of the environment.
    Environment,
    /// The system's keyring.
    Keyring,
    /// The sealed file.
    File,
}

impl Place {
    pub(super) const fn place(self) -> Option<KeyPlace> {
        match self {
            Self::None => None,
            Self::Environment => Some(KeyPlace::Environment),
            Self::Keyring => Some(KeyPlace::Keyring),
            Self::File => Some(KeyPlace::File),
        }
    }

    pub(super) const fn of(place: KeyPlace) -> Self {
        match place {
            KeyPlace::Environment => Self::Environment,
            KeyPlace::Keyring => Self::Keyring,
            KeyPlace::File => Self::File,
        }
    }
}
