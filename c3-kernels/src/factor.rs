//! A matrix that is multiplied, or its transpose.

use std::borrow::Cow;

use crate::transpose::transposed;

/// A matrix `[rows, columns]` of f32 whose values lie row by row, or column by column: what reads it
/// either way needs no transpose in memory.
#[derive(Clone, Copy)]
pub(crate) struct Factor<'a> {
    values: &'a [f32],
    rows: usize,
    columns: usize,
    turned: bool,
}

impl<'a> Factor<'a> {
    /// `values` row by row.
    ///
    /// # Panics
    /// Where there aren't as many as the shape says.
    pub(crate) fn new(values: &'a [f32], [rows, columns]: [usize; 2]) -> Self {
        assert_eq!(values.len(), rows * columns, "a matrix has as many values as its shape");
        Self { values, rows, columns, turned: false }
    }

    /// Its transpose: the same values, read the other way.
    pub(crate) fn turned(self) -> Self {
        Self { rows: self.columns, columns: self.rows, turned: !self.turned, ..self }
    }

    /// `[rows, columns]`
    pub(crate) fn dims(&self) -> [usize; 2] {
        [self.rows, self.columns]
    }

    /// Whether the values lie column by column.
    pub(crate) fn is_turned(&self) -> bool {
        self.turned
    }

    /// The values row by row: copied where they lie the other way.
    pub(crate) fn in_rows(&self) -> Cow<'a, [f32]> {
        match self.turned {
            true => Cow::Owned(transposed(self.values, self.columns, self.rows)),
            false => Cow::Borrowed(self.values),
        }
    }

    /// Row `row`.
    ///
    /// # Panics
    /// Where there is none, or the values lie column by column.
    pub(crate) fn row(&self, row: usize) -> &'a [f32] {
        assert!(!self.turned, "a matrix that lies column by column has no rows in memory");
        &self.values[row * self.columns..(row + 1) * self.columns]
    }

    /// Where a value lies, which must be within the shape.
    #[inline(always)]
    pub(crate) fn at(&self, row: usize, column: usize) -> *const f32 {
        let at = match self.turned {
            true => column * self.rows + row,
            false => row * self.columns + column,
        };
        self.values.as_ptr().wrapping_add(at)
    }
}
