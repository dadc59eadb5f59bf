//! A run, from its configuration to its model.

use std::collections::BTreeSet;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use c3_core::Compression;
use c3_decoder::C3Decoder;
use c3_encoder::{Bank, C3Encoder};
use c3_nn::{Checkpoint, LoadOptions, Parameters, PromptIds};
use candle_core::Device;

use crate::error::io;
use crate::evaluate::{SHORT, Subject, evaluate};
use crate::event::Part;
use crate::export;
use crate::forward::loss;
use crate::sampler::samples;
use crate::workers::Workers;
use crate::{
    Config, Error, Event, Finished, Optimizer, Result, Tokens, init, record, schedule, state,
};

/// A run in its folder.
pub struct Trainer {
    config: Config,
    folder: PathBuf,
    base: PathBuf,
    encoder: C3Encoder,
    decoder: C3Decoder,
    prompt: PromptIds,
    continuing: Option<PromptIds>,
    program: Option<String>,
    optimizer: Optimizer,
    workers: Workers,
    train: Tokens,
    valid: Tokens,
    step: u64,
    /// The step of a checkpoint that hasn't proved good yet: older ones are there still.
    saved: Option<u64>,
}

impl Trainer {
    /// Begins a run in `folder`, or goes on with the one there: then the configuration must be the
    /// same, but for its `run` section. `progress` is told the bytes of text that were tokenised, and
    /// may stop that.
    ///
    /// # Errors
    /// Where the configuration can't be, the run is another, or files can't be read or written.
    pub fn open(
        config: &Config,
        folder: &Path,
        progress: &dyn Fn(u64) -> ControlFlow<()>,
    ) -> Result<Self> {
        Self::open_on(&Device::Cpu, config, folder, progress)
    }

    /// As [`open`](Self::open), with stages that compute on a device; optimiser and averages stay in the
    /// CPU's memory. A run may change its device, and then sums are rounded otherwise. Elsewhere than on
    /// the CPU there is one worker, and nothing is rounded to bf16.
    ///
    /// # Errors
    /// As [`open`](Self::open), and where the device can't hold the model.
    pub fn open_on(
        device: &Device,
        config: &Config,
        folder: &Path,
        progress: &dyn Fn(u64) -> ControlFlow<()>,
    ) -> Result<Self> {
        config.check()?;
        let config = config.clone().absolute()?;
        fs::create_dir_all(folder).map_err(io(folder, "creating the folder"))?;
        let begun = record::same_run(&config, folder)?;
        let base = init::base(&config, folder, begun)?;
        let checkpoint = Checkpoint::open(&base)?;
        let parameters = Parameters::new();
        let options = LoadOptions {
            device: device.clone(),
            parameters: Some(parameters.clone()),
            activations: config.optimizer.activations(),
            ..LoadOptions::default()
        };
        let encoder = C3Encoder::load(&checkpoint, &options)?;
        let decoder = C3Decoder::load(&checkpoint, &options)?;
        let asked = |question| checkpoint.config().prompt.ids(checkpoint.tokenizer(), question);
        let prompt = asked(None)?;
        let continuation = config.data.continuation.as_ref();
        let continuing = continuation.map(|it| asked(Some(&it.question))).transpose()?;
        let mut optimizer = Optimizer::new(&config.optimizer, parameters.vars())?;
        let tokens = config.run.cache.clone().unwrap_or_else(|| folder.join("tokens"));
        let train = Tokens::of(&config.data.train, encoder.tokenizer(), &tokens, progress)?;
        let valid = Tokens::of(&config.data.valid, encoder.tokenizer(), &tokens, progress)?;
        if begun {
            record::same_data(&config, &checkpoint, [&train, &valid], folder)?;
        }
        let longest = config.longest();
        for (what, text) in [("data.train", &train), ("data.valid", &valid)] {
            if text.len() < longest {
                let found = text.len();
                return Err(Error::TooLittleText { what, expected: longest, found });
            }
        }
        for stage in &config.stages {
            for &ratio in &stage.ratios {
                let bank = Bank::choose(encoder.config(), Compression::Ratio(ratio))?;
                if longest > bank.segment_tokens {
                    return Err(Error::Setting {
                        name: "stages.lengths",
                        expected: format!("at most {} at ratio {ratio}", bank.segment_tokens),
                        found: longest.to_string(),
                    });
                }
            }
        }
        if !begun {
            record::begin(&config, &checkpoint, [&train, &valid], folder)?;
        }
        let newest = state::newest(folder)?;
        if let Some((_, path)) = &newest {
            state::restore(path, &mut optimizer)?;
        }
        let saved = newest.map(|(step, _)| step);
        let step = saved.unwrap_or(0);
        let workers = Workers::new(if device.is_cpu() { config.run.workers } else { 1 })?;
        Ok(Self {
            config,
            folder: folder.to_owned(),
            base,
            encoder,
            decoder,
            prompt,
            continuing,
            program: None,
            optimizer,
            workers,
            train,
            valid,
            step,
            saved,
        })
    }

    /// What the log is to call the program, a commit for example.
    pub fn named(mut self, program: impl Into<String>) -> Self {
        self.program = Some(program.into());
        self
    }

    /// Steps that are done.
    pub fn step(&self) -> u64 {
        self.step
    }

    /// What is trained.
    pub fn optimizer(&self) -> &Optimizer {
        &self.optimizer
    }

    /// Tokens of text to train on.
    pub fn tokens(&self) -> usize {
        self.train.len()
    }

    /// Trains until all steps are done or `sink` says that it should stop; a checkpoint is there then.
    ///
    /// # Errors
    /// Where the loss is no number any more (the last checkpoint of which it was one stays), or a file
    /// can't be written.
    pub fn run(&mut self, sink: &mut dyn FnMut(&Event) -> bool) -> Result<Finished> {
        let mut saved = Instant::now();
        let every = Duration::from_secs(self.config.run.checkpoint_seconds);
        let steps = self.config.steps();
        if self.step < steps {
            let (step, program) = (self.step, self.program.clone());
            self.tell(sink, &Event::Begun { step, version: env!("CARGO_PKG_VERSION"), program })?;
        }
        while self.step < steps {
            let event = self.one_step()?;
            // Its loss was finite, and so what was saved before it is good.
            self.older_go(self.step - 1)?;
            let mut goes_on = self.tell(sink, &event)?;
            if self.step.is_multiple_of(self.config.run.evaluate_steps) || self.step == steps {
                let event = self.evaluate()?;
                self.finite_on_held_out_text(&event)?;
                goes_on &= self.tell(sink, &event)?;
            }
            if !goes_on || self.step == steps || saved.elapsed() >= every {
                self.save()?;
                saved = Instant::now();
                self.tell(sink, &Event::Saved { step: self.step })?;
            }
            if !goes_on && self.step < steps {
                return Ok(Finished::Stopped);
            }
        }
        // The last one was evaluated before it was saved.
        self.older_go(steps)?;
        self.export()?;
        Ok(Finished::Done)
    }

    fn one_step(&mut self) -> Result<Event> {
        let start = Instant::now();
        let samples = samples(&self.config, &self.train, self.step);
        let mut parts: Vec<Part> = samples.iter().map(Part::of).collect();
        let tokens: usize = parts.iter().map(|part| part.tokens).sum();
        // Each sample is cut into as many pieces as keep every worker busy and memory bounded.
        let workers = self.workers.count().div_ceil(samples.len().max(1));
        let mut pieces = Vec::new();
        for (index, sample) in samples.iter().enumerate() {
            let bank = Bank::choose(self.encoder.config(), Compression::Ratio(sample.ratio))?;
            let segments = sample.ids.len() / sample.tokens;
            let most = self.config.run.micro_tokens / sample.tokens;
            let at_once = most.min(segments.div_ceil(workers)).max(1);
            pieces.extend(sample.pieces(at_once, bank).map(|piece| (index, piece)));
        }
        let Self { encoder, decoder, prompt, continuing, optimizer, .. } = self;
        let mut total = 0.0;
        self.workers.each(
            &pieces,
            |&(index, ref piece)| {
                let asked = continuing.as_ref().filter(|_| piece.next.is_some());
                let loss = loss(encoder, decoder, asked.unwrap_or(prompt), piece)?;
                let share = piece.ids.len() as f64 / tokens as f64;
                Ok((index, share, f64::from(loss.to_scalar::<f32>()?), loss.backward()?))
            },
            |(index, share, loss, gradients)| {
                total += share * loss;
                parts[index].loss += share * loss * tokens as f64 / parts[index].tokens as f64;
                optimizer.add(&gradients, share)
            },
        )?;
        let norm = self.optimizer.norm();
        for (what, found) in [("loss", total), ("gradient norm", norm)] {
            if !found.is_finite() {
                let kept = match what {
                    "loss" => state::remove_bad(&self.folder, self.step)?,
                    _ => state::newest(&self.folder)?.map_or(0, |(step, _)| step),
                };
                let (what, step) = (what.to_owned(), self.step + 1);
                return Err(Error::NotFinite { what, step, found, kept });
            }
        }
        let rate = schedule::share(&self.config.optimizer, self.step, self.config.steps());
        self.optimizer.step(self.step, rate, norm)?;
        self.step += 1;
        Ok(Event::Step {
            step: self.step,
            loss: total,
            norm,
            rate,
            tokens,
            seconds: start.elapsed().as_secs_f64(),
            parts,
        })
    }

    /// Evaluates what would be exported, on held-out text: the averages of the weights, where they are
    /// kept.
    ///
    /// # Errors
    /// Where the model can't be run.
    pub fn evaluate(&self) -> Result<Event> {
        let last = self.config.stages.last();
        let longest = last.and_then(|stage| stage.lengths.iter().max()).copied().unwrap_or(1);
        // One that is named twice is trained twice as often.
        let ratios: BTreeSet<u32> = last.iter().flat_map(|stage| &stage.ratios).copied().collect();
        let subject = Subject {
            encoder: &self.encoder,
            decoder: &self.decoder,
            prompt: &self.prompt,
            continuing: self.continuing.as_ref(),
        };
        let of = |subject: &Subject<'_>, length: usize| -> Result<Vec<_>> {
            let size = [self.config.run.evaluate_segments, length];
            ratios.iter().map(|&ratio| evaluate(subject, &self.valid, size, ratio)).collect()
        };
        self.optimizer.with_result(|| {
            let long = of(&subject, longest)?;
            let short = match longest > SHORT {
                true => of(&Subject { continuing: None, ..subject }, SHORT)?,
                false => Vec::new(),
            };
            Ok(Event::Evaluated { step: self.step, ratios: long, short })
        })
    }

    fn save(&mut self) -> Result<()> {
        state::save(&self.folder, &self.base, self.step, &self.optimizer)?;
        self.saved = Some(self.step);
        Ok(())
    }

    /// Removes what is older than the checkpoint of `step`, if that was the last to be saved: it has
    /// proved good.
    fn older_go(&mut self, step: u64) -> Result<()> {
        match self.saved.take_if(|saved| *saved == step) {
            Some(step) => state::remove_older(&self.folder, step),
            None => Ok(()),
        }
    }

    fn finite_on_held_out_text(&self, event: &Event) -> Result<()> {
        let Event::Evaluated { ratios, short, .. } = event else { return Ok(()) };
        match ratios.iter().chain(short).map(|of| of.loss).find(|loss| !loss.is_finite()) {
            Some(found) => {
                let kept = state::newest(&self.folder)?.map_or(0, |(step, _)| step);
                let what = "loss on held-out text".to_owned();
                Err(Error::NotFinite { what, step: self.step, found, kept })
            }
            None => Ok(()),
        }
    }

    /// Writes the model to `model/`.
    fn export(&self) -> Result<()> {
        let [partial, path, old] =
            ["model.partial", "model", "model.old"].map(|name| self.folder.join(name));
        let remove = |folder: &Path| match folder.exists() {
            true => fs::remove_dir_all(folder).map_err(io(folder, "removing")),
            false => Ok(()),
        };
        remove(&partial)?;
        let mut tensors = self.optimizer.result()?;
        let config = self.encoder.config();
        let default = config.query_banks.iter().find(|(_, n)| **n == config.latent_tokens);
        if let Some((&ratio, _)) = default {
            export::copy_default_bank(&mut tensors, ratio);
        }
        export::write(&tensors, &self.base, &partial, self.config.run.weights)?;
        // What is there already stays until the new one is whole.
        remove(&old)?;
        if path.exists() {
            fs::rename(&path, &old).map_err(io(&path, "renaming"))?;
        }
        fs::rename(&partial, &path).map_err(io(&path, "renaming to"))?;
        remove(&old)
    }

    /// Tells the log and the caller; whether to go on.
    fn tell(&self, sink: &mut dyn FnMut(&Event) -> bool, event: &Event) -> Result<bool> {
        let path = self.folder.join("log.jsonl");
        let mut line = serde_json::to_string(event)
            .map_err(|error| Error::Syntax { path: path.clone(), reason: error.to_string() })?;
        line.push('\n');
        let mut log = OpenOptions::new().create(true).append(true).open(&path);
        let written = log.as_mut().map_err(|e| std::io::Error::from(e.kind()));
        written.and_then(|log| log.write_all(line.as_bytes())).map_err(io(&path, "writing"))?;
        Ok(sink(event))
    }
}
