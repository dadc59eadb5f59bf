//! What the user typed. Every command's arguments have a `check` that makes the validated job
//! which `commands` runs; so a command never meets an option that contradicts another one.

mod bench;
mod compress;
mod decompress;
mod doctor;
mod eval;
mod eval_output;
mod files;
mod files_of;
mod level;
mod model;
mod parse;
mod roundtrip;
mod simple;
mod train;

use clap::{ArgAction, Parser, Subcommand};

pub use bench::BenchArgs;
pub use compress::CompressArgs;
pub use decompress::DecompressArgs;
pub use doctor::DoctorArgs;
pub use eval::EvalArgs;
pub use files_of::{AppendArgs, DiffArgs, GrepArgs, VerifyArgs};
pub use roundtrip::RoundtripArgs;
pub use simple::{CompletionsArgs, InspectArgs, ManArgs, ModelsArgs, PullArgs};
pub use train::TrainArgs;

/// Text to latent tokens and back: Context Cascade Compression.
///
/// `compress` turns text into a .c3 file of latent tokens, `decompress` turns it back. The model
/// is the small one inside the program unless --model names another.
#[derive(Parser)]
#[command(name = "c3", version, styles = crate::style::HELP, after_help = EXIT_CODES)]
#[command(arg_required_else_help = true, max_term_width = 100, propagate_version = true)]
pub struct Cli {
    #[command(flatten)]
    pub global: GlobalArgs,
    #[command(subcommand)]
    pub command: Command,
}

const EXIT_CODES: &str = "\
Exit codes:
  0    done
  1    done, but the result is a failure: text that differs under --strict or for diff and verify,
       nothing that grep finds, a problem that doctor found
  2    not done: wrong usage, bad input, or an error
  130  stopped by Ctrl-C

Text for people goes to stderr, data to stdout. `-` is stdin or stdout.";

const EVERYWHERE: &str = "Everywhere";

/// Options of every command.
#[derive(clap::Args)]
pub struct GlobalArgs {
    /// Say nothing but errors; show no progress
    #[arg(short, long, global = true, help_heading = EVERYWHERE, conflicts_with = "verbose")]
    pub quiet: bool,
    /// Say more
    #[arg(short, long, global = true, help_heading = EVERYWHERE, action = ArgAction::Count)]
    pub verbose: u8,
    /// Color; `auto` follows NO_COLOR and the terminal
    #[arg(long, global = true, help_heading = EVERYWHERE, value_name = "WHEN", default_value = "auto")]
    pub color: ColorWhen,
}

/// When to use color.
#[derive(Clone, Copy, clap::ValueEnum)]
pub enum ColorWhen {
    Auto,
    Always,
    Never,
}

/// The commands.
#[derive(Subcommand)]
pub enum Command {
    Compress(CompressArgs),
    Decompress(DecompressArgs),
    Roundtrip(RoundtripArgs),
    Inspect(InspectArgs),
    Verify(VerifyArgs),
    Append(AppendArgs),
    Grep(GrepArgs),
    Diff(DiffArgs),
    Models(ModelsArgs),
    Pull(PullArgs),
    Doctor(DoctorArgs),
    Train(TrainArgs),
    Eval(EvalArgs),
    Bench(BenchArgs),
    Completions(CompletionsArgs),
    Man(ManArgs),
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_definition_is_consistent() {
        super::Cli::command().debug_assert();
    }
}
