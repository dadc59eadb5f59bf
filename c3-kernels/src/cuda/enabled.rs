//! The operations on a CUDA device. Shapes, types and layouts are checked by the callers.

use candle_core::backend::BackendStorage;
use candle_core::{CudaStorage, DType, Layout};

use super::driver::{Addresses, multiprocessors};
use super::{AttentionPlan, AttentionViews, Buffer, memory, value_and_place};
use crate::attention::{Attention, AttentionShape};
use crate::error::result_size;

/// A tensor: its memory and how it lies there.
type View<'a> = (&'a CudaStorage, &'a Layout);

/// Attention of the shape over q, k, v: `[batch, queries, heads, head_dim]`, contiguous.
pub(crate) fn attention(
    shape: &AttentionShape,
    options: &Attention,
    [q, k, v]: [View<'_>; 3],
) -> candle_core::Result<CudaStorage> {
    const OP: &str = "attention";
    let device = q.0.device();
    let multiprocessors = multiprocessors(OP, device)?;
    let stream = device.cuda_stream();
    let dtype = q.0.dtype();
    // Declared before what borrows them.
    let (first_key, mut out, mut values, mut log_sum_exp);
    let mut addresses = Addresses::new(&stream);
    let mut aligned = true;
    for (buffer, (storage, layout)) in [(Buffer::X, q), (Buffer::K, k), (Buffer::V, v)] {
        aligned &= addresses.tensor(buffer, storage, layout)?;
    }
    let [q, k, v] = [q, k, v].map(|(_, layout)| [0, 1, 2].map(|i| layout.stride()[i]));
    let views = AttentionViews { dtype, q, k, v, aligned };
    let plan = AttentionPlan::new(shape, options, &views, multiprocessors, false)?;

    if !options.first_key.is_empty() {
        let keys: Vec<i32> = options.first_key.iter().map(|&key| key as i32).collect();
        first_key = memory::copy(OP, device, &keys)?;
        addresses.read(Buffer::FirstKey, &first_key);
    }
    // SAFETY: the launches write all of the result and of the parts, of the plan's sizes.
    unsafe {
        out = memory::result(OP, device, dtype, plan.rows * shape.head_dim)?;
        addresses.result(&mut out)?;
        if plan.splits > 1 {
            let rows = plan.splits * plan.rows;
            values = memory::uninitialised::<f32>(OP, device, rows * shape.head_dim)?;
            log_sum_exp = memory::uninitialised::<f32>(OP, device, rows)?;
            addresses.write(Buffer::PartValues, &mut values);
            addresses.write(Buffer::PartLogSumExp, &mut log_sum_exp);
        }
        for launch in &plan.launches {
            addresses.launch(device, launch)?;
        }
    }
    drop(addresses);
    Ok(out)
}

/// Rotation of x `[batch, tokens, heads, head_dim]`; cos and sin are f32 and contiguous.
pub(crate) fn rope(x: View<'_>, cos: View<'_>, sin: View<'_>) -> candle_core::Result<CudaStorage> {
    let (dims, strides) = (x.1.dims(), x.1.stride());
    let dims = [0, 1, 2, 3].map(|i| dims[i]);
    elementwise("rope", result_size("rope", x.1.dims())?, [x, cos, sin], |aligned| {
        super::rope(x.0.dtype(), dims, [0, 1, 2].map(|i| strides[i]), aligned)
    })
}

/// Gate of x `[rows, 2 · width]`, contiguous.
pub(crate) fn swiglu(x: View<'_>, rows: usize, width: usize) -> candle_core::Result<CudaStorage> {
    elementwise("swiglu", rows * width, [x], |aligned| {
        super::swiglu(x.0.dtype(), rows, width, aligned)
    })
}

/// Largest value of each row of x `[rows, n]`, contiguous, and where it stands.
pub(crate) fn arg_max(x: View<'_>, rows: usize, n: usize) -> candle_core::Result<Vec<(f32, u32)>> {
    const OP: &str = "arg_max";
    let device = x.0.device();
    multiprocessors(OP, device)?;
    let stream = device.cuda_stream();
    let mut largest = memory::zeros::<i64>(OP, device, rows)?;
    if rows > 0 {
        let mut addresses = Addresses::new(&stream);
        let aligned = addresses.tensor(Buffer::X, x.0, x.1)?;
        addresses.write(Buffer::Out, &mut largest);
        let launch = super::arg_max(x.0.dtype(), rows, n, aligned)?;
        // SAFETY: x is `[rows, n]`, and there is a number for each row.
        unsafe { addresses.launch(device, &launch)? };
    }
    let found = device.clone_dtoh(&largest)?;
    Ok(found.into_iter().take(rows).map(|key| value_and_place(key as u64)).collect())
}

/// A launch whose result has `len` values of the type of its first argument. `plan` is told
/// whether that begins at a multiple of 16 bytes.
fn elementwise<const N: usize>(
    op: &'static str,
    len: usize,
    arguments: [View<'_>; N],
    plan: impl FnOnce(bool) -> crate::Result<super::Launch>,
) -> candle_core::Result<CudaStorage> {
    let (x, _) = arguments[0];
    let device = x.device();
    multiprocessors(op, device)?;
    let stream = device.cuda_stream();
    let mut out; // Declared before what borrows it.
    let mut addresses = Addresses::new(&stream);
    let mut aligned = [false; N];
    let buffers = [Buffer::X, Buffer::Cos, Buffer::Sin];
    for (i, (storage, layout)) in arguments.into_iter().enumerate() {
        aligned[i] = addresses.tensor(buffers[i], storage, layout)?;
    }
    // SAFETY: the launch writes all of it; sizes are those of the tensors.
    unsafe {
        out = memory::result(op, device, x.dtype(), len)?;
        addresses.result(&mut out)?;
        if len > 0 {
            addresses.launch(device, &plan(aligned.into_iter().all(|aligned| aligned))?)?;
        }
    }
    drop(addresses);
    Ok(out)
}

/// Types that the kernels take.
pub(crate) const DTYPES: (&str, &[DType]) =
    ("F32, F16 or BF16", &[DType::F32, DType::F16, DType::BF16]);
