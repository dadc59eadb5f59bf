//! The keys and values in front of a GGUF file's tensors.

use std::collections::BTreeMap;

use super::reader::Reader;

/// Arrays of arrays beyond this depth are damage.
const MAX_DEPTH: usize = 4;

const TEXT: u32 = 8;
const ARRAY: u32 = 9;

enum Value<'a> {
    Whole(i128),
    Float(f64),
    Text(&'a str),
    /// A truth value or an array: nothing that a model's shape is in.
    Other,
}

/// Keys and values. Arrays (the vocabulary, mostly) are passed over, not kept.
pub(super) struct Metadata<'a>(BTreeMap<&'a str, Value<'a>>);

impl<'a> Metadata<'a> {
    pub fn read(reader: &mut Reader<'a>, count: u64) -> Result<Self, String> {
        let mut values = BTreeMap::new();
        for _ in 0..count {
            let key = reader.text()?;
            let kind = reader.u32()?;
            values.insert(key, value(reader, kind)?);
        }
        Ok(Self(values))
    }

    pub fn text(&self, key: &str) -> Option<&'a str> {
        match self.0.get(key)? {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// A whole number from 0 up; an error where the key has another value.
    pub fn count(&self, key: &str) -> Option<Result<usize, String>> {
        let expected = || format!("{key} is no whole number from 0 up");
        Some(match self.0.get(key)? {
            Value::Whole(number) => usize::try_from(*number).map_err(|_| expected()),
            _ => Err(expected()),
        })
    }

    /// A number; an error where the key has another value.
    pub fn number(&self, key: &str) -> Option<Result<f64, String>> {
        Some(match self.0.get(key)? {
            Value::Float(number) => Ok(*number),
            Value::Whole(number) => Ok(*number as f64),
            _ => Err(format!("{key} is no number")),
        })
    }
}

fn value<'a>(reader: &mut Reader<'a>, kind: u32) -> Result<Value<'a>, String> {
    if kind == TEXT {
        return reader.text().map(Value::Text);
    }
    if kind == ARRAY {
        pass_array(reader, 0)?;
        return Ok(Value::Other);
    }
    let bytes = reader.take(width(kind)?)?;
    let mut wide = [0; 8];
    wide[..bytes.len()].copy_from_slice(bytes);
    let (bits, unused) = (u64::from_le_bytes(wide), 64 - 8 * bytes.len() as u32);
    Ok(match kind {
        0 | 2 | 4 | 10 => Value::Whole(bits.into()),
        1 | 3 | 5 | 11 => Value::Whole(((bits << unused) as i64 >> unused).into()),
        6 => Value::Float(f32::from_bits(bits as u32).into()),
        12 => Value::Float(f64::from_bits(bits)),
        _ => Value::Other,
    })
}

/// Bytes of a value of this kind that is neither text nor an array.
fn width(kind: u32) -> Result<u64, String> {
    match kind {
        0 | 1 | 7 => Ok(1),
        2 | 3 => Ok(2),
        4..=6 => Ok(4),
        10..=12 => Ok(8),
        _ => Err(format!("metadata of kind {kind}, expected 0 to 12")),
    }
}

fn pass_array(reader: &mut Reader, depth: usize) -> Result<(), String> {
    let (kind, count) = (reader.u32()?, reader.u64()?);
    match kind {
        TEXT => {
            for _ in 0..count {
                let length = reader.u64()?;
                reader.take(length)?;
            }
        }
        ARRAY if depth == MAX_DEPTH => return Err(format!("arrays nested {depth} deep")),
        ARRAY => {
            for _ in 0..count {
                pass_array(reader, depth + 1)?;
            }
        }
        _ => {
            let bytes = width(kind)?.checked_mul(count);
            reader.take(bytes.ok_or_else(|| format!("an array of {count} values"))?)?;
        }
    }
    Ok(())
}
