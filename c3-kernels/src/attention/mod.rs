//! Softmax attention of few queries over many keys, with grouped query heads.

mod gradient;
mod op;
mod shape;

pub use op::{attention, attention_with};
pub use shape::{Attention, AttentionShape};
