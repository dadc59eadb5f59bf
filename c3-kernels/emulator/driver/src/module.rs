//! Modules, their kernels, and launches.

use std::ffi::{CStr, c_char, c_int, c_uint, c_void};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use c3_emulator::{Arg, Kernel, Launch, Module, Options};

use crate::error::{
    Code, INVALID_PTX, INVALID_VALUE, LAUNCH_FAILED, NOT_FOUND, NOT_SUPPORTED, SUCCESS, code, fail,
};
use crate::state::{SHARED, SHARED_OPT_IN, memory};

/// A kernel of a module.
struct Function {
    module: Arc<Module>,
    name: String,
    /// The most dynamic shared memory that its launches may have.
    dynamic_shared: AtomicU32,
}

impl Function {
    fn kernel(&self) -> c3_emulator::Result<Kernel<'_>> {
        self.module.kernel(&self.name)
    }
}

/// Loads PTX; other images of a module aren't text and are refused.
#[unsafe(no_mangle)]
unsafe extern "C" fn cuModuleLoadData(module: *mut *const Module, image: *const c_char) -> Code {
    let Ok(text) = unsafe { CStr::from_ptr(image) }.to_str() else {
        return fail(INVALID_PTX, "only PTX can be loaded");
    };
    match Module::parse(text) {
        Ok(parsed) => {
            unsafe { *module = Arc::into_raw(Arc::new(parsed)) };
            SUCCESS
        }
        Err(error) => fail(INVALID_PTX, &error.to_string()),
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn cuModuleUnload(module: *const Module) -> Code {
    // SAFETY: it came from `cuModuleLoadData`; functions of it keep it alive.
    drop(unsafe { Arc::from_raw(module) });
    SUCCESS
}

/// Functions live as long as the program, as their handles are never given back.
#[unsafe(no_mangle)]
unsafe extern "C" fn cuModuleGetFunction(
    function: *mut *const Function,
    module: *const Module,
    name: *const c_char,
) -> Code {
    let name = unsafe { CStr::from_ptr(name) }.to_string_lossy().into_owned();
    // SAFETY: the module is alive, and keeps its own count.
    let module = unsafe {
        Arc::increment_strong_count(module);
        Arc::from_raw(module)
    };
    let found = Function { module, name, dynamic_shared: AtomicU32::new(SHARED) };
    if let Err(error) = found.kernel() {
        return fail(NOT_FOUND, &error.to_string());
    }
    unsafe { *function = Box::into_raw(Box::new(found)) };
    SUCCESS
}

#[unsafe(no_mangle)]
unsafe extern "C" fn cuFuncGetAttribute(
    value: *mut c_int,
    attribute: c_int,
    function: *const Function,
) -> Code {
    let function = unsafe { &*function };
    let Ok(kernel) = function.kernel() else { return INVALID_VALUE };
    let found = match attribute {
        0 => 1024,
        1 => kernel.static_shared() as c_int,
        3 => kernel.local() as c_int,
        4 => 32,
        5 | 6 => 80,
        8 => function.dynamic_shared.load(Relaxed) as c_int,
        _ => 0,
    };
    unsafe { *value = found };
    SUCCESS
}

#[unsafe(no_mangle)]
unsafe extern "C" fn cuFuncSetAttribute(
    function: *const Function,
    attribute: c_int,
    value: c_int,
) -> Code {
    match (attribute, u32::try_from(value)) {
        (8, Ok(bytes)) if bytes <= SHARED_OPT_IN => {
            unsafe { &*function }.dynamic_shared.store(bytes, Relaxed);
            SUCCESS
        }
        (8, _) => fail(INVALID_VALUE, &format!("{value} bytes of shared memory")),
        // How much of the cache is to be shared memory doesn't matter.
        (9, _) => SUCCESS,
        _ => NOT_SUPPORTED,
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn cuLaunchKernel(
    function: *const Function,
    grid_x: c_uint,
    grid_y: c_uint,
    grid_z: c_uint,
    block_x: c_uint,
    block_y: c_uint,
    block_z: c_uint,
    shared: c_uint,
    _stream: usize,
    params: *const *const c_void,
    extra: *const *const c_void,
) -> Code {
    if !extra.is_null() {
        return NOT_SUPPORTED;
    }
    let function = unsafe { &*function };
    let kernel = match function.kernel() {
        Ok(kernel) => kernel,
        Err(error) => return fail(NOT_FOUND, &error.to_string()),
    };
    let most = function.dynamic_shared.load(Relaxed);
    if shared > most {
        let what = format!("{shared} bytes of dynamic shared memory, but {most} were asked for");
        return fail(INVALID_VALUE, &what);
    }
    let argument = |(i, size): (usize, usize)| {
        // SAFETY: there is a pointer to as many bytes for each parameter.
        Arg::bytes(unsafe { std::slice::from_raw_parts((*params.add(i)).cast::<u8>(), size) })
    };
    let args: Vec<_> = kernel.param_sizes().enumerate().map(argument).collect();
    let (grid, block) = ([grid_x, grid_y, grid_z], [block_x, block_y, block_z]);
    let launch = Launch { grid, block, shared, args: &args };
    let options = Options { traffic: false, max_shared: SHARED_OPT_IN, ..Options::default() };
    let ran = kernel.launch(&memory(), &launch, &options);
    code(ran.map(|_| ()), LAUNCH_FAILED)
}

/// As many blocks as their threads allow; registers are no limit here.
#[unsafe(no_mangle)]
unsafe extern "C" fn cuOccupancyMaxActiveBlocksPerMultiprocessor(
    blocks: *mut c_int,
    _function: *const Function,
    threads: c_int,
    _shared: usize,
) -> Code {
    unsafe { *blocks = (2048 / threads.max(1)).min(32) };
    SUCCESS
}
