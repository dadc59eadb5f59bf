//! How rotation, gate and largest value are launched.

use candle_core::DType;

use super::launch::{Argument, Buffer, Launch, Module};
use super::limits::{at_most, element, int, long};
use crate::Result;

/// Threads of a block.
const THREADS: usize = 256;

/// Blocks beyond which threads take several values instead.
const MAX_BLOCKS: usize = 1 << 16;

/// Values that a thread of `arg_max` should have.
const ARG_MAX_EACH: usize = 32;

/// The most blocks in y.
const MAX_ROWS: usize = 65_535;

/// Rotation of x `[batch, tokens, heads, head_dim]` with these strides, of all but the last
/// dimension. `aligned` says whether x begins at a multiple of 16 bytes; the others always do.
///
/// # Errors
/// If there is no kernel for the dtype, or the sizes are beyond what a launch can count.
pub fn rope(
    dtype: DType,
    [batch, tokens, heads, head_dim]: [usize; 4],
    strides: [usize; 3],
    aligned: bool,
) -> Result<Launch> {
    const OP: &str = "rope";
    /// Values of each half that a thread takes at a time.
    const WIDE: usize = 4;
    element(OP, "x", dtype)?;
    let half = head_dim / 2;
    let whole = strides.iter().all(|stride| stride.is_multiple_of(WIDE));
    at_most(OP, "heads × head_dim", heads * head_dim, 1 << 30)?;
    let blocks = at_most(OP, "batch × tokens", batch * tokens, i32::MAX as usize)?;
    let mut arguments: Vec<_> =
        [Buffer::X, Buffer::Cos, Buffer::Sin, Buffer::Out].map(Argument::Pointer).into();
    for stride in strides {
        arguments.push(long(OP, "x", stride)?);
    }
    for (name, size) in [("tokens", tokens), ("heads", heads), ("head_dim / 2", half)] {
        arguments.push(int(OP, name, size)?);
    }
    arguments.push(Argument::I32((aligned && whole && half.is_multiple_of(WIDE)).into()));
    Ok(launch("rope", dtype, [blocks, 1], arguments))
}

/// Gate of x `[rows, 2 · width]`, contiguous. `aligned` says whether x begins at a multiple of 16
/// bytes; the result always does.
///
/// # Errors
/// If there is no kernel for the dtype, or the sizes are beyond what a launch can count.
pub fn swiglu(dtype: DType, rows: usize, width: usize, aligned: bool) -> Result<Launch> {
    const OP: &str = "swiglu";
    let wide = 16 / element(OP, "x", dtype)?;
    let aligned = aligned && width.is_multiple_of(wide);
    let tasks = rows * width / if aligned { wide } else { 1 };
    let arguments = vec![
        Argument::Pointer(Buffer::X),
        Argument::Pointer(Buffer::Out),
        long(OP, "rows", rows)?,
        int(OP, "width", width)?,
        Argument::I32(aligned.into()),
    ];
    Ok(launch("swiglu", dtype, [tasks.div_ceil(THREADS).min(MAX_BLOCKS), 1], arguments))
}

/// Largest value of each row of x `[rows, n]`, contiguous: u64 `[rows]`, zeros before, to be read
/// with [`value_and_place`]. `aligned` says whether x begins at a multiple of 16 bytes.
///
/// # Errors
/// If there is no kernel for the dtype, or the sizes are beyond what a launch can count.
pub fn arg_max(dtype: DType, rows: usize, n: usize, aligned: bool) -> Result<Launch> {
    const OP: &str = "arg_max";
    let wide = 16 / element(OP, "x", dtype)?;
    // Threads step beyond n before they stop.
    at_most(OP, "n", n, 1 << 30)?;
    let rows = at_most(OP, "rows", rows, MAX_ROWS)?;
    let arguments = vec![
        Argument::Pointer(Buffer::X),
        Argument::Pointer(Buffer::Out),
        int(OP, "n", n)?,
        Argument::I32((aligned && n.is_multiple_of(wide)).into()),
    ];
    Ok(launch("arg_max", dtype, [n.div_ceil(THREADS * ARG_MAX_EACH).max(1), rows], arguments))
}

/// What [`arg_max`] has found in a row: the value in the upper half in an order of unsigned numbers,
/// the complement of its place in the lower one. −∞ at 0 if nothing was found.
pub fn value_and_place(key: u64) -> (f32, u32) {
    let (order, place) = ((key >> 32) as u32, !(key as u32));
    match (key, order >> 31) {
        (0, _) => (f32::NEG_INFINITY, 0),
        (_, 1) => (f32::from_bits(order & !(1 << 31)), place),
        _ => (f32::from_bits(!order), place),
    }
}

fn launch(name: &str, dtype: DType, [x, y]: [usize; 2], arguments: Vec<Argument>) -> Launch {
    Launch {
        module: Module::Elementwise,
        kernel: format!("{name}_{}", dtype.as_str()),
        grid: [x as u32, y as u32, 1],
        threads: THREADS as u32,
        shared: 0,
        arguments,
    }
}
