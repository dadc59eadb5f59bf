//! Tensors out of a file, in the number format that is wanted, without ever holding both copies.

use std::ops::Range;

use candle_core::{DType, Device, Tensor, WithDType};
use half::{bf16, f16};

use crate::Result;
use crate::files::Bytes;

/// Bytes of the file that are read, converted and let go of at once.
const PIECE: usize = 1 << 20;

/// The tensor whose values, in `from`, are `bytes[range]`: `shape`, in `to`, on the CPU. `from` and
/// `to` are f32, f16 or bf16.
///
/// Goes through the file a piece at a time and lets go of the pages behind it: a mapped file's
/// pages count as this process's memory, beside the copy, for as long as they stay mapped.
pub(crate) fn tensor(
    bytes: &Bytes,
    range: &Range<usize>,
    from: DType,
    to: DType,
    shape: &[usize],
) -> Result<Tensor> {
    match to {
        DType::F16 => read::<f16>(bytes, range, from, shape),
        DType::BF16 => read::<bf16>(bytes, range, from, shape),
        _ => read::<f32>(bytes, range, from, shape),
    }
}

fn read<T: WithDType>(
    bytes: &Bytes,
    range: &Range<usize>,
    from: DType,
    shape: &[usize],
) -> Result<Tensor> {
    let mut values: Vec<T> = Vec::with_capacity(range.len() / from.size_in_bytes());
    for start in range.clone().step_by(PIECE) {
        let piece = start..range.end.min(start + PIECE);
        let count = piece.len() / from.size_in_bytes();
        let stored = Tensor::from_raw_buffer(&bytes[piece.clone()], from, &[count], &Device::Cpu)?;
        values.extend(stored.to_dtype(T::DTYPE)?.to_vec1::<T>()?);
        bytes.release(piece);
    }
    Ok(Tensor::from_vec(values, shape, &Device::Cpu)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Pieces are joined seamlessly, whatever the format and however the bytes are aligned.
    #[test]
    fn pieces_equal_the_whole() {
        let count = PIECE / 2 + 1231;
        let numbers: Vec<f32> = (0..count).map(|i| (i as f32 * 0.37).sin()).collect();
        let all = Tensor::from_vec(numbers, &[count], &Device::Cpu).unwrap();
        for from in [DType::F32, DType::F16, DType::BF16] {
            let stored = all.to_dtype(from).unwrap();
            let mut file = vec![0u8; 3];
            match from {
                DType::F32 => stored
                    .to_vec1::<f32>()
                    .unwrap()
                    .iter()
                    .for_each(|x| file.extend(x.to_le_bytes())),
                DType::F16 => stored
                    .to_vec1::<f16>()
                    .unwrap()
                    .iter()
                    .for_each(|x| file.extend(x.to_le_bytes())),
                _ => stored
                    .to_vec1::<bf16>()
                    .unwrap()
                    .iter()
                    .for_each(|x| file.extend(x.to_le_bytes())),
            }
            let bytes = Bytes::Static(file.leak());
            for to in [DType::F32, DType::F16, DType::BF16] {
                let read = tensor(&bytes, &(3..bytes.len()), from, to, &[1, count]).unwrap();
                assert_eq!((read.dtype(), read.dims()), (to, &[1, count][..]));
                let f32s = |t: &Tensor| t.flatten_all()?.to_dtype(DType::F32)?.to_vec1::<f32>();
                let expected = stored.to_dtype(to).unwrap();
                assert!(f32s(&read).unwrap() == f32s(&expected).unwrap(), "{from:?} to {to:?}");
            }
        }
        let empty = tensor(&Bytes::Static(&[]), &(0..0), DType::BF16, DType::F32, &[0, 4]).unwrap();
        assert_eq!(empty.dims(), [0, 4]);
    }
}
