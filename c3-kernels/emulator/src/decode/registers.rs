//! Registers, those for literals and special registers included.

use std::collections::HashMap;

use super::Symbol;
use crate::op::Reg;
use crate::types::Type;

/// What a register holds before the kernel starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Start {
    Value(u64),
    Tid(u8),
    Ntid(u8),
    Ctaid(u8),
    Nctaid(u8),
    Lane,
    Warp,
    Warps,
    LanesEqual,
    LanesBelow,
    LanesUpTo,
    LanesAbove,
    LanesFrom,
    DynamicShared,
    DynamicSharedSize,
    TotalSharedSize,
}

/// Counts registers and remembers the shared ones.
#[derive(Debug, Default)]
pub(super) struct Registers {
    count: u32,
    predicates: u32,
    starts: HashMap<Start, Reg>,
}

impl Registers {
    pub(super) fn declare(&mut self, ty: Type) -> Symbol {
        match ty {
            Type::Pred => Symbol::Pred(self.predicate()),
            _ => Symbol::Reg(self.fresh()),
        }
    }

    pub(super) fn fresh(&mut self) -> Reg {
        self.count += 1;
        self.count - 1
    }

    pub(super) fn predicate(&mut self) -> u32 {
        self.predicates += 1;
        self.predicates - 1
    }

    /// The register that holds this from the start.
    pub(super) fn start(&mut self, start: Start) -> Reg {
        if let Some(&reg) = self.starts.get(&start) {
            return reg;
        }
        let reg = self.fresh();
        self.starts.insert(start, reg);
        reg
    }

    pub(super) fn count(&self) -> usize {
        self.count as usize
    }

    pub(super) fn predicates(&self) -> usize {
        self.predicates as usize
    }

    pub(super) fn starts(&self) -> Vec<(Reg, Start)> {
        self.starts.iter().map(|(&start, &reg)| (reg, start)).collect()
    }
}

/// The special register of a name.
pub(super) fn special(name: &str) -> Option<Start> {
    let (base, axis) = match name.split_once('.') {
        Some((base, "x")) => (base, 0),
        Some((base, "y")) => (base, 1),
        Some((base, "z")) => (base, 2),
        Some(_) => return None,
        None => (name, 0),
    };
    Some(match base {
        "%tid" => Start::Tid(axis),
        "%ntid" => Start::Ntid(axis),
        "%ctaid" => Start::Ctaid(axis),
        "%nctaid" => Start::Nctaid(axis),
        "%laneid" => Start::Lane,
        "%warpid" => Start::Warp,
        "%nwarpid" => Start::Warps,
        "%lanemask_eq" => Start::LanesEqual,
        "%lanemask_lt" => Start::LanesBelow,
        "%lanemask_le" => Start::LanesUpTo,
        "%lanemask_gt" => Start::LanesAbove,
        "%lanemask_ge" => Start::LanesFrom,
        "%dynamic_smem_size" => Start::DynamicSharedSize,
        "%total_smem_size" => Start::TotalSharedSize,
        "WARP_SZ" => Start::Value(32),
        // One multiprocessor, one grid.
        "%smid" | "%gridid" => Start::Value(0),
        "%nsmid" => Start::Value(1),
        _ => return None,
    })
}
