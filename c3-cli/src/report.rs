//! Errors: how they are shown, what is advised, which exit code they become.

use std::fmt;
use std::process::ExitCode;

use crate::style::{ERROR, HINT, paint};
use crate::{hints, interrupt, output, ui};

/// What a command came to, where it came to an end.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// As asked.
    Done,
    /// Done, but the result is one that the user should see as a failure.
    Failed,
}

/// An error with advice on what to do about it. Transparent otherwise: shown and chained as the
/// error inside.
#[derive(Debug)]
struct Hinted {
    error: anyhow::Error,
    hint: String,
}

/// Attaches advice to an error.
pub fn with_hint(error: impl Into<anyhow::Error>, hint: impl Into<String>) -> anyhow::Error {
    Hinted { error: error.into(), hint: hint.into() }.into()
}

impl fmt::Display for Hinted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)
    }
}

impl std::error::Error for Hinted {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.error.chain().nth(1)
    }
}

/// Shows what went wrong, and says what the process exits with.
pub fn exit_code(result: anyhow::Result<Outcome>) -> ExitCode {
    let error = match result {
        Ok(Outcome::Done) => return ExitCode::SUCCESS,
        Ok(Outcome::Failed) => return ExitCode::from(1),
        Err(error) => error,
    };
    // Whatever failed, it was because it had to stop.
    if interrupt::asked() {
        return ExitCode::from(interrupt::EXIT_CODE);
    }
    // Whoever read our output has enough of it: no reason to complain.
    if output::is_closed() {
        return ExitCode::SUCCESS;
    }
    print(&error);
    ExitCode::from(2)
}

fn print(error: &anyhow::Error) {
    let mut shown = String::new();
    for (depth, cause) in error.chain().enumerate() {
        let text = cause.to_string();
        // A layer that only passes on the one below says nothing new.
        if text == shown {
            continue;
        }
        let label = if depth == 0 { "error:" } else { "caused by:" };
        ui::line(format_args!("{} {text}", paint(ERROR, label)));
        shown = text;
    }
    let own = error.chain().filter_map(|cause| cause.downcast_ref::<Hinted>());
    for hint in own.map(|hinted| hinted.hint.clone()).chain(hints::of(error)) {
        ui::line(format_args!("{} {hint}", paint(HINT, "hint:")));
    }
}
