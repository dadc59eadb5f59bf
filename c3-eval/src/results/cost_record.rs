//! What one load cost.

use serde::{Deserialize, Serialize};

use crate::cost::{Load, Repeated, Stage};

/// The stages of one load, timed, and what it takes in memory and bytes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CostRecord {
    /// How much was done at once.
    pub load: Load,
    /// Threads that computed.
    pub threads: usize,
    /// Memory that the process took at most while this was measured, where somebody looked.
    #[serde(default)]
    pub peak_bytes: Option<u64>,
    /// The stages, timed.
    pub stages: Vec<(Stage, Repeated)>,
    /// Decoder positions that the latents cost.
    pub positions: usize,
    /// Bytes of the decoder's KV cache for them.
    pub cache_bytes: u64,
    /// Bytes of its KV cache for the text itself.
    pub text_cache_bytes: u64,
    /// Bytes of the text.
    pub text_bytes: u64,
    /// Bytes of the `.c3` file.
    pub stored_bytes: u64,
}
