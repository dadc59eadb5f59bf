//! What a job is going to take of memory: the arithmetic of the stages, added up.

use std::ops::Range;

use c3_core::{ByteSource, DecodeRequest, EncodeRequest, LatentFile, SegmentSource};
use c3_decoder::{C3Decoder, Positions};
use c3_encoder::{Bank, C3Encoder};
use c3_exact::{CompressRequest, Level};
use c3_nn::{C3Config, Checkpoint, LoadOptions, WeightDtype};
use serde::Serialize;

use super::process;

/// The program with an open checkpoint, where the system doesn't say.
const PROGRAM: u64 = 16 << 20;

/// What computing adds to that: code that is touched, buffers of the kernels and of files.
const COMPUTING: u64 = 2 << 20;

/// Each thread's stack, and its buffers in the kernels.
const THREAD: u64 = 1 << 19;

/// Bytes of text for each token, in English prose.
const BYTES_PER_TOKEN: f64 = 3.5;

/// How full segments are, on average.
const FULL: f64 = 0.83;

/// Bytes that comparing two texts takes for each character, and how many are compared at once.
const COMPARING: u64 = 40;
const COMPARED: u64 = 300_000;

/// Segments verified together where the user doesn't say.
pub const VERIFIED: usize = 16;

/// A job, as far as its memory goes.
pub struct Job<'a> {
    pub checkpoint: &'a Checkpoint,
    pub threads: usize,
    pub encoding: Option<Encoding>,
    pub decoding: Option<Decoding>,
    /// Whether the decoder verifies what is encoded.
    pub verifies: bool,
    /// Bytes of text that are held whole, together with their latents.
    pub held_text: u64,
}

/// Text to latents.
pub struct Encoding {
    pub bank: Bank,
    /// Bytes of a latent's values, each.
    pub value_bytes: u64,
    /// The most segments that the text can have.
    pub most: usize,
    /// Segments computed together, where the user says.
    pub batch: Option<usize>,
    /// Banks that are tried on each segment beside `bank`.
    others: Vec<Bank>,
    /// Bytes of the text, where all of it is tried before anything is chosen.
    tried: u64,
}

/// Latents to text.
pub struct Decoding {
    /// Of the longest segment.
    pub positions: Positions,
    /// Its length.
    tokens: usize,
    /// Whether one pass over the text is all that is computed.
    verifies: bool,
    /// Segments that there are.
    pub most: usize,
    /// Segments computed together, where the user says.
    pub batch: Option<usize>,
}

/// Segments computed together; 0 by a stage that the job doesn't need.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rows {
    pub encode: usize,
    pub decode: usize,
}

/// What a job takes of memory at its peak, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Estimate {
    /// All of it.
    pub peak_bytes: u64,
    /// The program with the checkpoint open.
    pub program_bytes: u64,
    /// The weights of what the job needs.
    pub weight_bytes: u64,
    /// What batches are computed with.
    pub batch_bytes: u64,
    /// Text and latents that are held whole.
    pub text_bytes: u64,
}

impl Encoding {
    /// Of a text of `bytes`, where that is known.
    pub fn new(
        checkpoint: &Checkpoint,
        request: &EncodeRequest,
        bytes: Option<u64>,
    ) -> anyhow::Result<Self> {
        let bank = Bank::choose(checkpoint.config(), request.compression)?;
        // A token is a byte at least, and a segment is half full at least.
        let most = bytes.map_or(usize::MAX, |bytes| {
            let segments = bytes / (bank.segment_tokens as u64 / 2).max(1);
            usize::try_from(segments).unwrap_or(usize::MAX).saturating_add(1)
        });
        let value_bytes = request.dtype.size() as u64;
        let (batch, others) = (request.batch, Vec::new());
        Ok(Self { bank, value_bytes, most, batch, others, tried: 0 })
    }

    /// As it is to be compressed; `bytes` of text, where that is known.
    pub fn choosing(
        mut self,
        checkpoint: &Checkpoint,
        request: Option<&CompressRequest>,
        bytes: Option<u64>,
    ) -> anyhow::Result<Self> {
        let Some(request) = request.filter(|request| request.is_adaptive()) else {
            return Ok(self);
        };
        self.others = request.banks(checkpoint.config())?;
        self.others.retain(|bank| bank.queries != self.bank.queries);
        if let Level::Checked { budget: Some(_), .. } = request.level {
            self.tried = bytes.unwrap_or(0);
        }
        Ok(self)
    }
}

impl Encoding {
    /// Latents of a full segment from all banks but its own.
    fn others(&self) -> usize {
        let tokens = self.bank.segment_tokens;
        self.others.iter().map(|bank| bank.latents(tokens)).sum()
    }

    /// Bytes that a batch is computed with: the other banks' queries come with its own, and their
    /// latents wait to be chosen from.
    fn batch_bytes(&self, config: &C3Config, rows: usize) -> u64 {
        let own = self.bank.batch_bytes(config, rows);
        if self.others.is_empty() {
            return own;
        }
        let (tokens, others) = (self.bank.batch_tokens(rows), self.others().saturating_mul(rows));
        let pass = |tokens| config.encoder.pass_bytes(tokens);
        let more = pass(tokens.saturating_add(others)).saturating_sub(pass(tokens));
        let width = config.encoder.hidden_size as u64;
        let held = (others as u64).saturating_mul(width.saturating_mul(4 + self.value_bytes));
        own.saturating_add(more).saturating_add(held)
    }

    /// Bytes of a text that is held with its latents from every bank.
    fn tried_bytes(&self, config: &C3Config) -> u64 {
        let tokens = self.tried as f64 / BYTES_PER_TOKEN;
        let full = self.bank.segment_tokens;
        let latents = (self.bank.latents(full) + self.others()) as f64 / full as f64;
        let width = (config.encoder.hidden_size as u64 * self.value_bytes) as f64;
        let each = size_of::<u32>() as f64 + latents * width;
        self.tried.saturating_add((tokens * each) as u64)
    }

    /// Bytes that verifying a batch works with.
    fn verify_bytes(&self, checkpoint: &Checkpoint, rows: usize) -> u64 {
        let tokens = self.bank.segment_tokens;
        let latents = self.bank.latents(tokens);
        let request = DecodeRequest::default();
        // A prompt that the tokenizer lacks tokens for is the decoder's to refuse.
        Positions::of_checkpoint(checkpoint, &request, tokens, latents)
            .map_or(0, |positions| positions.verify_bytes(checkpoint.config(), tokens, rows))
    }

    /// As [`new`](Self::new), with the segments that English prose of this length has.
    pub fn expected(
        checkpoint: &Checkpoint,
        request: &EncodeRequest,
        bytes: u64,
    ) -> anyhow::Result<Self> {
        let encoding = Self::new(checkpoint, request, None)?;
        let segment = encoding.bank.segment_tokens as f64 * FULL * BYTES_PER_TOKEN;
        Ok(Self { most: (bytes as f64 / segment).ceil() as usize, ..encoding })
    }
}

impl Decoding {
    /// Of segments as long as `encoding` makes them.
    pub fn of_encoding(
        checkpoint: &Checkpoint,
        request: &DecodeRequest,
        encoding: &Encoding,
    ) -> anyhow::Result<Self> {
        let tokens = encoding.bank.segment_tokens;
        let latents = encoding.bank.latents(tokens);
        let positions = Positions::of_checkpoint(checkpoint, request, tokens, latents)?;
        let (most, batch) = (encoding.most, request.batch);
        Ok(Self { positions, tokens, verifies: false, most, batch })
    }

    /// Of the segments of `file` that `request` names.
    pub fn of_file<S: ByteSource>(
        checkpoint: &Checkpoint,
        request: &DecodeRequest,
        file: &LatentFile<S>,
    ) -> anyhow::Result<Self> {
        let all = 0..file.segment_count();
        let asked = request.segments.clone().unwrap_or(all.clone());
        // Segments that don't exist are the decoder's to refuse.
        let asked: Range<usize> = asked.start.min(all.end)..asked.end.min(all.end);
        let (mut tokens, mut latents) = (0, 0);
        for index in asked.clone() {
            let info = file.segment_info(index)?;
            tokens = tokens.max(info.text_tokens as usize);
            latents = latents.max(usize::try_from(info.latents.end - info.latents.start)?);
        }
        let positions = Positions::of_checkpoint(checkpoint, request, tokens, latents)?;
        let (most, batch) = (asked.len(), request.batch);
        Ok(Self { positions, tokens, verifies: false, most, batch })
    }

    /// The segments are only verified against their text.
    pub fn verifying(self) -> Self {
        Self { verifies: true, ..self }
    }

    /// The most segments that it is of use to compute together.
    pub fn most_rows(&self) -> usize {
        if self.verifies { VERIFIED } else { C3Decoder::MOST_ROWS }
    }

    /// Segments computed together where the user doesn't say.
    fn default_rows(&self, config: &C3Config) -> usize {
        if self.verifies { VERIFIED } else { self.positions.default_batch(config) }
    }

    fn batch_bytes(&self, config: &C3Config, rows: usize) -> u64 {
        match self.verifies {
            true => self.positions.verify_bytes(config, self.tokens, rows),
            false => self.positions.batch_bytes(config, rows),
        }
    }
}

impl Job<'_> {
    /// What is computed together where there is no limit.
    pub fn rows(&self) -> Rows {
        let config = self.checkpoint.config();
        let encode = self
            .encoding
            .as_ref()
            .map_or(0, |job| job.batch.unwrap_or_else(|| job.bank.default_batch()).min(job.most));
        let decode = self
            .decoding
            .as_ref()
            .map_or(0, |job| job.batch.unwrap_or_else(|| job.default_rows(config)).min(job.most));
        Rows { encode, decode }
    }

    /// What it takes with weights as `options` say and so many segments computed together.
    pub fn estimate(&self, options: &LoadOptions, rows: Rows) -> Estimate {
        let config = self.checkpoint.config();
        let encoding = self.encoding.as_ref().map(|job| {
            let verified = self.verifies.then(|| job.verify_bytes(self.checkpoint, rows.encode));
            let bytes = job.batch_bytes(config, rows.encode).max(verified.unwrap_or(0));
            // Both stages in turn use the same room. What is multiplied with bf16 takes half of it;
            // all in all a tenth less, as measured.
            let bf16 = matches!(options.dtype, WeightDtype::Bf16);
            if self.verifies && bf16 { bytes / 10 * 9 } else { bytes }
        });
        let decoding = self.decoding.as_ref().map(|job| job.batch_bytes(config, rows.decode));
        let encoder = encoding.map(|_| C3Encoder::weight_bytes(self.checkpoint, options));
        let decoder = (decoding.is_some() || self.verifies)
            .then(|| C3Decoder::weight_bytes(self.checkpoint, options));
        let program_bytes = sum([
            process::resident().unwrap_or(PROGRAM),
            COMPUTING,
            THREAD.saturating_mul(self.threads as u64),
            self.carried(),
        ]);
        let weight_bytes = sum([encoder, decoder].into_iter().flatten());
        // One stage comes after the other.
        let batch_bytes = encoding.max(decoding).unwrap_or(0) + self.kept(rows);
        let text_bytes = self.text_bytes();
        let peak_bytes = sum([program_bytes, weight_bytes, batch_bytes, text_bytes]);
        Estimate { peak_bytes, program_bytes, weight_bytes, batch_bytes, text_bytes }
    }

    /// What the allocator keeps of the blocks that encoding worked with, where decoding can't use
    /// them: the blocks of its cache are larger. A quarter of a small cache finds room there.
    fn kept(&self, rows: Rows) -> u64 {
        let (Some(encoding), Some(decoding)) = (&self.encoding, &self.decoding) else { return 0 };
        let config = self.checkpoint.config();
        let freed = config.encoder.feed_forward_bytes(encoding.bank.batch_tokens(rows.encode));
        freed.min(decoding.positions.cache_bytes(config, rows.decode) / 4)
    }

    /// Tensors inside the program that are read: the encoder's by both stages, because a decoder
    /// knows its encoder by its fingerprint.
    fn carried(&self) -> u64 {
        let encoder = self.checkpoint.encoder().map_or(0, |weights| weights.carried_bytes());
        let decoder = match self.decoding.is_some() || self.verifies {
            true => self.checkpoint.decoder().carried_bytes(),
            false => 0,
        };
        encoder.saturating_add(decoder)
    }

    /// The text before and after, and in pieces, its latents in a file, and what compares both.
    fn text_bytes(&self) -> u64 {
        let Some(encoding) = &self.encoding else { return 0 };
        let tried = encoding.tried_bytes(self.checkpoint.config());
        let Encoding { bank, value_bytes, .. } = encoding;
        let tokens = self.held_text as f64 / BYTES_PER_TOKEN;
        let latents =
            tokens * bank.latents(bank.segment_tokens) as f64 / bank.segment_tokens as f64;
        let width = self.checkpoint.config().encoder.hidden_size as f64;
        let held = self.held_text as f64 * 3.0 + latents * width * *value_bytes as f64;
        let compared = COMPARING * self.held_text.min(COMPARED);
        sum([held as u64, compared, tried])
    }
}

fn sum(bytes: impl IntoIterator<Item = u64>) -> u64 {
    bytes.into_iter().fold(0, u64::saturating_add)
}
