//! What can go wrong while a model is trained.

use std::path::{Path, PathBuf};

/// The result of everything in this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What can go wrong while a model is trained.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file or folder that can't be read or written.
    #[error("{path}: {doing} failed", path = path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What was tried.
        doing: &'static str,
        /// Why it failed.
        source: std::io::Error,
    },
    /// A configuration that isn't one.
    #[error("{path}: {reason}", path = path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// What is wrong, and where.
        reason: String,
    },
    /// A setting that can't be.
    #[error("{name}: expected {expected}, found {found}")]
    Setting {
        /// Its name, with its section.
        name: &'static str,
        /// What it must be.
        expected: String,
        /// What it is.
        found: String,
    },
    /// Too little text to train on.
    #[error("{what} has {found} tokens of text, expected at least {expected}")]
    TooLittleText {
        /// Which text.
        what: &'static str,
        /// Tokens needed.
        expected: usize,
        /// Tokens there are.
        found: usize,
    },
    /// The caller stopped while text was tokenised.
    #[error("stopped before all text was tokenised")]
    Stopped,
    /// A pattern of files that no file fits.
    #[error("no file is {0}")]
    NoFile(String),
    /// A loss, a gradient or a weight that is no number any more.
    #[error(
        "the {what} of step {step} is {found}: the checkpoint of step {kept} is kept (0 is the \
         beginning); a smaller learning rate or a longer warm-up may help"
    )]
    NotFinite {
        /// What isn't finite.
        what: String,
        /// The step, from 1.
        step: u64,
        /// What it is.
        found: f64,
        /// The last step whose checkpoint has proved good, or has not been shown to be bad.
        kept: u64,
    },
    /// A run that goes on with another configuration than it began with.
    #[error(
        "{path} was begun with another configuration ({name} differs): choose another folder, or go \
         back to what it was",
        path = path.display()
    )]
    OtherRun {
        /// The run's folder.
        path: PathBuf,
        /// The first setting that differs.
        name: String,
    },
    /// A saved state that doesn't fit the model.
    #[error("{path}: {reason}", path = path.display())]
    State {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// Workers that can't be started.
    #[error("can't start threads: {0}")]
    Threads(String),
    /// No vocabulary can be learnt.
    #[error("learning a vocabulary failed: {0}")]
    Tokenizer(String),
    /// The model can't be loaded or run.
    #[error(transparent)]
    Model(#[from] c3_nn::Error),
    /// The encoder refuses.
    #[error(transparent)]
    Encoder(#[from] c3_encoder::Error),
    /// The decoder refuses.
    #[error(transparent)]
    Decoder(#[from] c3_decoder::Error),
    /// The tensor engine failed.
    #[error(transparent)]
    Tensor(#[from] candle_core::Error),
}

/// Says which file an operation failed on.
pub(crate) fn io<'a>(
    path: &'a Path,
    doing: &'static str,
) -> impl FnOnce(std::io::Error) -> Error + 'a {
    move |source| Error::Io { path: path.into(), doing, source }
}
