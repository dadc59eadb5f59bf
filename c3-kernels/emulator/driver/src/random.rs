//! cuRAND: generators can be made, for a device has one, but make no numbers.

use std::ffi::c_int;

use crate::state;

/// `curandStatus_t`.
type Status = c_int;

#[unsafe(no_mangle)]
unsafe extern "C" fn curandCreateGenerator(generator: *mut usize, _kind: c_int) -> Status {
    unsafe { *generator = state::handle() };
    0
}

#[unsafe(no_mangle)]
extern "C" fn curandDestroyGenerator(_generator: usize) -> Status {
    0
}

#[unsafe(no_mangle)]
extern "C" fn curandSetPseudoRandomGeneratorSeed(_generator: usize, _seed: u64) -> Status {
    0
}

#[unsafe(no_mangle)]
extern "C" fn curandSetGeneratorOffset(_generator: usize, _offset: u64) -> Status {
    0
}

#[unsafe(no_mangle)]
extern "C" fn curandSetStream(_generator: usize, _stream: usize) -> Status {
    0
}
