//! `c3 eval`.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use c3_eval::corpus::{Kind, Pages, PassageTokens};
use c3_eval::{Ratio, compressor};
use clap::{Args, Subcommand, ValueEnum};

use super::eval_output::{ReportArgs, TableArgs};
use super::model::ModelArgs;
use super::parse;
use crate::commands::eval::{Cost, Experiment, Form, Job, Run, Source};

/// Measure how much of a text comes back, and at what cost
///
/// Texts are restored free-running by greedy decoding and compared with their sources; every mean has
/// its 95% bootstrap interval and the number of texts. With -o results go to a file: the same command
/// goes on where it was stopped, and `c3 eval report` makes a page of several.
#[derive(Args)]
pub struct EvalArgs {
    #[command(subcommand)]
    command: EvalCommand,
}

#[derive(Subcommand)]
enum EvalCommand {
    /// Every metric against the ratio
    Sweep(TextArgs),
    /// Where in a text the errors are
    Position(TextArgs),
    /// The same texts made unguessable in six ways: words and sentences shuffled, random letters,
    /// digits and UUIDs, tables, mixed scripts
    Unguessable(UnguessableArgs),
    /// Held-out texts beside texts of sources that were never trained on
    Ood(OodArgs),
    /// C3 beside others in the same number of decoder positions: the text's beginning, a part of its
    /// tokens, means of its embeddings
    Baselines(BaselineArgs),
    /// Pages of the Fox benchmark, in bins of 100 of the model's own tokens
    Fox(FoxArgs),
    /// Speed, latency, memory and bytes, beside the same decoder reading the text itself
    Cost(CostArgs),
    /// One HTML page of result files
    Report(ReportArgs),
    /// A result file as a table in Markdown, or put into a document between its marks
    Table(TableArgs),
}

/// Texts, and what to do with them.
#[derive(Args)]
struct TextArgs {
    /// Texts: .jsonl with a `text` a line, a folder, a text, or a prepared set with its .idx.tsv
    #[arg(value_name = "CORPUS", required = true)]
    corpora: Vec<PathBuf>,
    #[command(flatten)]
    run: RunArgs,
}

#[derive(Args)]
struct UnguessableArgs {
    #[command(flatten)]
    text: TextArgs,
    /// Only these ways, separated by commas [default: all six]
    #[arg(long, value_name = "KIND", value_enum, value_delimiter = ',')]
    kinds: Vec<KindArg>,
}

#[derive(Clone, Copy, ValueEnum)]
#[value(rename_all = "snake_case")]
enum KindArg {
    WordShuffle,
    SentenceShuffle,
    RandomLetters,
    Digits,
    Table,
    MixedScripts,
}

impl From<KindArg> for Kind {
    fn from(kind: KindArg) -> Self {
        match kind {
            KindArg::WordShuffle => Self::WordShuffle,
            KindArg::SentenceShuffle => Self::SentenceShuffle,
            KindArg::RandomLetters => Self::RandomLetters,
            KindArg::Digits => Self::Digits,
            KindArg::Table => Self::Table,
            KindArg::MixedScripts => Self::MixedScripts,
        }
    }
}

#[derive(Args)]
struct OodArgs {
    #[command(flatten)]
    text: TextArgs,
    /// Texts of sources that were never trained on; may be given more than once
    #[arg(long, value_name = "CORPUS", required = true)]
    ood: Vec<PathBuf>,
}

#[derive(Args)]
struct BaselineArgs {
    #[command(flatten)]
    text: TextArgs,
    /// Only these, separated by commas [default: all]
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    #[arg(value_parser = clap::builder::PossibleValuesParser::new(compressor::NAMES))]
    compressors: Vec<String>,
}

#[derive(Args)]
struct FoxArgs {
    /// Folder with en_page_ocr.json or cn_page_ocr.json
    #[arg(long, value_name = "DIR")]
    root: PathBuf,
    /// Which pages
    #[arg(long, value_enum, default_value = "en")]
    pages: PagesArg,
    #[command(flatten)]
    run: RunArgs,
}

#[derive(Clone, Copy, ValueEnum)]
enum PagesArg {
    En,
    Cn,
}

/// How texts are evaluated.
#[derive(Args)]
struct RunArgs {
    /// Text tokens for each latent token, separated by commas [default: all that the model has]
    #[arg(short, long, value_name = "R", value_delimiter = ',')]
    #[arg(value_parser = clap::value_parser!(u32).range(1..))]
    ratio: Vec<u32>,
    /// At most so many texts or passages of each corpus, drawn with a fixed seed
    #[arg(short = 'n', long, value_name = "N")]
    limit: Option<NonZeroUsize>,
    /// Cut passages of A to B tokens from the texts, with a fixed seed [default: whole texts]
    #[arg(long, value_name = "A..B", value_parser = parse::passages)]
    passages: Option<PassageTokens>,
    /// Cut so many passages from each text
    #[arg(long, value_name = "N", requires = "passages", default_value = "1")]
    per_text: NonZeroUsize,
    /// File for the results, a line of JSON for each text; the same command goes on with it
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Start anew where the file has results already
    #[arg(short, long, requires = "output")]
    force: bool,
    /// Restored texts to keep in the file, of each corpus and ratio
    #[arg(long, value_name = "N", default_value_t = 2)]
    keep: usize,
    /// Batches computed side by side, one thread each [default: one for each thread where the model
    /// is small]
    #[arg(long, value_name = "N")]
    shards: Option<NonZeroUsize>,
    #[command(flatten)]
    form: FormArgs,
    #[command(flatten)]
    model: ModelArgs,
}

/// How results are printed.
#[derive(Args)]
pub struct FormArgs {
    /// Print every number with its interval or spread as JSON
    #[arg(long, conflicts_with = "csv")]
    json: bool,
    /// Print every number with its interval or spread as CSV
    #[arg(long)]
    csv: bool,
}

#[derive(Args)]
struct CostArgs {
    /// Text tokens for each latent token, separated by commas [default: all that the model has]
    #[arg(short, long, value_name = "R", value_delimiter = ',')]
    #[arg(value_parser = clap::value_parser!(u32).range(1..))]
    ratio: Vec<u32>,
    /// Lengths of texts in tokens, separated by commas [default: a quarter of the window, and all]
    #[arg(long, value_name = "N", value_delimiter = ',')]
    tokens: Vec<NonZeroUsize>,
    /// Measurements of each, after one that doesn't count
    #[arg(long, value_name = "N", default_value = "5")]
    repetitions: NonZeroUsize,
    /// File for the results; the same command goes on with it
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Start anew where the file has results already
    #[arg(short, long, requires = "output")]
    force: bool,
    #[command(flatten)]
    form: FormArgs,
    #[command(flatten)]
    model: ModelArgs,
}

impl EvalArgs {
    pub fn check(self) -> Job {
        match self.command {
            EvalCommand::Sweep(text) => text.check(Experiment::Sweep),
            EvalCommand::Position(text) => text.check(Experiment::Position),
            EvalCommand::Unguessable(UnguessableArgs { text, kinds }) => {
                let kinds: Vec<Kind> = kinds.into_iter().map(Kind::from).collect();
                let kinds = if kinds.is_empty() { Kind::ALL.to_vec() } else { kinds };
                text.check(Experiment::Unguessable { kinds })
            }
            EvalCommand::Ood(OodArgs { text, ood }) => text.check(Experiment::Ood { ood }),
            EvalCommand::Baselines(BaselineArgs { text, compressors }) => {
                let all = || compressor::NAMES.map(str::to_owned).to_vec();
                let compressors = if compressors.is_empty() { all() } else { compressors };
                text.check(Experiment::Baselines { compressors })
            }
            EvalCommand::Fox(FoxArgs { root, pages, run }) => {
                let pages = match pages {
                    PagesArg::En => Pages::English,
                    PagesArg::Cn => Pages::Chinese,
                };
                run.check(Experiment::Fox, Source::Fox { root, pages })
            }
            EvalCommand::Cost(cost) => cost.check(),
            EvalCommand::Report(report) => Job::Report(report.check()),
            EvalCommand::Table(table) => Job::Table(table.check()),
        }
    }
}

impl TextArgs {
    fn check(self, experiment: Experiment) -> Job {
        self.run.check(experiment, Source::Paths(self.corpora))
    }
}

impl RunArgs {
    fn check(self, experiment: Experiment, source: Source) -> Job {
        Job::Run(Run {
            experiment,
            source,
            ratios: ratios(self.ratio),
            limit: self.limit,
            passages: self.passages.map(|tokens| (tokens, self.per_text)),
            output: self.output,
            force: self.force,
            keep: self.keep,
            shards: self.shards,
            form: self.form.check(),
            compute: self.model.check(),
        })
    }
}

impl FormArgs {
    pub fn check(&self) -> Form {
        match (self.json, self.csv) {
            (true, _) => Form::Json,
            (_, true) => Form::Csv,
            _ => Form::Table,
        }
    }
}

impl CostArgs {
    fn check(self) -> Job {
        Job::Cost(Cost {
            ratios: ratios(self.ratio),
            tokens: self.tokens.into_iter().map(Into::into).collect(),
            repetitions: self.repetitions.into(),
            output: self.output,
            force: self.force,
            form: self.form.check(),
            compute: self.model.check(),
        })
    }
}

/// Each once, in the order they were asked for.
pub fn ratios(asked: Vec<u32>) -> Vec<Ratio> {
    let mut ratios: Vec<Ratio> = Vec::new();
    for ratio in asked.into_iter().map(|ratio| Ratio(Some(ratio))) {
        if !ratios.contains(&ratio) {
            ratios.push(ratio);
        }
    }
    ratios
}
