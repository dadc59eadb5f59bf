//! From text to its loss, through both stages.

use c3_decoder::C3Decoder;
use c3_encoder::{Bank, C3Encoder};
use c3_nn::PromptIds;
use candle_core::Tensor;

use crate::Result;

/// Segments of one length for one bank.
pub struct Batch<'a> {
    /// `[segments, tokens]`
    pub ids: &'a [u32],
    /// What the decoder is given before each next token: the text, or what follows it, or either with
    /// some tokens wrong. `[segments, tokens]`
    pub given: &'a [u32],
    /// What follows each segment, where the decoder is to go on with it rather than to reproduce it:
    /// then there is no stop token. `[segments, tokens + 1]`
    pub next: Option<&'a [u32]>,
    /// Tokens of a segment.
    pub tokens: usize,
    /// The context queries that it meets.
    pub bank: Bank,
}

/// The mean cross entropy, in nats, of text and stop token, or of what follows the text: a scalar, to
/// be derived by every weight that had a part in it.
///
/// The encoder reads `text, <img>, queries`, the decoder `prompt, latents, prompt, text`, as when
/// they compress and verify.
///
/// # Errors
/// Where an id is outside the vocabulary or a segment is longer than the bank allows.
pub fn loss(
    encoder: &C3Encoder,
    decoder: &C3Decoder,
    prompt: &PromptIds,
    batch: &Batch<'_>,
) -> Result<Tensor> {
    let tokens = batch.tokens;
    let rows = batch.ids.len() / tokens.max(1);
    let (reader, writer) = (encoder.model(), decoder.model());
    let (narrow, wide) = (reader.config().hidden_size, writer.config().hidden_size);

    let text = reader.embed(batch.ids)?.reshape((rows, tokens, narrow))?;
    let (asking, behind) = encoder.asking(tokens, &batch.bank)?; // [1 + latents, hidden]
    let x = Tensor::cat(&[&text, &repeated(&asking, rows)?], 1)?;
    let positions = repeated_positions((0..tokens as u32).chain(behind.iter().copied()), rows);
    let count = behind.len() - 1;
    let latents = reader.forward_embeds(&x, &positions, &[], None, count)?; // [rows, count, hidden]

    let latents = decoder.project(&latents.reshape((rows * count, narrow))?)?;
    let latents = latents.reshape((rows, count, wide))?;
    let before = repeated(&writer.embed(&prompt.before)?, rows)?;
    let after = repeated(&writer.embed(&prompt.after)?, rows)?;
    let text = writer.embed(batch.given)?.reshape((rows, tokens, wide))?;
    let x = Tensor::cat(&[&before, &latents, &after, &text], 1)?;
    let b = prompt.before.len();
    let config = decoder.config();
    let resume = (b + config.latent_room(count)) as u32;
    let answered = (resume..).take(prompt.after.len() + tokens);
    let read = config.latent_position_ids(b, tokens, count);
    let positions = repeated_positions(read.into_iter().chain(answered), rows);
    let hidden = writer.forward_embeds(&x, &positions, &[], None, tokens + 1)?;

    let targets: Vec<u32> = match batch.next {
        Some(next) => next.to_vec(),
        None => batch
            .ids
            .chunks(tokens.max(1))
            .flat_map(|ids| ids.iter().copied().chain([decoder.stop()]))
            .collect(),
    };
    Ok(writer.loss(&hidden.reshape((rows * (tokens + 1), wide))?, &targets)?)
}

/// `[n, hidden]` → `[rows, n, hidden]`
fn repeated(x: &Tensor, rows: usize) -> Result<Tensor> {
    let (n, hidden) = x.dims2()?;
    Ok(x.unsqueeze(0)?.broadcast_as((rows, n, hidden))?)
}

fn repeated_positions(of_row: impl Iterator<Item = u32>, rows: usize) -> Vec<u32> {
    of_row.collect::<Vec<u32>>().repeat(rows)
}
