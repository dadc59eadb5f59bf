//! The decoder's language model as a GGUF file, for llama.cpp.

use std::io::{BufWriter, Write};
use std::path::Path;

use anyhow::{Context, Result, bail};
use candle_core::quantized::gguf_file::{self, Value};
use candle_core::quantized::{GgmlDType, QStorage, QTensor};
use candle_core::{DType, Device, Tensor};
use clap::ValueEnum;
use rayon::prelude::*;

use super::checkpoint::for_everyone;
use super::configs::{MAX_POSITIONS, RMS_NORM_EPS, ROPE_THETA};
use super::tensors::RandomTensor;
use super::{RandomCheckpoint, Stage};

/// How a GGUF file keeps its matrices: all of them alike, the embedding and the head too.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum GgufType {
    /// As the checkpoint has them.
    Bf16,
    /// Blocks of 32 with 8 bits a value.
    #[value(name = "q8_0")]
    Q8_0,
    /// Super-blocks of 256 with 4 bits a value; rows that are no multiple of that are in `q5_0`,
    /// as llama.cpp's own quantiser does.
    #[value(name = "q4_k")]
    Q4K,
}

impl GgufType {
    fn of(self, width: usize) -> GgmlDType {
        match self {
            Self::Bf16 => GgmlDType::BF16,
            Self::Q8_0 => GgmlDType::Q8_0,
            Self::Q4K if width.is_multiple_of(GgmlDType::Q4K.block_size()) => GgmlDType::Q4K,
            Self::Q4K => GgmlDType::Q5_0,
        }
    }

    /// llama.cpp's number for a file that is mostly of this type.
    fn file_type(self) -> u32 {
        match self {
            Self::Bf16 => 32,
            Self::Q8_0 => 7,
            Self::Q4K => 14,
        }
    }
}

impl RandomCheckpoint {
    /// Writes the decoder's language model, the same weights that [`write`](Self::write) writes,
    /// to the new file `out`, which appears when all of it is there. The file has no tokenizer:
    /// ids go in and logits come out. `progress` is told the bf16 bytes of each tensor once it is
    /// done. Holds the file's content in memory, and one matrix in f32.
    ///
    /// # Errors
    /// Where `out` exists already or the disk can't take it.
    pub fn write_gguf(&self, out: &Path, kind: GgufType, progress: &dyn Fn(u64)) -> Result<()> {
        if out.exists() {
            bail!("{} exists already", out.display());
        }
        let tensors: Vec<(String, QTensor)> = self
            .decoder_tensors()
            .iter()
            .map(|tensor| {
                let name = gguf_name(&tensor.name)?;
                let made = match tensor.shape.as_slice() {
                    &[rows, width] => matrix(tensor, rows, width, kind.of(width))?,
                    // Norms and biases are f32 in every GGUF file.
                    _ => QTensor::quantize(&vector(tensor)?, GgmlDType::F32)?,
                };
                progress(tensor.bytes());
                Ok((name, made))
            })
            .collect::<Result<_>>()?;
        let tensors: Vec<(&str, &QTensor)> = tensors.iter().map(|(n, t)| (n.as_str(), t)).collect();
        let metadata = metadata(&self.decoder, kind);
        let metadata: Vec<(&str, &Value)> = metadata.iter().map(|(k, v)| (k.as_str(), v)).collect();

        let parent = out.parent().filter(|parent| !parent.as_os_str().is_empty());
        let file = tempfile::Builder::new()
            .prefix(".random-checkpoint-")
            .suffix(".partial")
            .tempfile_in(parent.unwrap_or(Path::new(".")))?;
        let mut writer = BufWriter::with_capacity(1 << 20, file);
        gguf_file::write(&mut writer, &metadata, &tensors)?;
        writer.flush()?;
        let file = writer.into_inner()?;
        for_everyone(file.path(), 0o644)?;
        file.persist_noclobber(out).with_context(|| format!("can't move to {}", out.display()))?;
        Ok(())
    }
}

fn vector(tensor: &RandomTensor) -> Result<Tensor> {
    Ok(Tensor::from_raw_buffer(&tensor.bf16(), DType::BF16, &tensor.shape, &Device::Cpu)?)
}

/// Quantises runs of rows in parallel: candle's own quantiser uses one thread.
fn matrix(tensor: &RandomTensor, rows: usize, width: usize, dtype: GgmlDType) -> Result<QTensor> {
    let values = tensor.bf16();
    let run = 2 * width * (1usize << 16).div_ceil(width);
    let quantise = |values: &[u8]| -> Result<Vec<u8>> {
        let shape = (values.len() / (2 * width), width);
        let values =
            Tensor::from_raw_buffer(values, DType::BF16, &[shape.0, shape.1], &Device::Cpu)?;
        Ok(QTensor::quantize(&values, dtype)?.data()?.into_owned())
    };
    let runs: Vec<Vec<u8>> = values.par_chunks(run).map(quantise).collect::<Result<_>>()?;
    drop(values);
    let storage = QStorage::from_data(runs.concat().into(), &Device::Cpu, dtype)?;
    Ok(QTensor::new(storage, (rows, width))?)
}

fn metadata(stage: &Stage, kind: GgufType) -> Vec<(String, Value)> {
    let number = |n: usize| Value::U32(n as u32);
    let text = |text: &str| Value::String(text.into());
    let of = |key: &str| format!("qwen2.{key}");
    vec![
        ("general.architecture".into(), text("qwen2")),
        ("general.name".into(), text("random weights")),
        ("general.file_type".into(), Value::U32(kind.file_type())),
        ("general.quantization_version".into(), Value::U32(2)),
        ("tokenizer.ggml.model".into(), text("none")),
        (of("vocab_size"), number(stage.vocab)),
        (of("block_count"), number(stage.layers)),
        (of("context_length"), number(MAX_POSITIONS)),
        (of("embedding_length"), number(stage.hidden)),
        (of("feed_forward_length"), number(stage.ffn)),
        (of("attention.head_count"), number(stage.heads)),
        (of("attention.head_count_kv"), number(stage.kv_heads)),
        (of("attention.layer_norm_rms_epsilon"), Value::F32(RMS_NORM_EPS as f32)),
        (of("rope.freq_base"), Value::F32(ROPE_THETA as f32)),
    ]
}

/// llama.cpp's name of a tensor.
fn gguf_name(name: &str) -> Result<String> {
    let layer = name.strip_prefix("model.layers.").and_then(|rest| rest.split_once('.'));
    let Some((layer, part)) = layer else {
        return Ok(match name {
            "model.embed_tokens.weight" => "token_embd.weight",
            "model.norm.weight" => "output_norm.weight",
            "lm_head.weight" => "output.weight",
            _ => bail!("GGUF has no name for {name}"),
        }
        .into());
    };
    let (part, kind) = part.rsplit_once('.').context("a tensor without a kind")?;
    let part = match part {
        "input_layernorm" => "attn_norm",
        "self_attn.q_proj" => "attn_q",
        "self_attn.k_proj" => "attn_k",
        "self_attn.v_proj" => "attn_v",
        "self_attn.o_proj" => "attn_output",
        "post_attention_layernorm" => "ffn_norm",
        "mlp.gate_proj" => "ffn_gate",
        "mlp.up_proj" => "ffn_up",
        "mlp.down_proj" => "ffn_down",
        _ => bail!("GGUF has no name for {name}"),
    };
    Ok(format!("blk.{layer}.{part}.{kind}"))
}
