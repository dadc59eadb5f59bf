//! The product with packed weights as an operation on candle's tensors.

use std::ops::Range;

use candle_core::{CpuStorage, CustomOp1, CustomOp2, DType, Layout, Shape, Tensor};

use super::buffer::prefer_huge_pages;
use super::product::{Job, product};
use super::{Activations, PANEL, PackedMatrix, Unit};
use crate::error::result_size;
use crate::factor::Factor;
use crate::shared::Shared;
use crate::{Error, check};

const OP: &str = "packed linear";

impl PackedMatrix {
    /// `x wᵀ + bias` on the machine's fastest [`Unit`].
    ///
    /// `x` is f32 `[.., k]`, `bias` is f32 `[n]`, both contiguous; the result is f32 `[.., n]`,
    /// summed in f32.
    ///
    /// # Errors
    /// If shapes, dtypes or strides are not as above, or the tensors are not on the CPU. There is
    /// no backward pass: asking for one is an error.
    pub fn linear(
        &self,
        x: &Tensor,
        bias: Option<&Tensor>,
        activations: Activations,
    ) -> candle_core::Result<Tensor> {
        let [n, _] = self.dims();
        self.columns_with(Unit::detect(activations), x, 0..n, bias, activations)
    }

    /// [`linear`](Self::linear) for some columns of the result only, on a unit of one's choice:
    /// `[.., columns.len()]`. `bias` is `[columns.len()]`.
    ///
    /// # Errors
    /// As [`linear`](Self::linear), and if the columns don't begin at a multiple of 16 or reach
    /// beyond n, the machine doesn't have the unit, or the unit doesn't take such activations.
    pub fn columns_with(
        &self,
        unit: Unit,
        x: &Tensor,
        columns: Range<usize>,
        bias: Option<&Tensor>,
        activations: Activations,
    ) -> candle_core::Result<Tensor> {
        if !unit.is_available() || !unit.takes(activations) {
            return Err(Error::Unit { op: OP, unit, activations }.into());
        }
        let [n, _] = self.dims();
        if !columns.start.is_multiple_of(PANEL) || columns.start > columns.end || columns.end > n {
            return Err(Error::Columns { found: columns, n, step: PANEL }.into());
        }
        check::dtype(OP, "x", x, "F32", &[DType::F32])?;
        let op = Op { matrix: self.clone(), unit, columns, activations };
        match bias {
            None => x.apply_op1(op),
            Some(bias) => {
                check::dtype(OP, "bias", bias, "F32", &[DType::F32])?;
                x.apply_op2(bias, op)
            }
        }
    }
}

struct Op {
    matrix: PackedMatrix,
    unit: Unit,
    columns: Range<usize>,
    activations: Activations,
}

impl Op {
    fn compute(
        &self,
        (x, x_layout): (&CpuStorage, &Layout),
        bias: Option<(&CpuStorage, &Layout)>,
    ) -> candle_core::Result<(CpuStorage, Shape)> {
        let [_, k] = self.matrix.dims();
        let n = self.columns.len();
        let outer = check::outer(OP, x_layout, k)?;
        let shape = [outer, &[n]].concat();
        let size = result_size(OP, &shape)?;
        let x = check::contiguous(OP, "x", x.as_slice()?, x_layout)?;
        let bias = match bias {
            None => None,
            Some((bias, layout)) => {
                check::bias(OP, layout, n)?;
                Some(check::contiguous(OP, "bias", bias.as_slice()?, layout)?)
            }
        };
        let mut out = Vec::<f32>::with_capacity(size);
        prefer_huge_pages(out.as_ptr().cast(), size * size_of::<f32>());
        let job = Job {
            x: Factor::new(x, [outer.iter().product(), k]),
            matrix: &self.matrix,
            columns: self.columns.clone(),
            bias,
            round: self.activations == Activations::Bf16,
            add: false,
            out: Shared(out.as_mut_ptr()),
        };
        // SAFETY: the unit is available, and the slices have the sizes of their shapes. Every value
        // of the result is written: each panel's first chunk does, even where k is 0.
        unsafe {
            if size > 0 {
                product(self.unit, &job);
            }
            out.set_len(size);
        }
        Ok((CpuStorage::F32(out), Shape::from(shape)))
    }
}

impl CustomOp1 for Op {
    fn name(&self) -> &'static str {
        OP
    }

    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> candle_core::Result<(CpuStorage, Shape)> {
        self.compute((x, layout), None)
    }
}

impl CustomOp2 for Op {
    fn name(&self) -> &'static str {
        OP
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_layout: &Layout,
        bias: &CpuStorage,
        bias_layout: &Layout,
    ) -> candle_core::Result<(CpuStorage, Shape)> {
        self.compute((x, x_layout), Some((bias, bias_layout)))
    }
}
