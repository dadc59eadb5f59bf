//! A warp: 32 lanes that execute an instruction together as far as their branches allow.

use crate::decode::{Code, Start};
use crate::error::FaultKind;
use crate::op::{Lanes, Op, Pred, Reg};

/// What a register holds, for each lane.
pub(super) type Values = [u64; 32];

/// All lanes of a warp.
pub(super) const ALL: u32 = u32::MAX;

/// What registers hold that nobody has written, so that the same mistake shows each time: a NaN as
/// f16, bf16 or f32, and a large number as an integer.
const POISON: u64 = 0xdead_beef_7fff_ffff;

/// What a warp is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    Running,
    AtBarrier,
    Done,
}

/// A copy to shared memory that is under way.
#[derive(Clone, Debug)]
pub(super) struct Copy {
    pub(super) lane: u32,
    /// Commits of the lane before this copy's own.
    pub(super) group: u32,
    pub(super) offset: usize,
    pub(super) bytes: usize,
    pub(super) data: [u8; 16],
}

/// A warp's registers, and where its lanes are.
#[derive(Debug)]
pub(super) struct Warp {
    pub(super) number: usize,
    pub(super) registers: Vec<Values>,
    /// A bit for each lane.
    pub(super) predicates: Vec<u32>,
    pub(super) carry: u32,
    /// Where the lanes are that run now, and which they are.
    pub(super) pc: usize,
    pub(super) active: u32,
    /// Where the other lanes are.
    others: Vec<(usize, u32)>,
    /// Lanes that haven't exited.
    pub(super) live: u32,
    pub(super) state: State,
    /// Counts the barriers that the warp has come to; the time of its accesses to shared memory.
    pub(super) clock: u32,
    /// Up to which time this warp sees each other's accesses.
    pub(super) seen: Vec<u32>,
    /// Local memory, one lane's after another's.
    pub(super) local: Vec<u8>,
    pub(super) copies: Vec<Copy>,
    pub(super) commits: [u32; 32],
}

impl Warp {
    /// The warp of `number` in a block of `warps`, with `lanes` lanes, at the kernel's start.
    pub(super) fn new(code: &Code, number: usize, warps: usize, lanes: u32) -> Self {
        let live = if lanes >= 32 { ALL } else { (1 << lanes) - 1 };
        Self {
            number,
            registers: vec![[POISON; 32]; code.registers],
            predicates: vec![0; code.predicates],
            carry: 0,
            pc: 0,
            active: live,
            others: Vec::new(),
            live,
            state: State::Running,
            clock: 1,
            seen: vec![0; warps],
            local: vec![0xff; code.local * 32],
            copies: Vec::new(),
            commits: [0; 32],
        }
    }

    /// Fills the registers that hold something from the start.
    pub(super) fn start(&mut self, code: &Code, value: impl Fn(Start, u32) -> u64) {
        for &(reg, start) in &code.starts {
            self.registers[reg as usize] = std::array::from_fn(|lane| value(start, lane as u32));
        }
    }

    #[inline(always)]
    pub(super) fn get(&self, reg: Reg) -> &Values {
        &self.registers[reg as usize]
    }

    /// The lanes for which a predicate holds.
    #[inline(always)]
    pub(super) fn holds(&self, pred: Pred) -> u32 {
        self.predicates[pred.index as usize] ^ if pred.negated { ALL } else { 0 }
    }

    #[inline(always)]
    pub(super) fn set(&mut self, reg: Reg, mask: u32, values: &Values) {
        let target = &mut self.registers[reg as usize];
        match mask {
            ALL => *target = *values,
            _ => {
                for (lane, (old, &new)) in target.iter_mut().zip(values).enumerate() {
                    *old = if mask >> lane & 1 == 1 { new } else { *old };
                }
            }
        }
    }

    #[inline(always)]
    pub(super) fn set_predicate(&mut self, index: u32, mask: u32, value: u32) {
        let target = &mut self.predicates[index as usize];
        *target = *target & !mask | value & mask;
    }

    /// `d = f(a, b, c)` in the lanes of `mask`.
    #[inline(always)]
    pub(super) fn map(
        &mut self,
        mask: u32,
        d: Reg,
        [a, b, c]: [Reg; 3],
        f: impl Fn(u64, u64, u64) -> u64,
    ) {
        let (a, b, c) = (self.get(a), self.get(b), self.get(c));
        let mut out = [0; 32];
        for lane in 0..32 {
            out[lane] = f(a[lane], b[lane], c[lane]);
        }
        self.set(d, mask, &out);
    }

    /// The lanes in which `f(a, b)` holds.
    #[inline(always)]
    pub(super) fn test(&self, a: Reg, b: Reg, f: impl Fn(u64, u64) -> bool) -> u32 {
        let (a, b) = (self.get(a), self.get(b));
        (0..32).fold(0, |bits, lane| bits | u32::from(f(a[lane], b[lane])) << lane)
    }

    pub(super) fn is_split(&self) -> bool {
        !self.others.is_empty()
    }

    /// Sends the lanes of `taken` to `target` and the rest of the active ones on.
    pub(super) fn branch(&mut self, taken: u32, target: usize) {
        let rest = self.active & !taken;
        match (taken, rest) {
            (0, _) => self.pc += 1,
            (_, 0) => self.pc = target,
            _ => {
                self.others.push((target, taken));
                (self.pc, self.active) = (self.pc + 1, rest);
            }
        }
    }

    /// Ends the lanes of `mask`.
    pub(super) fn exit(&mut self, mask: u32) {
        self.live &= !mask;
        self.active &= !mask;
        self.pc += 1;
    }

    /// Picks the lanes that run next: those furthest behind, so that lanes meet again where branches
    /// do. Lanes at a warp-wide instruction wait for all that it needs.
    ///
    /// Returns whether any are left.
    pub(super) fn choose(&mut self, code: &Code) -> Result<bool, FaultKind> {
        if self.active != 0 {
            let first = self.others.iter().map(|&(pc, _)| pc).min().unwrap_or(usize::MAX);
            if self.pc < first && code.instructions[self.pc].op.mask().is_none() {
                return Ok(true);
            }
            self.others.push((self.pc, self.active));
        }
        self.others.sort_unstable_by_key(|&(pc, _)| pc);
        self.others.dedup_by(|(pc, mask), (kept_pc, kept_mask)| {
            let same = pc == kept_pc;
            *kept_mask |= if same { *mask } else { 0 };
            same
        });
        let Some(&first) = self.others.first() else {
            self.active = 0;
            return Ok(false);
        };
        let ready = self.others.iter().position(|&(pc, mask)| {
            let wanted = self.wanted(&code.instructions[pc].op, mask);
            wanted & !mask == 0
        });
        match ready {
            Some(index) => {
                (self.pc, self.active) = self.others.remove(index);
                Ok(true)
            }
            None => {
                (self.pc, self.active) = first;
                let op = &code.instructions[self.pc].op;
                Err(self.missing(op, self.active))
            }
        }
    }

    /// The lanes that an instruction needs when those of `mask` execute it.
    pub(super) fn wanted(&self, op: &Op, mask: u32) -> u32 {
        match op.mask() {
            None => 0,
            Some(Lanes::All) => self.live,
            Some(Lanes::Named(reg)) => {
                let named = lanes(mask).fold(0, |bits, lane| bits | self.get(reg)[lane] as u32);
                named & self.live
            }
        }
    }

    /// What it means that only the lanes of `present` execute `op`.
    pub(super) fn missing(&self, op: &Op, present: u32) -> FaultKind {
        match op {
            Op::Barrier(_) => FaultKind::DivergentBarrier { arrived: present, live: self.live },
            _ => FaultKind::MissingLanes { present, wanted: self.wanted(op, present) },
        }
    }

    /// Moves the time on, after what orders accesses within the warp.
    pub(super) fn tick(&mut self) {
        self.seen[self.number] = self.clock;
        self.clock += 1;
    }
}

/// The lanes of a mask.
#[inline(always)]
pub(super) fn lanes(mask: u32) -> impl Iterator<Item = usize> {
    let mut rest = mask;
    std::iter::from_fn(move || {
        let lane = rest.trailing_zeros() as usize;
        rest &= rest.wrapping_sub(1);
        (lane < 32).then_some(lane)
    })
}
