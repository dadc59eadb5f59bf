//! Text to a `.c3` file, segment by segment: memory stays bounded by the models and one batch.

use std::io::{self, Read, Seek, Write};
use std::ops::ControlFlow;

use anyhow::Context;
use c3_core::{
    CompressionRatio, EncodeRequest, Encoder, Fidelity, Fingerprint, LatentWriter, Provenance,
    Segment, SourceDigest, SourceHasher,
};
use c3_decoder::C3Decoder;
use c3_encoder::C3Encoder;
use c3_exact::{CompressRequest, Compressed, Compressor, Event, Level};
use c3_nn::{Checkpoint, LoadOptions};

use crate::interrupt;
use crate::progress::Progress;

/// What is to be known of a text when it has been compressed.
#[derive(Clone, Copy)]
pub struct Promise {
    /// `None` finds out nothing.
    pub level: Option<Level>,
    /// How certain a token must be.
    pub margin: Option<f32>,
}

/// Who compresses, and how.
pub struct Stages<'a> {
    pub encoder: &'a C3Encoder,
    /// Needed where something is promised.
    pub decoder: Option<&'a C3Decoder>,
    pub request: &'a EncodeRequest,
    pub promise: Promise,
}

/// What encoding came to.
pub struct Encoded {
    pub model: String,
    pub fingerprint: Fingerprint,
    pub segments: u64,
    pub source: SourceDigest,
    pub ratio: CompressionRatio,
    pub fidelity: Foretold,
    /// Which banks were chosen, where there was a choice or a check.
    pub compressed: Option<Compressed>,
}

/// What is known of how a text will come back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Foretold {
    pub unchecked: u64,
    /// Checked segments, those that will differ among them.
    pub checked: u64,
    pub differing: u64,
    /// Tokens of those that will differ.
    pub mismatches: u64,
    /// Tokens of the checked segments that are right, but may not stay so; of those that say it.
    pub near_ties: u64,
    pub exact: u64,
    pub verbatim: u64,
}

impl Foretold {
    pub fn add(&mut self, fidelity: &Fidelity) {
        match *fidelity {
            Fidelity::Unchecked => self.unchecked += 1,
            Fidelity::Checked { mismatches, near_ties, .. } => {
                self.checked += 1;
                self.differing += u64::from(mismatches > 0);
                self.mismatches += u64::from(mismatches);
                self.near_ties += u64::from(near_ties.unwrap_or(0));
            }
            Fidelity::Exact { .. } => self.exact += 1,
            Fidelity::Verbatim => self.verbatim += 1,
        }
    }

    /// Whether nothing but the source bytes can come back.
    pub fn is_promise(&self) -> bool {
        self.unchecked + self.checked == 0
    }
}

impl Stages<'_> {
    /// What the file will say of its origin.
    pub fn provenance(&self, model: &str) -> anyhow::Result<Provenance> {
        let mut provenance = self.encoder.provenance(self.request)?;
        if let Some(decoder) = self.decoder
            && let Some(identity) = decoder.identity()
        {
            provenance.set_verified_by(identity);
            provenance.set_verified_with(decoder.kept());
        }
        provenance.model = model.to_owned();
        provenance.created_by = concat!("c3 ", env!("CARGO_PKG_VERSION")).to_owned();
        Ok(provenance)
    }

    /// Compresses `text` into the `.c3` file `out`.
    pub fn encode(
        &self,
        model: String,
        text: &mut (dyn Read + Send),
        out: impl Write + Seek,
        progress: &Progress,
    ) -> anyhow::Result<Encoded> {
        let provenance = self.provenance(&model)?;
        let (markers, fingerprint) = (provenance.markers, provenance.fingerprint);
        let mut writer = LatentWriter::new(out, provenance)?;
        let mut ratio = CompressionRatio::default();
        let (mut segments, mut fidelity) = (0, Foretold::default());
        let (source, compressed) = self.segments(text, progress, &mut |segment| {
            writer.push(&segment)?;
            segments += 1;
            fidelity.add(&segment.fidelity);
            count(&mut ratio, &segment, markers);
            Ok(())
        })?;
        let (digest, finished) = match source {
            Source::Hasher(hasher) => (hasher.clone().finish(), writer.finish_appendable(hasher)),
            Source::Digest(digest) => (digest, writer.finish(digest)),
        };
        ratio.text_bytes = digest.bytes;
        let end = finished?.stream_position();
        ratio.stored_bytes = end.context("can't tell the file's length")?;
        Ok(Encoded { model, fingerprint, segments, source: digest, ratio, fidelity, compressed })
    }

    /// Compresses `text`; `push` gets each segment.
    pub fn segments(
        &self,
        text: &mut (dyn Read + Send),
        progress: &Progress,
        push: &mut dyn FnMut(Segment) -> anyhow::Result<()>,
    ) -> anyhow::Result<(Source, Option<Compressed>)> {
        let mut failed = None;
        let mut sink = |segment: Segment| {
            progress.at(segment.bytes.end);
            match push(segment) {
                Ok(()) => interrupt::flow(),
                Err(error) => {
                    failed = Some(error);
                    ControlFlow::Break(())
                }
            }
        };
        let done = match (self.promise.request(self.request), self.decoder) {
            (Some(request), Some(decoder)) => {
                let compressor = Compressor::new(self.encoder, decoder)?;
                let done = compressor.compress(text, &request, &mut |event| match event {
                    Event::Tried { bytes } => {
                        progress.at(bytes);
                        interrupt::flow()
                    }
                    Event::Segment(segment) => sink(segment),
                });
                done.map(|(hasher, chosen)| (Source::Hasher(hasher), Some(chosen)))
                    .map_err(anyhow::Error::from)
            }
            _ => {
                let mut text = Hashed { text, hasher: SourceHasher::new() };
                let done = self.encoder.encode_stream(&mut text, self.request, &mut sink);
                let source = |digest| match self.request.lossy {
                    true => Source::Digest(digest),
                    false => Source::Hasher(text.hasher),
                };
                done.map(|digest| (source(digest), None)).map_err(anyhow::Error::from)
            }
        };
        // Where the sink broke off, the encoder only knows that it did.
        if let Some(error) = failed {
            return Err(error);
        }
        interrupt::check()?;
        done
    }
}

impl Promise {
    /// `request` with what is promised; none where nothing is.
    pub fn request(&self, request: &EncodeRequest) -> Option<CompressRequest> {
        let EncodeRequest { compression, dtype, batch, lossy } = *request;
        let Self { level, margin } = *self;
        level.map(|level| CompressRequest { level, compression, dtype, batch, lossy, margin })
    }
}

/// Loads the decoder that is to verify what is encoded; files will name it.
pub fn load_verifier(checkpoint: &Checkpoint, options: &LoadOptions) -> anyhow::Result<C3Decoder> {
    let mut decoder = C3Decoder::load(checkpoint, options)?;
    decoder.identify(checkpoint);
    Ok(decoder)
}

/// Length and hash of a source text, and where they are known what they can be continued from.
pub enum Source {
    Hasher(SourceHasher),
    Digest(SourceDigest),
}

/// Counts what stands for a segment.
pub fn count(ratio: &mut CompressionRatio, segment: &Segment, markers: u32) {
    let tokens = u64::from(segment.text_tokens);
    ratio.text_tokens += tokens;
    match &segment.fidelity {
        Fidelity::Verbatim => ratio.verbatim_tokens += tokens,
        fidelity => {
            ratio.latent_positions += segment.latents.rows() as u64 + u64::from(markers);
            if let Fidelity::Exact { corrections, patches } = fidelity {
                ratio.corrections += corrections.len() as u64;
                let bytes = patches.iter().map(|patch| patch.bytes.len() as u64);
                ratio.patch_bytes += bytes.sum::<u64>();
            }
        }
    }
}

/// A reader that hashes what it reads.
pub struct Hashed<'a> {
    pub text: &'a mut (dyn Read + Send),
    pub hasher: SourceHasher,
}

impl Read for Hashed<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.text.read(buffer)?;
        self.hasher.update(&buffer[..count]);
        Ok(count)
    }
}
