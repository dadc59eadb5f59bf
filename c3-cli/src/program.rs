//! What this program is called in what it writes.

/// Its version, with the commit that it was built from: another one may give other results.
pub fn name() -> String {
    let name = concat!("c3 ", env!("CARGO_PKG_VERSION"));
    match option_env!("C3_COMMIT") {
        Some(commit) => format!("{name} ({commit})"),
        None => name.into(),
    }
}
