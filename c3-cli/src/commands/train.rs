//! `c3 train`: a run of the trainer, watched.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use c3_train::{Config, Evaluation, Event, Finished, Trainer};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::Context;
use crate::progress::Progress;
use crate::report::Outcome;
use crate::{allocator, human, interrupt, output};

/// A validated job.
pub enum Job {
    Model(Train),
    Tokenizer { texts: Vec<PathBuf>, vocabulary: usize, out: PathBuf },
}

impl Job {
    pub fn run(self, context: &Context) -> anyhow::Result<Outcome> {
        match self {
            Self::Model(train) => train.run(context),
            Self::Tokenizer { texts, vocabulary, out } => {
                c3_train::train_tokenizer(&texts, vocabulary, &out)?;
                context.ui.say(format_args!("{vocabulary} tokens in {}", out.display()));
                Ok(Outcome::Done)
            }
        }
    }
}

/// A run to begin or to go on with.
pub struct Train {
    pub config: PathBuf,
    pub out: PathBuf,
    pub minutes: Option<NonZeroUsize>,
    pub threads: Option<NonZeroUsize>,
    pub json: bool,
}

impl Train {
    pub fn run(self, context: &Context) -> anyhow::Result<Outcome> {
        allocator::keep_memory();
        if let Some(threads) = self.threads {
            rayon::ThreadPoolBuilder::new()
                .num_threads(threads.into())
                .build_global()
                .context("can't start the threads")?;
        }
        let config = Config::read(&self.config)?;
        let mut trainer = self.open(&config, context)?;
        let (begun, steps) = (trainer.step(), config.steps());
        context.ui.say(format_args!(
            "{} of {steps} steps to do, on {} tokens of text",
            steps - begun,
            human::count(trainer.tokens() as u64),
        ));
        let bar = bar(context, steps);
        let end = self
            .minutes
            .map(|minutes| Instant::now() + Duration::from_secs(60 * minutes.get() as u64));
        let mut trouble = None;
        let finished = trainer.run(&mut |event| {
            bar.suspend(|| self.show(event, context, &mut trouble));
            if let Event::Step { step, loss, tokens, seconds, .. } = event {
                bar.set_position(*step);
                bar.set_message(format!(
                    "loss {loss:.3} · {:.0} tokens/s",
                    *tokens as f64 / seconds
                ));
            }
            let late = end.is_some_and(|end| Instant::now() >= end);
            trouble.is_none() && !late && !interrupt::asked()
        })?;
        bar.finish_and_clear();
        if let Some(error) = trouble {
            return Err(error);
        }
        let run = self.out.display();
        match finished {
            Finished::Done => context.ui.say(format_args!("the model is in {run}/model")),
            Finished::Stopped => {
                let step = trainer.step();
                context.ui.say(format_args!("stopped after step {step}; the same command goes on"));
                interrupt::check()?;
            }
        }
        Ok(Outcome::Done)
    }

    fn open(&self, config: &Config, context: &Context) -> anyhow::Result<Trainer> {
        let progress = Progress::bytes(&context.ui, "tokenising", None);
        let done = std::cell::Cell::new(0);
        let told = |bytes: u64| {
            done.set(done.get() + bytes);
            progress.at(done.get());
        };
        Ok(Trainer::open(config, &self.out, &told)?.named(program()))
    }

    fn show(&self, event: &Event, context: &Context, trouble: &mut Option<anyhow::Error>) {
        if self.json {
            *trouble = serde_json::to_string(event)
                .map_err(anyhow::Error::from)
                .and_then(|line| output::print(&format!("{line}\n")))
                .err();
        }
        match event {
            Event::Evaluated { step, ratios, .. } => {
                let of = |e: &Evaluation| {
                    let Evaluation { ratio, loss, similarity, continued, .. } = e;
                    let next =
                        continued.map_or_else(String::new, |it| format!(", going on {it:.3}"));
                    format!("{ratio}×: similarity {similarity:.3}, loss {loss:.3}{next}")
                };
                let ratios: Vec<String> = ratios.iter().map(of).collect();
                context.ui.say(format_args!("step {step}, held-out text: {}", ratios.join(" · ")));
            }
            Event::Saved { step } => context.ui.detail(|| format!("checkpoint of step {step}")),
            Event::Begun { .. } | Event::Step { .. } => {}
        }
    }
}

/// What a run's log calls this program.
fn program() -> String {
    let name = concat!("c3 ", env!("CARGO_PKG_VERSION"));
    match option_env!("C3_COMMIT") {
        Some(commit) => format!("{name} ({commit})"),
        None => name.into(),
    }
}

fn bar(context: &Context, steps: u64) -> ProgressBar {
    if !context.ui.shows_progress() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new(steps);
    bar.set_draw_target(ProgressDrawTarget::stderr_with_hz(5));
    let template = "training {wide_bar:.cyan/dim} {pos}/{len} · {msg} · {eta} left";
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style.progress_chars("━╸─"));
    }
    bar
}
