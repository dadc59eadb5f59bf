//! Decoded instructions. Every operand is a register of the warp: literals and special registers have
//! registers of their own, filled before the kernel starts.

mod kinds;

pub(crate) use kinds::*;

use crate::error::Space;
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

/// A base register and an offset in bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Address {
    pub(crate) base: Reg,
    pub(crate) offset: i64,
}

/// Which part of memory an access names; none for a generic address.
pub(crate) type MaybeSpace = Option<Space>;

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
