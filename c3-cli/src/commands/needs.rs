//! What memory the commands need with a model: the part of `c3 doctor` that is about one.

use c3_core::{DecodeRequest, EncodeRequest};
use c3_nn::Checkpoint;
use serde::Serialize;

use crate::compute::Compute;
use crate::human::{self, Table};
use crate::memory::{Decoding, Encoding, Estimate, Fit, Job};

/// What the commands need with a model, for scripts.
#[derive(Serialize)]
pub struct Needs {
    model: String,
    /// Length of the text that a round trip holds.
    text_bytes: u64,
    /// Absent where the checkpoint has no encoder, or where it doesn't fit.
    compress: Option<Need>,
    decompress: Option<Need>,
    roundtrip: Option<Need>,
}

#[derive(Serialize)]
struct Need {
    dtype: String,
    /// Segments encoded together; 0 where none are.
    encode_batch: usize,
    /// Segments decoded together; 0 where none are.
    decode_batch: usize,
    #[serde(flatten)]
    estimate: Estimate,
}

impl Needs {
    /// Computes it; what doesn't fit is added to `problems`.
    pub fn new(
        compute: &Compute,
        checkpoint: &Checkpoint,
        (encode, decode): (&EncodeRequest, &DecodeRequest),
        (text_bytes, fast): (u64, bool),
        problems: &mut Vec<String>,
    ) -> anyhow::Result<Self> {
        let mut need = |command: &str, encodes: bool, decodes: bool| -> anyhow::Result<_> {
            if encodes && checkpoint.encoder().is_none() {
                return Ok(None);
            }
            let encoding = Encoding::expected(checkpoint, encode, text_bytes)?;
            let decoding = Decoding::of_encoding(checkpoint, decode, &encoding)?;
            let job = Job {
                checkpoint,
                threads: compute.thread_count(),
                encoding: encodes.then_some(encoding),
                decoding: decodes.then_some(decoding),
                // What `compress` does unless it is told otherwise.
                verifies: encodes && !decodes && !fast,
                held_text: if encodes && decodes { text_bytes } else { 0 },
            };
            match compute.fit(&job) {
                Ok(fit) => Ok(Some(Need::new(&fit))),
                Err(error) => {
                    problems.push(format!("{command}: {error}"));
                    Ok(None)
                }
            }
        };
        Ok(Self {
            compress: need("compress", true, false)?,
            decompress: need("decompress", false, true)?,
            roundtrip: need("roundtrip", true, true)?,
            model: compute.model.name(checkpoint),
            text_bytes,
        })
    }

    /// Adds its rows to a table.
    pub fn rows(&self, table: Table) -> Table {
        let named = [
            ("compress", &self.compress),
            ("decompress", &self.decompress),
            ("roundtrip", &self.roundtrip),
        ];
        let table = table.row("memory with", &self.model);
        named.into_iter().fold(table, |table, (command, need)| match need {
            Some(need) => table.row(command, need.line()),
            None => table.row(command, "can't"),
        })
    }
}

impl Need {
    fn new(fit: &Fit) -> Self {
        Self {
            dtype: fit.options.dtype.to_string(),
            encode_batch: fit.rows.encode,
            decode_batch: fit.rows.decode,
            estimate: fit.estimate,
        }
    }

    fn line(&self) -> String {
        let Estimate { peak_bytes, program_bytes, weight_bytes, batch_bytes, text_bytes } =
            self.estimate;
        let batch = match (self.encode_batch, self.decode_batch) {
            (batch, 0) | (0, batch) => human::counted(batch as u64, "segment"),
            (encode, decode) => {
                format!("{encode} and {}", human::counted(decode as u64, "segment"))
            }
        };
        let mut line = format!(
            "about {}: program {}, {} weights {}, {batch} at once {}",
            human::bytes(peak_bytes),
            human::bytes(program_bytes),
            self.dtype,
            human::bytes(weight_bytes),
            human::bytes(batch_bytes),
        );
        if text_bytes > 0 {
            line.push_str(&format!(", text {}", human::bytes(text_bytes)));
        }
        line
    }
}
