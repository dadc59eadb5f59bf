//! `c3 pull`: a model from the hub.

use super::Context;
use crate::args::PullArgs;
use crate::report::Outcome;
use crate::{hub, human, output};

pub fn run(args: &PullArgs, context: &Context) -> anyhow::Result<Outcome> {
    let pulled = hub::pull(&args.repo, &context.hub, &context.ui)?;
    let bytes: u64 = pulled.files.iter().map(|file| file.bytes).sum();
    context.ui.say(format_args!(
        "{} at {}: {}, {}, of which {} fetched now",
        pulled.repo,
        pulled.commit,
        human::counted(pulled.files.len() as u64, "file"),
        human::bytes(bytes),
        human::bytes(pulled.fetched_bytes),
    ));
    if args.json {
        output::print_json(&pulled)?;
    } else {
        output::print(&format!("{}\n", pulled.path.display()))?;
    }
    Ok(Outcome::Done)
}
