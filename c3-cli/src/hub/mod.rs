//! The Hugging Face hub: its cache on this machine, which is always known, and the client that
//! fills it, which is compiled in with the feature `hub`.
//!
//! `hf-hub`, the hub's own crate, was the first choice. Its synchronous client (0.5) resumes but
//! verifies nothing it downloads, and knows neither `HF_TOKEN` nor `HF_HUB_OFFLINE`; later versions need
//! tokio. So the client here is our own, on `ureq`, with the same layout of the cache.

mod cache;
mod repo;
mod settings;

#[cfg(feature = "hub")]
mod client;
#[cfg(feature = "hub")]
mod download;
#[cfg(feature = "hub")]
mod error;
#[cfg(feature = "hub")]
mod listing;
#[cfg(feature = "hub")]
mod retry;
#[cfg(feature = "hub")]
mod verify;

#[cfg_attr(feature = "hub", path = "enabled.rs")]
#[cfg_attr(not(feature = "hub"), path = "disabled.rs")]
mod fetch;

pub use cache::{Cache, CachedModel};
pub use fetch::{COMPILED_IN, pull};
pub use repo::RepoId;
pub use settings::{HubSettings, TokenSource};

/// What `pull` brought.
#[derive(serde::Serialize)]
pub struct Pulled {
    pub repo: String,
    pub revision: String,
    pub commit: String,
    /// The folder to use as a model.
    pub path: std::path::PathBuf,
    /// Bytes that were fetched by this call.
    pub fetched_bytes: u64,
    pub files: Vec<PulledFile>,
}

/// One file of a [`Pulled`] model.
#[derive(serde::Serialize)]
pub struct PulledFile {
    pub path: String,
    pub bytes: u64,
    /// Whether it was in the cache before.
    pub cached: bool,
}
