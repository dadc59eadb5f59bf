//! Opens whatever it is given and reads all of it.
#![no_main]

use c3_core::LatentFile;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    if let Ok(file) = LatentFile::from_source(bytes) {
        let _ = file.to_context();
    }
});
