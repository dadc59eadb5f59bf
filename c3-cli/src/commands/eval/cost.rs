//! What each stage costs.

use std::path::PathBuf;

use anyhow::Context as _;
use c3_eval::cost::{Load, Stage, measure};
use c3_eval::results::{
    CostPlan, CostRecord, Header, ResultWriter, Results, VERSION, read_results,
};
use c3_eval::{Model, Ratio, tables};

use super::{Context, Form, command, device, load, machine, memory as fit, shown};
use crate::compute::Compute;
use crate::progress::Progress;
use crate::report::{Outcome, with_hint};
use crate::{interrupt, memory, output, program};

/// Stages that are measured; the rest is `c3 bench`'s.
const STAGES: [Stage; 6] = [
    Stage::Encode,
    Stage::Prefill,
    Stage::PrefillText,
    Stage::FirstToken,
    Stage::Decode,
    Stage::DecodeText,
];

/// The cost of texts of some lengths at some ratios.
pub struct Cost {
    /// Empty: all that the model has.
    pub ratios: Vec<Ratio>,
    /// Empty: a quarter of the window, and all of it.
    pub tokens: Vec<usize>,
    pub repetitions: usize,
    pub output: Option<PathBuf>,
    pub force: bool,
    pub form: Form,
    pub compute: Compute,
}

impl Cost {
    pub fn run(self, context: &Context) -> anyhow::Result<Outcome> {
        let results = self.compute.install(|| self.measure(context))?;
        match self.form {
            Form::Json => {
                let Results { header, records } = &results;
                output::print_json(&serde_json::json!({ "header": header, "loads": records }))?;
            }
            Form::Csv => {
                output::print(&tables::cost_csv(&results.header.place(), &results.records))?;
            }
            Form::Table => output::print(&shown(&tables::cost(&results.records)))?,
        }
        Ok(Outcome::Done)
    }

    fn measure(&self, context: &Context) -> anyhow::Result<Results<CostRecord>> {
        fit::check(&self.compute)?;
        // One text at a time.
        let (model, _) = load(&self.compute, context, Some(1))?;
        let loads = self.loads(&model)?;
        let unkept = tempfile::tempdir().context("can't create a temporary folder")?;
        let path = self.output.clone().unwrap_or_else(|| unkept.path().join("results.jsonl"));
        let header = Header {
            c3_eval: VERSION,
            experiment: "cost".into(),
            command: command(),
            program: program::name(),
            machine: machine(),
            device: device(&self.compute),
            model: model.identity().clone(),
            corpora: Vec::new(),
            compressors: vec!["c3".into()],
            ratios: if self.ratios.is_empty() { model.ratios() } else { self.ratios.clone() },
            chunk: 1,
            batches: model.batches(),
            kept_texts: 0,
            cost: Some(CostPlan {
                loads: loads.clone(),
                threads: rayon::current_num_threads(),
                repetitions: self.repetitions,
            }),
        };
        let mut writer =
            ResultWriter::open(&path, &header, self.force).map_err(|error| match error {
                error @ c3_eval::Error::OtherRun { .. } => {
                    with_hint(error, "name another file with -o, or start anew with -f")
                }
                other => other.into(),
            })?;
        let progress = Progress::count(&context.ui, "measuring", "loads", loads.len() as u64);
        for (number, &load) in loads.iter().enumerate().skip(writer.done()) {
            progress.at(number as u64);
            let go_on = || !interrupt::asked();
            let forgotten = forget_peak();
            let record = measure(&model, load, &STAGES, self.repetitions, true, &go_on);
            interrupt::check()?;
            let peak_bytes = if forgotten { memory::peak() } else { None };
            writer.push(&[CostRecord { peak_bytes, ..record? }])?;
        }
        drop(progress);
        Ok(read_results(&path)?)
    }

    fn loads(&self, model: &Model) -> anyhow::Result<Vec<Load>> {
        let ratios = if self.ratios.is_empty() { model.ratios() } else { self.ratios.clone() };

        let mut loads = Vec::new();
        for ratio in ratios {
            let window = model.bank(ratio)?.segment_tokens;
            let tokens = match self.tokens.is_empty() {
                true => vec![window.div_ceil(4), window],
                false => self.tokens.clone(),
            };
            loads.extend(tokens.iter().map(|&tokens| Load { tokens, batch: 1, ratio }));
        }
        Ok(loads)
    }
}

/// Makes the system forget how much memory this process took before; says whether it did. Linux knows how
/// (proc(5), `clear_refs`).
fn forget_peak() -> bool {
    std::fs::write("/proc/self/clear_refs", "5").is_ok()
}
