//! What keeps a text in few decoder positions and gives it back: C3, and what it must beat.

mod c3;
mod mean_pool;
mod random_drop;
mod segments;
mod truncation;

use crate::{Item, Model, Result};
pub use c3::C3;
pub use mean_pool::MeanPool;
pub use random_drop::RandomDrop;
pub use truncation::Truncation;

/// Keeps texts within a budget of decoder positions and gives them back.
///
/// Implementations give the same text for the same item, whatever else is in the call, and spend at
/// most [`Item::budget`] positions on it.
pub trait Compressor: Sync {
    /// The name in files and tables.
    fn name(&self) -> &'static str;

    /// What comes back of each item.
    ///
    /// # Errors
    /// Where the model fails.
    fn restore(&self, items: &[Item<'_>]) -> Result<Vec<Restored>>;
}

/// What came back of a text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Restored {
    /// The text.
    pub text: String,
    /// Decoder positions that it cost.
    pub positions: usize,
    /// Segments that were cut off at the allowed number of tokens.
    pub cut_off: usize,
}

/// The compressors there are, by name, C3 first.
pub const NAMES: [&str; 4] = ["c3", "truncation", "random_drop", "mean_pool"];

/// The compressor of that name.
pub fn named<'m>(name: &str, model: &'m Model) -> Option<Box<dyn Compressor + 'm>> {
    Some(match name {
        "c3" => Box::new(C3::new(model)),
        "truncation" => Box::new(Truncation::new(model)),
        "random_drop" => Box::new(RandomDrop::new(model)),
        "mean_pool" => Box::new(MeanPool::new(model)),
        _ => return None,
    })
}
