//! Models that another program serves: anything that speaks the OpenAI API, from a server on this machine to a hosted one.
//!
//! Such a server does the computing and the distributing; this room keeps it busy and loses no answer. [`Endpoint`] says where it is
//! and how it is asked, [`SavedEndpoints`] keeps that as files without secrets, `client` asks once, `pace` decides how many questions
//! are under way and what follows a failure, `drive` joins the two, and [`EndpointGenerator`] and [`EndpointEncoder`] are what the
//! rest of the program sees. The only room that names `reqwest`, `rustls` and `tokio`.

mod client;
mod drive;
mod encoder;
mod error;
mod estimate;
mod generator;
mod keys;
mod pace;
mod saved;
mod secret;
mod settings;
mod try_out;
mod wire;

pub use encoder::EndpointEncoder;
pub use error::EndpointError;
pub use estimate::EstimatingTokenizer;
pub use generator::EndpointGenerator;
pub use keys::{KeyError, KeyFile, KeyPlace, ask_passphrase_with};
pub(in crate::model) use saved::read as read_endpoint;
pub use saved::{SavedEndpoints, is_saved_endpoint};
pub use secret::{KeyRef, Secret, wipe};
pub use settings::{Endpoint, Kind, Value};
pub use try_out::{Trial, TriedAnswer, TryOut, list_models, try_embedding, try_models, try_out};

/// What names of such models begin with.
pub const PREFIX: &str = "endpoint:";

/// What a run's spec says such models compute on.
pub const DEVICE: &str = "endpoint";
