//! `c3 eval`: how much of a text comes back, and at what cost.

mod cost;
mod memory;
mod report;
mod run;
mod table;

pub use cost::Cost;
pub(super) use memory::load;
pub use report::Report;
pub use run::{Experiment, Run, Source};
pub use table::{Table, TableOf};

use c3_eval::results::Machine;
use candle_core::DeviceLocation;

use super::Context;
use crate::compute::Compute;
use crate::human;
use crate::machine;
use crate::report::Outcome;

/// A validated job.
pub enum Job {
    Run(Run),
    Cost(Cost),
    Report(Report),
    Table(Table),
}

/// How results are printed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Form {
    Table,
    Csv,
    Json,
}

impl Job {
    pub fn run(self, context: &Context) -> anyhow::Result<Outcome> {
        match self {
            Self::Run(run) => run.run(context),
            Self::Cost(cost) => cost.run(context),
            Self::Report(report) => report.run(context),
            Self::Table(table) => table.run(context),
        }
    }
}

/// A table for people.
fn shown(table: &c3_eval::tables::Table) -> String {
    let header: Vec<&str> = table.header.iter().map(String::as_str).collect();
    human::columns(&header, &table.rows)
}

/// This machine, as result files name it.
pub(super) fn machine() -> Machine {
    let machine::Machine { os, architecture, cores, memory_bytes, cpu_features } =
        machine::Machine::look();
    Machine {
        system: format!("{os} {architecture}"),
        cpu: cpu(),
        cores,
        memory_bytes,
        cpu_features: cpu_features.into_iter().map(str::to_owned).collect(),
    }
}

/// The processor's name, from the file that Linux has for it.
fn cpu() -> Option<String> {
    let info = std::fs::read_to_string("/proc/cpuinfo").ok()?;
    let (_, name) = info.lines().find(|line| line.starts_with("model name"))?.split_once(':')?;
    Some(name.trim().to_owned()).filter(|name| !name.is_empty())
}

/// What computes, as `--device` names it.
pub(super) fn device(compute: &Compute) -> String {
    match compute.options.device.location() {
        DeviceLocation::Cpu => "cpu".into(),
        DeviceLocation::Cuda { gpu_id } => format!("cuda:{gpu_id}"),
        DeviceLocation::Metal { gpu_id } => format!("metal:{gpu_id}"),
    }
}

/// The command as it was typed, quoted where a shell needs it.
pub(super) fn command() -> String {
    let plain = |c: char| c.is_alphanumeric() || "-_./,=:@+%".contains(c);
    let quote = |word: String| match word.chars().all(plain) && !word.is_empty() {
        true => word,
        false => format!("'{}'", word.replace('\'', r"'\''")),
    };
    let words = std::env::args_os().skip(1).map(|word| quote(word.to_string_lossy().into_owned()));
    ["c3".to_owned()].into_iter().chain(words).collect::<Vec<_>>().join(" ")
}
