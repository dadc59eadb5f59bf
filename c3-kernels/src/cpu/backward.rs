//! The gradients of attention: Dao 2023 (arXiv 2307.08691), section 2.3.2, with the scores of a tile
//! of rows in memory instead of being computed twice.
//!
//! With `P = softmax(scale · Q Kᵀ)`, `O = P V` and the gradient `dO`:
//! `dV = Pᵀ dO`, `dS = P ∘ (dO Vᵀ − rowsum(P ∘ dO Vᵀ))`, `dQ = scale · dS K`, `dK = scale · dSᵀ Q`.
//!
//! Lanes are rows, as in [`many_rows`](super::many_rows): Pᵀ and dSᵀ are `[keys, lanes]`, and all five
//! products have the form of [`multiply`].

use super::problem::{Problem, Rows};
use crate::shared::Shared;
use crate::simd::{Scratch, Simd, TILE_VECTORS, exp2, from_lanes, multiply, to_lanes};

/// Where the gradient of an argument goes: rows of `head_dim` values, each contiguous, for each
/// element of the batch, token and head; all zero at first.
#[derive(Clone, Copy)]
pub(crate) struct Place {
    pub(crate) to: Shared,
    /// Values from one element of the batch, token and head to the next.
    pub(crate) strides: [usize; 3],
}

impl Place {
    #[inline(always)]
    fn at(self, batch: usize, token: usize, head: usize) -> *mut f32 {
        let [sb, st, sh] = self.strides;
        self.to.at(batch * sb + token * st + head * sh)
    }
}

/// Where the gradients of a problem go.
#[derive(Clone, Copy)]
pub(crate) struct Gradients {
    pub(crate) q: Place,
    pub(crate) k: Place,
    pub(crate) v: Place,
}

/// A head's columns in groups that a tile is wide enough for.
struct Columns {
    vectors: usize,
}

impl Columns {
    fn new<S: Simd>(head_dim: usize) -> Self {
        Self { vectors: head_dim.div_ceil(S::LANES) }
    }

    /// The first column and the width of each group.
    fn groups<S: Simd>(&self) -> impl Iterator<Item = (usize, usize)> + Clone {
        let (vectors, groups) = (self.vectors, self.vectors.div_ceil(TILE_VECTORS));
        (0..groups).map(move |i| {
            let at = |i: usize| i * vectors / groups * S::LANES;
            (at(i), at(i + 1) - at(i))
        })
    }
}

/// Working memory of a key-value head.
struct Space {
    /// `[head_dim, key_lanes]`
    k: *mut f32,
    key_lanes: usize,
    /// `[head_dim, lanes]`, times the scale
    q: *mut f32,
    /// `[head_dim, lanes]`
    grad: *mut f32,
    /// `[group of columns][lanes, columns]`
    q_rows: *mut f32,
    grad_rows: *mut f32,
    /// `[keys, lanes]`: Pᵀ
    p: *mut f32,
    /// `[keys, lanes]`: dSᵀ
    ds: *mut f32,
    /// `[head_dim, lanes]`
    dq: *mut f32,
    /// `[group of columns][padded keys, columns]`
    dk: *mut f32,
    dv: *mut f32,
}

/// Adds what one key-value head of one row of the batch contributes.
///
/// `grad` is the result's gradient, of the shape of q.
///
/// # Safety
/// The machine must have the level; `batch` and `kv_head` must be there, and nobody else may write
/// their gradients.
#[inline(always)]
pub(super) unsafe fn backward<S: Simd, const M: usize>(
    scratch: &mut Scratch,
    problem: &Problem<'_>,
    grad: &Rows<'_>,
    [batch, kv_head]: [usize; 2],
    to: Gradients,
) {
    let shape = &problem.shape;
    let (head_dim, rows) = (shape.head_dim, shape.queries * shape.group());
    let first = problem.options.first_key.get(batch).copied().unwrap_or(0);
    let keys = shape.keys - first;
    if keys == 0 || rows == 0 || head_dim == 0 {
        return;
    }
    let lanes = TILE_VECTORS * S::LANES;
    let columns = Columns::new::<S>(head_dim);
    let wide = columns.vectors * S::LANES;
    let key_lanes = keys.next_multiple_of(S::LANES);
    // The last group of M rows of a product is written whole.
    let padded = keys.next_multiple_of(M);
    let padded_dim = head_dim.next_multiple_of(M);
    let [k, q, grad_lanes, q_rows, grad_rows, p, ds, dq, dk, dv] = scratch.split([
        head_dim * key_lanes,
        head_dim * lanes,
        head_dim * lanes,
        wide * lanes,
        wide * lanes,
        padded * lanes,
        padded * lanes,
        padded_dim * lanes,
        padded * wide,
        padded * wide,
    ]);
    dk.fill(0.0);
    dv.fill(0.0);
    let space = Space {
        k: k.as_mut_ptr(),
        key_lanes,
        q: q.as_mut_ptr(),
        grad: grad_lanes.as_mut_ptr(),
        q_rows: q_rows.as_mut_ptr(),
        grad_rows: grad_rows.as_mut_ptr(),
        p: p.as_mut_ptr(),
        ds: ds.as_mut_ptr(),
        dq: dq.as_mut_ptr(),
        dk: dk.as_mut_ptr(),
        dv: dv.as_mut_ptr(),
    };
    // SAFETY: pointers stay within the slices above and the rows that `Rows::new` checked.
    unsafe {
        let key = |j: usize| problem.k.at(batch, kv_head, first + j);
        to_lanes::<S>(key, keys, head_dim, space.k, key_lanes);
        for row in (0..rows).step_by(lanes) {
            let count = (rows - row).min(lanes);
            let width = count.next_multiple_of(S::LANES);
            let seen = |row: usize| {
                let query = row / shape.group();
                shape.visible(problem.options, batch, query).end.saturating_sub(first)
            };
            // Later rows see more.
            let keys = seen(row + count - 1);
            let tile = Tile { problem, grad, batch, kv_head, first, row, count, width, keys };
            if keys > 0 {
                let limits: [usize; 48] =
                    std::array::from_fn(|lane| seen(row + lane.min(count - 1)));
                tile.run::<S, M>(&space, &columns, padded, &limits, to);
            }
        }
        let scale = S::splat(problem.options.scale);
        for (column, width) in columns.groups::<S>() {
            for j in 0..keys {
                let from = column * padded + j * width;
                for i in (0..width.min(head_dim - column)).step_by(S::LANES) {
                    let n = (head_dim - column - i).min(S::LANES);
                    let [to_k, to_v] = [to.k, to.v]
                        .map(|to| to.at(batch, first + j, kv_head).wrapping_add(column + i));
                    let dk = S::mul(S::load(space.dk.add(from + i)), scale);
                    S::store_first(to_k, dk, n);
                    S::store_first(to_v, S::load(space.dv.add(from + i)), n);
                }
            }
        }
    }
}

/// Some rows of a key-value head, and the keys that any of them sees.
struct Tile<'a> {
    problem: &'a Problem<'a>,
    grad: &'a Rows<'a>,
    batch: usize,
    kv_head: usize,
    first: usize,
    row: usize,
    count: usize,
    /// `count` in whole vectors.
    width: usize,
    keys: usize,
}

impl Tile<'_> {
    /// # Safety
    /// As for [`backward`].
    #[inline(always)]
    unsafe fn run<S: Simd, const M: usize>(
        &self,
        space: &Space,
        columns: &Columns,
        padded: usize,
        limits: &[usize; 48],
        to: Gradients,
    ) {
        let (problem, keys, width) = (self.problem, self.keys, self.width);
        let head_dim = problem.shape.head_dim;
        unsafe {
            self.pack::<S>(space, columns);
            let k = problem.k.at(self.batch, self.kv_head, self.first);
            let v = problem.v.at(self.batch, self.kv_head, self.first);
            let (groups, values) = (keys.next_multiple_of(M), keys.next_multiple_of(M) * width);
            for sums in [space.p, space.ds] {
                std::slice::from_raw_parts_mut(sums, values).fill(0.0);
            }
            let (q, grad) = ((space.q.cast_const(), width), (space.grad.cast_const(), width));
            multiply::<S, M>((k, problem.k.step()), keys, head_dim, q, space.p);
            multiply::<S, M>((v, problem.v.step()), keys, head_dim, grad, space.ds);
            for lane in (0..width).step_by(S::LANES) {
                self.softmax::<S>(space, lane, limits);
            }
            // The last group of keys was written whole; what is no key must add nothing to later ones.
            for sums in [space.p, space.ds] {
                std::slice::from_raw_parts_mut(sums, values)[keys * width..].fill(0.0);
            }
            for (column, group) in columns.groups::<S>() {
                let rows = |from: *mut f32| (from.add(column * width).cast_const(), group);
                let sums = column * padded;
                let (p, ds) = ((space.p.cast_const(), width), (space.ds.cast_const(), width));
                multiply::<S, M>(p, groups, width, rows(space.grad_rows), space.dv.add(sums));
                multiply::<S, M>(ds, groups, width, rows(space.q_rows), space.dk.add(sums));
            }
            let dq = head_dim.next_multiple_of(M) * width;
            std::slice::from_raw_parts_mut(space.dq, dq).fill(0.0);
            let ds = (space.ds.cast_const(), width);
            multiply::<S, M>((space.k.cast_const(), space.key_lanes), head_dim, keys, ds, space.dq);
            let scale = S::splat(problem.options.scale);
            for i in (0..head_dim * width).step_by(S::LANES) {
                S::store(space.dq.add(i), S::mul(S::load(space.dq.add(i)), scale));
            }
            let row = |r: usize| {
                let (query, head) = problem.query_head(self.kv_head, self.row + r);
                to.q.at(self.batch, query, head)
            };
            from_lanes::<S>(space.dq, width, head_dim, row, self.count);
        }
    }

    /// Copies the rows of q and of the gradient to lanes, and once more in groups of columns.
    #[inline(always)]
    unsafe fn pack<S: Simd>(&self, space: &Space, columns: &Columns) {
        let head_dim = self.problem.shape.head_dim;
        let at = |rows: &Rows<'_>, r: usize| {
            let (query, head) = self.problem.query_head(self.kv_head, self.row + r);
            rows.at(self.batch, query, head)
        };
        unsafe {
            to_lanes::<S>(|r| at(&self.problem.q, r), self.count, head_dim, space.q, self.width);
            to_lanes::<S>(|r| at(self.grad, r), self.count, head_dim, space.grad, self.width);
            let factor = S::splat(self.problem.factor());
            for i in (0..head_dim * self.width).step_by(S::LANES) {
                S::store(space.q.add(i), S::mul(S::load(space.q.add(i)), factor));
            }
            for (rows, to) in [(&self.problem.q, space.q_rows), (self.grad, space.grad_rows)] {
                for (column, group) in columns.groups::<S>() {
                    for r in 0..self.width {
                        let to = to.add(column * self.width + r * group);
                        for i in (0..group).step_by(S::LANES) {
                            // Lanes past the last row repeat it, so they must add nothing here.
                            let n = match r < self.count {
                                true => (head_dim - column - i).min(S::LANES),
                                false => 0,
                            };
                            let from = at(rows, r.min(self.count - 1)).add(column + i);
                            S::store(to.add(i), S::load_first(from, n));
                        }
                    }
                }
            }
        }
    }

    /// Turns a vector's scores into P, and the products of gradient and values into dS.
    #[inline(always)]
    unsafe fn softmax<S: Simd>(&self, space: &Space, lane: usize, limits: &[usize; 48]) {
        let (keys, width) = (self.keys, self.width);
        unsafe {
            let (p, ds) = (space.p.add(lane), space.ds.add(lane));
            let mut bounds = [0f32; 16];
            for i in 0..S::LANES {
                bounds[i] = limits[lane + i] as f32;
            }
            let bound = S::load(bounds.as_ptr());
            let mut max = S::splat(f32::MIN);
            for j in 0..keys {
                let at = p.add(j * width);
                let hidden = S::splat(f32::NEG_INFINITY);
                // Exact up to 2²⁴ keys, whose scores fit in no memory.
                let score = S::select_lt(S::splat(j as f32), bound, S::load(at), hidden);
                S::store(at, score);
                max = S::max(max, score);
            }
            let mut sum = S::splat(0.0);
            let mut dot = S::splat(0.0);
            for j in 0..keys {
                let at = p.add(j * width);
                let weight = exp2::<S>(S::sub(S::load(at), max));
                S::store(at, weight);
                sum = S::add(sum, weight);
                dot = S::mul_add(weight, S::load(ds.add(j * width)), dot);
            }
            // A row that saw no key has the sum 0; its weights are zero already.
            let least = S::splat(f32::MIN_POSITIVE);
            let factor = S::div(S::splat(1.0), S::max(least, sum));
            let dot = S::mul(dot, factor);
            for j in 0..keys {
                let weight = S::mul(S::load(p.add(j * width)), factor);
                S::store(p.add(j * width), weight);
                let at = ds.add(j * width);
                S::store(at, S::mul(weight, S::sub(S::load(at), dot)));
            }
        }
    }
}
