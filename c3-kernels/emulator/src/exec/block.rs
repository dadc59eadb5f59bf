//! A block: its warps take turns until all are done.

use super::barrier::{self, BARRIERS, Gate};
use super::global::Global;
use super::shared::{Checks, Shared};
use super::warp::{State, Warp};
use super::{Stop, step};
use crate::decode::{Code, Start};
use crate::error::FaultKind;
use crate::{Fault, Options};

/// How many instructions a warp executes before others have their turn, so that a warp may wait for
/// what another writes.
const TURN: u64 = 1 << 12;

/// What is the same for all blocks of a launch.
pub(super) struct Job<'a> {
    pub(super) name: &'a str,
    pub(super) text: &'a str,
    pub(super) code: &'a Code,
    pub(super) global: Global<'a>,
    pub(super) params: Vec<u8>,
    pub(super) grid: [u32; 3],
    pub(super) block: [u32; 3],
    pub(super) dynamic_shared: usize,
    pub(super) options: Options,
}

/// A block that runs.
pub(super) struct Block<'a> {
    pub(super) code: &'a Code,
    pub(super) global: &'a Global<'a>,
    pub(super) params: &'a [u8],
    pub(super) options: &'a Options,
    pub(super) shared: Shared,
    pub(super) gates: Vec<Gate>,
    pub(super) instructions: u64,
    pub(super) mma: u64,
    pub(super) read: u64,
    pub(super) written: u64,
}

/// What a block did.
pub(super) struct Counts {
    pub(super) instructions: u64,
    pub(super) mma: u64,
}

/// Splits a number into x, y and z.
pub(super) fn index(number: u64, sizes: [u32; 3]) -> [u32; 3] {
    let [x, y, _] = sizes.map(u64::from);
    [(number % x) as u32, (number / x % y) as u32, (number / (x * y)) as u32]
}

/// Runs the block of a number from start to end.
pub(super) fn run(job: &Job<'_>, number: u64) -> Result<Counts, Box<Fault>> {
    let threads: u32 = job.block.iter().product();
    let count = threads.div_ceil(32) as usize;
    let checks = Checks { races: job.options.races, uninitialised: job.options.uninitialised };
    let size = job.code.shared + job.dynamic_shared;
    let mut block = Block {
        code: job.code,
        global: &job.global,
        params: &job.params,
        options: &job.options,
        shared: Shared::new(size, job.code.shared_grain, count, checks),
        gates: (0..BARRIERS).map(|_| Gate::default()).collect(),
        instructions: 0,
        mma: 0,
        read: 0,
        written: 0,
    };
    let ctaid = index(number, job.grid);
    let mut warps: Vec<Option<Warp>> = (0..count)
        .map(|w| {
            let mut warp = Warp::new(job.code, w, count, threads - w as u32 * 32);
            warp.start(job.code, |start, lane| special(job, ctaid, w as u32, lane, start));
            Some(warp)
        })
        .collect();
    let mut order = Order::new(job.options.warp_order, number, count);
    while let Some(round) = order.next(&warps) {
        for w in round {
            let Some(mut warp) = warps[w].take() else { continue };
            let ran = turn(&mut block, &mut warp);
            ran.map_err(|stop| fault(job, number, &warp, *stop))?;
            warps[w] = Some(warp);
        }
        let opened = barrier::open_complete(&mut block.gates, &mut warps);
        let waiting = warps.iter().flatten().find(|warp| warp.state == State::AtBarrier);
        let running = warps.iter().flatten().any(|warp| warp.state == State::Running);
        if let (Some(stuck), false, false) = (waiting, running, opened) {
            let in_state = |state| warps.iter().flatten().filter(|w| w.state == state).count();
            let waiting = in_state(State::AtBarrier);
            let kind = FaultKind::Deadlock { waiting, live: waiting };
            let lane = stuck.live.trailing_zeros() as usize;
            return Err(fault(job, number, stuck, Stop { lane, kind }));
        }
    }
    job.global.count(block.read, block.written);
    Ok(Counts { instructions: block.instructions, mma: block.mma })
}

/// Runs a warp until it waits, is done, or has had its turn.
fn turn(block: &mut Block<'_>, warp: &mut Warp) -> Result<(), Box<Stop>> {
    let end = block.instructions + TURN;
    while warp.state == State::Running && block.instructions < end {
        step::step(block, warp)?;
    }
    match block.instructions > block.options.budget {
        true => Err(Stop::at(0, FaultKind::Budget { budget: block.options.budget })),
        false => Ok(()),
    }
}

fn fault(job: &Job<'_>, number: u64, warp: &Warp, stop: Stop) -> Box<Fault> {
    // A warp that waits is past its barrier.
    let pc = warp.pc - usize::from(warp.state == State::AtBarrier);
    let line = job.code.instructions.get(pc).map_or(0, |instruction| instruction.line);
    Box::new(Fault {
        kernel: job.name.to_owned(),
        line,
        instruction: crate::module::line(job.text, line),
        block: index(number, job.grid),
        thread: index(warp.number as u64 * 32 + stop.lane as u64, job.block),
        kind: stop.kind,
    })
}

/// What a register holds from the start.
fn special(job: &Job<'_>, ctaid: [u32; 3], warp: u32, lane: u32, start: Start) -> u64 {
    let tid = index(u64::from(warp * 32 + lane), job.block);
    let threads: u32 = job.block.iter().product();
    u64::from(match start {
        Start::Value(value) => return value,
        Start::Tid(axis) => tid[usize::from(axis)],
        Start::Ntid(axis) => job.block[usize::from(axis)],
        Start::Ctaid(axis) => ctaid[usize::from(axis)],
        Start::Nctaid(axis) => job.grid[usize::from(axis)],
        Start::Lane => lane,
        Start::Warp => warp,
        Start::Warps => threads.div_ceil(32),
        Start::LanesEqual => 1 << lane,
        Start::LanesBelow => (1 << lane) - 1,
        Start::LanesUpTo => u32::MAX >> (31 - lane),
        Start::LanesAbove => !(u32::MAX >> (31 - lane)),
        Start::LanesFrom => !((1 << lane) - 1),
        Start::DynamicShared => job.code.shared as u32,
        Start::DynamicSharedSize => job.dynamic_shared as u32,
        Start::TotalSharedSize => (job.code.shared + job.dynamic_shared) as u32,
    })
}

/// In which order warps take turns.
struct Order {
    state: u64,
    random: bool,
    numbers: Vec<usize>,
}

impl Order {
    fn new(seed: u64, block: u64, warps: usize) -> Self {
        let state = seed ^ block.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        Self { state, random: seed != 0, numbers: (0..warps).collect() }
    }

    /// The next round; none if all warps are done.
    fn next(&mut self, warps: &[Option<Warp>]) -> Option<Vec<usize>> {
        if warps.iter().flatten().all(|warp| warp.state == State::Done) {
            return None;
        }
        if self.random {
            for i in (1..self.numbers.len()).rev() {
                // Knuth's generator, whose upper bits are good enough to shuffle with.
                self.state = self.state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                self.numbers.swap(i, (self.state >> 33) as usize % (i + 1));
            }
        }
        Some(self.numbers.clone())
    }
}
