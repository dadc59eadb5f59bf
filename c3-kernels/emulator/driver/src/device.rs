//! The device and its context.

use std::cell::Cell;
use std::ffi::{c_char, c_int, c_uint};

use crate::error::{Code, INVALID_DEVICE, SUCCESS};
use crate::state::{self, CAPABILITY, SHARED, SHARED_OPT_IN, TOTAL_MEMORY};

/// The only context there is.
const CONTEXT: usize = 0x100;

thread_local! {
    static CURRENT: Cell<usize> = const { Cell::new(0) };
}

#[unsafe(no_mangle)]
extern "C" fn cuInit(_flags: c_uint) -> Code {
    SUCCESS
}

#[unsafe(no_mangle)]
unsafe extern "C" fn cuDriverGetVersion(version: *mut c_int) -> Code {
    unsafe { *version = 13000 };
    SUCCESS
}

#[unsafe(no_mangle)]
unsafe extern "C" fn cuDeviceGetCount(count: *mut c_int) -> Code {
    unsafe { *count = 1 };
    SUCCESS
}

#[unsafe(no_mangle)]
unsafe extern "C" fn cuDeviceGet(device: *mut c_int, ordinal: c_int) -> Code {
    if ordinal != 0 {
        return INVALID_DEVICE;
    }
    unsafe { *device = 0 };
    SUCCESS
}

#[unsafe(no_mangle)]
unsafe extern "C" fn cuDeviceGetName(name: *mut c_char, length: c_int, _device: c_int) -> Code {
    let text = c"PTX emulator".to_bytes_with_nul();
    let count = text.len().min(usize::try_from(length).unwrap_or(0));
    if count > 0 {
        unsafe {
            std::ptr::copy_nonoverlapping(text.as_ptr().cast(), name, count);
            *name.add(count - 1) = 0;
        }
    }
    SUCCESS
}

#[unsafe(no_mangle)]
unsafe extern "C" fn cuDeviceTotalMem_v2(bytes: *mut usize, _device: c_int) -> Code {
    unsafe { *bytes = TOTAL_MEMORY };
    SUCCESS
}

#[unsafe(no_mangle)]
unsafe extern "C" fn cuMemGetInfo_v2(free: *mut usize, total: *mut usize) -> Code {
    unsafe { (*free, *total) = (state::free(), TOTAL_MEMORY) };
    SUCCESS
}

/// What an A100 answers, multiprocessors aside: a small grid makes the emulator no slower.
#[unsafe(no_mangle)]
unsafe extern "C" fn cuDeviceGetAttribute(value: *mut c_int, attribute: c_int, _: c_int) -> Code {
    let found = match attribute {
        // Threads of a block, and along x, y, z.
        1..=3 => 1024,
        4 => 64,
        // Blocks along x, y, z.
        5 => i32::MAX,
        6 | 7 => 65535,
        8 => SHARED as c_int,
        9 => 64 << 10,
        // Lanes of a warp.
        10 => 32,
        12 | 82 => 65536,
        // Multiprocessors.
        16 => 4,
        // Threads of a multiprocessor.
        39 => 2048,
        75 => CAPABILITY.0,
        76 => CAPABILITY.1,
        81 => 164 << 10,
        97 => SHARED_OPT_IN as c_int,
        // Blocks of a multiprocessor.
        106 => 32,
        // Unified addresses, asynchronous allocation.
        41 | 115 => 1,
        _ => 0,
    };
    unsafe { *value = found };
    SUCCESS
}

#[unsafe(no_mangle)]
unsafe extern "C" fn cuDevicePrimaryCtxRetain(context: *mut usize, _device: c_int) -> Code {
    unsafe { *context = CONTEXT };
    SUCCESS
}

#[unsafe(no_mangle)]
extern "C" fn cuDevicePrimaryCtxRelease_v2(_device: c_int) -> Code {
    SUCCESS
}

#[unsafe(no_mangle)]
unsafe extern "C" fn cuCtxGetCurrent(context: *mut usize) -> Code {
    unsafe { *context = CURRENT.get() };
    SUCCESS
}

#[unsafe(no_mangle)]
extern "C" fn cuCtxSetCurrent(context: usize) -> Code {
    CURRENT.set(context);
    SUCCESS
}

#[unsafe(no_mangle)]
extern "C" fn cuCtxSynchronize() -> Code {
    SUCCESS
}
