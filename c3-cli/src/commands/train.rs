//! `c3 train`: a run of the trainer, watched.

use std::io::Write as _;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use c3_train::{Config, Evaluation, Event, Finished, Trainer};
use candle_core::Device;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::Context;
use crate::output::Output;
use crate::progress::Progress;
use crate::report::Outcome;
use crate::{allocator, human, interrupt, output, program};

/// A validated job.
pub enum Job {
    Model(Train),
    Tokenizer { texts: Vec<PathBuf>, vocabulary: usize, output: Output },
}

impl Job {
    pub fn run(self, context: &Context) -> anyhow::Result<Outcome> {
        match self {
            Self::Model(train) => train.run(context),
            Self::Tokenizer { texts, vocabulary, output } => {
                // Opened first: nobody waits for a vocabulary that has no place.
                let mut open = output.open_text()?;
                let json = c3_train::train_tokenizer(&texts, vocabulary)?;
                open.write_all(json.as_bytes()).with_context(|| format!("can't write {output}"))?;
                open.commit()?;
                context.ui.say(format_args!("{vocabulary} tokens in {output}"));
                Ok(Outcome::Done)
            }
        }
    }
}

/// The folder of a run.
pub enum Run {
    Named(PathBuf),
    /// One that the user hasn't thought of: there may be something else in it.
    Default(PathBuf),
}

impl Run {
    fn folder(&self) -> &Path {
        match self {
            Self::Named(path) | Self::Default(path) => path,
        }
    }

    /// Refuses a folder of other things. A run that was refused before it began leaves some behind.
    fn check(&self) -> anyhow::Result<()> {
        let made = ["config.toml", "initial", "initial.partial", "tokens"];
        if let Self::Default(path) = self
            && !made.iter().any(|name| path.join(name).exists())
            && (path.is_file() || path.read_dir().is_ok_and(|mut entries| entries.next().is_some()))
        {
            anyhow::bail!(
                "{} is there already and isn't a run's folder: choose one with --out",
                path.display()
            );
        }
        Ok(())
    }
}

/// A run to begin or to go on with.
pub struct Train {
    pub config: PathBuf,
    pub run: Run,
    pub minutes: Option<Duration>,
    pub device: Device,
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
        self.run.check()?;
        let mut trainer = self.open(&config, context)?;
        let (begun, steps) = (trainer.step(), config.steps());
        context.ui.say(format_args!(
            "{} of {steps} steps to do, on {} tokens of text",
            steps - begun,
            human::count(trainer.tokens() as u64),
        ));
        let bar = bar(context, steps, begun);
        // Longer than a clock can tell is no end.
        let end = self.minutes.and_then(|minutes| Instant::now().checked_add(minutes));
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
        let run = self.run.folder().display();
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
            interrupt::flow()
        };
        let trainer = Trainer::open_on(&self.device, config, self.run.folder(), &told);
        if let Err(c3_train::Error::Stopped) = trainer {
            interrupt::check()?;
        }
        Ok(trainer?.named(program::name()))
    }

    fn show(&self, event: &Event, context: &Context, trouble: &mut Option<anyhow::Error>) {
        if self.json {
            *trouble = serde_json::to_string(event)
                .map_err(anyhow::Error::from)
                .and_then(|line| output::print(&format!("{line}\n")))
                .err();
        }
        match event {
            Event::Evaluated { step, ratios, short } => {
                let of = |e: &Evaluation| {
                    let Evaluation { ratio, loss, similarity, continued, .. } = e;
                    let next =
                        continued.map_or_else(String::new, |it| format!(", going on {it:.3}"));
                    format!("{ratio}×: similarity {similarity:.3}, loss {loss:.3}{next}")
                };
                for ratios in [ratios, short] {
                    let Some(Evaluation { length, .. }) = ratios.first() else { continue };
                    let all: Vec<String> = ratios.iter().map(of).collect();
                    let all = all.join(" · ");
                    let what = format_args!("step {step}, held-out text of {length} tokens: {all}");
                    context.ui.say(what);
                }
            }
            Event::Saved { step } => context.ui.detail(|| format!("checkpoint of step {step}")),
            Event::Begun { .. } | Event::Step { .. } => {}
        }
    }
}

fn bar(context: &Context, steps: u64, begun: u64) -> ProgressBar {
    if !context.ui.shows_progress() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new(steps);
    bar.set_draw_target(ProgressDrawTarget::stderr_with_hz(5));
    let template = "training {wide_bar:.cyan/dim} {pos}/{len} · {msg} · {eta} left";
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style.progress_chars("━╸─"));
    }
    starting_at(bar, begun)
}

/// The bar of a run that `begun` steps were done of before: they took no time now, and what is left is
/// not foretold from them.
fn starting_at(bar: ProgressBar, begun: u64) -> ProgressBar {
    bar.set_position(begun);
    bar.tick();
    bar.reset_eta();
    bar
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_left_is_foretold_from_this_sitting_alone() {
        let hidden = || ProgressBar::with_draw_target(Some(1000), ProgressDrawTarget::hidden());
        let bar = starting_at(hidden(), 900);
        std::thread::sleep(Duration::from_millis(50));
        bar.set_position(901);
        bar.tick();
        // 99 steps of 50 ms or more; 0.005 s if 901 steps had been done in them.
        assert!(bar.eta() >= Duration::from_secs(4), "{:?}", bar.eta());
    }
}
