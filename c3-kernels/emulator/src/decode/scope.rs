//! Names: what registers, variables and labels stand for within braces.

use std::collections::HashMap;

use crate::error::Space;

/// What a name stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Symbol {
    Reg(u32),
    Pred(u32),
    /// A variable at this address of its space.
    Variable(Space, u64),
    /// Shared memory whose size the launch tells.
    DynamicShared,
}

/// The names between two braces.
#[derive(Debug, Default)]
pub(super) struct Scope {
    pub(super) symbols: HashMap<String, Symbol>,
    pub(super) labels: HashMap<String, usize>,
    /// Lists of labels, for `brx.idx`.
    pub(super) tables: HashMap<String, Vec<String>>,
    /// Branches to labels that weren't known yet: the instruction, which of its targets, the label.
    pub(super) pending: Vec<(usize, usize, String)>,
}
