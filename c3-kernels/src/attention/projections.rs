//! Queries, keys and values as the columns of projections, rotated on their way.

use rayon::prelude::*;

use super::{Attention, AttentionShape, Heads};
use crate::Result;
use crate::cpu::{Place, Problem, Rows};
use crate::shared::Shared;

/// Values below which waking other threads costs more than it saves.
const WORTH_THREADS: usize = 1 << 17;

/// Some heads, side by side among the columns of a projection `[batch, tokens, width]`.
#[derive(Clone, Copy)]
pub(super) struct Columns {
    pub(super) tokens: usize,
    pub(super) width: usize,
    pub(super) start: usize,
    pub(super) heads: usize,
}

impl Columns {
    /// Strides of element of the batch, token and head.
    fn strides(self, head_dim: usize) -> [usize; 3] {
        [self.tokens * self.width, self.width, head_dim]
    }

    /// Where their gradient goes in that of the projection.
    pub(super) fn place(self, to: *mut f32, head_dim: usize) -> Place {
        let to = Shared(to.wrapping_add(self.start));
        Place { to, strides: self.strides(head_dim) }
    }
}

/// Cosines and sines of the angles of every token of keys, `[batch, tokens, head_dim / 2]`.
#[derive(Clone, Copy)]
pub(super) struct Angles<'a> {
    pub(super) cos: &'a [f32],
    pub(super) sin: &'a [f32],
    pub(super) tokens: usize,
    pub(super) head_dim: usize,
}

impl Angles<'_> {
    /// Those of the `at`-th of `tokens` tokens for each element of the batch, the last ones.
    fn of(&self, at: usize, tokens: usize) -> [&[f32]; 2] {
        let half = self.head_dim / 2;
        let token = at / tokens * self.tokens + self.tokens - tokens + at % tokens;
        [self.cos, self.sin].map(|x| &x[token * half..][..half])
    }
}

/// `(a, b) → (a cos − b sin, a sin + b cos)` for the halves of each head of a token; with `sign` −1
/// the rotation back.
fn rotate(heads: &mut [f32], [cos, sin]: [&[f32]; 2], sign: f32) {
    for head in heads.chunks_exact_mut(2 * cos.len()) {
        let (first, second) = head.split_at_mut(cos.len());
        for (((a, b), cos), sin) in first.iter_mut().zip(second).zip(cos).zip(sin) {
            let sin = sign * sin;
            (*a, *b) = (*a * cos - *b * sin, *a * sin + *b * cos);
        }
    }
}

/// The heads of a projection, rotated: `[batch, tokens, heads, head_dim]`.
pub(super) fn rotated(x: &[f32], columns: Columns, angles: Angles<'_>) -> Vec<f32> {
    let own = columns.heads * angles.head_dim;
    let mut out = vec![0f32; x.len() / columns.width.max(1) * own];
    let token = |(at, out): (usize, &mut [f32])| {
        out.copy_from_slice(&x[at * columns.width + columns.start..][..own]);
        rotate(out, angles.of(at, columns.tokens), 1.0);
    };
    match out.len() {
        0 => {}
        len if len >= WORTH_THREADS => out.par_chunks_mut(own).enumerate().for_each(token),
        _ => out.chunks_mut(own).enumerate().for_each(token),
    }
    out
}

/// Turns the gradient of rotated heads into that of the heads, where they are in the projection's.
pub(super) fn rotate_back(x: &mut [f32], columns: Columns, angles: Angles<'_>) {
    let own = columns.heads * angles.head_dim;
    let token = |(at, row): (usize, &mut [f32])| {
        rotate(&mut row[columns.start..][..own], angles.of(at, columns.tokens), -1.0);
    };
    match x.len() {
        0 => {}
        len if len >= WORTH_THREADS => {
            x.par_chunks_mut(columns.width).enumerate().for_each(token);
        }
        _ => x.chunks_mut(columns.width).enumerate().for_each(token),
    }
}

/// The attention of rotated queries and keys, each `[batch, tokens, heads, head_dim]`, and values
/// that lie among a projection's columns.
pub(super) fn problem<'a>(
    shape: AttentionShape,
    options: &'a Attention,
    [q, k]: [&'a [f32]; 2],
    (v, columns): (&'a [f32], Columns),
) -> Result<Problem<'a>> {
    shape.check(options)?;
    let AttentionShape { batch, queries, heads, kv_heads, keys, head_dim } = shape;
    let (wide, narrow) = (heads * head_dim, kv_heads * head_dim);
    let dims = [batch, kv_heads, keys, head_dim];
    let [sb, st, sh] = columns.strides(head_dim);
    Ok(Problem {
        shape,
        options,
        q: Rows::new(
            "q",
            q,
            0,
            [queries * wide, wide, head_dim],
            [batch, queries, heads, head_dim],
        )?,
        k: Rows::new("k", k, 0, [keys * narrow, head_dim, narrow], dims)?,
        v: Rows::new("v", v, columns.start, [sb, sh, st], dims)?,
    })
}

/// The columns of queries, keys and values: of one projection, or of two where `queries` fewer tokens
/// ask.
pub(super) fn columns(heads: Heads, queries: usize, keys: usize, joined: bool) -> [Columns; 3] {
    let Heads { heads, kv_heads, head_dim } = heads;
    let before = if joined { heads * head_dim } else { 0 };
    let width = before + 2 * kv_heads * head_dim;
    let of = |start: usize| Columns { tokens: keys, width, start, heads: kv_heads };
    let q_width = if joined { width } else { heads * head_dim };
    let q = Columns { tokens: queries, width: q_width, start: 0, heads };
    [q, of(before), of(before + kv_heads * head_dim)]
}
