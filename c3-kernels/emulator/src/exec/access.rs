//! Loads, stores, atomics and asynchronous copies.

use super::Stop;
use super::block::Block;
use super::shared::Kind;
use super::warp::{Copy, Values, Warp, lanes};
use crate::error::{FaultKind, Space};
use crate::memory::{LOCAL_WINDOW, SHARED_WINDOW, WINDOW};
use crate::op::{Address, Atomic, MaybeSpace, Op, Reg};
use crate::types::Type;

type Outcome = Result<(), Box<Stop>>;

/// The part of memory that an address belongs to, and the address in it.
fn resolve(space: MaybeSpace, address: u64) -> (Space, u64) {
    match space {
        Some(space) => (space, address),
        None if address.wrapping_sub(SHARED_WINDOW) < WINDOW => {
            (Space::Shared, address - SHARED_WINDOW)
        }
        None if address.wrapping_sub(LOCAL_WINDOW) < WINDOW => {
            (Space::Local, address - LOCAL_WINDOW)
        }
        None => (Space::Global, address),
    }
}

/// Where a generic address of a space begins.
pub(super) fn window(space: Space) -> u64 {
    match space {
        Space::Shared => SHARED_WINDOW,
        Space::Local => LOCAL_WINDOW,
        _ => 0,
    }
}

/// Whether a generic address is one of a space.
pub(super) fn is_in(space: Space, address: u64) -> bool {
    resolve(None, address).0 == space
}

/// Checks an access to memory of `size` bytes.
fn within(space: Space, address: u64, bytes: usize, size: usize) -> Result<usize, FaultKind> {
    if !address.is_multiple_of(bytes as u64) {
        return Err(FaultKind::Misaligned { space, address, bytes });
    }
    match address.checked_add(bytes as u64).is_some_and(|end| end <= size as u64) {
        true => Ok(address as usize),
        false => Err(FaultKind::OutOfBounds { space, offset: address as i64, bytes, size }),
    }
}

fn value(bytes: &[u8]) -> u64 {
    let mut whole = [0; 8];
    whole[..bytes.len()].copy_from_slice(bytes);
    u64::from_le_bytes(whole)
}

impl Block<'_> {
    pub(super) fn load(
        &mut self,
        warp: &mut Warp,
        mask: u32,
        (space, ty): (MaybeSpace, Type),
        d: &[Option<Reg>],
        at: Address,
    ) -> Outcome {
        let bases = *warp.get(at.base);
        let mut out = [[0u64; 32]; 4];
        for lane in lanes(mask) {
            let address = bases[lane].wrapping_add(at.offset as u64);
            let found = self.load_lane(warp, lane, resolve(space, address), ty.size(), d.len());
            let found = found.map_err(|kind| Stop::at(lane, kind))?;
            for (out, value) in out.iter_mut().zip(found) {
                out[lane] = ty.extend(value);
            }
        }
        for (d, values) in d.iter().zip(&out) {
            if let &Some(d) = d {
                warp.set(d, mask, values);
            }
        }
        Ok(())
    }

    fn load_lane(
        &mut self,
        warp: &Warp,
        lane: usize,
        (space, address): (Space, u64),
        size: usize,
        count: usize,
    ) -> Result<[u64; 4], FaultKind> {
        let bytes = size * count;
        let mut values = [0; 4];
        let values_of = |memory: &[u8], values: &mut [u64; 4]| {
            for (value_out, part) in values.iter_mut().zip(memory.chunks_exact(size)) {
                *value_out = value(part);
            }
        };
        match space {
            Space::Global => {
                let place = self.global.read(address, bytes)?;
                self.read += bytes as u64;
                for (i, value) in values[..count].iter_mut().enumerate() {
                    *value = place.buffer.load(place.offset + i * size, size);
                }
            }
            Space::Shared => {
                let offset = self.shared.locate(address, bytes)?;
                self.shared.read(offset, bytes, warp, lane as u32, Kind::Plain)?;
                values_of(&self.shared.bytes[offset..][..bytes], &mut values);
            }
            Space::Local => {
                let size = warp.local.len() / 32;
                let at = within(space, address, bytes, size)?;
                values_of(&warp.local[lane * size + at..][..bytes], &mut values);
            }
            Space::Param => {
                let at = within(space, address, bytes, self.params.len())?;
                values_of(&self.params[at..][..bytes], &mut values);
            }
        }
        Ok(values)
    }

    pub(super) fn store(
        &mut self,
        warp: &mut Warp,
        mask: u32,
        (space, ty): (MaybeSpace, Type),
        values: &[Reg],
        at: Address,
    ) -> Outcome {
        let bases = *warp.get(at.base);
        for lane in lanes(mask) {
            let address = bases[lane].wrapping_add(at.offset as u64);
            let mut parts = [0; 4];
            for (part, &reg) in parts.iter_mut().zip(values) {
                *part = warp.get(reg)[lane];
            }
            let parts = &parts[..values.len()];
            let stored = self.store_lane(warp, lane, resolve(space, address), ty.size(), parts);
            stored.map_err(|kind| Stop::at(lane, kind))?;
        }
        Ok(())
    }

    fn store_lane(
        &mut self,
        warp: &mut Warp,
        lane: usize,
        (space, address): (Space, u64),
        size: usize,
        parts: &[u64],
    ) -> Result<(), FaultKind> {
        let bytes = size * parts.len();
        let mut data = [0; 16];
        for (bytes, part) in data.chunks_exact_mut(size).zip(parts) {
            bytes.copy_from_slice(&part.to_le_bytes()[..size]);
        }
        let data = &data[..bytes];
        match space {
            Space::Global => {
                let place = self.global.write(address, bytes)?;
                self.written += bytes as u64;
                for (i, &part) in parts.iter().enumerate() {
                    place.buffer.store(place.offset + i * size, size, part);
                }
            }
            Space::Shared => {
                let offset = self.shared.locate(address, bytes)?;
                let same = self.shared.bytes[offset..][..bytes] == *data;
                self.shared.write(offset, bytes, warp, lane as u32, (Kind::Plain, same))?;
                self.shared.bytes[offset..][..bytes].copy_from_slice(data);
            }
            Space::Local => {
                let size = warp.local.len() / 32;
                let at = within(space, address, bytes, size)?;
                warp.local[lane * size + at..][..bytes].copy_from_slice(data);
            }
            Space::Param => return Err(FaultKind::ReadOnly { address }),
        }
        Ok(())
    }

    pub(super) fn atomic(
        &mut self,
        warp: &mut Warp,
        mask: u32,
        (op, space, ty): (Atomic, MaybeSpace, Type),
        d: Option<Reg>,
        (at, [b, c]): (Address, [Reg; 2]),
    ) -> Outcome {
        let (bases, b, c) = (*warp.get(at.base), *warp.get(b), *warp.get(c));
        let (mut out, bytes): (Values, _) = ([0; 32], ty.size());
        for lane in lanes(mask) {
            let address = bases[lane].wrapping_add(at.offset as u64);
            let (space, address) = resolve(space, address);
            let change = |old: u64| super::atomic::change(op, ty, old, b[lane], c[lane]);
            let updated = match space {
                Space::Global => self.update_global(address, bytes, change),
                Space::Shared => self.update_shared(warp, lane, address, bytes, change),
                _ => Err(FaultKind::Operand { what: format!("an atomic in {space:?} memory") }),
            };
            out[lane] = ty.extend(updated.map_err(|kind| Stop::at(lane, kind))?);
        }
        if let Some(d) = d {
            warp.set(d, mask, &out);
        }
        Ok(())
    }

    fn update_global(
        &mut self,
        address: u64,
        bytes: usize,
        change: impl Fn(u64) -> u64,
    ) -> Result<u64, FaultKind> {
        self.global.read(address, bytes)?;
        let place = self.global.write(address, bytes)?;
        self.read += bytes as u64;
        self.written += bytes as u64;
        Ok(place.buffer.update(place.offset, bytes, change))
    }

    fn update_shared(
        &mut self,
        warp: &Warp,
        lane: usize,
        address: u64,
        bytes: usize,
        change: impl Fn(u64) -> u64,
    ) -> Result<u64, FaultKind> {
        let offset = self.shared.locate(address, bytes)?;
        self.shared.read(offset, bytes, warp, lane as u32, Kind::Atomic)?;
        self.shared.write(offset, bytes, warp, lane as u32, (Kind::Atomic, false))?;
        let old = self.shared.load(offset, bytes);
        self.shared.store(offset, bytes, change(old));
        Ok(old)
    }

    pub(super) fn start_copy(&mut self, warp: &mut Warp, mask: u32, op: &Op) -> Outcome {
        let &Op::CopyAsync { to, from, bytes, present } = op else { return Ok(()) };
        for lane in lanes(mask) {
            let target = warp.get(to.base)[lane].wrapping_add(to.offset as u64);
            let source = warp.get(from.base)[lane].wrapping_add(from.offset as u64);
            let present = present.map_or(bytes, |reg| warp.get(reg)[lane] as u32 as usize);
            let copied = self.copy_lane(warp, lane, (target, source), (bytes, present));
            let (offset, data) = copied.map_err(|kind| Stop::at(lane, kind))?;
            let (lane, group) = (lane as u32, warp.commits[lane]);
            warp.copies.push(Copy { lane, group, offset, bytes, data });
        }
        Ok(())
    }

    /// Takes the data from global memory; bytes beyond `present` are zero.
    fn copy_lane(
        &mut self,
        warp: &Warp,
        lane: usize,
        (target, source): (u64, u64),
        (bytes, present): (usize, usize),
    ) -> Result<(usize, [u8; 16]), FaultKind> {
        if present > bytes {
            let what = format!("a copy of {bytes} bytes with {present} in its source");
            return Err(FaultKind::Operand { what });
        }
        let offset = self.shared.locate(target, bytes)?;
        self.shared.write(offset, bytes, warp, lane as u32, (Kind::CopyStart, false))?;
        // Whoever looks before the copy has arrived mustn't find what it will bring.
        self.shared.bytes[offset..][..bytes].fill(0xff);
        if !source.is_multiple_of(bytes as u64) {
            let (space, address) = (Space::Global, source);
            return Err(FaultKind::Misaligned { space, address, bytes });
        }
        let mut data = [0; 16];
        let whole = present.is_power_of_two();
        let step = if whole { present } else { 1 };
        for i in (0..present).step_by(step) {
            let place = self.global.read(source + i as u64, step)?;
            place.buffer.copy_out(place.offset, &mut data[i..i + step]);
        }
        self.read += present as u64;
        Ok((offset, data))
    }

    /// Lets the copies arrive that the lanes of `mask` have waited for: all but the last `groups`.
    pub(super) fn wait_for_copies(
        &mut self,
        warp: &mut Warp,
        mask: u32,
        groups: Option<u32>,
    ) -> Outcome {
        let commits = warp.commits;
        let done = |copy: &Copy| {
            let waits = mask >> copy.lane & 1 == 1;
            // Copies after the last commit belong to no group yet.
            let after = commits[copy.lane as usize].saturating_sub(copy.group);
            waits && groups.is_none_or(|groups| after > groups)
        };
        let (arrived, rest) = std::mem::take(&mut warp.copies).into_iter().partition(done);
        warp.copies = rest;
        for Copy { lane, offset, bytes, data, .. } in Vec::<Copy>::into_iter(arrived) {
            let ended = self.shared.write(offset, bytes, warp, lane, (Kind::CopyEnd, false));
            ended.map_err(|kind| Stop::at(lane as usize, kind))?;
            self.shared.bytes[offset..][..bytes].copy_from_slice(&data[..bytes]);
        }
        Ok(())
    }
}
