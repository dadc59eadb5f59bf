use super::EmbeddedFile;

macro_rules! embed {
    ($($path:literal),* $(,)?) => {
        &[$(($path, include_bytes!(concat!("../../../models/c3-tiny/", $path)).as_slice())),*]
    };
}

static FILES: &[EmbeddedFile] = embed![
    "config.json",
    "generation_config.json",
    "tokenizer.json",
    "model.safetensors",
    "llm1/config.json",
    "llm1/model.safetensors",
];

/// The built-in checkpoint's files.
pub fn files() -> Option<&'static [EmbeddedFile]> {
    Some(FILES)
}
