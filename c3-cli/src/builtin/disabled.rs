use super::EmbeddedFile;

/// Nothing: this build has no checkpoint inside.
pub fn files() -> Option<&'static [EmbeddedFile]> {
    None
}
