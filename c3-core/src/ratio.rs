//! How much shorter the text became: counted in tokens, and in bytes.

/// What was put in and what came out. C3 saves attention positions, not storage: the token ratio
/// is the gain, the byte ratio is usually below 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CompressionRatio {
    /// Tokens of the text.
    pub text_tokens: u64,
    /// Positions that the latents occupy in the decoder, with the markers around them.
    pub latent_positions: u64,
    /// Corrections stored beside them; each counts as a position.
    pub corrections: u64,
    /// Bytes that patches put in, which no token spells; each counts as a position.
    pub patch_bytes: u64,
    /// Tokens of segments that are kept as text; each is a position.
    pub verbatim_tokens: u64,
    /// Bytes of the text.
    pub text_bytes: u64,
    /// Bytes stored for it.
    pub stored_bytes: u64,
}

impl CompressionRatio {
    /// All that stands for the text, counted in positions.
    pub fn positions(&self) -> u64 {
        [self.latent_positions, self.corrections, self.patch_bytes, self.verbatim_tokens]
            .into_iter()
            .fold(0, u64::saturating_add)
    }

    /// Text tokens for each position; 0 where there is none.
    pub fn token_ratio(&self) -> f64 {
        quotient(self.text_tokens, self.positions())
    }

    /// Bytes of text for each byte stored; 0 where none is stored.
    pub fn byte_ratio(&self) -> f64 {
        quotient(self.text_bytes, self.stored_bytes)
    }
}

fn quotient(over: u64, under: u64) -> f64 {
    if under == 0 { 0.0 } else { over as f64 / under as f64 }
}

impl std::fmt::Display for CompressionRatio {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{:.2}× in tokens ({} → {}), {:.2}× in bytes ({} → {})",
            self.token_ratio(),
            self.text_tokens,
            self.positions(),
            self.byte_ratio(),
            self.text_bytes,
            self.stored_bytes,
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn corrections_count_as_positions() {
        let ratio = CompressionRatio {
            text_tokens: 400,
            latent_positions: 34,
            corrections: 4,
            patch_bytes: 1,
            verbatim_tokens: 1,
            text_bytes: 1600,
            stored_bytes: 3200,
        };
        assert_eq!(ratio.token_ratio(), 10.0);
        assert_eq!(ratio.byte_ratio(), 0.5);
        assert_eq!(ratio.to_string(), "10.00× in tokens (400 → 40), 0.50× in bytes (1600 → 3200)");
        assert_eq!(CompressionRatio::default().token_ratio(), 0.0);
    }
}
