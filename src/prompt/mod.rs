//! What the model reads: template, retrieved entries and a token budget to a prompt.
