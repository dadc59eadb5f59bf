//! The model that is evaluated.

use c3_core::{Compression, FingerprintBuilder};
use c3_decoder::C3Decoder;
use c3_encoder::{Bank, C3Encoder, Piece, Segmenter, SegmenterOptions};
use c3_nn::{Checkpoint, LoadOptions, Tokenizer};
use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// Decoder positions that every segment costs beside its latents: `<img>` and `</img>`.
pub const MARKERS: usize = 2;

/// Models up to this many parameters are evaluated with one shard for each thread: one batch of them
/// doesn't fill the threads, and a shard's memory is small.
const SMALL: u64 = 100_000_000;

/// Both stages of a checkpoint.
pub struct Model {
    /// Text to latents.
    pub encoder: C3Encoder,
    /// Latents to text.
    pub decoder: C3Decoder,
    batches: Batches,
    identity: ModelIdentity,
}

/// Segments that each stage computes together, where memory doesn't hold as many as are of use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Batches {
    /// The encoder; without it, as many as are of use.
    pub encode: Option<usize>,
    /// The decoder.
    pub decode: Option<usize>,
}

impl Batches {
    /// Whether nothing is asked for.
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// Which model, as result files name it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelIdentity {
    /// Its name for people.
    pub name: String,
    /// Hash of its weights, both stages, and of its tokenizer.
    pub fingerprint: String,
    /// Parameters of both stages.
    pub parameters: u64,
    /// Tokens that it reads at once.
    pub window: usize,
    /// How its weights are kept in memory.
    pub weights: String,
}

impl std::fmt::Display for ModelIdentity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { name, fingerprint, weights, .. } = self;
        write!(f, "{name} ({fingerprint:.12}…, {weights})")
    }
}

impl Model {
    /// Loads both stages.
    ///
    /// # Errors
    /// Where the checkpoint has no encoder or can't be loaded.
    pub fn load(checkpoint: &Checkpoint, name: String, options: &LoadOptions) -> Result<Self> {
        let encoder = C3Encoder::load(checkpoint, options)?;
        let decoder = C3Decoder::load(checkpoint, options)?;
        let mut print = FingerprintBuilder::new();
        checkpoint.visit_identity(&mut |name, bytes| {
            print.tensor(name, bytes);
        });
        checkpoint.visit_decoder(&mut |name, bytes| {
            print.tensor(name, bytes);
        });
        let config = checkpoint.config();
        let identity = ModelIdentity {
            name,
            fingerprint: print.finish().to_string(),
            parameters: config.encoder.parameters() + config.decoder.parameters(),
            window: config.segment_tokens,
            weights: format!("{} × {:?}", options.dtype, options.activations).to_lowercase(),
        };
        Ok(Self { encoder, decoder, batches: Batches::default(), identity })
    }

    /// The same model, computing at most so many segments together.
    #[must_use]
    pub fn with_batches(self, batches: Batches) -> Self {
        Self { batches, ..self }
    }

    /// Segments that it computes together.
    pub fn batches(&self) -> Batches {
        self.batches
    }

    /// Which model it is.
    pub fn identity(&self) -> &ModelIdentity {
        &self.identity
    }

    /// The tokenizer of both stages.
    pub fn tokenizer(&self) -> &Tokenizer {
        self.encoder.tokenizer()
    }

    /// The ratios that it has a bank for; where it has a single bank, that one.
    pub fn ratios(&self) -> Vec<Ratio> {
        let banks: Vec<Ratio> =
            self.encoder.config().query_banks.keys().map(|&ratio| Ratio(Some(ratio))).collect();
        if banks.is_empty() { vec![Ratio(None)] } else { banks }
    }

    /// Whether it is so small that shards side by side are faster than one after the other.
    pub fn is_small(&self) -> bool {
        self.identity.parameters < SMALL
    }

    /// A text in segments, as compressing it at `ratio` cuts it.
    ///
    /// # Errors
    /// Where the model has no such ratio or the tokenizer fails.
    pub fn item<'t>(&self, text: &'t str, ratio: Ratio) -> Result<Item<'t>> {
        let bank = self.bank(ratio)?;
        let options = SegmenterOptions { max_tokens: bank.segment_tokens, lossy: false };
        let pieces = Segmenter::new(text.as_bytes(), self.tokenizer(), options)?;
        let pieces = pieces.collect::<Result<Vec<Piece>, _>>()?;
        Ok(Item { text, bank, pieces })
    }

    /// The query bank of a ratio.
    ///
    /// # Errors
    /// Where the model has none.
    pub fn bank(&self, ratio: Ratio) -> Result<Bank> {
        Bank::choose(self.encoder.config(), ratio.into()).map_err(Error::from)
    }
}

/// How far to compress: so many text tokens for each latent, or what the model does by default.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Ratio(pub Option<u32>);

impl From<Ratio> for Compression {
    fn from(ratio: Ratio) -> Self {
        ratio.0.map_or(Self::Default, Self::Ratio)
    }
}

impl std::fmt::Display for Ratio {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            Some(ratio) => write!(f, "{ratio}×"),
            None => f.write_str("default"),
        }
    }
}

/// A text with the decoder positions that it may cost.
#[derive(Clone, Debug)]
pub struct Item<'t> {
    /// The text.
    pub text: &'t str,
    /// How each segment is compressed.
    pub bank: Bank,
    /// Its segments.
    pub pieces: Vec<Piece>,
}

impl Item<'_> {
    /// Tokens of the text.
    pub fn tokens(&self) -> usize {
        self.pieces.iter().map(|piece| piece.ids.len()).sum()
    }

    /// Latent tokens of all segments.
    pub fn latents(&self) -> usize {
        self.pieces.iter().map(|piece| self.bank.latents(piece.ids.len())).sum()
    }

    /// Decoder positions that the text may cost: latents and the markers around them.
    pub fn budget(&self) -> usize {
        self.latents() + MARKERS * self.pieces.len()
    }
}
