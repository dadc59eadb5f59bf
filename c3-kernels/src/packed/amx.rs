//! AMX: tiles of 16 × 32 bf16 times 32 × 16, summed in 16 × 16 f32.
//!
//! The compiler doesn't know these instructions yet, so they are written in assembly, one for one,
//! behind [`TileUnit`]. What is built of them runs in tests on a model of the unit too, on machines
//! that lack it.

use super::product::{Job, each};
use super::{CHUNK, DEPTH, PANEL};
use crate::simd::{Scratch, Simd, with_scratch};

/// Rows of a tile.
pub(super) const TILE: usize = 16;

/// Values of a tile of x or of weights.
const TILE_VALUES: usize = TILE * DEPTH;

/// Eight tile registers of 16 rows of 64 bytes.
///
/// # Safety
/// The machine must have the unit, and pointers be valid for 16 rows, `step` bytes apart. Between
/// `configure` and `release` nothing else may use the thread's tiles.
pub(super) trait TileUnit {
    unsafe fn configure();
    unsafe fn release();
    unsafe fn zero<const T: usize>();
    unsafe fn load<const T: usize>(from: *const u8, step: usize);
    unsafe fn store<const T: usize>(to: *mut u8, step: usize);
    /// `C[i, j] += Σ A[i, 2p] B[p, 2j] + A[i, 2p + 1] B[p, 2j + 1]`
    unsafe fn dot<const C: usize, const A: usize, const B: usize>();
}

/// Computes the job; x has been rounded by then.
///
/// # Safety
/// The machine must have the unit.
#[cfg(target_arch = "x86_64")]
pub(super) unsafe fn product(job: &Job<'_>) {
    unsafe { run(job, task) }
}

#[cfg(not(target_arch = "x86_64"))]
pub(super) unsafe fn product(_: &Job<'_>) {}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f")]
unsafe fn task(job: &Job<'_>, x: &[u16], panel: usize) {
    unsafe { columns::<hardware::Amx, crate::simd::Avx512>(job, x, panel) }
}

/// Computes the columns of two panels from `panel` on.
type Task = unsafe fn(&Job<'_>, &[u16], usize);

/// # Safety
/// The machine must have what `task` needs.
pub(super) unsafe fn run(job: &Job<'_>, task: Task) {
    let depth = job.matrix.depth();
    let tiles = job.rows().div_ceil(TILE);
    // An even number of tiles of rows, so that they can be taken by twos.
    let values = tiles.next_multiple_of(2) * TILE * depth;
    let mut kept = Scratch::take();
    let [room] = kept.split([values / 2]);
    // SAFETY: a f32 is two numbers of 16 bits.
    let x: &mut [u16] = unsafe { std::slice::from_raw_parts_mut(room.as_mut_ptr().cast(), values) };
    pack(job, x, depth);
    let x = &*x;
    let panels = job.panels();
    each(panels.len().div_ceil(2), job.worth_threads(), |t| {
        // SAFETY: as the caller promises; tasks write different columns.
        unsafe { task(job, x, panels.start + 2 * t) }
    });
    kept.keep();
}

/// Rounds x to bf16 in tiles: `[rows / 16][depth / 32][16][32]`, zeros where there is no row.
fn pack(job: &Job<'_>, x: &mut [u16], depth: usize) {
    let mut tiles = x.chunks_mut((TILE * depth).max(1)).enumerate();
    tiles.by_ref().for_each(|(block, tiles)| {
        tiles.fill(0);
        for r in 0..TILE.min(job.rows().saturating_sub(block * TILE)) {
            for (chunk, values) in job.x.row(block * TILE + r).chunks(DEPTH).enumerate() {
                let to = &mut tiles[chunk * TILE_VALUES + r * DEPTH..][..values.len()];
                for (to, &x) in to.iter_mut().zip(values) {
                    *to = half::bf16::from_f32(x).to_bits();
                }
            }
        }
    });
}

/// All rows against two panels, or one where there is no second.
///
/// # Safety
/// The machine must have both units.
#[inline(always)]
pub(super) unsafe fn columns<U: TileUnit, S: Simd>(job: &Job<'_>, x: &[u16], panel: usize) {
    let depth = job.matrix.depth();
    let b0 = job.matrix.panel(panel);
    // A lone last panel is multiplied twice, and its second sums are not stored.
    let b1 = if panel + 1 < job.panels().end { b0.wrapping_add(PANEL * depth) } else { b0 };
    with_scratch(|scratch| {
        let [sums] = scratch.split([4 * TILE * TILE]);
        let sums = sums.as_mut_ptr();
        // SAFETY: tiles of x and panels lie within their buffers, sums within the scratch.
        unsafe {
            U::configure();
            for from in (0..depth.max(1)).step_by(CHUNK) {
                let steps = (depth - from).min(CHUNK) / DEPTH;
                for row in (0..job.rows()).step_by(2 * TILE) {
                    let a0 = x.as_ptr().wrapping_add(row * depth + from * TILE);
                    let a1 = a0.wrapping_add(TILE * depth);
                    let at = from * PANEL;
                    chunk::<U>([a0, a1], [b0.wrapping_add(at), b1.wrapping_add(at)], steps, sums);
                    store::<S>(job, row, panel, from == 0, sums);
                }
            }
            U::release();
        }
    });
}

/// 32 rows and 32 columns over `steps` tiles of k; the sums are `[32, 32]`.
#[inline(always)]
unsafe fn chunk<U: TileUnit>(a: [*const u16; 2], b: [*const u16; 2], steps: usize, sums: *mut f32) {
    const ROW: usize = 64;
    const SUMS: usize = 2 * TILE * size_of::<f32>();
    unsafe {
        U::zero::<0>();
        U::zero::<1>();
        U::zero::<2>();
        U::zero::<3>();
        for step in 0..steps {
            let at = step * TILE_VALUES;
            U::load::<4>(a[0].wrapping_add(at).cast(), ROW);
            U::load::<6>(b[0].wrapping_add(at).cast(), ROW);
            U::dot::<0, 4, 6>();
            U::load::<7>(b[1].wrapping_add(at).cast(), ROW);
            U::dot::<1, 4, 7>();
            U::load::<5>(a[1].wrapping_add(at).cast(), ROW);
            U::dot::<2, 5, 6>();
            U::dot::<3, 5, 7>();
        }
        U::store::<0>(sums.cast(), SUMS);
        U::store::<1>(sums.wrapping_add(TILE).cast(), SUMS);
        U::store::<2>(sums.wrapping_add(2 * TILE * TILE).cast(), SUMS);
        U::store::<3>(sums.wrapping_add((2 * TILE + 1) * TILE).cast(), SUMS);
    }
}

/// Adds the sums of 32 rows and columns to the result, as far as it reaches.
#[inline(always)]
unsafe fn store<S: Simd>(job: &Job<'_>, row: usize, panel: usize, first: bool, sums: *const f32) {
    let place = job.place(row, panel, first);
    for r in 0..(job.rows() - row).min(2 * TILE) {
        for column in (0..place.columns.min(2 * PANEL)).step_by(S::LANES) {
            let count = (place.columns - column).min(S::LANES);
            let to = place.out.at(r * place.step + column);
            // SAFETY: within the result's row and the sums.
            unsafe {
                let before = match place.start {
                    Some(None) => S::splat(0.0),
                    Some(Some(bias)) => S::load_first(bias.as_ptr().wrapping_add(column), count),
                    None => S::load_first(to, count),
                };
                let sum = S::load(sums.wrapping_add(r * 2 * TILE + column));
                S::store_first(to, S::add(before, sum), count);
            }
        }
    }
}

/// Whether the processor has AMX with bf16 and the kernel lets this process use it.
pub(super) fn is_available() -> bool {
    #[cfg(all(target_arch = "x86_64", target_os = "linux"))]
    {
        static GRANTED: std::sync::OnceLock<bool> = std::sync::OnceLock::new();
        *GRANTED.get_or_init(hardware::request)
    }
    #[cfg(not(all(target_arch = "x86_64", target_os = "linux")))]
    false
}

#[cfg(target_arch = "x86_64")]
mod hardware {
    use std::arch::asm;

    use super::TileUnit;

    /// Palette 1: eight tiles of 16 rows of 64 bytes.
    #[repr(C, align(64))]
    struct Configuration([u8; 64]);

    static CONFIGURATION: Configuration = {
        let mut bytes = [0; 64];
        bytes[0] = 1;
        let mut tile = 0;
        while tile < 8 {
            bytes[16 + 2 * tile] = 64;
            bytes[48 + tile] = 16;
            tile += 1;
        }
        Configuration(bytes)
    };

    pub(super) struct Amx;

    impl TileUnit for Amx {
        #[inline(always)]
        unsafe fn configure() {
            unsafe { asm!("ldtilecfg [{}]", in(reg) &CONFIGURATION, options(nostack)) }
        }
        #[inline(always)]
        unsafe fn release() {
            unsafe { asm!("tilerelease", options(nostack)) }
        }
        #[inline(always)]
        unsafe fn zero<const T: usize>() {
            unsafe { asm!("tilezero tmm{t}", t = const T, options(nostack)) }
        }
        #[inline(always)]
        unsafe fn load<const T: usize>(from: *const u8, step: usize) {
            unsafe {
                asm!("tileloadd tmm{t}, [{from} + {step}]", t = const T, from = in(reg) from,
                    step = in(reg) step, options(nostack));
            }
        }
        #[inline(always)]
        unsafe fn store<const T: usize>(to: *mut u8, step: usize) {
            unsafe {
                asm!("tilestored [{to} + {step}], tmm{t}", t = const T, to = in(reg) to,
                    step = in(reg) step, options(nostack));
            }
        }
        #[inline(always)]
        unsafe fn dot<const C: usize, const A: usize, const B: usize>() {
            unsafe {
                asm!("tdpbf16ps tmm{c}, tmm{a}, tmm{b}", c = const C, a = const A, b = const B,
                    options(nostack));
            }
        }
    }

    /// Looks for the unit, and for the system's support, and asks Linux for permission: the state
    /// of tiles is 8 KB in every thread's context, which it grants to those that ask.
    #[cfg(target_os = "linux")]
    pub(super) fn request() -> bool {
        const AMX_BF16: u32 = 1 << 22;
        const AMX_TILE: u32 = 1 << 24;
        const ARCH_PRCTL: i64 = 158;
        const ARCH_REQ_XCOMP_PERM: u64 = 0x1023;
        const XTILEDATA: u64 = 18;
        use std::arch::x86_64::{__cpuid, __cpuid_count};
        if !crate::Level::Avx512.is_available() || __cpuid(0).eax < 7 {
            return false;
        }
        let features = __cpuid_count(7, 0).edx;
        if features & (AMX_BF16 | AMX_TILE) != AMX_BF16 | AMX_TILE {
            return false;
        }
        let mut result = ARCH_PRCTL;
        // SAFETY: the system call takes two numbers and touches no memory.
        unsafe {
            asm!("syscall", inlateout("rax") result, in("rdi") ARCH_REQ_XCOMP_PERM,
                in("rsi") XTILEDATA, out("rcx") _, out("r11") _, options(nostack));
        }
        result == 0
    }
}
