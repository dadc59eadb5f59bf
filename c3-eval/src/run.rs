//! An evaluation: every text at every ratio by every compressor, in shards, resumably.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::compressor::{self, Compressor};
use crate::corpus::Corpus;
use crate::metrics::{Scorer, wrong_tokens};
use crate::results::{
    CorpusIdentity, Header, Machine, Record, ResultWriter, VERSION, bucket_errors,
};
use crate::{Error, Item, Model, Ratio, Result};

/// Texts restored together. Fixed, so that a run that goes on puts the same texts together.
const CHUNK: usize = 16;

/// What to run.
pub struct Evaluation<'a> {
    /// Name of the experiment.
    pub experiment: String,
    /// The command, for those who want to run it again.
    pub command: String,
    /// The program with its version and commit: results of another one are not gone on with.
    pub program: String,
    /// Where it runs.
    pub machine: Machine,
    /// What computes: `cpu`, or a device.
    pub device: String,
    /// With which model.
    pub model: &'a Model,
    /// On which texts.
    pub corpora: Vec<Corpus>,
    /// By which of [`compressor::NAMES`].
    pub compressors: Vec<String>,
    /// At which ratios.
    pub ratios: Vec<Ratio>,
    /// Restored texts to keep, of each corpus, compressor and ratio.
    pub kept_texts: usize,
    /// Chunks of texts computed side by side, each on one thread; 1 computes one after the other, on
    /// the threads of the caller's pool.
    pub shards: usize,
}

/// A chunk of texts at one ratio by one compressor.
struct Unit<'a> {
    corpus: &'a Corpus,
    compressor: &'a dyn Compressor,
    ratio: Ratio,
    start: usize,
}

impl Evaluation<'_> {
    /// What the result file will say was run.
    pub fn header(&self) -> Header {
        Header {
            c3_eval: VERSION,
            experiment: self.experiment.clone(),
            command: self.command.clone(),
            program: self.program.clone(),
            machine: self.machine.clone(),
            device: self.device.clone(),
            model: self.model.identity().clone(),
            corpora: self.corpora.iter().map(CorpusIdentity::of).collect(),
            compressors: self.compressors.clone(),
            ratios: self.ratios.clone(),
            chunk: CHUNK,
            batches: self.model.batches(),
            kept_texts: self.kept_texts,
            cost: None,
        }
    }

    /// Records that there will be.
    pub fn total(&self) -> usize {
        let texts: usize = self.corpora.iter().map(|corpus| corpus.samples.len()).sum();
        texts * self.compressors.len() * self.ratios.len()
    }

    /// Runs what the file at `path` doesn't hold yet. Records come in a fixed order, whatever the
    /// number of shards, and `progress` is told how many there are; where it says `false`, the run
    /// stops, and can go on later.
    ///
    /// # Errors
    /// Where the file holds something else or can't be written, a ratio or compressor doesn't exist,
    /// the model fails, or `progress` broke off.
    pub fn run(
        &self,
        path: &Path,
        overwrite: bool,
        progress: &(dyn Fn(usize) -> bool + Sync),
    ) -> Result<()> {
        let compressors = self.compressors()?;
        for &ratio in &self.ratios {
            self.model.bank(ratio)?;
        }
        let mut writer = ResultWriter::open(path, &self.header(), overwrite)?;
        let done = writer.done();
        if !progress(done) {
            return Err(Error::Cancelled);
        }
        let scorer = Scorer::new(self.model.tokenizer());
        let (mut units, mut before) = (Vec::new(), 0);
        for unit in self.units(&compressors) {
            let length = unit.len();
            if before + length > done {
                // Of a chunk that is there in part, the rest is written.
                units.push((unit, done.saturating_sub(before)));
            }
            before += length;
        }
        let ordered = Mutex::new((BTreeMap::new(), 0usize, done));
        let next = AtomicUsize::new(0);
        let stopped = AtomicBool::new(false);
        let writer = Mutex::new(&mut writer);
        let work = || -> Result<()> {
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                let Some((unit, skip)) = units.get(number) else { return Ok(()) };
                if stopped.load(Ordering::Relaxed) {
                    return Err(Error::Cancelled);
                }
                let mut records = unit.run(self.model, &scorer, self.kept_texts)?;
                records.drain(..skip);
                let mut ordered = lock(&ordered);
                if stopped.load(Ordering::Relaxed) {
                    return Err(Error::Cancelled);
                }
                let (waiting, turn, count) = &mut *ordered;
                waiting.insert(number, records);
                while let Some(records) = waiting.remove(turn) {
                    lock(&writer).push(&records)?;
                    *turn += 1;
                    *count += records.len();
                    if !progress(*count) {
                        stopped.store(true, Ordering::Relaxed);
                        return Err(Error::Cancelled);
                    }
                }
            }
        };
        let shards = self.shards.clamp(1, units.len().max(1));
        if shards == 1 {
            return work();
        }
        let shard = || {
            // The kernels find this pool and stay on its thread.
            let pool = rayon::ThreadPoolBuilder::new().num_threads(1).stack_size(8 << 20).build();
            let result = match pool {
                Ok(pool) => pool.install(work),
                Err(_) => work(),
            };
            // What one shard fails at stops the others.
            if result.is_err() {
                stopped.store(true, Ordering::Relaxed);
            }
            result
        };
        std::thread::scope(|scope| {
            let shards: Vec<_> = (0..shards).map(|_| scope.spawn(shard)).collect();
            let results =
                shards.into_iter().map(|shard| shard.join().unwrap_or(Err(Error::Cancelled)));
            let failed: Vec<Error> = results.filter_map(Result::err).collect();
            // The others were only told to stop.
            let own = failed.iter().position(|error| !matches!(error, Error::Cancelled));
            failed.into_iter().nth(own.unwrap_or(0)).map_or(Ok(()), Err)
        })
    }

    fn compressors(&self) -> Result<Vec<Box<dyn Compressor + '_>>> {
        let named = |name: &String| {
            compressor::named(name, self.model).ok_or_else(|| Error::Setting {
                name: "compressor",
                expected: compressor::NAMES.join(", "),
                found: name.clone(),
            })
        };
        self.compressors.iter().map(named).collect()
    }

    /// The run in its order.
    fn units<'a>(&'a self, compressors: &'a [Box<dyn Compressor + 'a>]) -> Vec<Unit<'a>> {
        let mut units = Vec::new();
        for corpus in &self.corpora {
            for &ratio in &self.ratios {
                for compressor in compressors {
                    for start in (0..corpus.samples.len()).step_by(CHUNK) {
                        units.push(Unit { corpus, compressor: &**compressor, ratio, start });
                    }
                }
            }
        }
        units
    }
}

impl Unit<'_> {
    fn len(&self) -> usize {
        CHUNK.min(self.corpus.samples.len() - self.start)
    }

    fn run(&self, model: &Model, scorer: &Scorer<'_>, kept_texts: usize) -> Result<Vec<Record>> {
        let samples = &self.corpus.samples[self.start..self.start + self.len()];
        let items = samples.iter().map(|sample| model.item(&sample.text, self.ratio));
        let items = items.collect::<Result<Vec<Item<'_>>>>()?;
        let restored = self.compressor.restore(&items)?;
        let mut records = Vec::with_capacity(samples.len());
        for (number, ((sample, item), restored)) in
            samples.iter().zip(&items).zip(restored).enumerate()
        {
            let scored = scorer.score(&sample.text, &restored.text)?;
            let kept = self.start + number < kept_texts;
            records.push(Record {
                corpus: self.corpus.name.clone(),
                kind: self.corpus.kind,
                id: sample.id.clone(),
                document: sample.document.clone(),
                compressor: self.compressor.name().into(),
                ratio: self.ratio,
                tokens: item.tokens(),
                segments: item.pieces.len(),
                beyond_window: scored.reference.len() > model.identity().window,
                latents: item.latents(),
                positions: restored.positions,
                cut_off: restored.cut_off,
                scores: scored.scores,
                wrong: bucket_errors(&wrong_tokens(&scored.reference, &scored.output)),
                whole_tokens: scored.reference.len(),
                reference: kept.then(|| sample.text.clone()),
                output: kept.then_some(restored.text),
            });
        }
        Ok(records)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
