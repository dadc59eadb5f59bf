//! The kernel for few rows, such as a step of decoding: lanes are elements of a head.
//!
//! Lanes of rows would be mostly empty here. The time goes into reading keys and values; the sums
//! across lanes that scores need are small beside it.

use super::problem::Sink;
use crate::simd::{Scratch, Simd, exp2};

/// Keys of a block: their values and those of v stay in the L1 cache, or nearly.
const BLOCK_KEYS: usize = 64;

/// How far ahead keys and values are fetched, in elements: a page, where the hardware stops.
const AHEAD: usize = 1024;

/// Rows that are computed at once, at most.
const GROUP: usize = 4;

/// What the online softmax has of all rows so far.
struct State {
    rows: usize,
    /// Vectors of a head, the last one possibly incomplete.
    chunks: usize,
    /// `[rows, chunks · LANES]`: queries times the scale
    q: *mut f32,
    /// `[rows, chunks · LANES]`: sum of `2^(score − max) · v`
    o: *mut f32,
    /// `[rows]`: largest score
    max: *mut f32,
    /// `[rows]`: sum of `2^(score − max)`
    sum: *mut f32,
    /// `[rows, BLOCK_KEYS]`
    scores: *mut f32,
}

/// `K` keys are scored at once, `C` vectors of the result are summed at once.
///
/// # Safety
/// The machine must have the level; the task must lie within the problem's shape.
#[inline(always)]
pub(super) unsafe fn few_rows<S: Simd, const K: usize, const C: usize>(
    scratch: &mut Scratch,
    sink: &Sink<'_>,
) {
    let task = sink.task;
    let (rows, head_dim) = (task.rows.len(), sink.problem.shape.head_dim);
    let chunks = head_dim.div_ceil(S::LANES);
    let width = chunks * S::LANES;
    let [q, o, max, sum, scores] =
        scratch.split([rows * width, rows * width, rows, rows, rows * BLOCK_KEYS]);
    q.fill(0.0);
    o.fill(0.0);
    max.fill(f32::MIN);
    sum.fill(0.0);
    let state = State {
        rows,
        chunks,
        q: q.as_mut_ptr(),
        o: o.as_mut_ptr(),
        max: max.as_mut_ptr(),
        sum: sum.as_mut_ptr(),
        scores: scores.as_mut_ptr(),
    };
    // SAFETY: pointers stay within the slices above and the rows that `Rows::new` checked.
    unsafe {
        pack(&state, width, sink);
        for key in task.keys.clone().step_by(BLOCK_KEYS) {
            block::<S, K, C>(&state, sink, key, (task.keys.end - key).min(BLOCK_KEYS));
        }
        for row in 0..rows {
            let (max, sum) = (*state.max.add(row), *state.sum.add(row));
            let (to, factor) = sink.row(task.rows.start + row, max, sum);
            for i in 0..head_dim {
                *to.add(i) = *state.o.add(row * width + i) * factor;
            }
        }
    }
}

/// Copies the queries, times the scale.
#[inline(always)]
unsafe fn pack(state: &State, width: usize, sink: &Sink<'_>) {
    let (problem, task) = (sink.problem, sink.task);
    let factor = problem.factor();
    for row in 0..state.rows {
        let (query, head) = problem.query_head(task.kv_head, task.rows.start + row);
        let from = problem.q.at(task.batch, query, head);
        for i in 0..problem.shape.head_dim {
            unsafe { *state.q.add(row * width + i) = *from.add(i) * factor }
        }
    }
}

/// All rows against the `count` keys from `key` on.
#[inline(always)]
unsafe fn block<S: Simd, const K: usize, const C: usize>(
    state: &State,
    sink: &Sink<'_>,
    key: usize,
    count: usize,
) {
    let mut rescale = [1f32; 8];
    let mut begin = 0;
    unsafe {
        // Groups of nearly the same size: five rows are three and two, not four and one.
        let groups = state.rows.div_ceil(GROUP);
        for group in 0..groups {
            let end = (group + 1) * state.rows / groups;
            match end - begin {
                1 => scores::<S, K, 1>(state, begin, sink, key, count),
                2 => scores::<S, K, 2>(state, begin, sink, key, count),
                3 => scores::<S, K, 3>(state, begin, sink, key, count),
                _ => scores::<S, K, GROUP>(state, begin, sink, key, count),
            }
            begin = end;
        }
        for row in 0..state.rows {
            let end = sink.problem.end(sink.task, sink.task.rows.start + row);
            rescale[row] = softmax::<S>(state, row, end.saturating_sub(key).min(count), count);
        }
        begin = 0;
        for group in 0..groups {
            let end = (group + 1) * state.rows / groups;
            let rescale = &rescale[begin..end];
            match end - begin {
                1 => values::<S, C, 1>(state, begin, sink, key, count, rescale),
                2 => values::<S, C, 2>(state, begin, sink, key, count, rescale),
                3 => values::<S, C, 3>(state, begin, sink, key, count, rescale),
                _ => values::<S, C, GROUP>(state, begin, sink, key, count, rescale),
            }
            begin = end;
        }
    }
}

/// Scores of `R` rows from `row` on against a block of keys.
#[inline(always)]
unsafe fn scores<S: Simd, const K: usize, const R: usize>(
    state: &State,
    row: usize,
    sink: &Sink<'_>,
    key: usize,
    count: usize,
) {
    let problem = sink.problem;
    let (step, head_dim) = (problem.k.step(), problem.shape.head_dim);
    let width = state.chunks * S::LANES;
    unsafe {
        let k = problem.k.at(sink.task.batch, sink.task.kv_head, key);
        let q = state.q.add(row * width);
        for j in (0..count).step_by(K) {
            // Past the last key, repeat it; its score is stored once.
            let keys: [*const f32; K] =
                std::array::from_fn(|m| k.wrapping_add((j + m).min(count - 1) * step));
            let mut sums = [[S::splat(0.0); R]; K];
            let mut i = 0;
            while i + S::LANES <= head_dim {
                let q = S::load_each::<R>(q.add(i), width);
                for m in 0..K {
                    S::prefetch(keys[m].wrapping_add(i + AHEAD));
                    let k = S::load(keys[m].add(i));
                    for r in 0..R {
                        sums[m][r] = S::mul_add(k, q[r], sums[m][r]);
                    }
                }
                i += S::LANES;
            }
            if i < head_dim {
                let q = S::load_each::<R>(q.add(i), width);
                for m in 0..K {
                    let k = S::load_first(keys[m].add(i), head_dim - i);
                    for r in 0..R {
                        sums[m][r] = S::mul_add(k, q[r], sums[m][r]);
                    }
                }
            }
            for m in 0..K {
                for r in 0..R {
                    let j = (j + m).min(count - 1);
                    *state.scores.add((row + r) * BLOCK_KEYS + j) = S::sum(sums[m][r]);
                }
            }
        }
    }
}

/// Turns a row's scores into `2^(score − max)`, zero from the `seen`-th key on; gives the factor by
/// which earlier sums shrink.
#[inline(always)]
unsafe fn softmax<S: Simd>(state: &State, row: usize, seen: usize, count: usize) -> f32 {
    unsafe {
        let scores = state.scores.add(row * BLOCK_KEYS);
        let padded = count.next_multiple_of(S::LANES);
        for j in seen..padded {
            *scores.add(j) = f32::NEG_INFINITY;
        }
        let before = *state.max.add(row);
        let mut max = S::splat(before);
        for j in (0..padded).step_by(S::LANES) {
            max = S::max(max, S::load(scores.add(j)));
        }
        let largest = S::largest(max);
        let max = S::splat(largest);
        let mut sum = S::splat(0.0);
        for j in (0..padded).step_by(S::LANES) {
            let weight = exp2::<S>(S::sub(S::load(scores.add(j)), max));
            S::store(scores.add(j), weight);
            sum = S::add(sum, weight);
        }
        let mut rescale = 0f32;
        S::store_first(&mut rescale, exp2::<S>(S::sub(S::splat(before), max)), 1);
        *state.max.add(row) = largest;
        *state.sum.add(row) = *state.sum.add(row) * rescale + S::sum(sum);
        rescale
    }
}

/// Adds the weighted values of a block to `R` rows of the result, from `row` on.
#[inline(always)]
unsafe fn values<S: Simd, const C: usize, const R: usize>(
    state: &State,
    row: usize,
    sink: &Sink<'_>,
    key: usize,
    count: usize,
    rescale: &[f32],
) {
    let head_dim = sink.problem.shape.head_dim;
    let whole = head_dim / S::LANES;
    let rest = head_dim % S::LANES;
    let mut chunk = 0;
    unsafe {
        while chunk + C <= whole {
            values_at::<S, C, R>(state, row, sink, key, count, rescale, chunk, S::LANES);
            chunk += C;
        }
        while chunk < whole {
            values_at::<S, 1, R>(state, row, sink, key, count, rescale, chunk, S::LANES);
            chunk += 1;
        }
        if rest > 0 {
            values_at::<S, 1, R>(state, row, sink, key, count, rescale, chunk, rest);
        }
    }
}

/// As [`values`], for `C` vectors of the head from the `chunk`-th on, each with `lanes` lanes.
#[inline(always)]
#[allow(clippy::too_many_arguments)]
unsafe fn values_at<S: Simd, const C: usize, const R: usize>(
    state: &State,
    row: usize,
    sink: &Sink<'_>,
    key: usize,
    count: usize,
    rescale: &[f32],
    chunk: usize,
    lanes: usize,
) {
    let (v, width) = (&sink.problem.v, state.chunks * S::LANES);
    unsafe {
        let at = v.at(sink.task.batch, sink.task.kv_head, key).add(chunk * S::LANES);
        let weights = state.scores.add(row * BLOCK_KEYS);
        let mut sums = [[S::splat(0.0); C]; R];
        for j in 0..count {
            let at = at.add(j * v.step());
            for c in 0..C {
                S::prefetch(at.wrapping_add(c * S::LANES + AHEAD));
            }
            let v = match lanes == S::LANES {
                true => S::load_each::<C>(at, S::LANES),
                false => [S::load_first(at, lanes); C],
            };
            for r in 0..R {
                let weight = S::splat(*weights.add(r * BLOCK_KEYS + j));
                for c in 0..C {
                    sums[r][c] = S::mul_add(weight, v[c], sums[r][c]);
                }
            }
        }
        for r in 0..R {
            for c in 0..C {
                let at = state.o.add((row + r) * width + (chunk + c) * S::LANES);
                S::store(at, S::mul_add(S::load(at), S::splat(rescale[r]), sums[r][c]));
            }
        }
    }
}
