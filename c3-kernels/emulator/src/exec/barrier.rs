//! Barriers of a block.

use super::Stop;
use super::warp::{State, Warp, lanes};
use crate::error::FaultKind;
use crate::op::{Barrier, Reduction};

/// Barriers that a block has.
pub(super) const BARRIERS: usize = 16;

/// A warp that has come to a barrier.
struct Arrival {
    warp: usize,
    waits: bool,
    /// What the warp had seen by then, its own accesses included.
    seen: Vec<u32>,
    reduction: Option<(Reduction, u32, u32)>,
}

/// A barrier, and the warps that have come to it.
#[derive(Default)]
pub(super) struct Gate {
    arrivals: Vec<Arrival>,
    /// Threads expected; all of the block if absent.
    threads: Option<u32>,
}

impl Gate {
    /// Whether nobody is missing.
    fn is_complete(&self, warps: &[Option<Warp>]) -> bool {
        match self.threads {
            _ if self.arrivals.is_empty() => false,
            Some(threads) => self.arrivals.len() as u32 * 32 >= threads,
            None => {
                let here = |number| self.arrivals.iter().any(|arrival| arrival.warp == number);
                let live = warps.iter().flatten().filter(|warp| warp.state != State::Done);
                live.map(|warp| warp.number).all(here)
            }
        }
    }

    /// Lets the waiting warps go on, who now see what all did before they came.
    fn open(&mut self, warps: &mut [Option<Warp>]) {
        let arrivals = std::mem::take(&mut self.arrivals);
        let mut joined = vec![0; warps.len()];
        for arrival in &arrivals {
            for (joined, &seen) in joined.iter_mut().zip(&arrival.seen) {
                *joined = seen.max(*joined);
            }
        }
        let votes = || arrivals.iter().filter_map(|arrival| arrival.reduction);
        let count: u32 = votes().map(|(_, holds, _)| holds.count_ones()).sum();
        let all = votes().all(|(_, holds, mask)| holds == mask);
        for arrival in arrivals.iter().filter(|arrival| arrival.waits) {
            let Some(warp) = &mut warps[arrival.warp] else { continue };
            warp.state = State::Running;
            for (seen, &joined) in warp.seen.iter_mut().zip(&joined) {
                *seen = joined.max(*seen);
            }
            match arrival.reduction {
                Some((Reduction::Count(d), _, mask)) => {
                    warp.set(d, mask, &[u64::from(count); 32]);
                }
                Some((Reduction::And(d), _, mask)) => {
                    warp.set_predicate(d, mask, if all { mask } else { 0 });
                }
                Some((Reduction::Or(d), _, mask)) => {
                    warp.set_predicate(d, mask, if count > 0 { mask } else { 0 });
                }
                None => {}
            }
        }
        self.threads = None;
    }
}

/// Opens every barrier to which all have come; tells whether there was one.
pub(super) fn open_complete(gates: &mut [Gate], warps: &mut [Option<Warp>]) -> bool {
    let mut any = false;
    for gate in gates {
        if gate.is_complete(warps) {
            gate.open(warps);
            any = true;
        }
    }
    any
}

/// A warp comes to a barrier with the lanes of `mask`.
pub(super) fn arrive(
    gates: &mut [Gate],
    warp: &mut Warp,
    mask: u32,
    barrier: &Barrier,
) -> Result<(), Box<Stop>> {
    let first = mask.trailing_zeros() as usize;
    let fail = |kind| Err(Stop::at(first, kind));
    if mask != warp.live {
        return fail(FaultKind::DivergentBarrier { arrived: mask, live: warp.live });
    }
    let id = warp.get(barrier.id)[first] as u32 as usize;
    let threads = barrier.threads.map(|reg| warp.get(reg)[first] as u32);
    let same = |reg, value| lanes(mask).all(|lane| warp.get(reg)[lane] as u32 == value);
    let uniform = same(barrier.id, id as u32)
        && barrier.threads.is_none_or(|reg| same(reg, threads.unwrap_or(0)));
    if id >= BARRIERS || !uniform {
        return fail(FaultKind::Operand {
            what: format!("barrier {id}, lanes differ: {}", !uniform),
        });
    }
    if threads.is_some_and(|threads| threads == 0 || !threads.is_multiple_of(32)) {
        let what = format!("a barrier of {threads:?} threads, not a multiple of 32");
        return fail(FaultKind::Operand { what });
    }
    let gate = &mut gates[id];
    if !gate.arrivals.is_empty() && gate.threads != threads {
        let what = format!("barrier {id} for {threads:?} threads and for {:?}", gate.threads);
        return fail(FaultKind::Operand { what });
    }
    gate.threads = threads;
    warp.tick();
    gate.arrivals.push(Arrival {
        warp: warp.number,
        waits: !barrier.arrive_only,
        seen: warp.seen.clone(),
        reduction: barrier.reduction.map(|(kind, p)| (kind, warp.holds(p) & mask, mask)),
    });
    if !barrier.arrive_only {
        warp.state = State::AtBarrier;
    }
    Ok(())
}
