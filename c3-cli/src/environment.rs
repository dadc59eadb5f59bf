//! The environment, read once: nothing else in the workspace looks at it.

use std::ffi::OsString;
use std::path::PathBuf;

/// The variables that `c3` honours. `NO_COLOR` and `CLICOLOR` are read by anstream, and the
/// proxy's by ureq.
#[derive(Default)]
pub struct Environment {
    /// The user's folder.
    pub home: Option<PathBuf>,
    /// Where caches go, by the XDG convention.
    pub xdg_cache_home: Option<PathBuf>,
    /// The hub's folder: cache and token.
    pub hf_home: Option<PathBuf>,
    /// The hub's cache alone.
    pub hf_hub_cache: Option<PathBuf>,
    /// The server to ask instead of huggingface.co.
    pub hf_endpoint: Option<String>,
    /// Identifies the user to the hub.
    pub hf_token: Option<String>,
    /// A file that holds the token.
    pub hf_token_path: Option<PathBuf>,
    /// Forbids every request.
    pub hf_hub_offline: Option<String>,
}

impl Environment {
    /// Reads it. A variable that is set to nothing counts as unset.
    pub fn read() -> Self {
        let home = if cfg!(windows) { "USERPROFILE" } else { "HOME" };
        Self {
            home: path(home),
            xdg_cache_home: path("XDG_CACHE_HOME"),
            hf_home: path("HF_HOME"),
            hf_hub_cache: path("HF_HUB_CACHE").or_else(|| path("HUGGINGFACE_HUB_CACHE")),
            hf_endpoint: text("HF_ENDPOINT"),
            hf_token: text("HF_TOKEN"),
            hf_token_path: path("HF_TOKEN_PATH"),
            hf_hub_offline: text("HF_HUB_OFFLINE"),
        }
    }
}

fn variable(name: &str) -> Option<OsString> {
    std::env::var_os(name).filter(|value| !value.is_empty())
}

fn path(name: &str) -> Option<PathBuf> {
    variable(name).map(PathBuf::from)
}

fn text(name: &str) -> Option<String> {
    variable(name).map(|value| value.to_string_lossy().trim().to_owned())
}
