#![doc = include_str!("../README.md")]

mod allocator;
mod args;
mod builtin;
mod commands;
mod compute;
mod engine;
mod environment;
mod hints;
mod hub;
mod human;
mod input;
mod interrupt;
mod machine;
mod memory;
mod model;
mod output;
mod program;
mod progress;
mod report;
mod stdin;
mod style;
mod ui;

use std::process::ExitCode;

use clap::Parser;

use args::{Cli, Command};
use commands::{Context, completions, man, pull};
use report::Outcome;

fn main() -> ExitCode {
    let cli = Cli::parse();
    style::choose(cli.global.color);
    if matches!(cli.command, Command::Train(_)) {
        // SAFETY: nothing before this starts a thread.
        unsafe { engine::leave_threads_to_workers() };
    }
    report::exit_code(interrupt::install().and_then(|()| run(cli)))
}

fn run(cli: Cli) -> anyhow::Result<Outcome> {
    let context = Context::new(&cli.global, &environment::Environment::read());
    match cli.command {
        Command::Compress(args) => args.check()?.run(&context),
        Command::Decompress(args) => args.check()?.run(&context),
        Command::Roundtrip(args) => args.check()?.run(&context),
        Command::Inspect(args) => args.check().run(&context),
        Command::Verify(args) => args.check().run(&context),
        Command::Append(args) => args.check().run(&context),
        Command::Grep(args) => args.check()?.run(&context),
        Command::Diff(args) => args.check().run(),
        Command::Models(args) => args.check().run(&context),
        Command::Pull(args) => pull::run(&args, &context),
        Command::Doctor(args) => args.check().run(&context),
        Command::Train(args) => args.check().run(&context),
        Command::Eval(args) => args.check().run(&context),
        Command::Bench(args) => args.check().run(&context),
        Command::Completions(args) => completions::run(&args),
        Command::Man(args) => man::run(&args),
    }
}
