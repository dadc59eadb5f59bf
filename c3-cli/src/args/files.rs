//! Input and output files.

use std::path::PathBuf;

use clap::Args;

use crate::input::Input;
use crate::output::Output;

/// Where the output goes.
#[derive(Args)]
pub struct OutputArgs {
    /// File to write; stdout where absent or `-`
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Overwrite an output file that exists
    #[arg(short, long)]
    force: bool,
}

impl OutputArgs {
    pub fn check(self) -> Output {
        self.output.map_or(Output::Stdout, |path| output(path, self.force))
    }
}

/// The output that a path names.
pub fn output(path: PathBuf, force: bool) -> Output {
    if is_dash(&path) { Output::Stdout } else { Output::File { path, force } }
}

/// The input that a positional argument names.
pub fn input(path: Option<PathBuf>) -> Input {
    match path {
        Some(path) if !is_dash(&path) => Input::File(path),
        _ => Input::Stdin,
    }
}

fn is_dash(path: &std::path::Path) -> bool {
    path.as_os_str() == "-"
}

/// Refuses a JSON summary on the stdout that the data goes to.
pub fn json_beside_data(json: bool, output: &Output) -> anyhow::Result<()> {
    if json && matches!(output, Output::Stdout) {
        anyhow::bail!("--json prints to stdout, where the data goes: name a file with -o");
    }
    Ok(())
}
