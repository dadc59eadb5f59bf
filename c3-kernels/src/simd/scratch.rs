//! Working memory of a kernel, kept by each thread.

use std::cell::{Cell, RefCell};

/// One cache line. Vectors that straddle lines are read at half the speed.
#[derive(Clone, Copy)]
#[repr(align(64))]
struct Line {
    _values: [f32; 16],
}

/// Working memory that grows and is used again; its contents are left over from the last use.
pub(crate) struct Scratch {
    lines: Vec<Line>,
}

impl Scratch {
    /// Slices of at least these lengths, each beginning on a cache line.
    pub(crate) fn split<const N: usize>(&mut self, lengths: [usize; N]) -> [&mut [f32]; N] {
        let lines = lengths.map(|n| n.div_ceil(16));
        let total = lines.iter().sum();
        if self.lines.len() < total {
            self.lines.resize(total, Line { _values: [0.0; 16] });
        }
        let mut rest = &mut self.lines[..];
        lines.map(|n| {
            let (head, tail) = std::mem::take(&mut rest).split_at_mut(n);
            rest = tail;
            // SAFETY: a `Line` is sixteen f32 and nothing else.
            unsafe { std::slice::from_raw_parts_mut(head.as_mut_ptr().cast::<f32>(), n * 16) }
        })
    }
}

/// The most memory for packed operands that a thread keeps: 16 MB.
const KEPT_LINES: usize = 1 << 18;

thread_local! {
    static KEPT: Cell<Vec<Line>> = const { Cell::new(Vec::new()) };
}

impl Scratch {
    /// Scratch that may be held while other tasks run, on this thread too.
    pub(crate) fn take() -> Self {
        Self { lines: KEPT.take() }
    }

    /// Keeps its memory for the next [`Scratch::take`]: fresh memory costs a page fault every 4 KB.
    pub(crate) fn keep(self) {
        if self.lines.len() <= KEPT_LINES {
            KEPT.set(self.lines);
        }
    }
}

/// Calls `f` with this thread's scratch. `f` must not come back here.
pub(crate) fn with_scratch<R>(f: impl FnOnce(&mut Scratch) -> R) -> R {
    thread_local! {
        static SCRATCH: RefCell<Scratch> = const { RefCell::new(Scratch { lines: Vec::new() }) };
    }
    SCRATCH.with_borrow_mut(f)
}
