//! What can go wrong in an evaluation.

use std::path::PathBuf;

/// The result of everything in this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What can go wrong in an evaluation.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file or folder that can't be read or written.
    #[error("can't {doing} {path}", path = path.display())]
    Io {
        /// What was tried.
        doing: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// Why it failed.
        source: std::io::Error,
    },
    /// A text that is not UTF-8.
    #[error("{path} is not UTF-8: invalid byte at offset {offset}", path = path.display())]
    InvalidUtf8 {
        /// The file.
        path: PathBuf,
        /// Of the first invalid byte, from 0.
        offset: usize,
    },
    /// A file that isn't what it should be.
    #[error("{path}, {place}: expected {expected}, found {found}", path = path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// Where in it.
        place: String,
        /// What should be there.
        expected: &'static str,
        /// What is there.
        found: String,
    },
    /// A corpus without texts.
    #[error("{0} has no text to evaluate")]
    EmptyCorpus(String),
    /// A result file of another program or version.
    #[error(
        "{path} is not a result file of version {expected}: {found}",
        path = path.display()
    )]
    Version {
        /// The file.
        path: PathBuf,
        /// The version that this program reads and writes.
        expected: u32,
        /// What the file says.
        found: String,
    },
    /// A result file of another run.
    #[error(
        "{path} holds another run: its {what} is {found}, this run's is {expected}",
        path = path.display()
    )]
    OtherRun {
        /// The file.
        path: PathBuf,
        /// What differs.
        what: &'static str,
        /// This run's.
        expected: String,
        /// The file's.
        found: String,
    },
    /// A result file that another process writes.
    #[error("{} is being written by another process", .0.display())]
    InUse(PathBuf),
    /// Result files that don't go into one table.
    #[error(
        "{path} and {other} don't go into one table: {why}",
        path = path.display(), other = other.display()
    )]
    Mixed {
        /// The later file.
        path: PathBuf,
        /// The earlier one.
        other: PathBuf,
        /// Why not.
        why: String,
    },
    /// A setting that can't be.
    #[error("{name}: expected {expected}, found {found}")]
    Setting {
        /// Its name.
        name: &'static str,
        /// What it must be.
        expected: String,
        /// What it is.
        found: String,
    },
    /// A report of nothing.
    #[error("no result to report: {0}")]
    NothingToReport(String),
    /// A figure that can't be drawn.
    #[error("can't draw a figure: {0}")]
    Figure(String),
    /// The caller broke off.
    #[error("the evaluation was cancelled")]
    Cancelled,
    /// Latents that don't fit together.
    #[error(transparent)]
    Core(#[from] c3_core::Error),
    /// Encoding failed.
    #[error(transparent)]
    Encoder(#[from] c3_encoder::Error),
    /// Decoding failed.
    #[error(transparent)]
    Decoder(#[from] c3_decoder::Error),
    /// The model failed.
    #[error(transparent)]
    Nn(#[from] c3_nn::Error),
    /// The tensor engine failed.
    #[error(transparent)]
    Tensor(#[from] candle_core::Error),
}

impl Error {
    /// An [`Error::Io`] in the making.
    pub(crate) fn io(
        doing: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { doing, path, source }
    }
}
