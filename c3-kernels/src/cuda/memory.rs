//! Memory of the device, and what is said when there is too little of it.

use candle_core::cuda_backend::CudaDType;
use candle_core::cuda_backend::cudarc::driver::sys::CUresult;
use candle_core::cuda_backend::cudarc::driver::{
    CudaSlice, DeviceRepr, DriverError, ValidAsZeroBits,
};
use candle_core::{CudaDevice, CudaStorage, DType};
use half::{bf16, f16};

use crate::Error;

/// Memory for a result of so many values, not yet written.
///
/// # Safety
/// It must be written before it is read.
pub(super) unsafe fn result(
    op: &'static str,
    device: &CudaDevice,
    dtype: DType,
    len: usize,
) -> candle_core::Result<CudaStorage> {
    // SAFETY: passed on to the caller.
    unsafe {
        match dtype {
            DType::F16 => storage::<f16>(op, device, len),
            DType::BF16 => storage::<bf16>(op, device, len),
            _ => storage::<f32>(op, device, len),
        }
    }
}

unsafe fn storage<T: CudaDType + DeviceRepr>(
    op: &'static str,
    device: &CudaDevice,
    len: usize,
) -> candle_core::Result<CudaStorage> {
    // SAFETY: passed on to the caller.
    let slice = unsafe { uninitialised::<T>(op, device, len)? };
    Ok(CudaStorage::wrap_cuda_slice(slice, device.clone()))
}

/// Memory for so many values, at least one, not yet written.
///
/// # Safety
/// It must be written before it is read.
///
/// # Errors
/// [`Error::CudaMemory`] if the device hasn't so much.
pub(super) unsafe fn uninitialised<T: DeviceRepr>(
    op: &'static str,
    device: &CudaDevice,
    len: usize,
) -> candle_core::Result<CudaSlice<T>> {
    // Drivers may refuse to allocate nothing.
    let len = len.max(1);
    // SAFETY: passed on to the caller.
    let allocated = unsafe { device.cuda_stream().alloc(len) };
    allocated.map_err(|error| refused(op, device, len.saturating_mul(size_of::<T>()), error))
}

/// So many zeros, at least one.
///
/// # Errors
/// As [`uninitialised`].
pub(super) fn zeros<T: DeviceRepr + ValidAsZeroBits>(
    op: &'static str,
    device: &CudaDevice,
    len: usize,
) -> candle_core::Result<CudaSlice<T>> {
    // SAFETY: written at once.
    let mut slice = unsafe { uninitialised(op, device, len)? };
    device.cuda_stream().memset_zeros(&mut slice).map_err(candle_core::Error::wrap)?;
    Ok(slice)
}

/// The values, on the device.
///
/// # Errors
/// As [`uninitialised`].
pub(super) fn copy<T: DeviceRepr + 'static>(
    op: &'static str,
    device: &CudaDevice,
    values: &[T],
) -> candle_core::Result<CudaSlice<T>> {
    // SAFETY: written at once.
    let mut slice = unsafe { uninitialised(op, device, values.len())? };
    device.memcpy_htod(values, &mut slice)?;
    Ok(slice)
}

/// Why the driver gave no memory. What is free is asked for afterwards: others may have freed or taken
/// some since.
fn refused(
    op: &'static str,
    device: &CudaDevice,
    bytes: usize,
    error: DriverError,
) -> candle_core::Error {
    let known = match error.0 {
        CUresult::CUDA_ERROR_OUT_OF_MEMORY => device.cuda_stream().context().mem_get_info().ok(),
        _ => None,
    };
    match known {
        Some((free, total)) => Error::CudaMemory { op, bytes, free, total }.into(),
        None => candle_core::Error::wrap(error),
    }
}
