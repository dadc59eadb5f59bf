//! The ways in which GGML keeps the weights of a row in blocks.

use candle_core::quantized::GgmlDType;

/// How a block of weights is kept: the types that llama.cpp writes, by their names there.
///
/// The number is how many bits a weight has, without its share of the block's scales. `K` types
/// have blocks of 256 with scales of scales; the others have blocks of 32 with one scale.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum BlockType {
    /// 2 bits, 16 scales and minima of 4 bits: 2.6 bits for each weight.
    Q2K,
    /// 3 bits, 16 scales of 6 bits: 3.4 bits for each weight.
    Q3K,
    /// 4 bits, one scale: 4.5 bits for each weight.
    Q4_0,
    /// 4 bits, one scale and one minimum: 5 bits for each weight.
    Q4_1,
    /// 4 bits, 8 scales and minima of 6 bits: 4.5 bits for each weight.
    Q4K,
    /// 5 bits, one scale: 5.5 bits for each weight.
    Q5_0,
    /// 5 bits, one scale and one minimum: 6 bits for each weight.
    Q5_1,
    /// 5 bits, 8 scales and minima of 6 bits: 5.5 bits for each weight.
    Q5K,
    /// 6 bits, 16 scales of 8 bits: 6.6 bits for each weight.
    Q6K,
    /// 8 bits, one scale: 8.5 bits for each weight.
    Q8_0,
}

impl BlockType {
    /// Every type, fewest bits first.
    pub const ALL: [Self; 10] = [
        Self::Q2K,
        Self::Q3K,
        Self::Q4_0,
        Self::Q4_1,
        Self::Q4K,
        Self::Q5_0,
        Self::Q5_1,
        Self::Q5K,
        Self::Q6K,
        Self::Q8_0,
    ];

    /// Weights in a block; a row is a whole number of blocks.
    pub const fn block_len(self) -> usize {
        match self {
            Self::Q4_0 | Self::Q4_1 | Self::Q5_0 | Self::Q5_1 | Self::Q8_0 => 32,
            Self::Q2K | Self::Q3K | Self::Q4K | Self::Q5K | Self::Q6K => 256,
        }
    }

    /// Bytes of a block.
    pub const fn block_bytes(self) -> usize {
        match self {
            Self::Q2K => 84,
            Self::Q3K => 110,
            Self::Q4_0 => 18,
            Self::Q4_1 => 20,
            Self::Q4K => 144,
            Self::Q5_0 => 22,
            Self::Q5_1 => 24,
            Self::Q5K => 176,
            Self::Q6K => 210,
            Self::Q8_0 => 34,
        }
    }

    /// Bytes of `n` rows of `k` weights; `None` where `k` is no whole number of blocks, or memory
    /// can't hold so many.
    pub fn bytes(self, n: usize, k: usize) -> Option<usize> {
        if !k.is_multiple_of(self.block_len()) {
            return None;
        }
        (k / self.block_len()).checked_mul(self.block_bytes())?.checked_mul(n)
    }

    /// The name: `q4_k`, `q8_0`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Q2K => "q2_k",
            Self::Q3K => "q3_k",
            Self::Q4_0 => "q4_0",
            Self::Q4_1 => "q4_1",
            Self::Q4K => "q4_k",
            Self::Q5_0 => "q5_0",
            Self::Q5_1 => "q5_1",
            Self::Q5K => "q5_k",
            Self::Q6K => "q6_k",
            Self::Q8_0 => "q8_0",
        }
    }

    /// The type of this number in a GGUF file, if it is one of these.
    pub fn from_ggml(number: u32) -> Option<Self> {
        Some(match number {
            2 => Self::Q4_0,
            3 => Self::Q4_1,
            6 => Self::Q5_0,
            7 => Self::Q5_1,
            8 => Self::Q8_0,
            10 => Self::Q2K,
            11 => Self::Q3K,
            12 => Self::Q4K,
            13 => Self::Q5K,
            14 => Self::Q6K,
            _ => return None,
        })
    }
}

/// candle's name of the same type.
impl From<BlockType> for GgmlDType {
    fn from(kind: BlockType) -> Self {
        match kind {
            BlockType::Q2K => Self::Q2K,
            BlockType::Q3K => Self::Q3K,
            BlockType::Q4_0 => Self::Q4_0,
            BlockType::Q4_1 => Self::Q4_1,
            BlockType::Q4K => Self::Q4K,
            BlockType::Q5_0 => Self::Q5_0,
            BlockType::Q5_1 => Self::Q5_1,
            BlockType::Q5K => Self::Q5K,
            BlockType::Q6K => Self::Q6K,
            BlockType::Q8_0 => Self::Q8_0,
        }
    }
}

impl std::fmt::Display for BlockType {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

impl std::str::FromStr for BlockType {
    type Err = crate::Error;

    fn from_str(name: &str) -> crate::Result<Self> {
        let same = |kind: &Self| kind.name() == name;
        Self::ALL.into_iter().find(same).ok_or_else(|| crate::Error::BlockType {
            found: name.into(),
            known: Self::ALL.map(Self::name).join(", "),
        })
    }
}
