//! `c3 man`: the manual as roff.

use anyhow::{Context, bail};
use clap::CommandFactory;
use clap_mangen::Man;

use crate::args::{Cli, ManArgs};
use crate::output;
use crate::report::Outcome;

pub fn run(args: &ManArgs) -> anyhow::Result<Outcome> {
    let mut all = Cli::command();
    // Fills in the full names and the options that all commands share.
    all.build();
    let mut command = &all;
    for name in &args.command {
        command = match command.find_subcommand(name) {
            Some(command) => command,
            None => bail!("no command {name:?}: `{} --help` lists them", shown(command)),
        };
    }
    let mut page = Vec::new();
    Man::new(command.clone()).render(&mut page).context("can't render the manual page")?;
    output::print(&String::from_utf8_lossy(&page))?;
    Ok(Outcome::Done)
}

/// What a user types for a command.
fn shown(command: &clap::Command) -> &str {
    command.get_bin_name().unwrap_or_else(|| command.get_name())
}
