//! Commands on `.c3` files: appending, searching, comparing, verifying.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use c3_core::DecodeRequest;
use clap::Args;

use super::files;
use super::level::LevelArgs;
use super::model::{ModelArgs, RatioArgs};
use crate::commands::append::Append;
use crate::commands::compare::Compare;
use crate::commands::grep::Grep;
use crate::commands::verify::Verify;
use crate::input::Input;

/// Add text to the end of a .c3 file
///
/// What is there stays as it is. The file is replaced whole, or not at all.
#[derive(Args)]
pub struct AppendArgs {
    /// .c3 file to add to
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// UTF-8 text to add, with --exact any file; stdin where absent or `-`
    #[arg(value_name = "IN")]
    input: Option<PathBuf>,
    #[command(flatten)]
    ratio: RatioArgs,
    #[command(flatten)]
    level: LevelArgs,
    #[command(flatten)]
    model: ModelArgs,
    /// Segments computed together [default: chosen by the encoder]
    #[arg(long, value_name = "N")]
    batch: Option<NonZeroUsize>,
    /// Print a summary as JSON
    #[arg(long)]
    json: bool,
}

impl AppendArgs {
    pub fn check(self) -> Append {
        Append {
            file: self.file,
            input: files::input(self.input),
            compute: self.model.check(),
            compression: self.ratio.check(),
            batch: self.batch.map(Into::into),
            promise: self.level.check(),
            json: self.json,
        }
    }
}

/// Search the text of a .c3 file for a regular expression
///
/// Decodes segment by segment and prints each line that matches, with the offset of the line in the
/// source: `offset:line`. Exits with 1 where none does.
#[derive(Args)]
pub struct GrepArgs {
    /// Regular expression
    #[arg(value_name = "PATTERN")]
    pattern: String,
    /// .c3 file; stdin where absent or `-`
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,
    /// Take upper and lower case as equal
    #[arg(short, long)]
    ignore_case: bool,
    /// Take the pattern as plain text
    #[arg(short = 'F', long)]
    fixed_strings: bool,
    /// Stop after so many lines; what follows is not decoded, but for a batch that begins with one
    /// segment and doubles
    #[arg(long, value_name = "N")]
    max_count: Option<NonZeroUsize>,
    /// Print the number of lines alone
    #[arg(short, long)]
    count: bool,
    /// Search the text that latents of another model decode to all the same
    #[arg(long)]
    any_model: bool,
    #[command(flatten)]
    model: ModelArgs,
    /// Segments computed together [default: chosen by the model]
    #[arg(long, value_name = "N")]
    batch: Option<NonZeroUsize>,
    /// Print each line as JSON
    #[arg(long, conflicts_with = "count")]
    json: bool,
}

impl GrepArgs {
    pub fn check(self) -> anyhow::Result<Grep> {
        let pattern = match self.fixed_strings {
            true => regex::escape(&self.pattern),
            false => self.pattern,
        };
        let pattern = regex::bytes::RegexBuilder::new(&pattern)
            .case_insensitive(self.ignore_case)
            .multi_line(true)
            .build()?;
        Ok(Grep {
            pattern,
            input: files::input(self.file),
            most: self.max_count.map(Into::into),
            count: self.count,
            compute: self.model.check(),
            request: DecodeRequest {
                batch: self.batch.map(Into::into),
                any_fingerprint: self.any_model,
                ..Default::default()
            },
            json: self.json,
        })
    }
}

/// Compare the texts of two .c3 files by the hashes of their segments, without any model
///
/// Lists the segments that only one of them has. Exits with 1 where the texts differ.
#[derive(Args)]
pub struct DiffArgs {
    /// .c3 file
    #[arg(value_name = "A")]
    old: PathBuf,
    /// .c3 file to compare it with
    #[arg(value_name = "B")]
    new: PathBuf,
    /// Print the differences as JSON
    #[arg(long)]
    json: bool,
}

impl DiffArgs {
    pub fn check(self) -> Compare {
        let (old, new) = (Input::File(self.old), Input::File(self.new));
        Compare { old, new, json: self.json }
    }
}

/// Verify that a .c3 file is sound and keeps what it says of its text
///
/// Reads all of it and decodes it; with --against, one pass of the decoder over the text tells the
/// same in a fraction of the time, and which tokens are right by a hair. Exits with 1 where something is
/// not as the file says.
#[derive(Args)]
pub struct VerifyArgs {
    /// .c3 file; stdin where absent or `-`
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,
    /// The text that it was made from
    #[arg(long, value_name = "TEXT")]
    against: Option<PathBuf>,
    /// Verify with another model than the one that the file names all the same
    #[arg(long)]
    any_model: bool,
    #[command(flatten)]
    model: ModelArgs,
    /// Segments computed together [default: chosen by the model]
    #[arg(long, value_name = "N")]
    batch: Option<NonZeroUsize>,
    /// Print the findings as JSON
    #[arg(long)]
    json: bool,
}

impl VerifyArgs {
    pub fn check(self) -> Verify {
        Verify {
            input: files::input(self.file),
            against: self.against.map(|path| files::input(Some(path))),
            any_model: self.any_model,
            compute: self.model.check(),
            batch: self.batch.map(Into::into),
            json: self.json,
        }
    }
}
