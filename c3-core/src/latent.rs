//! Latent tokens: the encoder's last hidden states at its context queries.

use half::{bf16, f16};

use crate::{Error, Result};

/// How the numbers of latent tokens are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Dtype {
    /// 32-bit IEEE floats.
    F32,
    /// 16-bit IEEE floats.
    F16,
    /// bfloat16: the upper half of a 32-bit float.
    Bf16,
}

impl Dtype {
    /// Bytes of one value.
    pub const fn size(self) -> usize {
        match self {
            Self::F32 => 4,
            Self::F16 | Self::Bf16 => 2,
        }
    }

    /// The name that users type and `.c3` files carry: `f32`, `f16`, `bf16`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::F16 => "f16",
            Self::Bf16 => "bf16",
        }
    }
}

impl std::fmt::Display for Dtype {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

impl std::str::FromStr for Dtype {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        match name {
            "f32" => Ok(Self::F32),
            "f16" => Ok(Self::F16),
            "bf16" => Ok(Self::Bf16),
            other => Err(Error::UnknownDtype(other.to_owned())),
        }
    }
}

/// The latent tokens of one segment: a matrix `[rows, dim]`, row-major, in **encoder space**
/// (before the decoder's projector).
///
/// Values are kept as the little-endian bytes of their dtype, which is how a file holds them.
#[derive(Clone, PartialEq, Eq)]
pub struct LatentTokens {
    rows: usize,
    dim: usize,
    dtype: Dtype,
    bytes: Vec<u8>, // [rows, dim], little-endian
}

impl LatentTokens {
    /// Rounds `values` (`[rows, dim]`, row-major) to `dtype`, to nearest, ties to even.
    ///
    /// # Errors
    /// [`Error::LatentShape`] where `values` doesn't hold exactly `rows × dim` numbers.
    pub fn from_f32(rows: usize, dim: usize, dtype: Dtype, values: &[f32]) -> Result<Self> {
        let expected = rows.saturating_mul(dim);
        if values.len() != expected {
            return Err(Error::LatentShape { rows, dim, expected, found: values.len() });
        }
        let bytes = match dtype {
            Dtype::F32 => values.iter().flat_map(|v| v.to_le_bytes()).collect(),
            Dtype::F16 => values.iter().flat_map(|&v| f16::from_f32(v).to_le_bytes()).collect(),
            Dtype::Bf16 => values.iter().flat_map(|&v| bf16::from_f32(v).to_le_bytes()).collect(),
        };
        Ok(Self { rows, dim, dtype, bytes })
    }

    /// Takes the little-endian bytes of a `[rows, dim]` matrix as a file holds them.
    ///
    /// # Errors
    /// [`Error::LatentShape`] (counted in bytes) where their number doesn't fit the shape.
    pub fn from_le_bytes(rows: usize, dim: usize, dtype: Dtype, bytes: Vec<u8>) -> Result<Self> {
        let expected = rows.saturating_mul(dim).saturating_mul(dtype.size());
        if bytes.len() != expected {
            return Err(Error::LatentShape { rows, dim, expected, found: bytes.len() });
        }
        Ok(Self { rows, dim, dtype, bytes })
    }

    /// Number of latent tokens.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Width of one latent token: the encoder's hidden size.
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// How the values are stored.
    pub fn dtype(&self) -> Dtype {
        self.dtype
    }

    /// The stored bytes, `[rows, dim]` little-endian.
    pub fn as_le_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The values widened to f32, `[rows, dim]` row-major.
    pub fn to_f32(&self) -> Vec<f32> {
        match self.dtype {
            Dtype::F32 => self.bytes.as_chunks().0.iter().map(|&b| f32::from_le_bytes(b)).collect(),
            Dtype::F16 => {
                self.bytes.as_chunks().0.iter().map(|&b| f16::from_le_bytes(b).to_f32()).collect()
            }
            Dtype::Bf16 => {
                self.bytes.as_chunks().0.iter().map(|&b| bf16::from_le_bytes(b).to_f32()).collect()
            }
        }
    }
}

impl std::fmt::Debug for LatentTokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "LatentTokens([{}, {}], {})", self.rows, self.dim, self.dtype)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shape_is_checked_even_where_it_overflows() {
        assert!(LatentTokens::from_f32(2, 3, Dtype::F32, &[0.0; 5]).is_err());
        assert!(LatentTokens::from_le_bytes(usize::MAX, 2, Dtype::F16, vec![]).is_err());
    }

    #[test]
    fn sixteen_bits_round_to_nearest_even() {
        let x = [1.0, -2.5, 65504.0, 1e-8, 0.1];
        for dtype in [Dtype::F32, Dtype::F16, Dtype::Bf16] {
            let stored = LatentTokens::from_f32(1, 5, dtype, &x).unwrap();
            let again = LatentTokens::from_le_bytes(1, 5, dtype, stored.as_le_bytes().to_vec());
            assert_eq!(stored, again.unwrap());
            let step = match dtype {
                Dtype::F32 => 0.0,
                Dtype::F16 => 2f32.powi(-11),
                Dtype::Bf16 => 2f32.powi(-8),
            };
            for (a, b) in x.iter().zip(stored.to_f32()) {
                assert!((a - b).abs() <= a.abs() * step + 3e-8, "{dtype}: {a} became {b}");
            }
        }
    }
}
