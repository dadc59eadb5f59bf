//! Blocks to whole numbers: each weight is `scale · (q − OFFSET) − min`.
//!
//! The layouts are GGML's (`ggml-common.h`); candle's `k_quants` decodes the same bytes, and the
//! tests compare the two. The loops are plain: callers inline them where the vector instructions
//! are known.

use super::BlockType;

/// Evaluates an expression with `B` as the [`Block`] of a [`BlockType`].
macro_rules! with_block {
    ($kind:expr, $B:ident => $value:expr) => {
        $crate::quantized::unpack::with_block!(@ $kind, $B => $value;
            Q2K Q3K Q4_0 Q4_1 Q4K Q5_0 Q5_1 Q5K Q6K Q8_0)
    };
    (@ $kind:expr, $B:ident => $value:expr; $($name:ident)*) => {
        match $kind {
            $($crate::quantized::BlockType::$name => {
                type $B = $crate::quantized::unpack::$name;
                $value
            })*
        }
    };
}
pub(super) use with_block;

/// One type of block.
pub(super) trait Block {
    /// Weights.
    const LEN: usize;
    const BYTES: usize;
    /// Weights that share a scale: 16 or 32.
    const GROUP: usize;
    /// Taken off each `q`.
    const OFFSET: u8;
    /// Whether groups have a minimum; the others' are not written.
    const MINS: bool;
    /// Whether `q` has all 8 bits.
    const WIDE: bool = false;

    /// `LEN` values of `q`, and `LEN / GROUP` scales and minima.
    fn unpack(block: &[u8], q: &mut [u8], scales: &mut [f32], mins: &mut [f32]);
}

/// Weights of this type that share a scale.
pub(super) fn group(kind: BlockType) -> usize {
    with_block!(kind, B => B::GROUP)
}

/// Appends the weights of a row of blocks, in f32.
pub(super) fn dequantize_row(kind: BlockType, row: &[u8], out: &mut Vec<f32>) {
    with_block!(kind, B => {
        let (mut q, mut scales, mut mins) = ([0; 256], [0.0; 16], [0.0; 16]);
        for block in row.chunks_exact(B::BYTES) {
            B::unpack(block, &mut q, &mut scales, &mut mins);
            out.extend(q[..B::LEN].iter().enumerate().map(|(i, &q)| {
                let value = scales[i / B::GROUP] * (f32::from(q) - f32::from(B::OFFSET));
                if B::MINS { value - mins[i / B::GROUP] } else { value }
            }));
        }
    });
}

/// A row of blocks: `k` values of `q`, and a scale and a minimum for each group.
#[inline(always)]
pub(super) fn unpack_row<B: Block>(row: &[u8], q: &mut [u8], scales: &mut [f32], mins: &mut [f32]) {
    let groups = B::LEN / B::GROUP;
    let parts = scales.chunks_exact_mut(groups).zip(mins.chunks_exact_mut(groups));
    let blocks = row.chunks_exact(B::BYTES).zip(q.chunks_exact_mut(B::LEN));
    for ((block, q), (scales, mins)) in blocks.zip(parts) {
        B::unpack(block, q, scales, mins);
    }
}

/// The half-precision float at byte `at`. Inlines, which the conversion of the `half` crate doesn't.
#[inline(always)]
pub(super) fn half(block: &[u8], at: usize) -> f32 {
    let bits = u32::from(u16::from_le_bytes([block[at], block[at + 1]]));
    // The exponent's bias is 112 less; a product gets subnormal numbers right too.
    let finite = f32::from_bits((bits & 0x7fff) << 13) * f32::from_bits((127 + 112) << 23);
    let special = f32::from_bits(0x7f80_0000 | (bits & 0x3ff) << 13);
    let size = if bits & 0x7c00 == 0x7c00 { special } else { finite };
    f32::from_bits(size.to_bits() | (bits & 0x8000) << 16)
}

/// The first bytes as an array, of which the compiler knows that nothing else is there: loops over
/// it become vector code.
#[inline(always)]
fn array<const N: usize>(bytes: &[u8]) -> [u8; N] {
    let mut array = [0; N];
    array.copy_from_slice(&bytes[..N]);
    array
}

/// Two to a byte: the lower halves are the first 16 weights.
#[inline(always)]
fn nibbles(packed: &[u8], q: &mut [u8]) {
    let bytes: [u8; 16] = array(packed);
    q[..16].copy_from_slice(&bytes.map(|byte| byte & 15));
    q[16..32].copy_from_slice(&bytes.map(|byte| byte >> 4));
}

/// Bit `i` of `high` is the fifth bit of weight `i`.
#[inline(always)]
fn fifth_bits(high: &[u8], q: &mut [u8]) {
    let high = u32::from_le_bytes([high[0], high[1], high[2], high[3]]);
    let mut bits = [0; 32];
    for (i, bit) in bits.iter_mut().enumerate() {
        *bit = ((high >> i & 1) as u8) << 4;
    }
    for (q, bit) in q[..32].iter_mut().zip(bits) {
        *q |= bit;
    }
}

pub(super) struct Q8_0;
impl Block for Q8_0 {
    const LEN: usize = 32;
    const BYTES: usize = 34;
    const GROUP: usize = 32;
    const OFFSET: u8 = 128;
    const MINS: bool = false;
    const WIDE: bool = true;

    #[inline(always)]
    fn unpack(block: &[u8], q: &mut [u8], scales: &mut [f32], _: &mut [f32]) {
        scales[0] = half(block, 0);
        q[..32].copy_from_slice(&array::<32>(&block[2..]).map(|byte| byte ^ 128)); // i8 + 128
    }
}

pub(super) struct Q4_0;
impl Block for Q4_0 {
    const LEN: usize = 32;
    const BYTES: usize = 18;
    const GROUP: usize = 32;
    const OFFSET: u8 = 8;
    const MINS: bool = false;

    #[inline(always)]
    fn unpack(block: &[u8], q: &mut [u8], scales: &mut [f32], _: &mut [f32]) {
        scales[0] = half(block, 0);
        nibbles(&block[2..], q);
    }
}

pub(super) struct Q4_1;
impl Block for Q4_1 {
    const LEN: usize = 32;
    const BYTES: usize = 20;
    const GROUP: usize = 32;
    const OFFSET: u8 = 0;
    const MINS: bool = true;

    #[inline(always)]
    fn unpack(block: &[u8], q: &mut [u8], scales: &mut [f32], mins: &mut [f32]) {
        scales[0] = half(block, 0);
        mins[0] = -half(block, 2);
        nibbles(&block[4..], q);
    }
}

pub(super) struct Q5_0;
impl Block for Q5_0 {
    const LEN: usize = 32;
    const BYTES: usize = 22;
    const GROUP: usize = 32;
    const OFFSET: u8 = 16;
    const MINS: bool = false;

    #[inline(always)]
    fn unpack(block: &[u8], q: &mut [u8], scales: &mut [f32], _: &mut [f32]) {
        scales[0] = half(block, 0);
        nibbles(&block[6..], q);
        fifth_bits(&block[2..], q);
    }
}

pub(super) struct Q5_1;
impl Block for Q5_1 {
    const LEN: usize = 32;
    const BYTES: usize = 24;
    const GROUP: usize = 32;
    const OFFSET: u8 = 0;
    const MINS: bool = true;

    #[inline(always)]
    fn unpack(block: &[u8], q: &mut [u8], scales: &mut [f32], mins: &mut [f32]) {
        scales[0] = half(block, 0);
        mins[0] = -half(block, 2);
        nibbles(&block[8..], q);
        fifth_bits(&block[4..], q);
    }
}

/// The eight scales and the eight minima of `Q4K` and `Q5K`: 6 bits each, in 12 bytes.
#[inline(always)]
pub(super) fn six_bits(packed: &[u8]) -> [u64; 2] {
    let word =
        |i: usize| u32::from_le_bytes([packed[i], packed[i + 1], packed[i + 2], packed[i + 3]]);
    let (a, b, c) = (word(0), word(4), word(8));
    let join = |low: u32, high: u32| u64::from(low) | u64::from(high) << 32;
    let (low, high) = (0x3f3f_3f3f, 0x0f0f_0f0f);
    let scales = join(a & low, c & high | (a >> 2 & 0x3030_3030));
    let mins = join(b & low, c >> 4 & high | (b >> 2 & 0x3030_3030));
    [scales, mins]
}

#[inline(always)]
fn scales_and_mins(block: &[u8], scales: &mut [f32], mins: &mut [f32]) {
    let (d, min) = (half(block, 0), half(block, 2));
    let [s, m] = six_bits(&block[4..16]).map(u64::to_le_bytes);
    for i in 0..8 {
        scales[i] = d * f32::from(s[i]);
        mins[i] = min * f32::from(m[i]);
    }
}

pub(super) struct Q4K;
impl Block for Q4K {
    const LEN: usize = 256;
    const BYTES: usize = 144;
    const GROUP: usize = 32;
    const OFFSET: u8 = 0;
    const MINS: bool = true;

    #[inline(always)]
    fn unpack(block: &[u8], q: &mut [u8], scales: &mut [f32], mins: &mut [f32]) {
        scales_and_mins(block, scales, mins);
        for (packed, q) in block[16..144].chunks_exact(32).zip(q.chunks_exact_mut(64)) {
            for (i, &byte) in packed.iter().enumerate() {
                q[i] = byte & 15;
                q[i + 32] = byte >> 4;
            }
        }
    }
}

pub(super) struct Q5K;
impl Block for Q5K {
    const LEN: usize = 256;
    const BYTES: usize = 176;
    const GROUP: usize = 32;
    const OFFSET: u8 = 0;
    const MINS: bool = true;

    #[inline(always)]
    fn unpack(block: &[u8], q: &mut [u8], scales: &mut [f32], mins: &mut [f32]) {
        scales_and_mins(block, scales, mins);
        let mut high: [u8; 32] = array(&block[16..]);
        let parts = block[48..176].chunks_exact(32).zip(q.chunks_exact_mut(64));
        for (packed, q) in parts {
            let (packed, mut low, mut upper) = (array::<32>(packed), [0; 32], [0; 32]);
            for i in 0..32 {
                low[i] = packed[i] & 15 | (high[i] & 1) << 4;
                upper[i] = packed[i] >> 4 | (high[i] >> 1 & 1) << 4;
                high[i] >>= 2;
            }
            q[..32].copy_from_slice(&low);
            q[32..64].copy_from_slice(&upper);
        }
    }
}

pub(super) struct Q6K;
impl Block for Q6K {
    const LEN: usize = 256;
    const BYTES: usize = 210;
    const GROUP: usize = 16;
    const OFFSET: u8 = 32;
    const MINS: bool = false;

    #[inline(always)]
    fn unpack(block: &[u8], q: &mut [u8], scales: &mut [f32], _: &mut [f32]) {
        let d = half(block, 208);
        for (scale, &s) in scales[..16].iter_mut().zip(&block[192..208]) {
            *scale = d * f32::from(s as i8);
        }
        for (part, q) in q[..256].chunks_exact_mut(128).enumerate() {
            let low = &block[64 * part..64 * part + 64];
            let high = &block[128 + 32 * part..160 + 32 * part];
            for i in 0..32 {
                q[i] = low[i] & 15 | (high[i] & 3) << 4;
                q[i + 32] = low[i + 32] & 15 | (high[i] >> 2 & 3) << 4;
                q[i + 64] = low[i] >> 4 | (high[i] >> 4 & 3) << 4;
                q[i + 96] = low[i + 32] >> 4 | (high[i] >> 6) << 4;
            }
        }
    }
}

pub(super) struct Q2K;
impl Block for Q2K {
    const LEN: usize = 256;
    const BYTES: usize = 84;
    const GROUP: usize = 16;
    const OFFSET: u8 = 0;
    const MINS: bool = true;

    #[inline(always)]
    fn unpack(block: &[u8], q: &mut [u8], scales: &mut [f32], mins: &mut [f32]) {
        let (d, min) = (half(block, 80), half(block, 82));
        for (i, &both) in block[..16].iter().enumerate() {
            scales[i] = d * f32::from(both & 15);
            mins[i] = min * f32::from(both >> 4);
        }
        for (packed, q) in block[16..80].chunks_exact(32).zip(q.chunks_exact_mut(128)) {
            for (i, &byte) in packed.iter().enumerate() {
                for part in 0..4 {
                    q[32 * part + i] = byte >> (2 * part) & 3;
                }
            }
        }
    }
}

pub(super) struct Q3K;
impl Block for Q3K {
    const LEN: usize = 256;
    const BYTES: usize = 110;
    const GROUP: usize = 16;
    const OFFSET: u8 = 4;
    const MINS: bool = false;

    #[inline(always)]
    fn unpack(block: &[u8], q: &mut [u8], scales: &mut [f32], _: &mut [f32]) {
        let d = half(block, 108);
        let packed = &block[96..108];
        for (i, scale) in scales[..16].iter_mut().enumerate() {
            let low = if i < 8 { packed[i] & 15 } else { packed[i - 8] >> 4 };
            let high = packed[8 + i % 4] >> (2 * (i / 4)) & 3;
            *scale = d * (f32::from(low | high << 4) - 32.0);
        }
        let high = &block[..32];
        let parts = block[32..96].chunks_exact(32).zip(q.chunks_exact_mut(128));
        for (half, (packed, q)) in parts.enumerate() {
            for (i, &byte) in packed.iter().enumerate() {
                for part in 0..4 {
                    let high = high[i] >> (4 * half + part) & 1;
                    q[32 * part + i] = byte >> (2 * part) & 3 | high << 2;
                }
            }
        }
    }
}
