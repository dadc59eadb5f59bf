//! The operations that instructions of one form have in common.

use crate::float::Rounding;

/// Operations on the bits of integers and predicates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Logic {
    And,
    Or,
    Xor,
}

/// Integer arithmetic: `d = op(a, b, c)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Integer {
    Add,
    Sub,
    MulLow,
    MulHigh,
    MulWide,
    Mul24High,
    Mul24Low,
    MadLow,
    MadHigh,
    MadWide,
    Mad24High,
    Mad24Low,
    Div,
    Rem,
    Min,
    Max,
    Abs,
    Neg,
    Not,
    CNot,
    Sad,
    Shl,
    Shr,
    Popc,
    Clz,
    Brev,
    Bfind,
    BfindShift,
    Bfe,
    And,
    Or,
    Xor,
}

/// Operations on 32 bits with three operands and a literal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mix {
    /// The truth table.
    Lop3(u8),
    Prmt(Permute),
    FunnelLeft {
        clamp: bool,
    },
    FunnelRight {
        clamp: bool,
    },
    /// Four products of bytes, added to c; whether a's and b's bytes are signed.
    Dp4a(bool, bool),
}

/// How `prmt` reads its selector.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Permute {
    Index,
    F4e,
    B4e,
    Rc8,
    Ecl,
    Ecr,
    Rc16,
}

/// Float arithmetic: `d = op(a, b, c)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Float {
    Add,
    Sub,
    Mul,
    Fma,
    Div,
    Min,
    Max,
    Abs,
    Neg,
    Rcp,
    Sqrt,
    Rsqrt,
    Ex2,
    Lg2,
    Sin,
    Cos,
    Tanh,
    CopySign,
}

/// What float instructions say beside what they compute.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct FloatMode {
    pub(crate) rounding: Rounding,
    /// Subnormal f32 operands and results become zero.
    pub(crate) flush: bool,
    /// The result is clamped to 0…1, NaN to 0.
    pub(crate) saturate: bool,
    /// The result is clamped at 0 from below.
    pub(crate) relu: bool,
    /// Minimum and maximum of NaN are NaN.
    pub(crate) nan: bool,
}

/// How two values are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Comparison {
    Eq,
    Ne,
    Lt,
    Le,
    Gt,
    Ge,
    /// The same, and true if a value is NaN.
    Equ,
    Neu,
    Ltu,
    Leu,
    Gtu,
    Geu,
    /// Neither is NaN.
    Num,
    /// At least one is NaN.
    Nan,
}

/// What `testp` asks of a float.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Test {
    Finite,
    Infinite,
    Number,
    NotANumber,
    Normal,
    Subnormal,
}

/// How a value is converted.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Conversion {
    pub(crate) rounding: Rounding,
    /// A float is rounded to an integer, but stays a float.
    pub(crate) integral: bool,
    pub(crate) flush: bool,
    pub(crate) saturate: bool,
    pub(crate) relu: bool,
}

/// What an atomic instruction does to memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Atomic {
    Add,
    Min,
    Max,
    And,
    Or,
    Xor,
    Exchange,
    CompareExchange,
    Increment,
    Decrement,
}

/// From which lane a shuffle reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shuffle {
    Up,
    Down,
    Butterfly,
    Index,
}

/// What a vote tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Vote {
    All,
    Any,
    Uniform,
}
