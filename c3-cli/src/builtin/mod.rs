//! The checkpoint inside the binary, if there is one.

#[cfg_attr(feature = "builtin-model", path = "enabled.rs")]
#[cfg_attr(not(feature = "builtin-model"), path = "disabled.rs")]
mod embedded;

pub use embedded::files;

/// A file of a checkpoint: its path within the folder, and its bytes.
pub type EmbeddedFile = (&'static str, &'static [u8]);

/// What people call the model.
pub const NAME: &str = "c3-tiny";
