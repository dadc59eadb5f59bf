//! Products of matrices in the device's memory, computed on the host.

use c3_emulator::{DevicePtr, Memory, Result};
use half::{bf16, f16};
use rayon::prelude::*;

/// The type of a matrix's elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Element {
    F16,
    Bf16,
    F32,
    F64,
}

impl Element {
    /// The type of a `cudaDataType`.
    pub(crate) fn of(code: i32) -> Option<Self> {
        Some(match code {
            0 => Self::F32,
            1 => Self::F64,
            2 => Self::F16,
            14 => Self::Bf16,
            _ => return None,
        })
    }

    fn size(self) -> usize {
        match self {
            Self::F16 | Self::Bf16 => 2,
            Self::F32 => 4,
            Self::F64 => 8,
        }
    }

    /// Values at `ptr`.
    fn read(self, memory: &Memory, ptr: DevicePtr, count: usize) -> Result<Vec<f64>> {
        let mut bytes = vec![0; count * self.size()];
        memory.read_bytes(ptr, &mut bytes)?;
        let values = bytes.chunks_exact(self.size());
        Ok(values.map(|bytes| self.value(bytes)).collect())
    }

    fn value(self, bytes: &[u8]) -> f64 {
        let word = || [bytes[0], bytes[1]];
        match self {
            Self::F16 => f16::from_le_bytes(word()).to_f64(),
            Self::Bf16 => bf16::from_le_bytes(word()).to_f64(),
            Self::F32 => f64::from(f32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])),
            Self::F64 => bytes.try_into().map_or(f64::NAN, f64::from_le_bytes),
        }
    }

    fn write(self, memory: &Memory, ptr: DevicePtr, values: &[f64]) -> Result<()> {
        // What cuBLAS has summed is an f32, which is then rounded again.
        let narrow = |x: &f64| *x as f32;
        match self {
            Self::F16 => {
                let values: Vec<_> = values.iter().map(|x| f16::from_f32(narrow(x))).collect();
                memory.write(ptr, &values)
            }
            Self::Bf16 => {
                let values: Vec<_> = values.iter().map(|x| bf16::from_f32(narrow(x))).collect();
                memory.write(ptr, &values)
            }
            Self::F32 => memory.write(ptr, &values.iter().map(narrow).collect::<Vec<_>>()),
            Self::F64 => memory.write(ptr, values),
        }
    }
}

/// A matrix, one column after another: where it begins, its elements' type, and how many of them
/// lie from the start of a column to that of the next, and from one matrix to the next.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Matrix {
    pub(crate) ptr: u64,
    pub(crate) element: Element,
    pub(crate) column: usize,
    pub(crate) stride: i64,
}

impl Matrix {
    /// The matrix of a number in its batch.
    fn number(self, i: usize) -> Self {
        let bytes = self.stride.wrapping_mul(i as i64 * self.element.size() as i64);
        Self { ptr: self.ptr.wrapping_add_signed(bytes), ..self }
    }

    fn at(self, column: usize) -> DevicePtr {
        DevicePtr(self.ptr).offset((column * self.column * self.element.size()) as u64)
    }

    fn columns(self, memory: &Memory, rows: usize, columns: usize) -> Result<Vec<Vec<f64>>> {
        (0..columns).map(|j| self.element.read(memory, self.at(j), rows)).collect()
    }
}

/// `c = alpha · op(a) · op(b) + beta · c`, for each of a batch; op transposes or not.
pub(crate) struct Product {
    pub(crate) transposed: [bool; 2],
    /// Rows of c, columns of c, and terms of each sum.
    pub(crate) sizes: [usize; 3],
    pub(crate) a: Matrix,
    pub(crate) b: Matrix,
    pub(crate) c: Matrix,
    pub(crate) alpha: f64,
    pub(crate) beta: f64,
    pub(crate) batch: usize,
}

impl Product {
    /// Computes it, with sums in f64.
    pub(crate) fn compute(&self, memory: &Memory) -> Result<()> {
        (0..self.batch).try_for_each(|i| self.one(memory, i))
    }

    fn one(&self, memory: &Memory, i: usize) -> Result<()> {
        let [m, n, k] = self.sizes;
        let (a, b, c) = (self.a.number(i), self.b.number(i), self.c.number(i));
        // Rows of op(a) and columns of op(b), each k long.
        let rows = match self.transposed[0] {
            true => a.columns(memory, k, m)?,
            false => turned(&a.columns(memory, m, k)?, m),
        };
        let columns = match self.transposed[1] {
            true => turned(&b.columns(memory, n, k)?, n),
            false => b.columns(memory, k, n)?,
        };
        columns.par_iter().enumerate().try_for_each(|(j, column)| {
            let old = match self.beta == 0.0 {
                true => vec![0.0; m],
                false => c.element.read(memory, c.at(j), m)?,
            };
            let new: Vec<f64> = rows
                .iter()
                .zip(old)
                .map(|(row, old)| {
                    let sum: f64 = row.iter().zip(column).map(|(x, y)| x * y).sum();
                    self.alpha * sum + self.beta * old
                })
                .collect();
            c.element.write(memory, c.at(j), &new)
        })
    }
}

/// Rows of a matrix of which there are the columns.
fn turned(columns: &[Vec<f64>], rows: usize) -> Vec<Vec<f64>> {
    (0..rows).map(|i| columns.iter().map(|column| column[i]).collect()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2 × 3 products of 4 terms, two of them, within larger matrices, plain and transposed.
    #[test]
    fn columns_strides_and_factors() {
        let (sizes, batch) = ([2, 3, 4], 2);
        let (alpha, beta) = (0.5, 2.0);
        let [m, n, k] = sizes;
        let value = |i: usize| ((i * 7 + 3) % 11) as f32 - 5.0;
        for (ta, tb) in [(false, false), (true, false), (false, true), (true, true)] {
            let mut memory = Memory::new();
            let mut matrix = |column: usize, stride: i64| {
                let values: Vec<f32> = (0..60).map(value).collect();
                let ptr = memory.alloc(&values).0;
                Matrix { ptr, element: Element::F32, column, stride }
            };
            let (a, b, c) = (matrix(5, 20), matrix(6, 30), matrix(3, 10));
            let transposed = [ta, tb];
            let product = Product { transposed, sizes, a, b, c, alpha, beta, batch };
            product.compute(&memory).unwrap();
            let found: Vec<f32> = memory.read(DevicePtr(c.ptr)).unwrap();
            let mut expected: Vec<f32> = (0..60).map(value).collect();
            for (batch, (i, j)) in
                (0..batch).flat_map(|b| (0..m * n).map(move |at| (b, (at % m, at / m))))
            {
                let x = |l: usize| value(batch * 20 + if ta { l + i * 5 } else { i + l * 5 });
                let y = |l: usize| value(batch * 30 + if tb { j + l * 6 } else { l + j * 6 });
                let sum: f32 = (0..k).map(|l| x(l) * y(l)).sum();
                let at = batch * 10 + j * 3 + i;
                expected[at] = 0.5 * sum + 2.0 * value(at);
            }
            assert_eq!(found, expected, "{transposed:?}");
        }
    }

    #[test]
    fn matrices_that_are_too_small() {
        let mut memory = Memory::new();
        let ptr = memory.alloc(&[1f64; 4]).0;
        let matrix = |column| Matrix { ptr, element: Element::F64, column, stride: 0 };
        let product = |k| Product {
            transposed: [false, false],
            sizes: [2, 2, k],
            a: matrix(2),
            b: matrix(k),
            c: matrix(2),
            alpha: 1.0,
            beta: 0.0,
            batch: 1,
        };
        assert!(product(2).compute(&memory).is_ok());
        assert!(product(3).compute(&memory).is_err());
    }
}
