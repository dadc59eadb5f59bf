//! A copy of a small checkpoint to change.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use c3_nn::Checkpoint;
use candle_core::{Device, Tensor};

pub struct Spoilt(tempfile::TempDir);

impl Spoilt {
    pub fn new() -> Self {
        let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/c3-ref-f32");
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("llm1")).unwrap();
        for file in [
            "config.json",
            "tokenizer.json",
            "model.safetensors",
            "llm1/config.json",
            "llm1/model.safetensors",
        ] {
            std::fs::copy(fixture.join(file), folder.path().join(file)).unwrap();
        }
        Self(folder)
    }

    pub fn path(&self, file: &str) -> PathBuf {
        self.0.path().join(file)
    }

    pub fn open(&self) -> c3_nn::Result<Checkpoint> {
        Checkpoint::open(self.0.path())
    }

    /// Opens it and loads both models, as the stages do.
    pub fn load(&self) -> c3_nn::Result<()> {
        let checkpoint = self.open()?;
        let (config, options) = (checkpoint.config(), c3_nn::LoadOptions::default());
        c3_nn::Qwen2::load(&config.decoder, checkpoint.decoder(), &options)?;
        let encoder = checkpoint.encoder().unwrap();
        c3_nn::Qwen2::load_headless(&config.encoder, encoder, &options)?;
        Ok(())
    }

    /// The error, its causes appended.
    pub fn error(&self) -> String {
        let mut error: &dyn std::error::Error = &self.load().unwrap_err();
        let mut text = error.to_string();
        while let Some(cause) = error.source() {
            text.push_str(": ");
            text.push_str(&cause.to_string());
            error = cause;
        }
        text
    }

    pub fn config(&self, file: &str, change: impl Fn(&mut serde_json::Value)) -> &Self {
        let text = std::fs::read_to_string(self.path(file)).unwrap();
        let mut config = serde_json::from_str(&text).unwrap();
        change(&mut config);
        std::fs::write(self.path(file), config.to_string()).unwrap();
        self
    }

    pub fn tensors(&self, file: &str) -> HashMap<String, Tensor> {
        candle_core::safetensors::load(self.path(file), &Device::Cpu).unwrap()
    }

    pub fn save(&self, file: &str, tensors: &HashMap<String, Tensor>) -> &Self {
        candle_core::safetensors::save(tensors, self.path(file)).unwrap();
        self
    }
}
