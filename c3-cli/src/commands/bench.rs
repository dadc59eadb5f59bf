//! `c3 bench`: each stage timed, every combination of what was asked for.

use std::num::NonZeroUsize;

use c3_eval::cost::{Load, Stage, measure};
use c3_eval::results::{CostRecord, Machine, Place};
use c3_eval::{Model, Ratio, tables};
use serde::Serialize;

use super::{Context, eval};
use crate::compute::Compute;
use crate::progress::Progress;
use crate::report::Outcome;
use crate::{interrupt, output, program};

/// How the results are printed.
#[derive(Clone, Copy)]
pub enum Format {
    Markdown,
    Csv,
    Json,
}

/// What to time.
pub struct Bench {
    pub stages: Vec<Stage>,
    /// Empty: all that the model has.
    pub ratios: Vec<Ratio>,
    /// Empty: the model's window.
    pub tokens: Vec<usize>,
    pub batches: Vec<usize>,
    /// Empty: that of `compute`.
    pub thread_counts: Vec<NonZeroUsize>,
    pub repetitions: usize,
    pub warm_up: bool,
    pub format: Format,
    pub compute: Compute,
}

/// The results, for scripts.
#[derive(Serialize)]
struct Printed<'a> {
    command: String,
    program: String,
    machine: Machine,
    device: String,
    model: &'a c3_eval::ModelIdentity,
    loads: &'a [CostRecord],
}

impl Bench {
    pub fn run(self, context: &Context) -> anyhow::Result<Outcome> {
        let batch = self.batches.iter().copied().max();
        let (model, _) = self.compute.install(|| eval::load(&self.compute, context, batch))?;
        let loads = self.loads(&model)?;
        let threads: Vec<Option<NonZeroUsize>> = match self.thread_counts.is_empty() {
            true => vec![self.compute.threads],
            false => self.thread_counts.iter().copied().map(Some).collect(),
        };
        let total = (threads.len() * loads.len()) as u64;
        let progress = Progress::count(&context.ui, "measuring", "loads", total);
        let mut records = Vec::new();
        for threads in threads {
            let compute = Compute { threads, ..self.compute.clone() };
            let timed = compute.install(|| {
                let mut timed = Vec::new();
                for &load in &loads {
                    progress.at((records.len() + timed.len()) as u64);
                    let go_on = || !interrupt::asked();
                    let (stages, repetitions) = (&self.stages, self.repetitions);
                    let record = measure(&model, load, stages, repetitions, self.warm_up, &go_on);
                    interrupt::check()?;
                    timed.push(record?);
                }
                Ok(timed)
            })?;
            records.extend(timed);
        }
        drop(progress);
        let (machine, device, program) =
            (eval::machine(), eval::device(&self.compute), program::name());
        let model = model.identity();
        let place = Place { model, machine: &machine, device: &device, program: &program };
        match self.format {
            Format::Markdown => {
                output::print(&format!("{}\n{place}\n", tables::bench(&records).to_markdown()))?;
            }
            Format::Csv => output::print(&tables::cost_csv(&place, &records))?,
            Format::Json => output::print_json(&Printed {
                command: eval::command(),
                program,
                machine,
                device,
                model,
                loads: &records,
            })?,
        }
        Ok(Outcome::Done)
    }

    fn loads(&self, model: &Model) -> anyhow::Result<Vec<Load>> {
        let ratios = if self.ratios.is_empty() { model.ratios() } else { self.ratios.clone() };
        let mut loads = Vec::new();
        for ratio in ratios {
            let window = model.bank(ratio)?.segment_tokens;
            let tokens = if self.tokens.is_empty() { vec![window] } else { self.tokens.clone() };
            for tokens in tokens {
                loads.extend(self.batches.iter().map(|&batch| Load { tokens, batch, ratio }));
            }
        }
        Ok(loads)
    }
}
