//! Mutated files: none may panic the reader or make it allocate more than the file justifies.
//! Runs for `C3_FUZZ_SECONDS` (2 where it isn't set); the generator is seeded.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::time::{Duration, Instant};

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::support;

/// Counts the bytes that this thread holds, and the most that it ever held.
struct Counting;

thread_local! {
    static HELD: Cell<isize> = const { Cell::new(0) };
    static PEAK: Cell<isize> = const { Cell::new(0) };
}

fn count(change: isize) {
    HELD.set(HELD.get() + change);
    PEAK.set(PEAK.get().max(HELD.get()));
}

// SAFETY: every call is passed on to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as isize);
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count(-(layout.size() as isize));
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Numbers that break arithmetic.
const EDGES: [u64; 12] = [
    0,
    1,
    2,
    0x7f,
    0x7fff_ffff,
    0x8000_0000,
    0xffff_ffff,
    i64::MAX as u64,
    i64::MIN as u64,
    u64::MAX - 7,
    u64::MAX - 1,
    u64::MAX,
];

fn mutate(bytes: &mut Vec<u8>, others: &[Vec<u8>], rng: &mut ChaCha8Rng) {
    if bytes.is_empty() {
        return;
    }
    let at = rng.random_range(0..bytes.len());
    match rng.random_range(0..16) {
        0 => bytes[at] ^= 1 << rng.random_range(0..8),
        1 => bytes[at] = rng.random(),
        2 => bytes.truncate(at),
        3 => {
            let end = rng.random_range(at..bytes.len());
            bytes.drain(at..end.min(at + 64));
        }
        4 => {
            let other = &others[rng.random_range(0..others.len())];
            let from = rng.random_range(0..other.len());
            let to = (from + rng.random_range(0..64)).min(other.len());
            bytes.splice(at..at, other[from..to].iter().copied());
        }
        5 => edge(bytes, 0, rng),
        6 => edge(bytes, at, rng),
        7 => digits(bytes, at, rng),
        _ => {
            // The index, which is at the end, where eight bytes are often one number.
            let tail = bytes.len() - bytes.len().min(320);
            let at = rng.random_range(tail..bytes.len());
            edge(bytes, at & !3, rng);
        }
    }
}

/// Overwrites four or eight bytes with a number that breaks arithmetic.
fn edge(bytes: &mut [u8], at: usize, rng: &mut ChaCha8Rng) {
    let number = EDGES[rng.random_range(0..EDGES.len())].to_le_bytes();
    let width = if rng.random() { 4 } else { 8 };
    for (byte, new) in bytes[at..].iter_mut().zip(&number[..width]) {
        *byte = *new;
    }
}

/// Replaces the next decimal number of the header by another.
fn digits(bytes: &mut Vec<u8>, at: usize, rng: &mut ChaCha8Rng) {
    let Some(start) = bytes[at..].iter().position(u8::is_ascii_digit).map(|n| at + n) else {
        return;
    };
    let length = bytes[start..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    let number = EDGES[rng.random_range(0..EDGES.len())].to_string();
    bytes.splice(start..start + length, number.into_bytes());
    // The header may have grown: its length with it, or nothing behind it would be reached.
    if let (Some(header), true) = (bytes.iter().position(|&byte| byte == b'}'), rng.random()) {
        let end = bytes[header..].windows(2).position(|w| w == b"  ").map(|n| header + n);
        let length = end.unwrap_or(header).saturating_sub(8) as u64;
        bytes[..8].copy_from_slice(&length.to_le_bytes());
    }
}

#[test]
fn mutations_neither_panic_nor_allocate_without_measure() {
    let seconds = std::env::var("C3_FUZZ_SECONDS").ok().and_then(|s| s.parse().ok()).unwrap_or(2);
    let seeds = [support::simple(), support::corrected(), support::patched(), support::tied()];
    let seeds = seeds.map(|c| c.to_bytes().unwrap());
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let (mut tried, mut sealed, mut accepted, mut deep) = (0u64, 0u64, 0u64, 0u64);
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(seconds) {
        let mut bytes = seeds[rng.random_range(0..seeds.len())].clone();
        for _ in 0..rng.random_range(1..4) {
            mutate(&mut bytes, &seeds, &mut rng);
        }
        // Half of them with a hash that is right again, to get past it.
        sealed += u64::from(rng.random() && support::seal(&mut bytes).is_some());
        tried += 1;

        let held = HELD.get();
        PEAK.set(held);
        match support::read_all(&bytes) {
            Ok(context) => {
                accepted += 1;
                drop(context.to_bytes().unwrap());
            }
            Err(error) => {
                deep += u64::from(matches!(
                    error,
                    c3_core::Error::BadOffset { .. }
                        | c3_core::Error::Negative { .. }
                        | c3_core::Error::BadFidelity { .. }
                        | c3_core::Error::CorrectionPosition { .. }
                        | c3_core::Error::PatchPlace { .. }
                        | c3_core::Error::LatentsHash { .. }
                ));
                assert!(error.to_string().len() < 1000, "{error}");
            }
        }
        let peak = (PEAK.get() - held) as usize;
        assert!(peak <= 16 * bytes.len() + 32_768, "{peak} bytes held for {}", bytes.len());
    }
    println!("{tried} mutations, {sealed} sealed, {deep} refused behind the hash, {accepted} read");
    assert!(seconds == 0 || deep > 0, "no mutation got past the hash");
}
