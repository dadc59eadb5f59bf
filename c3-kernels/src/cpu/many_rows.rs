//! The kernel for many rows: lanes are rows.
//!
//! Queries are packed with rows side by side, `[head_dim, lanes]`. Both products then have one
//! form, `C[m, lanes] += A[m, k] · B[k, lanes]` with the elements of A broadcast: for the scores A
//! is k as it lies in the cache, for the result v as it lies there. So keys and values are read in
//! place, the softmax needs no sum across lanes, and scores already lie where the second product
//! wants them. An operand of bf16 pairs halves the steps: then a block's keys and values are rounded
//! and paired once, for all rows.

use super::problem::Sink;
use crate::simd::{self, Operand, Scratch, Simd, TILE_VECTORS, exp2, from_lanes, to_lanes};

/// Keys of a block: a block's values and a tile's scores stay in the L1 cache, or nearly.
const BLOCK_KEYS: usize = 64;

/// A tile of rows and what the online softmax has of them so far.
struct Tile {
    /// First row, of the key-value head's, and one past the last.
    row: usize,
    row_end: usize,
    vectors: usize,
    /// `[steps of head_dim, lanes]`: queries times the scale
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

/// Some keys and their values, as the operand has them.
struct Block {
    key: usize,
    /// `[keys, steps of head_dim]`, and how far rows are apart
    k: (*const f32, usize),
    /// `[steps of keys, head_dim]`, and how far rows are apart
    v: (*const f32, usize),
}

type S<O> = <O as Operand>::Simd;
type V<O> = <S<O> as Simd>::V;

/// # Safety
/// The machine must have the operand's instructions; the task must lie within the problem's shape.
#[inline(always)]
pub(super) unsafe fn many_rows<O: Operand, const M: usize>(scratch: &mut Scratch, sink: &Sink<'_>) {
    let (problem, task) = (sink.problem, sink.task);
    let head_dim = problem.shape.head_dim;
    let vectors = task.rows.len().div_ceil(S::<O>::LANES);
    let tiles = vectors.div_ceil(TILE_VECTORS);
    let lanes = vectors * S::<O>::LANES;
    let block_values = if O::DEPTH == 1 { 0 } else { BLOCK_KEYS * head_dim };
    let [q, o, max, sum, limit, scores, k, v] = scratch.split([
        lanes * head_dim,
        lanes * head_dim,
        lanes,
        lanes,
        TILE_VECTORS * S::<O>::LANES,
        // The last group of M keys may be incomplete, but M rows of scores are written.
        (BLOCK_KEYS + M) * TILE_VECTORS * S::<O>::LANES,
        block_values,
        block_values,
    ]);
    o.fill(0.0);
    max.fill(f32::MIN);
    sum.fill(0.0);
    let (q, o) = (q.as_mut_ptr(), o.as_mut_ptr());
    let (max, sum) = (max.as_mut_ptr(), sum.as_mut_ptr());
    let (limit, scores) = (limit.as_mut_ptr(), scores.as_mut_ptr());
    let tile = |t: usize| -> Tile {
        let (begin, end) = (t * vectors / tiles, (t + 1) * vectors / tiles);
        let lane = begin * S::<O>::LANES;
        Tile {
            row: task.rows.start + lane,
            row_end: task.rows.end.min(task.rows.start + end * S::<O>::LANES),
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
            pack::<O>(&tile(t), sink);
        }
        for key in task.keys.clone().step_by(BLOCK_KEYS) {
            let count = (task.keys.end - key).min(BLOCK_KEYS);
            let from = problem.k.at(task.batch, task.kv_head, key);
            let k = O::along_columns(from, problem.k.step(), count, head_dim, k.as_mut_ptr());
            let from = problem.v.at(task.batch, task.kv_head, key);
            let v = O::along_rows(from, problem.v.step(), count, head_dim, v.as_mut_ptr());
            let keys = Block { key, k, v };
            for t in 0..tiles {
                let tile = tile(t);
                let end =
                    task.keys.end.min(key + BLOCK_KEYS).min(problem.end(task, tile.row_end - 1));
                if end <= key {
                    continue;
                }
                match tile.vectors {
                    1 => block::<O, M, 1>(&tile, sink, &keys, end - key),
                    2 => block::<O, M, 2>(&tile, sink, &keys, end - key),
                    _ => block::<O, M, TILE_VECTORS>(&tile, sink, &keys, end - key),
                }
            }
        }
        for t in 0..tiles {
            unpack::<O>(&tile(t), sink);
        }
    }
}

/// Copies a tile's queries to their lanes, times the scale.
#[inline(always)]
unsafe fn pack<O: Operand>(tile: &Tile, sink: &Sink<'_>) {
    let (problem, task) = (sink.problem, sink.task);
    let head_dim = problem.shape.head_dim;
    let width = tile.vectors * S::<O>::LANES;
    let query = |r: usize| {
        let (query, head) = problem.query_head(task.kv_head, tile.row + r);
        problem.q.at(task.batch, query, head)
    };
    unsafe {
        to_lanes::<S<O>>(query, tile.row_end - tile.row, head_dim, tile.q, width);
        let factor = S::<O>::splat(problem.factor());
        for i in (0..head_dim * width).step_by(S::<O>::LANES) {
            S::<O>::store(tile.q.add(i), S::<O>::mul(S::<O>::load(tile.q.add(i)), factor));
        }
        O::along_rows(tile.q, width, head_dim, width, tile.q);
    }
}

/// Writes a tile's rows to where they go.
#[inline(always)]
unsafe fn unpack<O: Operand>(tile: &Tile, sink: &Sink<'_>) {
    let head_dim = sink.problem.shape.head_dim;
    let width = tile.vectors * S::<O>::LANES;
    let count = tile.row_end - tile.row;
    // The masks are no longer needed; their place holds the factors.
    let factors = tile.limit;
    unsafe {
        let place = |r: usize| sink.row(tile.row + r, *tile.max.add(r), *tile.sum.add(r));
        for lane in 0..width {
            *factors.add(lane) = place(lane.min(count - 1)).1;
        }
        for i in 0..head_dim {
            for lane in (0..width).step_by(S::<O>::LANES) {
                let at = tile.o.add(i * width + lane);
                S::<O>::store(at, S::<O>::mul(S::<O>::load(at), S::<O>::load(factors.add(lane))));
            }
        }
        from_lanes::<S<O>>(tile.o, width, head_dim, |r| place(r).0, count);
    }
}

/// One tile against the first `count` keys of a block: scores, softmax, values.
#[inline(always)]
unsafe fn block<O: Operand, const M: usize, const N: usize>(
    tile: &Tile,
    sink: &Sink<'_>,
    keys: &Block,
    count: usize,
) {
    let (problem, task) = (sink.problem, sink.task);
    let head_dim = problem.shape.head_dim;
    let (key, width) = (keys.key, N * S::<O>::LANES);
    unsafe {
        let k = problem.k.at(task.batch, task.kv_head, key);
        let v = problem.v.at(task.batch, task.kv_head, key);
        // The first tile fetches for all; lines can be foretold only where rows lie side by side.
        let ahead = tile.row == task.rows.start
            && problem.k.step() == head_dim
            && problem.v.step() == head_dim;
        for j in (0..count).step_by(M) {
            let scores = tile.scores.add(j * width);
            // Past the last key, repeat it; nobody reads those scores.
            let (from, step) = keys.k;
            let rows: [*const f32; M] =
                std::array::from_fn(|m| from.wrapping_add((j + m).min(count - 1) * step));
            let depth = head_dim.div_ceil(O::DEPTH);
            if ahead {
                // What is read next: the keys of the next block, and the values of these keys or,
                // where those are paired already, of the next.
                let next = BLOCK_KEYS + j;
                let (v, k) = (
                    v.wrapping_add(if O::DEPTH == 1 { j } else { next } * head_dim),
                    k.wrapping_add(next * head_dim),
                );
                let prefetch = |i: usize| {
                    S::<O>::prefetch(v.wrapping_add(i * M * O::DEPTH));
                    S::<O>::prefetch(k.wrapping_add(i * M * O::DEPTH));
                };
                simd::tile::<O, M, N>(rows, tile.q, depth, scores, false, prefetch);
            } else {
                simd::tile::<O, M, N>(rows, tile.q, depth, scores, false, |_| {});
            }
        }
        if problem.end(task, tile.row) < key + count {
            mask::<O, N>(tile, sink, key, count);
        }
        let rescale = softmax::<O, N>(tile, count);
        O::along_rows(tile.scores, width, count, width, tile.scores);
        let (v, step) = keys.v;
        let steps = count.div_ceil(O::DEPTH);
        let whole = head_dim - head_dim % M;
        for i in (0..whole).step_by(M) {
            weigh::<O, M, N>(v.add(i), step, steps, tile, i, &rescale);
        }
        for i in whole..head_dim {
            weigh::<O, 1, N>(v.add(i), step, steps, tile, i, &rescale);
        }
    }
}

/// Takes away the scores of keys that a row doesn't see.
#[inline(always)]
unsafe fn mask<O: Operand, const N: usize>(tile: &Tile, sink: &Sink<'_>, key: usize, count: usize) {
    unsafe {
        for lane in 0..N * S::<O>::LANES {
            let row = (tile.row + lane).min(tile.row_end - 1);
            // Blocks have few keys: exact in f32.
            let seen = sink.problem.end(sink.task, row).saturating_sub(key).min(count);
            *tile.limit.add(lane) = seen as f32;
        }
        for n in 0..N {
            let limit = S::<O>::load(tile.limit.add(n * S::<O>::LANES));
            for j in 0..count {
                let at = tile.scores.add((j * N + n) * S::<O>::LANES);
                let seen = S::<O>::select_lt(
                    S::<O>::splat(j as f32),
                    limit,
                    S::<O>::load(at),
                    S::<O>::splat(f32::NEG_INFINITY),
                );
                S::<O>::store(at, seen);
            }
        }
    }
}

/// Turns scores into `2^(score − max)`; gives the factors by which earlier sums shrink.
#[inline(always)]
unsafe fn softmax<O: Operand, const N: usize>(tile: &Tile, count: usize) -> [V<O>; N] {
    unsafe {
        let mut rescale = [S::<O>::splat(1.0); N];
        for n in 0..N {
            let at = |j: usize| tile.scores.add((j * N + n) * S::<O>::LANES);
            let (max_at, sum_at) =
                (tile.max.add(n * S::<O>::LANES), tile.sum.add(n * S::<O>::LANES));
            let before = S::<O>::load(max_at);
            let mut max = before;
            for j in 0..count {
                max = S::<O>::max(max, S::<O>::load(at(j)));
            }
            let mut sum = S::<O>::splat(0.0);
            for j in 0..count {
                let weight = exp2::<S<O>>(S::<O>::sub(S::<O>::load(at(j)), max));
                S::<O>::store(at(j), weight);
                sum = S::<O>::add(sum, weight);
            }
            rescale[n] = exp2::<S<O>>(S::<O>::sub(before, max));
            S::<O>::store(max_at, max);
            S::<O>::store(sum_at, S::<O>::mul_add(S::<O>::load(sum_at), rescale[n], sum));
        }
        rescale
    }
}

/// Adds the weighted values of `steps` of keys to M elements of the result, from the `i`-th on.
#[inline(always)]
unsafe fn weigh<O: Operand, const M: usize, const N: usize>(
    v: *const f32,
    step: usize,
    steps: usize,
    tile: &Tile,
    i: usize,
    rescale: &[V<O>; N],
) {
    unsafe {
        let o = tile.o.add(i * N * S::<O>::LANES);
        let mut sums = [[S::<O>::splat(0.0); N]; M];
        for j in 0..steps {
            let weights = O::load_each::<N>(tile.scores.add(j * N * S::<O>::LANES));
            let v = v.add(j * step);
            for m in 0..M {
                for n in 0..N {
                    sums[m][n] = O::dot(sums[m][n], weights[n], v.add(m));
                }
            }
        }
        for m in 0..M {
            for n in 0..N {
                let at = o.add((m * N + n) * S::<O>::LANES);
                S::<O>::store(at, S::<O>::mul_add(S::<O>::load(at), rescale[n], sums[m][n]));
            }
        }
    }
}
