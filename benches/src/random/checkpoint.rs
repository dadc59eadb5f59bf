//! A checkpoint in the authors' layout, written shard by shard.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};
use serde_json::{Map, Value, json};

use super::configs::{self, Tokens};
use super::shape::{Shape, Stage};
use super::tensors::{Lazy, RandomTensor, backbone, bridge};

/// A checkpoint of random weights that follow from its seed.
#[derive(Clone, Debug)]
pub struct RandomCheckpoint {
    /// Names the vocabulary, the number of context queries and the layout's sizes.
    pub shape: Shape,
    /// Sizes of the encoder.
    pub encoder: Stage,
    /// Sizes of the decoder.
    pub decoder: Stage,
    /// Decides every value.
    pub seed: u64,
    /// A file of weights holds at most so many bytes, unless one tensor is larger.
    pub shard_bytes: u64,
}

impl RandomCheckpoint {
    /// A checkpoint of this size with shards of 2 GB.
    pub fn new(shape: Shape, seed: u64) -> Self {
        let (encoder, decoder) = (shape.encoder(), shape.decoder());
        Self { shape, encoder, decoder, seed, shard_bytes: 2_000_000_000 }
    }

    /// Bytes of all weights in bf16.
    pub fn bytes(&self) -> u64 {
        total(&self.encoder_tensors()) + self.decoder_bytes() + total(&self.bridge_tensors())
    }

    /// Bytes of the decoder's language model in bf16.
    pub fn decoder_bytes(&self) -> u64 {
        total(&self.decoder_tensors())
    }

    fn encoder_tensors(&self) -> Vec<RandomTensor> {
        backbone(self.seed, "encoder", &self.encoder)
    }

    /// The decoder as a language model, without what makes it a C3 decoder.
    pub(super) fn decoder_tensors(&self) -> Vec<RandomTensor> {
        backbone(self.seed, "decoder", &self.decoder)
    }

    fn bridge_tensors(&self) -> Vec<RandomTensor> {
        bridge(self.seed, self.shape.latents(), &self.encoder, &self.decoder)
    }

    /// Writes the checkpoint to the new folder `out`, which appears when all of it is there.
    /// `progress` is told the bytes of each tensor once they are made. Holds one tensor at a time.
    ///
    /// # Errors
    /// Where `out` exists already or the disk can't take it.
    pub fn write(&self, out: &Path, progress: &dyn Fn(u64)) -> Result<()> {
        if out.exists() {
            bail!("{} exists already", out.display());
        }
        let parent = out.parent().filter(|parent| !parent.as_os_str().is_empty());
        let parent = parent.unwrap_or(Path::new("."));
        // Left out of the way by a killed process; removed by any other end.
        let partial = tempfile::Builder::new()
            .prefix(".random-checkpoint-")
            .suffix(".partial")
            .tempdir_in(parent)
            .with_context(|| format!("can't create a folder in {}", parent.display()))?;
        let folder = partial.path();
        let tokens = Tokens::new(self.shape)?;
        let encoder_folder = folder.join("llm1");
        fs::create_dir(&encoder_folder)?;

        let latents = self.shape.latents();
        let config = configs::c3(&self.decoder, &self.encoder, latents, &tokens);
        write_json(&folder.join("config.json"), &config)?;
        write_json(&folder.join("generation_config.json"), &configs::generation(&tokens))?;
        write_json(&encoder_folder.join("config.json"), &configs::qwen2(&self.encoder, &tokens))?;
        fs::write(folder.join("tokenizer.json"), &tokens.json)?;

        self.write_shards(&encoder_folder, &self.encoder_tensors(), progress)?;
        let decoder = [self.decoder_tensors(), self.bridge_tensors()].concat();
        self.write_shards(folder, &decoder, progress)?;

        for_everyone(folder, 0o755)?;
        fs::rename(folder, out).with_context(|| format!("can't move to {}", out.display()))?;
        // There is nothing left to remove at the old name.
        let _ = partial.keep();
        Ok(())
    }

    /// Writes `model.safetensors`, or several files and their index.
    fn write_shards(
        &self,
        folder: &Path,
        tensors: &[RandomTensor],
        progress: &dyn Fn(u64),
    ) -> Result<()> {
        let shards = self.shards(tensors);
        let mut map = Map::new();
        for (i, shard) in shards.iter().enumerate() {
            let name = match shards.len() {
                1 => "model.safetensors".to_owned(),
                count => format!("model-{:05}-of-{count:05}.safetensors", i + 1),
            };
            let views = shard.iter().map(|tensor| (&tensor.name, Lazy { tensor, progress }));
            let metadata = HashMap::from([("format".to_owned(), "pt".to_owned())]);
            let path = folder.join(&name);
            safetensors::serialize_to_file(views, Some(metadata), &path)
                .with_context(|| format!("can't write {name}"))?;
            for_everyone(&path, 0o644)?;
            map.extend(shard.iter().map(|tensor| (tensor.name.clone(), json!(name))));
        }
        if shards.len() > 1 {
            let index = json!({ "metadata": { "total_size": total(tensors) }, "weight_map": map });
            write_json(&folder.join("model.safetensors.index.json"), &index)?;
        }
        Ok(())
    }

    /// Cuts the list where a file would grow too large.
    fn shards<'a>(&self, tensors: &'a [RandomTensor]) -> Vec<&'a [RandomTensor]> {
        let (mut shards, mut start, mut bytes) = (Vec::new(), 0, 0);
        for (i, tensor) in tensors.iter().enumerate() {
            if i > start && bytes + tensor.bytes() > self.shard_bytes {
                shards.push(&tensors[start..i]);
                (start, bytes) = (i, 0);
            }
            bytes += tensor.bytes();
        }
        shards.push(&tensors[start..]);
        shards
    }
}

fn total(tensors: &[RandomTensor]) -> u64 {
    tensors.iter().map(RandomTensor::bytes).sum()
}

/// What is temporary at first is its owner's alone; this makes it like any other.
pub(super) fn for_everyone(path: &Path, mode: u32) -> Result<()> {
    #[cfg(unix)]
    fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(mode))?;
    #[cfg(not(unix))]
    let _ = (path, mode);
    Ok(())
}

fn write_json(path: &Path, value: &Value) -> Result<()> {
    fs::write(path, serde_json::to_vec_pretty(value)?)
        .with_context(|| format!("can't write {}", path.display()))
}
