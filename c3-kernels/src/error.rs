//! What can be wrong with the arguments of a kernel.

use candle_core::DType;

/// The result of everything in this crate that takes no tensor.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What can be wrong with the arguments of a kernel.
///
/// Operations on tensors return [`candle_core::Error`]; its source is one of these.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A tensor has another number of dimensions than the operation takes.
    #[error("{op}: {name} must be {expected}, found shape {found:?}")]
    Rank {
        /// The operation.
        op: &'static str,
        /// The argument.
        name: &'static str,
        /// The dimensions it must have, by name.
        expected: &'static str,
        /// The shape given.
        found: Vec<usize>,
    },
    /// A tensor has the right dimensions, but one doesn't fit the other arguments.
    #[error(
        "{op}: {name} must have shape {expected:?} to fit the other arguments, found {found:?}"
    )]
    Shape {
        /// The operation.
        op: &'static str,
        /// The argument.
        name: &'static str,
        /// The shape it must have.
        expected: Vec<usize>,
        /// The shape given.
        found: Vec<usize>,
    },
    /// Query heads can't be shared out evenly among the key-value heads.
    #[error("attention: {heads} query heads are not a multiple of {kv_heads} key-value heads")]
    Heads {
        /// Query heads.
        heads: usize,
        /// Key-value heads.
        kv_heads: usize,
    },
    /// `first_key` has neither no entry nor one for each row of the batch.
    #[error(
        "attention: first_key has {found} entries, expected none or one for each of {batch} rows"
    )]
    FirstKeyCount {
        /// Rows of the batch.
        batch: usize,
        /// Entries given.
        found: usize,
    },
    /// A row of the batch starts after its last key.
    #[error("attention: first_key of row {row} is {found}, but there are only {keys} keys")]
    FirstKey {
        /// The row of the batch.
        row: usize,
        /// Keys of every row.
        keys: usize,
        /// The entry given.
        found: usize,
    },
    /// A tensor's elements have a type that the operation doesn't take.
    #[error("{op}: {name} must be {expected}, found {found:?}")]
    Dtype {
        /// The operation.
        op: &'static str,
        /// The argument.
        name: &'static str,
        /// The types it may have.
        expected: &'static str,
        /// The type given.
        found: DType,
    },
    /// A tensor's memory is laid out in a way that the operation doesn't take.
    #[error("{op}: {name} must be {expected}, found strides {strides:?} for shape {shape:?}")]
    Layout {
        /// The operation.
        op: &'static str,
        /// The argument.
        name: &'static str,
        /// The layout it must have.
        expected: &'static str,
        /// The shape given.
        shape: Vec<usize>,
        /// The strides given, in elements.
        strides: Vec<usize>,
    },
    /// A slice doesn't hold as many values as its shape says.
    #[error("{op}: {name} must hold {expected} values, found {found}")]
    Length {
        /// The operation.
        op: &'static str,
        /// The argument.
        name: &'static str,
        /// Values that the shape asks for.
        expected: usize,
        /// Values given.
        found: usize,
    },
    /// The result would be larger than memory can be.
    #[error("{op}: a result of shape {shape:?} does not fit in memory")]
    TooLarge {
        /// The operation.
        op: &'static str,
        /// The shape of the result.
        shape: Vec<usize>,
    },
    /// A name that no type of quantised weights has.
    #[error("no type of quantised weights is called {found:?}, expected one of {known}")]
    BlockType {
        /// The name given.
        found: String,
        /// The names there are.
        known: String,
    },
    /// Rows of a quantised matrix that are no whole number of blocks.
    #[error("rows of {k} weights can't be kept as {kind}: expected a multiple of {block}")]
    BlockRow {
        /// How the weights are kept.
        kind: crate::quantized::BlockType,
        /// Weights in a block.
        block: usize,
        /// Weights in a row.
        k: usize,
    },
    /// A row that a matrix doesn't have.
    #[error("there is no row {row}: the matrix has {rows}")]
    Row {
        /// The row asked for, counted from 0.
        row: usize,
        /// How many there are.
        rows: usize,
    },
    /// The machine lacks the vector instructions asked for.
    #[error("this machine doesn't have the vector instructions of level {level}")]
    Level {
        /// The level asked for.
        level: crate::Level,
    },
    /// The machine lacks the unit asked for, or it doesn't take such activations.
    #[error("{op}: unit {unit} is not on this machine or doesn't take {activations:?} activations")]
    Unit {
        /// The operation.
        op: &'static str,
        /// The unit asked for.
        unit: crate::Unit,
        /// The activations.
        activations: crate::Activations,
    },
    /// Columns that are not there, or don't begin where columns are packed together.
    #[error("packed linear: columns {found:?} of {n}, expected a start at a multiple of {step}")]
    Columns {
        /// The columns asked for.
        found: std::ops::Range<usize>,
        /// Columns of the matrix.
        n: usize,
        /// What the start must be a multiple of.
        step: usize,
    },
    /// The device has no kernel for heads of this width.
    #[error("{op}: on CUDA a head must have one of {supported:?} values, found {found}")]
    HeadDim {
        /// The operation.
        op: &'static str,
        /// The width given.
        found: usize,
        /// The widths there are kernels for.
        supported: &'static [usize],
    },
    /// A size is beyond what a launch of a kernel can count.
    #[error("{op}: {name}: {found} is more than a CUDA kernel takes, {most}")]
    LaunchSize {
        /// The operation.
        op: &'static str,
        /// What there is too much of.
        name: &'static str,
        /// The size given.
        found: usize,
        /// The largest there can be.
        most: usize,
    },
    /// The device is too old for the kernels.
    #[error(
        "{op}: the CUDA device has compute capability {}.{}, kernels need {}.{} or above",
        found.0, found.1, least.0, least.1
    )]
    Architecture {
        /// The operation.
        op: &'static str,
        /// The device's compute capability.
        found: (i32, i32),
        /// The least there must be.
        least: (i32, i32),
    },
    /// The device has too little memory for a result, or for what the operation needs beside it.
    #[error(
        "{op}: the CUDA device has no {bytes} bytes for it: {free} bytes of its {total} are free"
    )]
    CudaMemory {
        /// The operation.
        op: &'static str,
        /// Bytes asked for.
        bytes: usize,
        /// Bytes that were free afterwards. They may lie apart, or be of another program by now.
        free: usize,
        /// Bytes that the device has.
        total: usize,
    },
    /// The driver refused a kernel.
    #[error("kernel {kernel} on {grid:?} blocks with {shared} bytes of shared memory: {reason}")]
    CudaLaunch {
        /// The kernel.
        kernel: String,
        /// Blocks of the launch.
        grid: [u32; 3],
        /// Dynamic shared memory of a block, in bytes.
        shared: u32,
        /// What the driver said.
        reason: String,
    },
    /// The tensor is on a device for which the operation isn't written.
    #[error("{op}: not supported for a tensor on {found}")]
    Device {
        /// The operation.
        op: &'static str,
        /// The device.
        found: &'static str,
    },
}

/// How many f32 a result of this shape has. (A view can have any shape, whatever its memory holds.)
pub(crate) fn result_size(op: &'static str, shape: &[usize]) -> Result<usize> {
    let count = shape.iter().try_fold(1usize, |count, &n| count.checked_mul(n));
    match count {
        Some(count) if count <= isize::MAX as usize / size_of::<f32>() => Ok(count),
        _ => Err(Error::TooLarge { op, shape: shape.to_vec() }),
    }
}

impl From<Error> for candle_core::Error {
    fn from(error: Error) -> Self {
        Self::wrap(error)
    }
}
