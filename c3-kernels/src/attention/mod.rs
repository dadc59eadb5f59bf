//! Softmax attention of few queries over many keys, with grouped query heads.

mod gradient;
mod op;
mod projected;
mod projections;
mod shape;

pub use op::{attention, attention_with};
pub use projected::{Heads, projected_attention};
pub use shape::{Attention, AttentionShape};
