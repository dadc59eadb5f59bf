//! What is said to people, on stderr.

use std::fmt::Display;
use std::io::{IsTerminal, Write};

use crate::args::GlobalArgs;
use crate::style::{WARNING, paint};

/// How much to say.
#[derive(Clone, Copy)]
pub struct Ui {
    quiet: bool,
    verbose: u8,
}

impl Ui {
    pub fn new(global: &GlobalArgs) -> Self {
        Self { quiet: global.quiet, verbose: global.verbose }
    }

    /// Says what was done.
    pub fn say(&self, message: impl Display) {
        if !self.quiet {
            line(message);
        }
    }

    /// Says what only those want to know who ask with `-v`.
    pub fn detail(&self, message: impl FnOnce() -> String) {
        if self.verbose > 0 {
            line(message());
        }
    }

    pub fn warn(&self, message: impl Display) {
        if !self.quiet {
            line(format_args!("{} {message}", paint(WARNING, "warning:")));
        }
    }

    pub fn is_verbose(&self) -> bool {
        self.verbose > 0
    }

    /// Progress is for people who are watching.
    pub fn shows_progress(&self) -> bool {
        !self.quiet && std::io::stderr().is_terminal()
    }
}

/// Writes one line to stderr. Where nobody reads it, nothing is lost but the line.
pub fn line(message: impl Display) {
    let _ = writeln!(anstream::stderr(), "{message}");
}
