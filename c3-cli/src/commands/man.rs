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
    let command = match &args.command {
        None => all,
        Some(name) => match all.find_subcommand(name) {
            Some(command) => command.clone(),
            None => bail!("no command {name:?}: `c3 help` lists them"),
        },
    };
    let mut page = Vec::new();
    Man::new(command).render(&mut page).context("can't render the manual page")?;
    output::print(&String::from_utf8_lossy(&page))?;
    Ok(Outcome::Done)
}
