//! A run, from its configuration to its model.

use std::collections::BTreeSet;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use c3_core::Compression;
use c3_decoder::C3Decoder;
use c3_encoder::{Bank, C3Encoder};
use c3_nn::{Checkpoint, LoadOptions, Parameters, PromptIds};
use serde_json::{Value, json};

use crate::error::io;
use crate::evaluate::{Subject, evaluate};
use crate::event::Part;
use crate::export;
use crate::forward::loss;
use crate::sampler::samples;
use crate::workers::Workers;
use crate::{
    Config, Error, Event, Finished, From, Optimizer, Result, Tokens, init, schedule, state,
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
}

impl Trainer {
    /// Begins a run in `folder`, or goes on with the one there: then the configuration must be the
    /// same, but for its `run` section. `progress` is told the bytes of text that were tokenised.
    ///
    /// # Errors
    /// Where the configuration can't be, the run is another, or files can't be read or written.
    pub fn open(config: &Config, folder: &Path, progress: &dyn Fn(u64)) -> Result<Self> {
        config.check()?;
        fs::create_dir_all(folder).map_err(io(folder, "creating the folder"))?;
        same_run(config, folder)?;
        let base = match &config.from {
            From::Checkpoint(path) => path.clone(),
            From::Scratch(shape) => {
                let path = folder.join("initial");
                if !path.exists() {
                    let partial = folder.join("initial.partial");
                    init::write(shape, config.seed, &partial)?;
                    fs::rename(&partial, &path).map_err(io(&path, "renaming to"))?;
                }
                path
            }
        };
        let checkpoint = Checkpoint::open(&base)?;
        let parameters = Parameters::new();
        let options = LoadOptions {
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
        let tokens = folder.join("tokens");
        let train = Tokens::of(&config.data.train, encoder.tokenizer(), &tokens, progress)?;
        let valid = Tokens::of(&config.data.valid, encoder.tokenizer(), &tokens, progress)?;
        same_text(&train, &valid, folder)?;
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
        let mut step = 0;
        if let Some((newest, path)) = state::newest(folder)? {
            state::restore(&path, &mut optimizer)?;
            step = newest;
        }
        let workers = Workers::new(config.run.workers)?;
        let (config, folder) = (config.clone(), folder.to_owned());
        Ok(Self {
            config,
            folder,
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
    /// Where the loss is no number any more (what was saved last stays), or a file can't be written.
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
            let mut goes_on = self.tell(sink, &event)?;
            if self.step.is_multiple_of(self.config.run.evaluate_steps) || self.step == steps {
                let event = self.evaluate()?;
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
                return Err(Error::NotFinite { what, step: self.step + 1, found });
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

    /// Evaluates the weights that training goes on with, on held-out text.
    ///
    /// # Errors
    /// Where the model can't be run.
    pub fn evaluate(&self) -> Result<Event> {
        let last = self.config.stages.last();
        let length = last.and_then(|stage| stage.lengths.iter().max()).copied().unwrap_or(1);
        let subject = Subject {
            encoder: &self.encoder,
            decoder: &self.decoder,
            prompt: &self.prompt,
            continuing: self.continuing.as_ref(),
        };
        let size = [self.config.run.evaluate_segments, length];
        let of = |ratio: &u32| evaluate(&subject, &self.valid, size, *ratio);
        // One that is named twice is trained twice as often.
        let ratios: BTreeSet<u32> = last.iter().flat_map(|stage| &stage.ratios).copied().collect();
        let ratios = ratios.iter().map(of).collect::<Result<_>>()?;
        Ok(Event::Evaluated { step: self.step, ratios })
    }

    fn save(&self) -> Result<()> {
        state::save(&self.folder, &self.base, self.step, &self.optimizer)?;
        Ok(())
    }

    /// Writes the model to `model/`.
    fn export(&self) -> Result<()> {
        let (partial, path) = (self.folder.join("model.partial"), self.folder.join("model"));
        for old in [&partial, &path] {
            if old.exists() {
                fs::remove_dir_all(old).map_err(io(old, "removing"))?;
            }
        }
        let mut tensors = self.optimizer.result()?;
        let config = self.encoder.config();
        let default = config.query_banks.iter().find(|(_, n)| **n == config.latent_tokens);
        if let Some((&ratio, _)) = default {
            export::copy_default_bank(&mut tensors, ratio);
        }
        export::write(&tensors, &self.base, &partial, self.config.run.weights)?;
        fs::rename(&partial, &path).map_err(io(&path, "renaming to"))
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

/// Keeps beside the run what it reads and which program began it; refuses to go on with other text.
fn same_text(train: &Tokens, valid: &Tokens, folder: &Path) -> Result<()> {
    let path = folder.join("data.json");
    let of = |tokens: &Tokens| json!({ "hash": tokens.hash(), "tokens": tokens.len() });
    let now = json!({ "train": of(train), "valid": of(valid) });
    if !path.exists() {
        let begun = json!({ "version": env!("CARGO_PKG_VERSION"), "data": now });
        return export::write_json(&path, &begun);
    }
    let bytes = fs::read(&path).map_err(io(&path, "reading"))?;
    let before: Value = serde_json::from_slice(&bytes)
        .map_err(|error| Error::Syntax { path: path.clone(), reason: error.to_string() })?;
    match before["data"] == now {
        true => Ok(()),
        false => Err(Error::OtherRun { path: folder.into(), name: "the text of data".into() }),
    }
}

/// Keeps the configuration beside the run; refuses to go on with one of another outcome.
fn same_run(config: &Config, folder: &Path) -> Result<()> {
    let path = folder.join("config.toml");
    let as_toml = |config: &Config| {
        toml::to_string_pretty(config)
            .map_err(|error| Error::Syntax { path: path.clone(), reason: error.to_string() })
    };
    if !path.exists() {
        return fs::write(&path, as_toml(config)?).map_err(io(&path, "writing"));
    }
    let text = fs::read_to_string(&path).map_err(io(&path, "reading"))?;
    let before: Config = toml::from_str(&text)
        .map_err(|error| Error::Syntax { path: path.clone(), reason: error.to_string() })?;
    let differing = [
        ("seed", before.seed == config.seed),
        ("from", before.from == config.from),
        ("data", before.data == config.data),
        ("stages", before.stages == config.stages),
        ("optimizer", before.optimizer == config.optimizer),
    ];
    match differing.iter().find(|(_, same)| !same) {
        Some((name, _)) => Err(Error::OtherRun { path: folder.into(), name: (*name).into() }),
        None => Ok(()),
    }
}
