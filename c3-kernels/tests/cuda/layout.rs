//! Tensors that are views of larger memory.

use candle_core::DType;

use crate::device::encode;

/// How a tensor of four dimensions lies in memory.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Layout {
    Contiguous,
    /// Dimensions 1 and 2 lie the other way round.
    Turned,
    /// Part of a larger tensor: with room before and behind in dimensions 0 and 2.
    View,
    /// No row begins at a multiple of 16 bytes.
    Unaligned,
}

impl Layout {
    pub const ALL: [Self; 4] = [Self::Contiguous, Self::Turned, Self::View, Self::Unaligned];

    /// Another layout with other strides, as aligned as this one.
    pub fn other(self) -> Self {
        match self {
            Self::Contiguous => Self::Turned,
            Self::Turned => Self::View,
            Self::View => Self::Contiguous,
            Self::Unaligned => Self::Unaligned,
        }
    }
}

/// A tensor in memory.
pub struct Placed {
    /// Its memory; NaN where the tensor isn't.
    pub bytes: Vec<u8>,
    /// Where its first element is.
    pub offset: u64,
    /// Elements between neighbours, in all dimensions but the last.
    pub strides: [usize; 3],
    /// Whether the first element stands at a multiple of 16 bytes.
    pub aligned: bool,
}

/// Lays `values`, contiguous of shape `dims`, out in memory.
pub fn place(dtype: DType, values: &[f32], dims: [usize; 4], layout: Layout) -> Placed {
    let [a, b, c, d] = dims;
    let (strides, offset, size) = match layout {
        Layout::Contiguous => ([b * c * d, c * d, d], 0, a * b * c * d),
        Layout::Turned => ([b * c * d, d, b * d], 0, a * b * c * d),
        Layout::View => {
            let (room, head) = (c + 5, (c + 5) * d);
            ([(b + 1) * head, head, d], (b + 1) * head + 2 * d, (a + 2) * (b + 1) * room * d)
        }
        Layout::Unaligned => ([b * c * (d + 3), c * (d + 3), d + 3], 1, a * b * c * (d + 3) + 1),
    };
    let mut memory = vec![f32::NAN; size.max(1)];
    for (row, values) in values.chunks(d).enumerate() {
        let (i, j, k) = (row / c / b, row / c % b, row % c);
        let at = offset + i * strides[0] + j * strides[1] + k * strides[2];
        memory[at..at + d].copy_from_slice(values);
    }
    let element = dtype.size_in_bytes();
    let aligned = (offset * element).is_multiple_of(16);
    Placed { bytes: encode(dtype, &memory), offset: (offset * element) as u64, strides, aligned }
}
