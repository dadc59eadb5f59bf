//! Decoded instructions. Every operand is a register of the warp: literals and special registers have
//! registers of their own, filled before the kernel starts.

use crate::error::Space;
use crate::float::Rounding;
use crate::types::Type;

/// A register: 64 bits for each lane. Bits above an instruction's type are undefined.
pub(crate) type Reg = u32;

/// A predicate register, perhaps negated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pred {
    pub(crate) index: u32,
    pub(crate) negated: bool,
}

/// An instruction with the predicate that guards it and its line in the text.
#[derive(Clone, Debug)]
pub(crate) struct Instruction {
    pub(crate) guard: Option<Pred>,
    pub(crate) op: Op,
    pub(crate) line: u32,
}

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

/// A base register and an offset in bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Address {
    pub(crate) base: Reg,
    pub(crate) offset: i64,
}

/// Which part of memory an access names; none for a generic address.
pub(crate) type MaybeSpace = Option<Space>;

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

/// How a block's barrier reduces a predicate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reduction {
    Count(Reg),
    And(u32),
    Or(u32),
}

/// A barrier of the block.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Barrier {
    pub(crate) id: Reg,
    /// Threads that take part; all if absent.
    pub(crate) threads: Option<Reg>,
    /// Arrives without waiting.
    pub(crate) arrive_only: bool,
    pub(crate) reduction: Option<(Reduction, Pred)>,
}

/// A comparison whose result goes to predicates.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SetPredicate {
    pub(crate) comparison: Comparison,
    pub(crate) ty: Type,
    pub(crate) flush: bool,
    pub(crate) a: Reg,
    pub(crate) b: Reg,
    /// The result, and its negation, both combined with a predicate.
    pub(crate) d: [Option<u32>; 2],
    pub(crate) combine: Option<(Logic, Pred)>,
}

/// What an instruction does. `d` is where the result goes.
#[derive(Clone, Debug)]
pub(crate) enum Op {
    Nop,
    Move {
        d: Reg,
        a: Reg,
    },
    Clock {
        d: Reg,
    },
    Pack {
        d: Reg,
        parts: Box<[Reg]>,
        bits: u32,
    },
    Unpack {
        parts: Box<[Option<Reg>]>,
        a: Reg,
        bits: u32,
    },
    Select {
        d: Reg,
        a: Reg,
        b: Reg,
        p: Pred,
    },
    SelectBySign {
        d: Reg,
        a: Reg,
        b: Reg,
        c: Reg,
        ty: Type,
    },
    PredMove {
        d: u32,
        a: Pred,
    },
    PredLogic {
        op: Logic,
        d: u32,
        a: Pred,
        b: Pred,
    },
    SetPredicate(SetPredicate),
    /// `set`: all ones (or 1.0) where true.
    Set {
        compare: SetPredicate,
        d: Reg,
        to: Type,
    },
    Test {
        test: Test,
        ty: Type,
        d: u32,
        a: Reg,
    },
    Integer {
        op: Integer,
        ty: Type,
        saturate: bool,
        d: Reg,
        abc: [Reg; 3],
    },
    /// Arithmetic with the carry flag: whether it reads and whether it writes it.
    Carry {
        op: Integer,
        ty: Type,
        d: Reg,
        abc: [Reg; 3],
        reads: bool,
        writes: bool,
    },
    BitInsert {
        ty: Type,
        d: Reg,
        abcd: [Reg; 4],
    },
    Mix {
        op: Mix,
        d: Reg,
        abc: [Reg; 3],
    },
    Float {
        op: Float,
        ty: Type,
        mode: FloatMode,
        d: Reg,
        abc: [Reg; 3],
    },
    Convert {
        to: Type,
        from: Type,
        mode: Conversion,
        d: Reg,
        a: Reg,
    },
    /// Two f32 to a packed pair.
    ConvertPair {
        to: Type,
        mode: Conversion,
        d: Reg,
        high: Reg,
        low: Reg,
    },
    /// f32 to the nearest number of tf32's precision.
    ConvertTf32 {
        mode: Conversion,
        d: Reg,
        a: Reg,
    },
    ToGeneric {
        space: Space,
        d: Reg,
        a: Reg,
    },
    FromGeneric {
        space: Space,
        d: Reg,
        a: Reg,
    },
    IsSpace {
        space: Space,
        d: u32,
        a: Reg,
    },
    Load {
        space: MaybeSpace,
        ty: Type,
        d: Box<[Option<Reg>]>,
        at: Address,
    },
    Store {
        space: MaybeSpace,
        ty: Type,
        values: Box<[Reg]>,
        at: Address,
    },
    Atomic {
        op: Atomic,
        space: MaybeSpace,
        ty: Type,
        d: Option<Reg>,
        at: Address,
        bc: [Reg; 2],
    },
    CopyAsync {
        to: Address,
        from: Address,
        bytes: usize,
        present: Option<Reg>,
    },
    CopyCommit,
    /// Waits until at most so many groups are under way; without a number, for all copies.
    CopyWait {
        groups: Option<u32>,
    },
    LoadMatrix {
        transposed: bool,
        d: Box<[Reg]>,
        at: Address,
    },
    /// m16n8: d = a · b + c, with k of 8 or 16.
    MatrixMultiply {
        ty: Type,
        d: [Reg; 4],
        a: Box<[Reg]>,
        b: Box<[Reg]>,
        c: [Reg; 4],
    },
    Shuffle {
        kind: Shuffle,
        d: Reg,
        valid: Option<u32>,
        a: Reg,
        b: Reg,
        c: Reg,
        mask: Reg,
    },
    Vote {
        kind: Vote,
        d: u32,
        a: Pred,
        mask: Reg,
    },
    Ballot {
        d: Reg,
        a: Pred,
        mask: Reg,
    },
    Match {
        all: bool,
        ty: Type,
        d: Reg,
        valid: Option<u32>,
        a: Reg,
        mask: Reg,
    },
    ReduceWarp {
        op: Integer,
        ty: Type,
        d: Reg,
        a: Reg,
        mask: Reg,
    },
    ActiveMask {
        d: Reg,
    },
    WarpBarrier {
        mask: Reg,
    },
    Barrier(Barrier),
    Branch(usize),
    Switch {
        index: Reg,
        targets: Box<[usize]>,
    },
    Exit,
    Trap,
    Assertion,
}

impl Op {
    /// The register with the mask of lanes that must be there before the instruction runs.
    pub(crate) fn mask(&self) -> Option<Lanes> {
        match *self {
            Self::Shuffle { mask, .. }
            | Self::Vote { mask, .. }
            | Self::Ballot { mask, .. }
            | Self::Match { mask, .. }
            | Self::ReduceWarp { mask, .. }
            | Self::WarpBarrier { mask } => Some(Lanes::Named(mask)),
            Self::LoadMatrix { .. } | Self::MatrixMultiply { .. } | Self::Barrier(_) => {
                Some(Lanes::All)
            }
            _ => None,
        }
    }
}

/// Which lanes a warp-wide instruction needs.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Lanes {
    /// Those of a mask.
    Named(Reg),
    /// All that haven't exited.
    All,
}
