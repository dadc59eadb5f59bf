//! Crafted files, most of them with a payload hash that is right, so that the check behind it is
//! reached. Each is refused, and the error names the reason.

use c3_core::Error;

use crate::support::{self, Parts};

macro_rules! refused {
    ($error:expr, $pattern:pat $(if $guard:expr)?, $message:literal) => {
        let error = $error;
        assert!(matches!(&error, $pattern $(if $guard)?), "{error:?}");
        assert!(error.to_string().contains($message), "{error}");
    };
}

mod header;
mod index;
mod tensors;

/// The error for `corrected()` with `change` made to it and sealed.
fn changed(change: impl FnOnce(&mut Parts) -> &mut Parts) -> Error {
    let mut parts = Parts::of(&support::corrected().to_bytes().unwrap());
    change(&mut parts);
    support::read_all(&parts.seal()).expect_err("accepted")
}

#[test]
fn unchanged_file_is_accepted_after_sealing() {
    let parts = Parts::of(&support::corrected().to_bytes().unwrap());
    assert_eq!(support::read_all(&parts.seal()).unwrap(), support::corrected());
}
