//! What can go wrong: with the text, with a launch, and with what a kernel does.

use std::fmt;

/// The result of everything in this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What can go wrong.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The text isn't PTX as this crate knows it.
    #[error("line {line}: {what}")]
    Syntax {
        /// The line, counted from 1.
        line: u32,
        /// What is wrong.
        what: String,
    },
    /// An instruction that the emulator doesn't run.
    #[error("kernel {kernel}, line {line}: {what}: `{instruction}`")]
    Unsupported {
        /// The kernel that has it.
        kernel: String,
        /// The line, counted from 1.
        line: u32,
        /// The instruction.
        instruction: String,
        /// What isn't supported.
        what: String,
    },
    /// The module has no such kernel.
    #[error("there is no kernel called {name}; the module has {known}")]
    NoKernel {
        /// The name asked for.
        name: String,
        /// The names there are.
        known: String,
    },
    /// A launch that a driver would refuse.
    #[error("kernel {kernel}: {what}")]
    Launch {
        /// The kernel.
        kernel: String,
        /// What is wrong with the launch.
        what: String,
    },
    /// The host read or wrote device memory that isn't there or isn't written.
    #[error("host access of {bytes} bytes at {address:#x}: {what}")]
    Host {
        /// The device address.
        address: u64,
        /// Bytes asked for.
        bytes: usize,
        /// What is wrong.
        what: FaultKind,
    },
    /// A kernel did what it mustn't.
    #[error(transparent)]
    Fault(#[from] Box<Fault>),
}

/// What a kernel did wrong, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub struct Fault {
    /// The kernel.
    pub kernel: String,
    /// The line of the PTX, counted from 1.
    pub line: u32,
    /// That line.
    pub instruction: String,
    /// The block's index in the grid.
    pub block: [u32; 3],
    /// The thread's index in its block; of several, the first.
    pub thread: [u32; 3],
    /// What it did.
    #[source]
    pub kind: FaultKind,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kernel, line, instruction, block, thread, kind } = self;
        write!(f, "kernel {kernel}, block {block:?}, thread {thread:?}: {kind}")?;
        write!(f, " (line {line}: `{instruction}`)")
    }
}

/// A part of the memory that a kernel sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Space {
    /// Memory of the device.
    Global,
    /// Memory of a block.
    Shared,
    /// Memory of a thread.
    Local,
    /// Arguments of the kernel.
    Param,
}

/// What two accesses that race do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum RaceKind {
    /// A read of what another thread has written.
    ReadAfterWrite,
    /// A write over what another thread has read.
    WriteAfterRead,
    /// A write over what another thread has written.
    WriteAfterWrite,
}

/// The ways in which a kernel can go wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FaultKind {
    /// An access outside the buffer, the shared memory, … it belongs to.
    #[error("{space:?} access of {bytes} bytes at offset {offset}, but there are {size}")]
    OutOfBounds {
        /// The memory.
        space: Space,
        /// Where the access begins, from the start of the buffer or the memory.
        offset: i64,
        /// Bytes of the access.
        bytes: usize,
        /// Bytes that are there.
        size: usize,
    },
    /// An address that belongs to no buffer.
    #[error("access of {bytes} bytes at {address:#x}, where nothing is")]
    Unmapped {
        /// The address.
        address: u64,
        /// Bytes of the access.
        bytes: usize,
    },
    /// An access to a buffer that has been freed.
    #[error("access at {address:#x}, in a buffer that has been freed")]
    Freed {
        /// The address.
        address: u64,
    },
    /// A write to memory that is only for reading.
    #[error("write at {address:#x}, in a buffer that is only for reading")]
    ReadOnly {
        /// The address.
        address: u64,
    },
    /// An address that isn't a multiple of the access's size.
    #[error("{space:?} access of {bytes} bytes at {address:#x}, which is not aligned")]
    Misaligned {
        /// The memory.
        space: Space,
        /// The address.
        address: u64,
        /// Bytes of the access.
        bytes: usize,
    },
    /// A read of bytes that nobody has written.
    #[error("{space:?} read at offset {offset} of bytes that nobody has written")]
    Uninitialised {
        /// The memory.
        space: Space,
        /// From the start of the buffer or the memory.
        offset: usize,
    },
    /// Two threads of a block touch the same shared bytes with no barrier between.
    #[error("race ({race:?}) with thread {other} of the block at shared offset {offset}")]
    Race {
        /// What the two accesses do.
        race: RaceKind,
        /// The other thread, counted through the block; a warp-wide access names the warp's first.
        other: u32,
        /// From the start of the block's shared memory.
        offset: usize,
    },
    /// Shared bytes are touched that an asynchronous copy may still be writing.
    #[error("shared offset {offset} is touched while a cp.async of thread {owner} is under way")]
    PendingCopy {
        /// The thread whose copy it is, counted through the block.
        owner: u32,
        /// From the start of the block's shared memory.
        offset: usize,
    },
    /// Some lanes of a warp are at a barrier of the block, others can't come.
    #[error("barrier reached by lanes {arrived:#010x} of {live:#010x}")]
    DivergentBarrier {
        /// The lanes at the barrier.
        arrived: u32,
        /// The lanes that haven't exited.
        live: u32,
    },
    /// A warp-wide instruction without all the lanes that its mask names.
    #[error("lanes {present:#010x} execute an instruction for lanes {wanted:#010x}")]
    MissingLanes {
        /// The lanes that execute it.
        present: u32,
        /// The lanes that must.
        wanted: u32,
    },
    /// A shuffle reads the register of a lane that doesn't take part.
    #[error("shuffle from lane {source_lane}, which does not take part")]
    InactiveLane {
        /// The lane read.
        source_lane: u32,
    },
    /// All warps wait for each other.
    #[error("deadlock: {waiting} of {live} warps wait at barriers that nobody completes")]
    Deadlock {
        /// Warps at barriers.
        waiting: usize,
        /// Warps that haven't finished.
        live: usize,
    },
    /// More instructions than a block may execute.
    #[error("more than {budget} warp instructions in one block")]
    Budget {
        /// The budget.
        budget: u64,
    },
    /// An integer division by zero, whose result is undefined.
    #[error("integer division by zero")]
    DivisionByZero,
    /// A `trap` instruction.
    #[error("trap")]
    Trap,
    /// A device-side assertion failed.
    #[error("assertion failed")]
    Assertion,
    /// An operand that the instruction doesn't take.
    #[error("operand out of range: {what}")]
    Operand {
        /// What is wrong with it.
        what: String,
    },
}
