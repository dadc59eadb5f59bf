//! The kernel for many rows: lanes are rows.
//!
//! Queries are packed with rows side by side, `[head_dim, lanes]`. Both products then have one
//! form, `C[m, lanes] += A[m, k] · B[k, lanes]` with the elements of A broadcast: for the scores A
//! is k as it lies in the cache, for the result v as it lies there. So keys and values are read in
//! place, the softmax needs no sum across lanes, and scores already lie where the second product
//! wants them.

use super::problem::Sink;
use crate::simd::{self, Scratch, Simd, TILE_VECTORS, exp2, from_lanes, to_lanes};

/// Keys of a block: a block's values and a tile's scores stay in the L1 cache, or nearly.
const BLOCK_KEYS: usize = 64;

/// A tile of rows and what the online softmax has of them so far.
struct Tile {
    /// First row, of the key-value head's, and one past the last.
    row: usize,
    row_end: usize,
    vectors: usize,
    /// `[head_dim, lanes]`: queries times the scale
    q: *mut f32,
    /// `[head_dim, lanes]`: sum of `2^(score − max) · v`
    o: *mut f32,
    /// `[lanes]`: largest score
    max: *mut f32,
    /// `[lanes]`: sum of `2^(score − max)`
    sum: *mut f32,
    /// `[lanes]`: how many keys of the block each row sees
    limit: *mut f32,
    /// `[BLOCK_KEYS, lanes]`
    scores: *mut f32,
}

/// # Safety
/// The machine must have the level; the task must lie within the problem's shape.
#[inline(always)]
pub(super) unsafe fn many_rows<S: Simd, const M: usize>(scratch: &mut Scratch, sink: &Sink<'_>) {
    let (problem, task) = (sink.problem, sink.task);
    let head_dim = problem.shape.head_dim;
    let vectors = task.rows.len().div_ceil(S::LANES);
    let tiles = vectors.div_ceil(TILE_VECTORS);
    let lanes = vectors * S::LANES;
    let [q, o, max, sum, limit, scores] = scratch.split([
        lanes * head_dim,
        lanes * head_dim,
        lanes,
        lanes,
        TILE_VECTORS * S::LANES,
        // The last group of M keys may be incomplete, but M rows of scores are written.
        (BLOCK_KEYS + M) * TILE_VECTORS * S::LANES,
    ]);
    o.fill(0.0);
    max.fill(f32::MIN);
    sum.fill(0.0);
    let (q, o) = (q.as_mut_ptr(), o.as_mut_ptr());
    let (max, sum) = (max.as_mut_ptr(), sum.as_mut_ptr());
    let (limit, scores) = (limit.as_mut_ptr(), scores.as_mut_ptr());
    let tile = |t: usize| -> Tile {
        let (begin, end) = (t * vectors / tiles, (t + 1) * vectors / tiles);
        let lane = begin * S::LANES;
        Tile {
            row: task.rows.start + lane,
            row_end: task.rows.end.min(task.rows.start + end * S::LANES),
            vectors: end - begin,
            q: q.wrapping_add(lane * head_dim),
            o: o.wrapping_add(lane * head_dim),
            max: max.wrapping_add(lane),
            sum: sum.wrapping_add(lane),
            limit,
            scores,
        }
    };
    // SAFETY: pointers stay within the slices above and the rows that `Rows::new` checked.
    unsafe {
        for t in 0..tiles {
            pack::<S>(&tile(t), sink);
        }
        for key in task.keys.clone().step_by(BLOCK_KEYS) {
            for t in 0..tiles {
                let tile = tile(t);
                let end =
                    task.keys.end.min(key + BLOCK_KEYS).min(problem.end(task, tile.row_end - 1));
                if end <= key {
                    continue;
                }
                match tile.vectors {
                    1 => block::<S, M, 1>(&tile, sink, key, end - key),
                    2 => block::<S, M, 2>(&tile, sink, key, end - key),
                    _ => block::<S, M, TILE_VECTORS>(&tile, sink, key, end - key),
                }
            }
        }
        for t in 0..tiles {
            unpack::<S>(&tile(t), sink);
        }
    }
}

/// Copies a tile's queries to their lanes, times the scale.
#[inline(always)]
unsafe fn pack<S: Simd>(tile: &Tile, sink: &Sink<'_>) {
    let (problem, task) = (sink.problem, sink.task);
    let head_dim = problem.shape.head_dim;
    let width = tile.vectors * S::LANES;
    let query = |r: usize| {
        let (query, head) = problem.query_head(task.kv_head, tile.row + r);
        problem.q.at(task.batch, query, head)
    };
    unsafe {
        to_lanes::<S>(query, tile.row_end - tile.row, head_dim, tile.q, width);
        let factor = S::splat(problem.factor());
        for i in (0..head_dim * width).step_by(S::LANES) {
            S::store(tile.q.add(i), S::mul(S::load(tile.q.add(i)), factor));
        }
    }
}

/// Writes a tile's rows to where they go.
#[inline(always)]
unsafe fn unpack<S: Simd>(tile: &Tile, sink: &Sink<'_>) {
    let head_dim = sink.problem.shape.head_dim;
    let width = tile.vectors * S::LANES;
    let count = tile.row_end - tile.row;
    // The masks are no longer needed; their place holds the factors.
    let factors = tile.limit;
    unsafe {
        let place = |r: usize| sink.row(tile.row + r, *tile.max.add(r), *tile.sum.add(r));
        for lane in 0..width {
            *factors.add(lane) = place(lane.min(count - 1)).1;
        }
        for i in 0..head_dim {
            for lane in (0..width).step_by(S::LANES) {
                let at = tile.o.add(i * width + lane);
                S::store(at, S::mul(S::load(at), S::load(factors.add(lane))));
            }
        }
        from_lanes::<S>(tile.o, width, head_dim, |r| place(r).0, count);
    }
}

/// One tile against the `count` keys from `key` on: scores, softmax, values.
#[inline(always)]
unsafe fn block<S: Simd, const M: usize, const N: usize>(
    tile: &Tile,
    sink: &Sink<'_>,
    key: usize,
    count: usize,
) {
    let (problem, task) = (sink.problem, sink.task);
    let head_dim = problem.shape.head_dim;
    unsafe {
        let k = problem.k.at(task.batch, task.kv_head, key);
        let v = problem.v.at(task.batch, task.kv_head, key);
        // The first tile fetches for all; lines can be foretold only where rows lie side by side.
        let ahead = tile.row == task.rows.start
            && problem.k.step() == head_dim
            && problem.v.step() == head_dim;
        for j in (0..count).step_by(M) {
            let scores = tile.scores.add(j * N * S::LANES);
            // Past the last key, repeat it; nobody reads those scores.
            let keys: [*const f32; M] =
                std::array::from_fn(|m| k.wrapping_add((j + m).min(count - 1) * problem.k.step()));
            if ahead {
                // What is read next: the values of these keys, and the keys of the next block.
                let (v, k) =
                    (v.wrapping_add(j * head_dim), k.wrapping_add((BLOCK_KEYS + j) * head_dim));
                let prefetch = |i: usize| {
                    S::prefetch(v.wrapping_add(i * M));
                    S::prefetch(k.wrapping_add(i * M));
                };
                simd::tile::<S, M, N>(keys, tile.q, head_dim, scores, false, prefetch);
            } else {
                simd::tile::<S, M, N>(keys, tile.q, head_dim, scores, false, |_| {});
            }
        }
        if problem.end(task, tile.row) < key + count {
            mask::<S, N>(tile, sink, key, count);
        }
        let rescale = softmax::<S, N>(tile, count);
        let step = problem.v.step();
        let whole = head_dim - head_dim % M;
        for i in (0..whole).step_by(M) {
            weigh::<S, M, N>(v.add(i), step, count, tile, i, &rescale);
        }
        for i in whole..head_dim {
            weigh::<S, 1, N>(v.add(i), step, count, tile, i, &rescale);
        }
    }
}

/// Takes away the scores of keys that a row doesn't see.
#[inline(always)]
unsafe fn mask<S: Simd, const N: usize>(tile: &Tile, sink: &Sink<'_>, key: usize, count: usize) {
    unsafe {
        for lane in 0..N * S::LANES {
            let row = (tile.row + lane).min(tile.row_end - 1);
            // Blocks have few keys: exact in f32.
            let seen = sink.problem.end(sink.task, row).saturating_sub(key).min(count);
            *tile.limit.add(lane) = seen as f32;
        }
        for n in 0..N {
            let limit = S::load(tile.limit.add(n * S::LANES));
            for j in 0..count {
                let at = tile.scores.add((j * N + n) * S::LANES);
                let seen = S::select_lt(
                    S::splat(j as f32),
                    limit,
                    S::load(at),
                    S::splat(f32::NEG_INFINITY),
                );
                S::store(at, seen);
            }
        }
    }
}

/// Turns scores into `2^(score − max)`; gives the factors by which earlier sums shrink.
#[inline(always)]
unsafe fn softmax<S: Simd, const N: usize>(tile: &Tile, count: usize) -> [S::V; N] {
    unsafe {
        let mut rescale = [S::splat(1.0); N];
        for n in 0..N {
            let at = |j: usize| tile.scores.add((j * N + n) * S::LANES);
            let (max_at, sum_at) = (tile.max.add(n * S::LANES), tile.sum.add(n * S::LANES));
            let before = S::load(max_at);
            let mut max = before;
            for j in 0..count {
                max = S::max(max, S::load(at(j)));
            }
            let mut sum = S::splat(0.0);
            for j in 0..count {
                let weight = exp2::<S>(S::sub(S::load(at(j)), max));
                S::store(at(j), weight);
                sum = S::add(sum, weight);
            }
            rescale[n] = exp2::<S>(S::sub(before, max));
            S::store(max_at, max);
            S::store(sum_at, S::mul_add(S::load(sum_at), rescale[n], sum));
        }
        rescale
    }
}

/// Adds the weighted values of `count` keys to M elements of the result, from the `i`-th on.
#[inline(always)]
unsafe fn weigh<S: Simd, const M: usize, const N: usize>(
    v: *const f32,
    step: usize,
    count: usize,
    tile: &Tile,
    i: usize,
    rescale: &[S::V; N],
) {
    unsafe {
        let o = tile.o.add(i * N * S::LANES);
        let mut sums = [[S::splat(0.0); N]; M];
        for j in 0..count {
            let weights = S::load_each::<N>(tile.scores.add(j * N * S::LANES), S::LANES);
            let v = v.add(j * step);
            for m in 0..M {
                let v = S::splat(*v.add(m));
                for n in 0..N {
                    sums[m][n] = S::mul_add(v, weights[n], sums[m][n]);
                }
            }
        }
        for m in 0..M {
            for n in 0..N {
                let at = o.add((m * N + n) * S::LANES);
                S::store(at, S::mul_add(S::load(at), rescale[n], sums[m][n]));
            }
        }
    }
}
