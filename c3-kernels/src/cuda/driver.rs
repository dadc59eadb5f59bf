//! Launches through candle's device.

use std::collections::BTreeMap;

use candle_core::backend::BackendStorage;
use candle_core::cuda_backend::cudarc::driver::sys::{CUdevice_attribute, CUfunction_attribute};
use candle_core::cuda_backend::cudarc::driver::{
    CudaStream, DevicePtr, DevicePtrMut, LaunchConfig, PushKernelArg, SyncOnDrop,
};
use candle_core::{CudaDevice, CudaStorage, DType, Layout};
use half::{bf16, f16};

use super::launch::{Argument, Buffer, Launch};
use super::limits::new_enough;
use crate::Error;

/// Where buffers lie in the device's memory.
pub(super) struct Addresses<'a> {
    stream: &'a CudaStream,
    of: BTreeMap<Buffer, u64>,
    /// Order this stream's work after that of others on the same memory, and the other way round.
    held: Vec<SyncOnDrop<'a>>,
}

impl<'a> Addresses<'a> {
    pub(super) fn new(stream: &'a CudaStream) -> Self {
        Self { stream, of: BTreeMap::new(), held: vec![] }
    }

    /// A tensor that kernels read. Returns whether it begins at a multiple of 16 bytes.
    pub(super) fn tensor(
        &mut self,
        buffer: Buffer,
        storage: &'a CudaStorage,
        layout: &Layout,
    ) -> candle_core::Result<bool> {
        let base = match storage.dtype() {
            DType::F16 => self.read(buffer, storage.as_cuda_slice::<f16>()?),
            DType::BF16 => self.read(buffer, storage.as_cuda_slice::<bf16>()?),
            _ => self.read(buffer, storage.as_cuda_slice::<f32>()?),
        };
        let bytes = layout.start_offset() * storage.dtype().size_in_bytes();
        let address = base + bytes as u64;
        self.of.insert(buffer, address);
        Ok(address.is_multiple_of(16))
    }

    /// The result, which kernels write.
    pub(super) fn result(&mut self, storage: &'a mut CudaStorage) -> candle_core::Result<()> {
        match storage.dtype() {
            DType::F16 => self.write(Buffer::Out, storage.as_cuda_slice_mut::<f16>()?),
            DType::BF16 => self.write(Buffer::Out, storage.as_cuda_slice_mut::<bf16>()?),
            _ => self.write(Buffer::Out, storage.as_cuda_slice_mut::<f32>()?),
        }
        Ok(())
    }

    /// Memory that kernels read.
    pub(super) fn read<T>(&mut self, buffer: Buffer, memory: &'a impl DevicePtr<T>) -> u64 {
        let (address, held) = memory.device_ptr(self.stream);
        self.hold(buffer, address, held)
    }

    /// Memory that kernels write.
    pub(super) fn write<T>(&mut self, buffer: Buffer, memory: &'a mut impl DevicePtrMut<T>) {
        let (address, held) = memory.device_ptr_mut(self.stream);
        self.hold(buffer, address, held);
    }

    fn hold(&mut self, buffer: Buffer, address: u64, held: SyncOnDrop<'a>) -> u64 {
        self.held.push(held);
        self.of.insert(buffer, address);
        address
    }

    /// Launches a kernel on these buffers.
    ///
    /// # Safety
    /// They must be as large as the kernel takes them to be.
    pub(super) unsafe fn launch(
        &self,
        device: &CudaDevice,
        launch: &Launch,
    ) -> candle_core::Result<()> {
        let failed = |error: &dyn std::fmt::Display| Error::CudaLaunch {
            kernel: launch.kernel.clone(),
            grid: launch.grid,
            shared: launch.shared,
            reason: error.to_string(),
        };
        let module = launch.module;
        let function = device
            .get_or_load_custom_func(&launch.kernel, module.name(), module.ptx())
            .map_err(|error| failed(&error))?;
        // More than 48 KiB must be asked for.
        let most = CUfunction_attribute::CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES;
        function.set_attribute(most, launch.shared as i32).map_err(|error| failed(&error))?;
        let mut builder = function.builder();
        for argument in &launch.arguments {
            match argument {
                Argument::Pointer(buffer) => builder.arg(&self.of[buffer]),
                Argument::Null => builder.arg(&0u64),
                Argument::I32(x) => builder.arg(x),
                Argument::I64(x) => builder.arg(x),
                Argument::F32(x) => builder.arg(x),
            };
        }
        let [x, y, z] = launch.grid;
        let config = LaunchConfig {
            grid_dim: (x, y, z),
            block_dim: (launch.threads, 1, 1),
            shared_mem_bytes: launch.shared,
        };
        // SAFETY: the arguments are the kernel's own; the caller promises the buffers.
        unsafe { builder.launch(config) }.map_err(|error| failed(&error))?;
        Ok(())
    }
}

/// How many multiprocessors the device has.
///
/// # Errors
/// If the device is too old for the kernels.
pub(super) fn multiprocessors(op: &'static str, device: &CudaDevice) -> candle_core::Result<usize> {
    let stream = device.cuda_stream();
    let context = stream.context();
    let asked = context.compute_capability().and_then(|found| {
        let count = CUdevice_attribute::CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT;
        Ok((found, context.attribute(count)?))
    });
    match asked {
        Ok((found, count)) => {
            new_enough(op, found)?;
            Ok(count.max(1) as usize)
        }
        Err(error) => Err(candle_core::Error::wrap(error)),
    }
}
