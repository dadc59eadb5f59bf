//! Joins the parts of rows whose keys were split.

use super::plan::Task;
use super::problem::Problem;
use crate::shared::Shared;

/// Joins the parts of `tasks`, which share their rows, and writes the rows to `out`.
///
/// Each part has the sum of `2^(score − max) · v`, that of `2^(score − max)`, and its own `max`:
/// what flash-decoding calls the combination by log-sum-exp.
///
/// # Safety
/// `out` must be the whole result, and nobody else may write these rows.
pub(super) unsafe fn combine(problem: &Problem<'_>, tasks: &[Task], parts: &[f32], out: Shared) {
    let head_dim = problem.shape.head_dim;
    let Some(first) = tasks.first() else { return };
    let rows = first.rows.len();
    for (index, row) in first.rows.clone().enumerate() {
        let (query, head) = problem.query_head(first.kv_head, row);
        let at = problem.shape.row(first.batch, query, head) * head_dim;
        // SAFETY: within the result, and this row is ours alone.
        let to = unsafe { std::slice::from_raw_parts_mut(out.at(at), head_dim) };
        let part = |task: &Task| {
            let part = &parts[task.part.unwrap_or(0)..][..rows * (head_dim + 2)];
            let (values, ends) = part.split_at(rows * head_dim);
            (&values[index * head_dim..][..head_dim], ends[index], ends[rows + index])
        };
        let max = tasks.iter().map(|task| part(task).1).fold(f32::MIN, f32::max);
        let mut total = 0f32;
        for task in tasks {
            let (values, part_max, sum) = part(task);
            let weight = (part_max - max).exp2();
            total += weight * sum;
            for (to, &value) in to.iter_mut().zip(values) {
                *to += weight * value;
            }
        }
        let factor = if total == 0.0 { 0.0 } else { total.recip() };
        to.iter_mut().for_each(|to| *to *= factor);
    }
}
