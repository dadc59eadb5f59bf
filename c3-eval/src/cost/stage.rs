//! The stages.

use serde::{Deserialize, Serialize};

/// What is timed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// Text to latents; its tokens are those of the text.
    Encode,
    /// The decoder reads latents and gives its first token; its tokens are the positions read.
    Prefill,
    /// The same decoder reads the text itself in place of its latents; its tokens are the text's.
    PrefillText,
    /// Encoding, then the decoder's first token: what a text costs that nobody has compressed before. Its
    /// tokens are those of the text.
    FirstToken,
    /// The decoder gives the tokens after its first, one at a time.
    Decode,
    /// The same decoder behind the text itself in place of its latents gives as many tokens, one at a
    /// time.
    DecodeText,
    /// One teacher-forced pass over latents and text; its tokens are those of the text.
    Verify,
    /// Encoding, then decoding; its tokens are those of the text.
    RoundTrip,
}

impl Stage {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Encode,
        Self::Prefill,
        Self::PrefillText,
        Self::FirstToken,
        Self::Decode,
        Self::DecodeText,
        Self::Verify,
        Self::RoundTrip,
    ];

    /// The name in files and tables.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Encode => "encode",
            Self::Prefill => "prefill",
            Self::PrefillText => "prefill_text",
            Self::FirstToken => "first_token",
            Self::Decode => "decode",
            Self::DecodeText => "decode_text",
            Self::Verify => "verify",
            Self::RoundTrip => "round_trip",
        }
    }
}

impl std::fmt::Display for Stage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}
