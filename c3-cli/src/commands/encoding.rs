//! Text to a `.c3` file, segment by segment: memory stays bounded by the model and one batch.

use std::io::{Read, Seek, Write};
use std::ops::ControlFlow;

use anyhow::Context;
use c3_core::{CompressionRatio, EncodeRequest, Encoder, Fingerprint, LatentWriter, SourceDigest};
use c3_encoder::C3Encoder;

use crate::interrupt;
use crate::progress::Progress;

/// What encoding came to.
pub struct Encoded {
    pub model: String,
    pub fingerprint: Fingerprint,
    pub segments: u64,
    pub source: SourceDigest,
    pub ratio: CompressionRatio,
}

/// Encodes `text` into the `.c3` file `out`.
pub fn encode(
    encoder: &C3Encoder,
    model: String,
    text: &mut (dyn Read + Send),
    request: &EncodeRequest,
    out: impl Write + Seek,
    progress: &Progress,
) -> anyhow::Result<Encoded> {
    let mut provenance = encoder.provenance(request)?;
    provenance.model.clone_from(&model);
    provenance.created_by = concat!("c3 ", env!("CARGO_PKG_VERSION")).to_owned();
    let (markers, fingerprint) = (provenance.markers, provenance.fingerprint);

    let mut writer = LatentWriter::new(out, provenance)?;
    let mut ratio = CompressionRatio::default();
    let (mut segments, mut failed) = (0, None);
    let source = encoder.encode_stream(text, request, &mut |segment| {
        if let Err(error) = writer.push(&segment) {
            failed = Some(error);
            return ControlFlow::Break(());
        }
        segments += 1;
        ratio.text_tokens += u64::from(segment.text_tokens);
        ratio.latent_positions += segment.latents.rows() as u64 + u64::from(markers);
        progress.at(segment.bytes.end);
        interrupt::flow()
    });
    // Where the sink broke off, the encoder only knows that it did.
    if let Some(error) = failed {
        return Err(error.into());
    }
    interrupt::check()?;
    let source = source?;
    let mut out = writer.finish(source)?;
    ratio.text_bytes = source.bytes;
    ratio.stored_bytes = out.stream_position().context("can't tell the file's length")?;
    Ok(Encoded { model, fingerprint, segments, source, ratio })
}
