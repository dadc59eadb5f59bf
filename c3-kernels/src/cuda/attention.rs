//! How attention is launched.

use candle_core::DType;

use super::launch::{Argument, Buffer, Launch, Module};
use super::limits::{at_most, element, int, long};
use crate::attention::{Attention, AttentionShape};
use crate::{Error, Result};

const OP: &str = "attention";

/// Widths of a head that there are kernels for.
pub const HEAD_DIMS: [usize; 2] = [64, 128];

/// Threads of a block, of every kernel here.
const THREADS: u32 = 128;

/// Keys that a block takes at a time; parts of split keys are multiples of it.
const KEY_TILE: usize = 32;

/// Blocks that each multiprocessor should have, so that some compute while others wait.
const BLOCKS_EACH: usize = 2;

/// The shortest part of split keys.
const MIN_PART: usize = 2 * KEY_TILE;

/// A part has at least this many keys for each row of its key-value head: writing and reading the
/// part's sums then takes at most half of the bytes that its keys and values have.
const KEYS_FOR_ROW: usize = 4;

/// How q, k and v lie in memory.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AttentionViews {
    /// The type of q, k, v and the result: f32, f16 or bf16.
    pub dtype: DType,
    /// Elements between batches, queries and heads of q.
    pub q: [usize; 3],
    /// Elements between batches, heads and keys of k.
    pub k: [usize; 3],
    /// Elements between batches, heads and values of v.
    pub v: [usize; 3],
    /// Whether the first elements of all three stand at multiples of 16 bytes.
    pub aligned: bool,
}

/// The launches that compute an attention, one after the other.
#[derive(Clone, Debug, PartialEq)]
pub struct AttentionPlan {
    /// Parts that the keys are cut into.
    pub splits: usize,
    /// Rows of the result: `batch · queries · heads`. [`Buffer::PartLogSumExp`] has `splits` times as
    /// many values and [`Buffer::PartValues`] `splits · head_dim` times, if there are several splits.
    pub rows: usize,
    /// The launches.
    pub launches: Vec<Launch>,
}

impl AttentionPlan {
    /// Plans an attention for a device with so many multiprocessors. With `log_sum_exp`, the
    /// launches write [`Buffer::LogSumExp`] as well.
    ///
    /// # Errors
    /// If shape and options don't fit each other, there is no kernel for the dtype or the head's
    /// width, or the sizes are beyond what a launch can count.
    pub fn new(
        shape: &AttentionShape,
        options: &Attention,
        views: &AttentionViews,
        multiprocessors: usize,
        log_sum_exp: bool,
    ) -> Result<Self> {
        let splits = splits(shape, views.dtype, multiprocessors);
        Self::with_splits(shape, options, views, splits, log_sum_exp)
    }

    /// [`new`](Self::new) with a number of splits of one's choice.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn with_splits(
        shape: &AttentionShape,
        options: &Attention,
        views: &AttentionViews,
        splits: usize,
        log_sum_exp: bool,
    ) -> Result<Self> {
        shape.check(options)?;
        let &AttentionShape { batch, queries, heads, kv_heads, keys, head_dim } = shape;
        if !HEAD_DIMS.contains(&head_dim) {
            return Err(Error::HeadDim { op: OP, found: head_dim, supported: &HEAD_DIMS });
        }
        let (module, name) = match views.dtype {
            DType::F32 => (Module::AttentionF32, "f32"),
            DType::F16 => (Module::AttentionF16, "f16"),
            _ => (Module::AttentionBf16, "bf16"),
        };
        let element = element(OP, "q", views.dtype)?;
        let rows = batch * queries * heads;
        let mut plan = Self { splits, rows, launches: vec![] };
        if rows == 0 {
            return Ok(plan);
        }
        let tiles = (queries * shape.group()).div_ceil(row_tile(views.dtype));
        let (values, lse) = match splits {
            1 if log_sum_exp => (Buffer::Out, Argument::Pointer(Buffer::LogSumExp)),
            1 => (Buffer::Out, Argument::Null),
            _ => (Buffer::PartValues, Argument::Pointer(Buffer::PartLogSumExp)),
        };
        let strides = [views.q, views.k, views.v];
        let whole = |stride: usize| (stride * element).is_multiple_of(16);
        let aligned = views.aligned && strides.iter().flatten().all(|&stride| whole(stride));
        let pointer = Argument::Pointer;
        let mut arguments =
            vec![pointer(Buffer::X), pointer(Buffer::K), pointer(Buffer::V), pointer(values), lse];
        arguments.push(match options.first_key.is_empty() {
            true => Argument::Null,
            false => pointer(Buffer::FirstKey),
        });
        for (name, strides) in ["q", "k", "v"].into_iter().zip(strides) {
            for stride in strides {
                arguments.push(long(OP, name, stride)?);
            }
        }
        // Numbers of rows and of keys must not wrap, added up or rounded up.
        at_most(OP, "rows of a head", queries * shape.group(), 1 << 30)?;
        for (name, size) in [
            ("queries", queries),
            ("heads", heads),
            ("key-value heads", kv_heads),
            ("keys", at_most(OP, "keys", keys, 1 << 30)?),
            ("splits", at_most(OP, "splits", splits, 65_535)?),
        ] {
            arguments.push(int(OP, name, size)?);
        }
        arguments.push(Argument::I32(options.causal.into()));
        arguments.push(Argument::I32(aligned.into()));
        // The kernels' exponents are of 2.
        arguments.push(Argument::F32(options.scale * std::f32::consts::LOG2_E));
        let heads = at_most(OP, "batch × key-value heads", batch * kv_heads, 65_535)?;
        plan.launches.push(Launch {
            module,
            kernel: format!("attention_{name}_{head_dim}"),
            grid: [tiles as u32, splits as u32, heads as u32],
            threads: THREADS,
            shared: shared_bytes(views.dtype, head_dim),
            arguments,
        });
        if splits > 1 {
            plan.launches.push(combine(views.dtype, head_dim, splits, rows, log_sum_exp)?);
        }
        Ok(plan)
    }
}

/// Joins `parts` attentions over different keys, of `rows` rows each: [`Buffer::PartValues`] and
/// [`Buffer::PartLogSumExp`] to [`Buffer::Out`] of type `dtype`, and with `log_sum_exp` to
/// [`Buffer::LogSumExp`]. Parts may be of split keys, of segments or of devices.
///
/// # Errors
/// If there is no kernel for the dtype or the head's width, or the sizes are beyond what a launch can
/// count.
pub fn combine(
    dtype: DType,
    head_dim: usize,
    parts: usize,
    rows: usize,
    log_sum_exp: bool,
) -> Result<Launch> {
    /// Each warp has a row.
    const ROWS: usize = THREADS as usize / 32;
    if !HEAD_DIMS.contains(&head_dim) {
        return Err(Error::HeadDim { op: OP, found: head_dim, supported: &HEAD_DIMS });
    }
    element(OP, "out", dtype)?;
    let blocks = at_most(OP, "rows", rows.div_ceil(ROWS), i32::MAX as usize)?;
    Ok(Launch {
        module: Module::Combine,
        kernel: format!("combine_{}_{head_dim}", dtype.as_str()),
        grid: [blocks as u32, 1, 1],
        threads: THREADS,
        shared: 0,
        arguments: vec![
            Argument::Pointer(Buffer::PartValues),
            Argument::Pointer(Buffer::PartLogSumExp),
            Argument::Pointer(Buffer::Out),
            match log_sum_exp {
                true => Argument::Pointer(Buffer::LogSumExp),
                false => Argument::Null,
            },
            int(OP, "parts", parts)?,
            long(OP, "rows", rows)?,
        ],
    })
}

/// Rows that a block has.
const fn row_tile(dtype: DType) -> usize {
    match dtype {
        DType::F32 => 32,
        _ => 64,
    }
}

/// Shared memory of a block: rows are padded, so that reads of a column meet different banks.
const fn shared_bytes(dtype: DType, head_dim: usize) -> u32 {
    let bytes = match dtype {
        // q, keys and values; probabilities.
        DType::F32 => (3 * KEY_TILE * (head_dim + 4) + KEY_TILE * (KEY_TILE + 4)) * 4,
        // Keys and values, twice.
        _ => 4 * KEY_TILE * (head_dim + 8) * 2,
    };
    bytes as u32
}

/// As many parts of the keys as give every multiprocessor its blocks, none too short.
fn splits(shape: &AttentionShape, dtype: DType, multiprocessors: usize) -> usize {
    let rows = shape.queries * shape.group();
    let blocks = rows.div_ceil(row_tile(dtype)) * shape.batch * shape.kv_heads;
    let wanted = BLOCKS_EACH * multiprocessors / blocks.max(1);
    let shortest = MIN_PART.max(KEYS_FOR_ROW * rows);
    wanted.min(shape.keys / shortest).max(1)
}
