//! What is to be computed, where it lies in memory, and where a task's result goes.

use super::plan::Task;
use crate::attention::{Attention, AttentionShape};
use crate::shared::Shared;
use crate::{Error, Result};

/// A tensor of four dimensions with any strides, contiguous in the last.
pub(crate) struct Rows<'a> {
    values: &'a [f32],
    offset: usize,
    strides: [usize; 3],
}

impl<'a> Rows<'a> {
    /// # Errors
    /// If a row lies outside `values`.
    pub(crate) fn new(
        name: &'static str,
        values: &'a [f32],
        offset: usize,
        strides: [usize; 3],
        dims: [usize; 4],
    ) -> Result<Self> {
        if dims.iter().all(|&n| n > 0) {
            let steps = strides.iter().zip(dims).map(|(&stride, n)| stride.checked_mul(n - 1));
            let end = steps
                .fold(offset.checked_add(dims[3]), |end, step| end?.checked_add(step?))
                .unwrap_or(usize::MAX);
            if end > values.len() {
                let (expected, found) = (end, values.len());
                return Err(Error::Length { op: "attention", name, expected, found });
            }
        }
        Ok(Self { values, offset, strides })
    }

    /// The row at these indices, which must lie within the dimensions that `new` checked.
    #[inline(always)]
    pub(super) fn at(&self, a: usize, b: usize, c: usize) -> *const f32 {
        let [sa, sb, sc] = self.strides;
        self.values.as_ptr().wrapping_add(self.offset + a * sa + b * sb + c * sc)
    }

    /// Elements from one row to the next in the third dimension.
    #[inline(always)]
    pub(super) fn step(&self) -> usize {
        self.strides[2]
    }
}

/// What is to be computed.
pub(crate) struct Problem<'a> {
    pub(crate) shape: AttentionShape,
    pub(crate) options: &'a Attention,
    /// `[batch, queries, heads, head_dim]`
    pub(crate) q: Rows<'a>,
    /// `[batch, kv_heads, keys, head_dim]`
    pub(crate) k: Rows<'a>,
    /// `[batch, kv_heads, keys, head_dim]`
    pub(crate) v: Rows<'a>,
}

impl Problem<'_> {
    /// Query and head of row `row` of a key-value head: heads of one query lie side by side, so
    /// that neighbouring rows see the same keys.
    pub(super) fn query_head(&self, kv_head: usize, row: usize) -> (usize, usize) {
        let group = self.shape.group();
        (row / group, kv_head * group + row % group)
    }

    /// One past the last key that row `row` sees.
    pub(super) fn end(&self, task: &Task, row: usize) -> usize {
        let (query, _) = self.query_head(task.kv_head, row);
        self.shape.visible(self.options, task.batch, query).end
    }

    /// The factor on q that makes scores exponents of two: `scale · log₂ e`.
    pub(super) fn factor(&self) -> f32 {
        (f64::from(self.options.scale) * std::f64::consts::LOG2_E) as f32
    }
}

/// Where a task's rows go: into the result, or into a part that waits to be combined.
pub(super) struct Sink<'a> {
    pub(super) problem: &'a Problem<'a>,
    pub(super) task: &'a Task,
    pub(super) out: Shared,
    pub(super) parts: Shared,
}

impl Sink<'_> {
    /// Where to write the `head_dim` values of row `row` (of the key-value head), and by what to
    /// multiply the weighted sum of values first. `max` is the largest score, `sum` that of
    /// `2^(score − max)`.
    ///
    /// # Safety
    /// `row` must be one of the task's.
    #[inline(always)]
    pub(super) unsafe fn row(&self, row: usize, max: f32, sum: f32) -> (*mut f32, f32) {
        let head_dim = self.problem.shape.head_dim;
        match self.task.part {
            None => {
                let (query, head) = self.problem.query_head(self.task.kv_head, row);
                let at = self.problem.shape.row(self.task.batch, query, head);
                // A row that saw no key has the sum 0 and gets zeros.
                let factor = if sum == 0.0 { 0.0 } else { sum.recip() };
                (self.out.at(at * head_dim), factor)
            }
            Some(part) => {
                let (row, rows) = (row - self.task.rows.start, self.task.rows.len());
                let part = self.parts.at(part);
                // SAFETY: a part holds head_dim + 2 values for each of its task's rows.
                unsafe {
                    *part.add(rows * head_dim + row) = max;
                    *part.add(rows * (head_dim + 1) + row) = sum;
                }
                (part.wrapping_add(row * head_dim), 1.0)
            }
        }
    }
}
