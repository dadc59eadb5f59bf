//! What can go wrong with the hub.

use std::path::PathBuf;

/// The result of everything in this module.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What can go wrong with the hub.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Requests are forbidden.
    #[error("HF_HUB_OFFLINE is set: nothing can be fetched")]
    Offline,
    /// An address that is none.
    #[error("HF_ENDPOINT is {0:?}, expected an address that starts with http:// or https://")]
    Endpoint(String),
    /// The server wants to know who asks, or doesn't let them in.
    #[error("{url}: access refused (HTTP {status}){}", said(message))]
    Refused { url: String, status: u16, message: Option<String>, with_token: bool },
    /// There is no such repository, revision or file.
    #[error("{url}: not found (HTTP 404){}", said(message))]
    NotFound { url: String, message: Option<String> },
    /// Any other answer that is no success.
    #[error("{url}: HTTP {status}{}", said(message))]
    Status { url: String, status: u16, message: Option<String> },
    /// No answer, or one that broke off.
    #[error("{url}: the connection failed")]
    Connection { url: String, source: ureq::Error },
    /// The body of an answer broke off.
    #[error("{url}: the connection broke after {got} of {expected} bytes")]
    Broken { url: String, got: u64, expected: u64, source: Option<std::io::Error> },
    /// An answer that isn't what the hub says.
    #[error("{url}: {reason}")]
    Answer { url: String, reason: String },
    /// The repository holds something else.
    #[error("{repo} is not a C3 checkpoint: it has no {missing}")]
    NotC3 { repo: String, missing: &'static str },
    /// A file that is not what the hub announced.
    #[error("{file} is damaged: expected {kind} {expected}, found {found}")]
    Checksum { file: String, kind: &'static str, expected: String, found: String },
    /// Another process fetches the same file.
    #[error("another process is fetching {file}")]
    Busy { file: String },
    /// The cache can't be written.
    #[error("can't {doing} {}", path.display())]
    Cache { doing: &'static str, path: PathBuf, source: std::io::Error },
    /// The user asked to stop.
    #[error(transparent)]
    Interrupted(#[from] crate::interrupt::Interrupted),
}

fn said(message: &Option<String>) -> String {
    message.as_ref().map_or(String::new(), |message| format!(": {message}"))
}

impl Error {
    /// Whether asking again may help.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Connection { source, .. } => {
                !matches!(source, ureq::Error::BadUri(_) | ureq::Error::Tls(_))
            }
            Self::Broken { .. } => true,
            Self::Status { status, .. } => matches!(status, 408 | 429 | 500..=599),
            _ => false,
        }
    }

    /// What to do about it.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Offline => Some("unset HF_HUB_OFFLINE"),
            Self::Refused { with_token: false, .. } => {
                Some("private and gated models need a token in HF_TOKEN; is the name right?")
            }
            Self::Refused { with_token: true, .. } => {
                Some("the token may be expired, or the model's terms not yet accepted")
            }
            Self::NotFound { .. } => Some("check the name and the revision"),
            Self::Connection { .. } => Some("is there a network, and is HF_ENDPOINT right?"),
            Self::Broken { .. } => {
                Some("what was fetched is kept: the same command goes on from there")
            }
            Self::Checksum { .. } => {
                Some("the file was removed: the same command fetches it again")
            }
            _ => None,
        }
    }
}
