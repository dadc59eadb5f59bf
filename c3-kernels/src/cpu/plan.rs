//! Cuts an attention into tasks, from its shape alone.

use std::ops::Range;

use crate::attention::{Attention, AttentionShape};

/// Rows of a block: their queries and sums stay in the L2 cache while keys stream by.
const BLOCK_ROWS: usize = 192;

/// Blocks are cut at multiples of this, the widest vector.
const ROW_STEP: usize = 16;

/// Keys are split among tasks only if there are few blocks of rows; otherwise those are enough
/// tasks, and the parts would take more memory than they are worth.
const SPLIT_MAX_BLOCKS: usize = 2;

/// The shortest split.
const SPLIT_KEYS: usize = 1024;

/// The most splits; bounds the memory for parts, however many keys there are.
const MAX_SPLITS: usize = 32;

/// Some rows of one key-value head against some of its keys.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Task {
    pub(super) batch: usize,
    pub(super) kv_head: usize,
    /// Of the `queries × group` rows of the key-value head.
    pub(super) rows: Range<usize>,
    pub(super) keys: Range<usize>,
    /// Where its part begins, if the keys of these rows are split.
    pub(super) part: Option<usize>,
}

/// All tasks of an attention.
///
/// Each row of the result belongs to one task, or to one run of tasks with parts of their own. How
/// a row of the batch is cut depends on its own keys alone: neither on its padding nor on the
/// other rows.
pub(super) struct Plan {
    pub(super) tasks: Vec<Task>,
    /// Runs of tasks that share rows and differ in keys.
    pub(super) split: Vec<Range<usize>>,
    /// Values that all parts take.
    pub(super) part_values: usize,
    /// How much work it is.
    pub(super) multiply_adds: usize,
}

impl Plan {
    pub(super) fn new(shape: &AttentionShape, options: &Attention) -> Self {
        let mut plan =
            Self { tasks: Vec::new(), split: Vec::new(), part_values: 0, multiply_adds: 0 };
        let group = shape.group();
        let blocks = row_blocks(shape.queries * group);
        for batch in 0..shape.batch {
            for kv_head in 0..shape.kv_heads {
                for rows in &blocks {
                    let last_query = (rows.end - 1) / group;
                    let keys = shape.visible(options, batch, last_query);
                    let split =
                        if blocks.len() > SPLIT_MAX_BLOCKS { keys.len() } else { SPLIT_KEYS };
                    plan.push(batch, kv_head, rows, keys, split, shape.head_dim);
                }
            }
        }
        plan
    }

    fn push(
        &mut self,
        batch: usize,
        kv_head: usize,
        rows: &Range<usize>,
        keys: Range<usize>,
        shortest: usize,
        head_dim: usize,
    ) {
        let size = keys.len().div_ceil(MAX_SPLITS).next_multiple_of(ROW_STEP).max(shortest);
        let begin = self.tasks.len();
        let whole = keys.len() <= size;
        for start in keys.clone().step_by(size.max(1)) {
            let part = (!whole).then_some(self.part_values);
            let keys = start..keys.end.min(start + size);
            self.tasks.push(Task { batch, kv_head, rows: rows.clone(), keys, part });
            self.part_values += if whole { 0 } else { rows.len() * (head_dim + 2) };
        }
        if !whole {
            self.split.push(begin..self.tasks.len());
        }
        let products = rows.len().saturating_mul(keys.len()).saturating_mul(2 * head_dim);
        self.multiply_adds = self.multiply_adds.saturating_add(products);
    }
}

/// Cuts `rows` into blocks of nearly the same size, `BLOCK_ROWS` at most.
fn row_blocks(rows: usize) -> Vec<Range<usize>> {
    let steps = rows.div_ceil(ROW_STEP);
    let blocks = rows.div_ceil(BLOCK_ROWS);
    (0..blocks)
        .map(|i| {
            let at = |i: usize| (i * steps / blocks * ROW_STEP).min(rows);
            at(i)..at(i + 1)
        })
        .collect()
}
