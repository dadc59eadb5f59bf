//! Some rows of x against some columns of the weights, all sums in registers.

use super::PANEL;
use super::dot::Dot;
use crate::shared::Shared;
use crate::simd::Simd;

/// Weights that lie this far ahead, in elements, are asked for: a page, where the hardware stops.
pub(super) const AHEAD: usize = 2048;

/// Where a block's sums go.
#[derive(Clone, Copy)]
pub(super) struct Place<'a> {
    /// The first value of the first row.
    pub(super) out: Shared,
    /// Values from one row to the next.
    pub(super) step: usize,
    /// Columns that are to be written; the rest of the last panel is padding.
    pub(super) columns: usize,
    /// What the sums start from: `None` adds to what is there.
    pub(super) start: Option<Start<'a>>,
}

/// What sums start from: the bias of these columns, or zero.
pub(super) type Start<'a> = Option<&'a [f32]>;

/// `R` rows of x against `N` vectors of columns, over `pairs` pairs of k.
///
/// `weights` are the vectors' own places in their panels, `x` is `[pairs][R]`. `U` pairs are summed
/// side by side, where R · N sums alone would wait for each other; it divides `pairs`. Weights
/// `ahead` elements further on are asked for, if that isn't 0.
///
/// # Safety
/// The machine must have the unit; `pairs` of weights and of x must be there, and the place's rows
/// and columns be ours alone.
#[inline(always)]
#[allow(clippy::needless_range_loop, reason = "tiles are indexed as the formulas have it")]
pub(super) unsafe fn block<D: Dot, const R: usize, const N: usize, const U: usize>(
    weights: [*const u16; N],
    x: *const D::Pair,
    pairs: usize,
    ahead: usize,
    place: &Place<'_>,
) {
    type S<D> = <D as Dot>::Simd;
    let lanes = S::<D>::LANES;
    unsafe {
        let mut sums = [[[S::<D>::splat(0.0); N]; R]; U];
        let mut pair = 0;
        while pair < pairs {
            for u in 0..U {
                let at = (pair + u) * 2 * PANEL;
                let mut w = [D::weights(weights[0].wrapping_add(at)); N];
                for n in 1..N {
                    w[n] = D::weights(weights[n].wrapping_add(at));
                }
                if ahead != 0 {
                    for n in 0..N {
                        S::<D>::prefetch(weights[n].wrapping_add(at + ahead).cast());
                    }
                }
                for r in 0..R {
                    for n in 0..N {
                        sums[u][r][n] = D::dot(sums[u][r][n], w[n], x.add((pair + u) * R + r));
                    }
                }
            }
            pair += U;
        }
        for r in 0..R {
            for n in 0..N {
                let mut sum = sums[0][r][n];
                for u in 1..U {
                    sum = S::<D>::add(sum, sums[u][r][n]);
                }
                let first = n * lanes;
                let count = place.columns.saturating_sub(first).min(lanes);
                let to = place.out.at(r * place.step + first);
                let before = match place.start {
                    Some(None) => S::<D>::splat(0.0),
                    Some(Some(bias)) => {
                        S::<D>::load_first(bias.as_ptr().wrapping_add(first), count)
                    }
                    None => S::<D>::load_first(to, count),
                };
                S::<D>::store_first(to, S::<D>::add(before, sum), count);
            }
        }
    }
}
