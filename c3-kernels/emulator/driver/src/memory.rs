//! Allocations, copies and fills.

use std::alloc::{Layout, alloc_zeroed, dealloc};
use std::collections::HashMap;
use std::ffi::c_uint;
use std::sync::{LazyLock, Mutex, PoisonError};

use c3_emulator::DevicePtr;

use crate::error::{Code, INVALID_VALUE, OUT_OF_MEMORY, SUCCESS, code, fail};
use crate::state::{self, memory, memory_mut};

#[unsafe(no_mangle)]
unsafe extern "C" fn cuMemAlloc_v2(ptr: *mut u64, bytes: usize) -> Code {
    if bytes == 0 {
        return INVALID_VALUE;
    }
    if !state::take(bytes) {
        return fail(OUT_OF_MEMORY, "the emulated device's memory is full");
    }
    unsafe { *ptr = memory_mut().alloc_uninit(bytes).0 };
    SUCCESS
}

#[unsafe(no_mangle)]
unsafe extern "C" fn cuMemAllocAsync(ptr: *mut u64, bytes: usize, _stream: usize) -> Code {
    unsafe { cuMemAlloc_v2(ptr, bytes) }
}

#[unsafe(no_mangle)]
extern "C" fn cuMemFree_v2(ptr: u64) -> Code {
    let mut memory = memory_mut();
    let bytes = memory.len_from(DevicePtr(ptr)).unwrap_or(0);
    let freed = memory.free(DevicePtr(ptr));
    if freed.is_ok() {
        state::give_back(bytes);
    }
    code(freed, INVALID_VALUE)
}

#[unsafe(no_mangle)]
extern "C" fn cuMemFreeAsync(ptr: u64, _stream: usize) -> Code {
    cuMemFree_v2(ptr)
}

#[unsafe(no_mangle)]
unsafe extern "C" fn cuMemcpyHtoD_v2(to: u64, from: *const u8, bytes: usize) -> Code {
    if bytes == 0 {
        return SUCCESS;
    }
    let from = unsafe { std::slice::from_raw_parts(from, bytes) };
    code(memory().write_bytes(DevicePtr(to), from), INVALID_VALUE)
}

#[unsafe(no_mangle)]
unsafe extern "C" fn cuMemcpyHtoDAsync_v2(to: u64, from: *const u8, n: usize, _: usize) -> Code {
    unsafe { cuMemcpyHtoD_v2(to, from, n) }
}

/// Fails on bytes that nobody has written: a program that reads them reads chance.
#[unsafe(no_mangle)]
unsafe extern "C" fn cuMemcpyDtoH_v2(to: *mut u8, from: u64, bytes: usize) -> Code {
    if bytes == 0 {
        return SUCCESS;
    }
    // Its memory may be uninitialised, which a slice's mustn't be.
    unsafe { std::ptr::write_bytes(to, 0, bytes) };
    let to = unsafe { std::slice::from_raw_parts_mut(to, bytes) };
    code(memory().read_bytes(DevicePtr(from), to), INVALID_VALUE)
}

#[unsafe(no_mangle)]
unsafe extern "C" fn cuMemcpyDtoHAsync_v2(to: *mut u8, from: u64, n: usize, _: usize) -> Code {
    unsafe { cuMemcpyDtoH_v2(to, from, n) }
}

#[unsafe(no_mangle)]
extern "C" fn cuMemcpyDtoD_v2(to: u64, from: u64, bytes: usize) -> Code {
    code(memory().copy(DevicePtr(to), DevicePtr(from), bytes), INVALID_VALUE)
}

#[unsafe(no_mangle)]
extern "C" fn cuMemcpyDtoDAsync_v2(to: u64, from: u64, bytes: usize, _stream: usize) -> Code {
    cuMemcpyDtoD_v2(to, from, bytes)
}

#[unsafe(no_mangle)]
extern "C" fn cuMemsetD8_v2(ptr: u64, value: u8, bytes: usize) -> Code {
    code(memory().write_bytes(DevicePtr(ptr), &vec![value; bytes]), INVALID_VALUE)
}

#[unsafe(no_mangle)]
extern "C" fn cuMemsetD8Async(ptr: u64, value: u8, bytes: usize, _stream: usize) -> Code {
    cuMemsetD8_v2(ptr, value, bytes)
}

/// Page-locked memory of the host, by address.
static HOST: LazyLock<Mutex<HashMap<usize, Layout>>> = LazyLock::new(Mutex::default);

#[unsafe(no_mangle)]
unsafe extern "C" fn cuMemHostAlloc(ptr: *mut usize, bytes: usize, _flags: c_uint) -> Code {
    let Ok(layout) = Layout::from_size_align(bytes.max(1), 256) else { return INVALID_VALUE };
    // SAFETY: the layout has a size.
    let found = unsafe { alloc_zeroed(layout) } as usize;
    if found == 0 {
        return OUT_OF_MEMORY;
    }
    HOST.lock().unwrap_or_else(PoisonError::into_inner).insert(found, layout);
    unsafe { *ptr = found };
    SUCCESS
}

#[unsafe(no_mangle)]
unsafe extern "C" fn cuMemFreeHost(ptr: usize) -> Code {
    let layout = HOST.lock().unwrap_or_else(PoisonError::into_inner).remove(&ptr);
    match layout {
        None => INVALID_VALUE,
        Some(layout) => {
            // SAFETY: it was allocated with this layout and is freed once.
            unsafe { dealloc(ptr as *mut u8, layout) };
            SUCCESS
        }
    }
}
