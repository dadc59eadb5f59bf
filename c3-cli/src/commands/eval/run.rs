//! The experiments on texts.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use anyhow::Context as _;
use c3_eval::corpus::{Corpus, Kind, Pages, PassageTokens};
use c3_eval::results::{Record, Results, read_results};
use c3_eval::{Evaluation, Model, Ratio, Summary, Window, tables};
use serde::Serialize;

use super::{Context, Form, command, device, load, machine, memory, shown};
use crate::compute::Compute;
use crate::progress::Progress;
use crate::report::{Outcome, with_hint};
use crate::{human, interrupt, output, program};

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
        memory::check(&self.compute)?;
        let corpora = self.corpora()?;
        let (model, fitting) = load(&self.compute, context, None)?;
        let corpora = self.prepare(corpora, &model, context)?;
        let ratios = if self.ratios.is_empty() { model.ratios() } else { self.ratios.clone() };
        let threads = if model.is_small() { self.compute.thread_count() } else { 1 };
        let asked = self.shards.map(NonZeroUsize::get);
        let shards = memory::shards(asked, threads, fitting, &self.compute)?;
        let compressors = match &self.experiment {
            Experiment::Baselines { compressors } => compressors.clone(),
            _ => vec!["c3".to_owned()],
        };
        let evaluation = Evaluation {
            experiment: self.experiment.name().into(),
            command: command(),
            program: program::name(),
            machine: machine(),
            device: device(&self.compute),
            model: &model,
            corpora,
            compressors,
            ratios,
            kept_texts: self.keep,
            shards,
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
        Ok(read_results::<Record>(&path)?.binned())
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
        let (header, records) = (&results.header, &results.records);
        let rows = Summary::of(records).rows;
        let gaps = match self.experiment {
            Experiment::Unguessable { .. } | Experiment::Ood { .. } => {
                tables::gaps(&header.corpora, records)
            }
            _ => Vec::new(),
        };
        match self.form {
            Form::Json => {
                #[derive(Serialize)]
                struct Printed<'a> {
                    header: &'a c3_eval::results::Header,
                    rows: &'a [c3_eval::Row],
                    /// Of what was made unguessable or is out of domain.
                    #[serde(skip_serializing_if = "<[_]>::is_empty")]
                    differences: &'a [tables::Gap],
                }
                output::print_json(&Printed { header, rows: &rows, differences: &gaps })
            }
            Form::Csv => output::print(&tables::csv(&rows, &gaps)),
            Form::Table => {
                let table = match self.experiment {
                    Experiment::Position => tables::position(&rows),
                    Experiment::Unguessable { .. } | Experiment::Ood { .. } => {
                        tables::gap(&header.corpora, records)
                    }
                    Experiment::Sweep | Experiment::Baselines { .. } | Experiment::Fox => {
                        tables::metrics(&rows)
                    }
                };
                output::print(&shown(&table))?;
                let beyond: usize =
                    rows.iter().filter(|r| r.group.window == Window::Beyond).map(|r| r.n).sum();
                if beyond > 0 {
                    let window = header.model.window;
                    output::print(&format!(
                        "{} longer than the model's window of {window} tokens, reported \
                         apart\n",
                        human::counted(beyond as u64, "result"),
                    ))?;
                }
                Ok(())
            }
        }
    }
}
