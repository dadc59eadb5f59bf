//! A launch of a kernel, as data.

/// PTX that holds kernels of this crate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Module {
    /// Attention in f32.
    AttentionF32,
    /// Attention in f16.
    AttentionF16,
    /// Attention in bf16.
    AttentionBf16,
    /// Joins attentions over different keys.
    Combine,
    /// Rotation, gate and largest value, in all three types.
    Elementwise,
}

impl Module {
    /// Every module.
    pub const ALL: [Self; 5] = [
        Self::AttentionF32,
        Self::AttentionF16,
        Self::AttentionBf16,
        Self::Combine,
        Self::Elementwise,
    ];

    /// The module's text, for devices of compute capability 8.0 and above.
    pub const fn ptx(self) -> &'static str {
        match self {
            Self::AttentionF32 => include_str!("../../cuda/ptx/attention_f32.ptx"),
            Self::AttentionF16 => include_str!("../../cuda/ptx/attention_f16.ptx"),
            Self::AttentionBf16 => include_str!("../../cuda/ptx/attention_bf16.ptx"),
            Self::Combine => include_str!("../../cuda/ptx/combine.ptx"),
            Self::Elementwise => include_str!("../../cuda/ptx/elementwise.ptx"),
        }
    }

    /// A name for it that is unlike other crates'.
    pub const fn name(self) -> &'static str {
        match self {
            Self::AttentionF32 => "c3_attention_f32",
            Self::AttentionF16 => "c3_attention_f16",
            Self::AttentionBf16 => "c3_attention_bf16",
            Self::Combine => "c3_combine",
            Self::Elementwise => "c3_elementwise",
        }
    }
}

/// Memory that a kernel reads or writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Buffer {
    /// The first argument of the operation: q, x.
    X,
    /// Keys.
    K,
    /// Values.
    V,
    /// i32 `[batch]`: the first key of each row of the batch.
    FirstKey,
    /// Cosines.
    Cos,
    /// Sines.
    Sin,
    /// The result.
    Out,
    /// f32 `[batch, queries, heads]`: the log-sum-exp of the result.
    LogSumExp,
    /// f32 `[splits, batch, queries, heads, head_dim]`: results of parts of the keys.
    PartValues,
    /// f32 `[splits, batch, queries, heads]`: their log-sum-exp.
    PartLogSumExp,
}

/// An argument of a kernel.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Argument {
    /// The address where a buffer begins; of a tensor, where its first element is.
    Pointer(Buffer),
    /// No buffer.
    Null,
    /// `int`
    I32(i32),
    /// `long long`
    I64(i64),
    /// `float`
    F32(f32),
}

/// A kernel and what it is launched with.
#[derive(Clone, Debug, PartialEq)]
pub struct Launch {
    /// Where the kernel is.
    pub module: Module,
    /// The kernel's name.
    pub kernel: String,
    /// Blocks in x, y, z.
    pub grid: [u32; 3],
    /// Threads of a block.
    pub threads: u32,
    /// Dynamic shared memory of a block, in bytes.
    pub shared: u32,
    /// The kernel's arguments, in order.
    pub arguments: Vec<Argument>,
}
