//! Weights into panels, and rows out of them.

use std::sync::Arc;

use half::bf16;
use rayon::prelude::*;

use super::buffer::Buffer;
use super::round::{Blocks, round};
use super::{DEPTH, PANEL};
use crate::Error;
use crate::factor::Factor;

/// A weight matrix `[n, k]` in bf16, in panels for [`PackedMatrix::linear`]. Clones share it.
#[derive(Clone)]
pub struct PackedMatrix {
    pub(super) panels: Arc<Buffer>, // [n / 16, rounded up][depth / 2][16][2]
    n: usize,
    k: usize,
}

impl PackedMatrix {
    /// Packs `n` rows of `k` weights. `fill` is called once for each row, in any order and from all
    /// threads, with room for its `k` values.
    ///
    /// # Errors
    /// [`Error::TooLarge`] where no memory holds that many weights, and the first of `fill`'s.
    pub fn pack<E: From<Error> + Send>(
        [n, k]: [usize; 2],
        fill: impl Fn(usize, &mut [bf16]) -> std::result::Result<(), E> + Sync,
    ) -> std::result::Result<Self, E> {
        let depth = k.next_multiple_of(DEPTH);
        let size = n.checked_next_multiple_of(PANEL).and_then(|n| n.checked_mul(depth));
        let panels = size.and_then(Buffer::zeros);
        let mut panels = panels.ok_or_else(|| Error::TooLarge { op: "pack", shape: vec![n, k] })?;
        if k > 0 {
            let values = n.next_multiple_of(PANEL) * depth;
            // SAFETY: the buffer has that many values.
            let all = unsafe { std::slice::from_raw_parts_mut(panels.as_mut_ptr(), values) };
            all.par_chunks_mut(PANEL * depth).enumerate().try_for_each_init(
                || vec![bf16::ZERO; k],
                |row, (panel, to)| {
                    for column in 0..PANEL.min(n - panel * PANEL) {
                        fill(panel * PANEL + column, row)?;
                        scatter(row, column, to);
                    }
                    Ok::<_, E>(())
                },
            )?;
        }
        Ok(Self { panels: Arc::new(panels), n, k })
    }

    /// Packs f32 weights `[n, k]`, rounded to bf16.
    ///
    /// # Errors
    /// [`Error::TooLarge`] where no memory holds that many weights.
    pub(crate) fn rounded(w: &Factor<'_>) -> Result<Self, Error> {
        let [n, k] = w.dims();
        let depth = k.next_multiple_of(DEPTH);
        let panels = n.next_multiple_of(PANEL).checked_mul(depth).and_then(Buffer::room);
        let mut panels = panels.ok_or_else(|| Error::TooLarge { op: "pack", shape: vec![n, k] })?;
        // SAFETY: the buffer has room for all panels, and each value of them is written.
        unsafe { round(w, Blocks::Panels { rows: n }, depth, panels.as_mut_ptr().cast(), true) }
        Ok(Self { panels: Arc::new(panels), n, k })
    }

    /// Rows, columns: `[n, k]`.
    pub fn dims(&self) -> [usize; 2] {
        [self.n, self.k]
    }

    /// Bytes it takes in memory.
    pub fn bytes(&self) -> usize {
        self.panels.bytes()
    }

    /// Bytes that a matrix `[n, k]` takes when packed, but for alignment.
    pub fn bytes_for([n, k]: [usize; 2]) -> u64 {
        let (n, k) = (n.next_multiple_of(PANEL) as u64, k.next_multiple_of(DEPTH) as u64);
        n * k * 2
    }

    /// Row `row`, widened, into `to`.
    ///
    /// # Panics
    /// Where there is no such row or `to` doesn't hold `k` values.
    pub fn row(&self, row: usize, to: &mut [f32]) {
        assert!(row < self.n && to.len() == self.k, "row {row} of {} × {}", self.n, self.k);
        let panel = self.panel(row / PANEL);
        for (i, to) in to.iter_mut().enumerate() {
            // SAFETY: within the panel.
            let bits = unsafe { *panel.add(i / 2 * 2 * PANEL + row % PANEL * 2 + i % 2) };
            *to = bf16::from_bits(bits).to_f32();
        }
    }

    /// k, padded.
    pub(super) fn depth(&self) -> usize {
        self.k.next_multiple_of(DEPTH)
    }

    /// Where panel `panel` begins.
    pub(super) fn panel(&self, panel: usize) -> *const u16 {
        self.panels.as_ptr().wrapping_add(panel * PANEL * self.depth())
    }
}

/// Puts a row's values into its column of a panel.
fn scatter(row: &[bf16], column: usize, panel: &mut [u16]) {
    let (pairs, rest) = row.as_chunks::<2>();
    let (places, _) = panel.as_chunks_mut::<{ 2 * PANEL }>();
    for (pair, place) in pairs.iter().zip(&mut *places) {
        place[2 * column] = pair[0].to_bits();
        place[2 * column + 1] = pair[1].to_bits();
    }
    if let [last] = rest {
        places[pairs.len()][2 * column] = last.to_bits();
    }
}

impl std::fmt::Debug for PackedMatrix {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "PackedMatrix {:?}", self.dims())
    }
}
