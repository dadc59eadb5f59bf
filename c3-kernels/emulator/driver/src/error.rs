//! What calls return, and what the emulator found wrong.

use std::cell::RefCell;
use std::ffi::{CStr, CString, c_char, c_int};

/// `CUresult`, of which only some values are used.
pub(crate) type Code = c_int;

pub(crate) const SUCCESS: Code = 0;
pub(crate) const INVALID_VALUE: Code = 1;
pub(crate) const OUT_OF_MEMORY: Code = 2;
pub(crate) const INVALID_DEVICE: Code = 101;
pub(crate) const INVALID_PTX: Code = 218;
pub(crate) const NOT_FOUND: Code = 500;
pub(crate) const LAUNCH_FAILED: Code = 719;
pub(crate) const NOT_SUPPORTED: Code = 801;

thread_local! {
    /// What went wrong in the thread's last call that failed.
    static LAST: RefCell<CString> = RefCell::default();
}

/// Remembers what went wrong and returns the code for it.
pub(crate) fn fail(code: Code, what: &str) -> Code {
    let text = CString::new(what.replace('\0', " ")).unwrap_or_default();
    LAST.with(|last| *last.borrow_mut() = text);
    code
}

/// The code of a result.
pub(crate) fn code<E: std::fmt::Display>(result: Result<(), E>, failure: Code) -> Code {
    match result {
        Ok(()) => SUCCESS,
        Err(error) => fail(failure, &error.to_string()),
    }
}

fn name(code: Code) -> &'static CStr {
    match code {
        SUCCESS => c"CUDA_SUCCESS",
        INVALID_VALUE => c"CUDA_ERROR_INVALID_VALUE",
        OUT_OF_MEMORY => c"CUDA_ERROR_OUT_OF_MEMORY",
        INVALID_DEVICE => c"CUDA_ERROR_INVALID_DEVICE",
        INVALID_PTX => c"CUDA_ERROR_INVALID_PTX",
        NOT_FOUND => c"CUDA_ERROR_NOT_FOUND",
        LAUNCH_FAILED => c"CUDA_ERROR_LAUNCH_FAILED",
        NOT_SUPPORTED => c"CUDA_ERROR_NOT_SUPPORTED",
        _ => c"CUDA_ERROR_UNKNOWN",
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn cuGetErrorName(code: Code, text: *mut *const c_char) -> Code {
    unsafe { *text = name(code).as_ptr() };
    SUCCESS
}

/// The text stays valid until the thread's next call that fails.
#[unsafe(no_mangle)]
unsafe extern "C" fn cuGetErrorString(code: Code, text: *mut *const c_char) -> Code {
    let last = LAST.with(|last| last.borrow().as_ptr());
    let none = LAST.with(|last| last.borrow().is_empty());
    unsafe { *text = if code == SUCCESS || none { name(code).as_ptr() } else { last } };
    SUCCESS
}
