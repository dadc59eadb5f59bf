//! The experiments on texts.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use anyhow::Context as _;
use c3_eval::corpus::{Corpus, Kind, Pages, PassageTokens};
use c3_eval::results::{Record, Results, read_results};
use c3_eval::{Evaluation, Model, Ratio, Summary, Window, tables};
use serde::Serialize;

use super::{Context, Form, command, device, load, machine, program, shown};
use crate::compute::Compute;
use crate::progress::Progress;
use crate::report::{Outcome, with_hint};
use crate::{human, interrupt, output};

/// Width of the bins that Fox pages are sorted into, in tokens: the paper's.
const BIN: usize = 100;

/// What to find out.
pub enum Experiment {
    Sweep,
    Position,
    Unguessable { kinds: Vec<Kind> },
    Ood { ood: Vec<PathBuf> },
    Baselines { compressors: Vec<String> },
    Fox,
}

/// Where texts come from.
pub enum Source {
    Paths(Vec<PathBuf>),
    Fox { root: PathBuf, pages: Pages },
}

/// An experiment on texts.
pub struct Run {
    pub experiment: Experiment,
    pub source: Source,
    /// Empty: all that the model has.
    pub ratios: Vec<Ratio>,
    pub limit: Option<NonZeroUsize>,
    /// Lengths, and how many from each text.
    pub passages: Option<(PassageTokens, NonZeroUsize)>,
    pub output: Option<PathBuf>,
    pub force: bool,
    pub keep: usize,
    pub shards: Option<NonZeroUsize>,
    pub form: Form,
    pub compute: Compute,
}

impl Experiment {
    fn name(&self) -> &'static str {
        match self {
            Self::Sweep => "sweep",
            Self::Position => "position",
            Self::Unguessable { .. } => "unguessable",
            Self::Ood { .. } => "ood",
            Self::Baselines { .. } => "baselines",
            Self::Fox => "fox",
        }
    }
}

impl Run {
    pub fn run(self, context: &Context) -> anyhow::Result<Outcome> {
        let results = self.compute.install(|| self.evaluate(context))?;
        self.print(&results)?;
        Ok(Outcome::Done)
    }

    fn evaluate(&self, context: &Context) -> anyhow::Result<Results> {
        let corpora = self.corpora()?;
        let model = load(&self.compute, context)?;
        let corpora = self.prepare(corpora, &model, context)?;
        let ratios = if self.ratios.is_empty() { model.ratios() } else { self.ratios.clone() };
        let threads = if model.is_small() { self.compute.thread_count() } else { 1 };
        let compressors = match &self.experiment {
            Experiment::Baselines { compressors } => compressors.clone(),
            _ => vec!["c3".to_owned()],
        };
        let evaluation = Evaluation {
            experiment: self.experiment.name().into(),
            command: command(),
            program: program(),
            machine: machine(),
            device: device(&self.compute),
            model: &model,
            corpora,
            compressors,
            ratios,
            kept_texts: self.keep,
            shards: self.shards.map_or(threads, NonZeroUsize::get),
        };
        let unkept = tempfile::tempdir().context("can't create a temporary folder")?;
        let path = self.output.clone().unwrap_or_else(|| unkept.path().join("results.jsonl"));
        let total = evaluation.total() as u64;
        let (progress, first) =
            (Progress::count(&context.ui, "evaluating", "texts", total), std::sync::Once::new());
        let told = |done: usize| {
            first.call_once(|| {
                if done > 0 {
                    let done = human::count(done as u64);
                    context.ui.say(format_args!(
                        "going on after {done} of {} texts",
                        human::count(total)
                    ));
                }
            });
            progress.at(done as u64);
            !interrupt::asked()
        };
        let run = evaluation.run(&path, self.force, &told);
        drop(progress);
        interrupt::check()?;
        match run {
            Err(error @ c3_eval::Error::OtherRun { .. }) => {
                return Err(with_hint(error, "name another file with -o, or start anew with -f"));
            }
            other => other?,
        }
        Ok(read_results(&path)?)
    }

    fn corpora(&self) -> anyhow::Result<Vec<Corpus>> {
        let mut corpora = match &self.source {
            Source::Paths(paths) => {
                paths.iter().map(|path| Corpus::open(path)).collect::<Result<Vec<_>, _>>()?
            }
            Source::Fox { root, pages } => vec![Corpus::fox(root, *pages)?],
        };
        if let Experiment::Ood { ood } = &self.experiment {
            for path in ood {
                corpora.push(Corpus { out_of_domain: true, ..Corpus::open(path)? });
            }
        }
        let mut names: Vec<String> = corpora.iter().map(|corpus| corpus.name.clone()).collect();
        names.sort();
        if let Some(twice) = names.windows(2).find(|pair| pair[0] == pair[1]) {
            anyhow::bail!("two corpora are called {}: tables couldn't tell them apart", twice[0]);
        }
        Ok(corpora)
    }

    /// The texts that are evaluated: passages where they are asked for, then as many as are.
    fn prepare(
        &self,
        corpora: Vec<Corpus>,
        model: &Model,
        context: &Context,
    ) -> anyhow::Result<Vec<Corpus>> {
        let mut prepared = Vec::new();
        for mut corpus in corpora {
            if let Some((tokens, each)) = self.passages {
                corpus = corpus.passages(model.tokenizer(), tokens, each)?;
            }
            if let Some(limit) = self.limit {
                corpus.limit(limit.into());
            }
            if let Experiment::Unguessable { kinds } = &self.experiment {
                let made: Vec<Corpus> = kinds
                    .iter()
                    .map(|&kind| corpus.unguessable(kind, model.tokenizer()))
                    .collect::<Result<_, _>>()?;
                for (kind, made) in kinds.iter().zip(&made).filter(|(_, made)| made.left_out > 0) {
                    context.ui.say(format_args!(
                        "{kind} leaves {} of {} as it is: left out",
                        human::counted(made.left_out as u64, "text"),
                        corpus.name
                    ));
                }
                prepared.push(corpus);
                prepared.extend(made.into_iter().filter(|made| !made.samples.is_empty()));
            } else {
                prepared.push(corpus);
            }
        }
        Ok(prepared)
    }

    fn print(&self, results: &Results) -> anyhow::Result<()> {
        let binned;
        let records = match self.experiment {
            Experiment::Fox => {
                binned = in_bins(&results.records);
                &binned
            }
            _ => &results.records,
        };
        let rows = Summary::of(records).rows;
        match self.form {
            Form::Json => {
                #[derive(Serialize)]
                struct Printed<'a> {
                    header: &'a c3_eval::results::Header,
                    rows: &'a [c3_eval::Row],
                }
                output::print_json(&Printed { header: &results.header, rows: &rows })
            }
            Form::Csv => output::print(&tables::csv(&rows)),
            Form::Table => {
                let table = match self.experiment {
                    Experiment::Position => tables::position(&rows),
                    Experiment::Unguessable { .. } | Experiment::Ood { .. } => {
                        tables::gap(&results.header.corpora, records)
                    }
                    Experiment::Sweep | Experiment::Baselines { .. } | Experiment::Fox => {
                        tables::metrics(&rows)
                    }
                };
                output::print(&shown(&table))?;
                let beyond: usize =
                    rows.iter().filter(|r| r.group.window == Window::Beyond).map(|r| r.n).sum();
                if beyond > 0 {
                    let window = results.header.model.window;
                    output::print(&format!(
                        "{} longer than the model's window of {window} tokens, in several segments: \
                         reported apart\n",
                        human::counted(beyond as u64, "result"),
                    ))?;
                }
                Ok(())
            }
        }
    }
}

/// The records with their texts' length in their corpus' name.
fn in_bins(records: &[Record]) -> Vec<Record> {
    let mut records = records.to_vec();
    records.sort_by_key(|record| record.tokens / BIN);
    for record in &mut records {
        let low = record.tokens / BIN * BIN;
        record.corpus = format!("{}, {low}–{} tokens", record.corpus, low + BIN);
    }
    records
}
