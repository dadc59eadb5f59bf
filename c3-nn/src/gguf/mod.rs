//! GGUF: llama.cpp's files of quantised models.
//!
//! A reader of our own: candle's copies each tensor out of the file, expands the vocabulary that
//! such files carry into some 100 MB, and divides by an alignment that it doesn't check. Here the
//! file is only looked through; tensors are ranges of it. No number in it is trusted.

mod config;
mod metadata;
mod names;
mod reader;

use std::collections::BTreeSet;
use std::ops::Range;

use c3_kernels::BlockType;

use crate::stored::Format;
use crate::{Error, Qwen2Config, Result};
use metadata::Metadata;
use reader::Reader;

/// The architecture of both stages.
const ARCHITECTURE: &str = "qwen2";

/// A tensor in the file, by its name in the authors' checkpoints.
pub(crate) struct Tensor {
    pub name: String,
    pub format: Format,
    /// Outermost first.
    pub shape: Vec<usize>,
    /// Its bytes, as many as format and shape take. Of a format that is not known, none.
    pub range: Range<usize>,
}

/// What a GGUF file holds.
pub(crate) struct Gguf {
    pub config: Qwen2Config,
    pub tensors: Vec<Tensor>,
}

impl Gguf {
    /// Reads the header of a file called `name`, and checks that its tensors are in it.
    pub fn read(name: &str, bytes: &[u8]) -> Result<Self> {
        let damaged = |reason| Error::Gguf { file: name.into(), bytes: bytes.len(), reason };
        let mut reader = Reader::new(bytes);
        let (tensor_count, metadata_count) = header(&mut reader).map_err(damaged)?;
        let metadata = Metadata::read(&mut reader, metadata_count).map_err(damaged)?;
        let found = metadata.text("general.architecture").unwrap_or("none");
        if found != ARCHITECTURE {
            let (file, found) = (name.into(), found.into());
            return Err(Error::ModelType { file, expected: ARCHITECTURE, found });
        }
        let tensors = tensors(&mut reader, tensor_count, &metadata).map_err(damaged)?;
        let config = config::config(name, &metadata, &tensors)?;
        Ok(Self { config, tensors })
    }
}

/// Counts of tensors and of metadata.
fn header(reader: &mut Reader) -> Result<(u64, u64), String> {
    let magic = reader.take(4)?;
    if magic != b"GGUF" {
        return Err(format!("it begins with {magic:02x?}, expected \"GGUF\""));
    }
    let version = reader.u32()?;
    if !matches!(version, 2 | 3) {
        return Err(format!("version {version}, expected 2 or 3, little-endian"));
    }
    Ok((reader.u64()?, reader.u64()?))
}

fn tensors(reader: &mut Reader, count: u64, metadata: &Metadata) -> Result<Vec<Tensor>, String> {
    let (mut tensors, mut names) = (Vec::new(), BTreeSet::new());
    // Each takes bytes of the header, so a count that is too high ends at the file's end.
    for _ in 0..count {
        let name = reader.text()?;
        let dimensions = reader.u32()?;
        if dimensions > 4 {
            return Err(format!("tensor {name:?} has {dimensions} dimensions, expected 4 at most"));
        }
        let mut shape = Vec::new();
        for _ in 0..dimensions {
            let size = reader.u64()?;
            shape.push(usize::try_from(size).map_err(|_| format!("tensor {name:?}: size {size}"))?);
        }
        shape.reverse(); // innermost first in the file
        let number = reader.u32()?;
        let offset = reader.u64()?;
        if !names.insert(name) {
            return Err(format!("tensor {name:?} is there twice"));
        }
        let format = format(number);
        let size = match size(&format, &shape) {
            Some(size) => size,
            None => return Err(format!("tensor {name:?}: {format} can't have shape {shape:?}")),
        };
        // Offsets are relative to the end of the header, which isn't known yet.
        let start = usize::try_from(offset).map_err(|_| format!("tensor {name:?}: at {offset}"))?;
        let end = start.checked_add(size).ok_or_else(|| format!("tensor {name:?}: at {offset}"))?;
        tensors.push(Tensor { name: names::original(name), format, shape, range: start..end });
    }
    let alignment = metadata.count("general.alignment").unwrap_or(Ok(32))?;
    if !alignment.is_power_of_two() || alignment > 1 << 20 {
        return Err(format!("general.alignment is {alignment}, expected a power of 2 to 2^20"));
    }
    let base = reader.at().next_multiple_of(alignment);
    for tensor in &mut tensors {
        let moved = |at: usize| at.checked_add(base).filter(|&at| at <= reader.len());
        let range = moved(tensor.range.start).zip(moved(tensor.range.end));
        let (start, end) = range.ok_or_else(|| {
            let Range { start, end } = tensor.range;
            format!("tensor {} at {base} + {start}..{end} passes the end", tensor.name)
        })?;
        tensor.range = start..end;
    }
    Ok(tensors)
}

fn format(number: u32) -> Format {
    match number {
        0 => Format::F32,
        1 => Format::F16,
        30 => Format::BF16,
        number => match BlockType::from_ggml(number) {
            Some(kind) => Format::Blocks(kind),
            None => Format::Other(format!("GGML type {number}")),
        },
    }
}

/// Bytes of a tensor; `None` where memory can't hold so many, or a row is no whole number of blocks.
fn size(format: &Format, shape: &[usize]) -> Option<usize> {
    let values = |shape: &[usize]| shape.iter().try_fold(1usize, |n, &size| n.checked_mul(size));
    match format {
        Format::F32 => values(shape)?.checked_mul(4),
        Format::F16 | Format::BF16 => values(shape)?.checked_mul(2),
        Format::I8 => values(shape),
        Format::Blocks(kind) => {
            let (&width, outer) = shape.split_last()?;
            kind.bytes(values(outer)?, width)
        }
        Format::Other(_) => Some(0),
    }
}
