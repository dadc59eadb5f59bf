//! Streams and events. What is put into a stream has happened when the call returns.

use std::ffi::{c_int, c_uint};

use crate::error::{Code, SUCCESS};
use crate::state;

macro_rules! nothing_to_do {
    ($($name:ident($($ty:ty),*);)*) => {$(
        #[unsafe(no_mangle)]
        extern "C" fn $name($(_: $ty),*) -> Code {
            SUCCESS
        }
    )*};
}

nothing_to_do! {
    cuStreamSynchronize(usize);
    cuStreamQuery(usize);
    cuStreamDestroy_v2(usize);
    cuStreamWaitEvent(usize, usize, c_uint);
    cuEventRecord(usize, usize);
    cuEventQuery(usize);
    cuEventSynchronize(usize);
    cuEventDestroy_v2(usize);
}

macro_rules! new_handle {
    ($($name:ident($($ty:ty),*);)*) => {$(
        #[unsafe(no_mangle)]
        unsafe extern "C" fn $name(handle: *mut usize, $(_: $ty),*) -> Code {
            unsafe { *handle = state::handle() };
            SUCCESS
        }
    )*};
}

new_handle! {
    cuStreamCreate(c_uint);
    cuStreamCreateWithPriority(c_uint, c_int);
    cuEventCreate(c_uint);
}

#[unsafe(no_mangle)]
unsafe extern "C" fn cuStreamIsCapturing(_stream: usize, status: *mut c_int) -> Code {
    unsafe { *status = 0 };
    SUCCESS
}

/// No time passes on a device whose time means nothing.
#[unsafe(no_mangle)]
unsafe extern "C" fn cuEventElapsedTime_v2(ms: *mut f32, _start: usize, _end: usize) -> Code {
    unsafe { *ms = 0.0 };
    SUCCESS
}
