//! Shared memory of a block, and who touched it when.
//!
//! Each warp has a clock, which a barrier moves on, and knows up to which time it sees each other
//! warp's accesses (vector clocks, as in Flanagan and Freund, "FastTrack", 2009). An access races with
//! an earlier one of another thread if its warp doesn't see that one's time.

use super::warp::Warp;
use crate::error::{FaultKind, RaceKind, Space};

/// Stands for all lanes of a warp at once.
pub(super) const WHOLE_WARP: u32 = 32;
/// Bits of a stamp that hold a lane, or [`WHOLE_WARP`], or [`SEVERAL`].
const LANE_BITS: u32 = 6;
/// Stands for several lanes, in the stamp of a read.
const SEVERAL: u32 = 33;

/// When and by which lane: 0 is never.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Stamp(u32);

impl Stamp {
    fn new(clock: u32, lane: u32) -> Self {
        Self(clock << LANE_BITS | lane)
    }

    fn clock(self) -> u32 {
        self.0 >> LANE_BITS
    }

    fn lane(self) -> u32 {
        self.0 & ((1 << LANE_BITS) - 1)
    }
}

/// The last write to a grain of shared memory.
#[derive(Clone, Copy, Debug, Default)]
struct Written {
    stamp: Stamp,
    warp: u8,
    state: Content,
    atomic: bool,
}

/// What a grain holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Content {
    #[default]
    Nothing,
    /// An asynchronous copy is under way.
    Pending,
    Value,
}

/// How shared memory is accessed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Plain,
    /// Doesn't race with other atomics.
    Atomic,
    /// Starts an asynchronous copy.
    CopyStart,
    /// Ends it: the thread has waited.
    CopyEnd,
}

/// Which checks there are.
#[derive(Clone, Copy, Debug)]
pub(super) struct Checks {
    pub(super) races: bool,
    pub(super) uninitialised: bool,
}

/// A block's shared memory.
pub(super) struct Shared {
    pub(super) bytes: Vec<u8>,
    grain: usize,
    warps: usize,
    written: Vec<Written>,
    /// For each grain, each warp's last read.
    read: Vec<Stamp>,
    checks: Checks,
}

impl Shared {
    /// `size` bytes, which are never touched in parts of less than `grain`.
    pub(super) fn new(size: usize, grain: usize, warps: usize, checks: Checks) -> Self {
        let any = checks.races || checks.uninitialised;
        let grains = if any { size.div_ceil(grain) } else { 0 };
        Self {
            bytes: vec![0xff; size],
            grain,
            warps,
            written: vec![Written::default(); grains],
            read: vec![Stamp::default(); if checks.races { grains * warps } else { 0 }],
            checks,
        }
    }

    /// Where an access lies, if it does.
    #[inline]
    pub(super) fn locate(&self, address: u64, bytes: usize) -> Result<usize, FaultKind> {
        let (space, size) = (Space::Shared, self.bytes.len());
        match address {
            at if !at.is_multiple_of(bytes as u64) => {
                Err(FaultKind::Misaligned { space, address, bytes })
            }
            at if at.saturating_add(bytes as u64) <= size as u64 => Ok(at as usize),
            at => Err(FaultKind::OutOfBounds { space, offset: at as i64, bytes, size }),
        }
    }

    fn grains(&self, offset: usize, bytes: usize) -> std::ops::Range<usize> {
        match self.written.is_empty() {
            true => 0..0,
            false => offset / self.grain..(offset + bytes).div_ceil(self.grain),
        }
    }

    /// Checks and remembers that a lane reads.
    pub(super) fn read(
        &mut self,
        offset: usize,
        bytes: usize,
        warp: &Warp,
        lane: u32,
        kind: Kind,
    ) -> Result<(), FaultKind> {
        for grain in self.grains(offset, bytes) {
            let Written { stamp, warp: writer, state, atomic } = self.written[grain];
            let offset = grain * self.grain;
            match state {
                Content::Value => {}
                Content::Pending => return Err(self.pending(grain)),
                Content::Nothing if self.checks.uninitialised => {
                    return Err(FaultKind::Uninitialised { space: Space::Shared, offset });
                }
                Content::Nothing => continue,
            }
            if !self.checks.races {
                continue;
            }
            let together = atomic && kind == Kind::Atomic;
            let own = usize::from(writer) == warp.number && stamp.lane() == lane;
            if !together && !own && stamp.clock() > warp.seen[usize::from(writer)] {
                let other = thread(writer.into(), stamp);
                return Err(FaultKind::Race { race: RaceKind::ReadAfterWrite, other, offset });
            }
            if kind == Kind::Plain {
                let last = &mut self.read[grain * self.warps + warp.number];
                let same = last.clock() != warp.clock || last.lane() == lane;
                *last = Stamp::new(warp.clock, if same { lane } else { SEVERAL });
            }
        }
        Ok(())
    }

    /// Checks and remembers that a lane writes. Writing what is there already doesn't race with another
    /// write, as `same` tells.
    pub(super) fn write(
        &mut self,
        offset: usize,
        bytes: usize,
        warp: &Warp,
        lane: u32,
        (kind, same): (Kind, bool),
    ) -> Result<(), FaultKind> {
        for grain in self.grains(offset, bytes) {
            let Written { stamp, warp: writer, state, atomic } = self.written[grain];
            let offset = grain * self.grain;
            let own = usize::from(writer) == warp.number && stamp.lane() == lane;
            if state == Content::Pending && !(own && kind == Kind::CopyEnd) {
                return Err(self.pending(grain));
            }
            if self.checks.races {
                let together = same || atomic && kind == Kind::Atomic;
                let unseen = stamp.clock() > warp.seen[usize::from(writer)];
                if state == Content::Value && !own && !together && unseen {
                    let other = thread(writer.into(), stamp);
                    return Err(FaultKind::Race { race: RaceKind::WriteAfterWrite, other, offset });
                }
                let readers = &self.read[grain * self.warps..][..self.warps];
                for (reader, &stamp) in readers.iter().enumerate() {
                    let own = reader == warp.number && stamp.lane() == lane;
                    if stamp.clock() > warp.seen[reader] && !own {
                        let (race, other) = (RaceKind::WriteAfterRead, thread(reader, stamp));
                        return Err(FaultKind::Race { race, other, offset });
                    }
                }
            }
            self.written[grain] = Written {
                stamp: Stamp::new(warp.clock, lane),
                warp: warp.number as u8,
                state: if kind == Kind::CopyStart { Content::Pending } else { Content::Value },
                atomic: kind == Kind::Atomic,
            };
        }
        Ok(())
    }

    fn pending(&self, grain: usize) -> FaultKind {
        let Written { stamp, warp, .. } = self.written[grain];
        FaultKind::PendingCopy { owner: thread(warp.into(), stamp), offset: grain * self.grain }
    }

    /// 1, 2, 4 or 8 bytes.
    #[inline]
    pub(super) fn load(&self, offset: usize, bytes: usize) -> u64 {
        let mut value = [0; 8];
        value[..bytes].copy_from_slice(&self.bytes[offset..][..bytes]);
        u64::from_le_bytes(value)
    }

    /// Stores 1, 2, 4 or 8 bytes.
    #[inline]
    pub(super) fn store(&mut self, offset: usize, bytes: usize, value: u64) {
        self.bytes[offset..][..bytes].copy_from_slice(&value.to_le_bytes()[..bytes]);
    }
}

/// The thread of a stamp, or the first of several.
fn thread(warp: usize, stamp: Stamp) -> u32 {
    let lane = if stamp.lane() < WHOLE_WARP { stamp.lane() } else { 0 };
    warp as u32 * 32 + lane
}
