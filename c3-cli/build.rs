//! Notes the commit that the program is built from, where there is a repository.

use std::path::Path;
use std::process::Command;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    // It grows with every commit, checkout and merge. A missing file would run this each time.
    let log = Path::new("../.git/logs/HEAD");
    if !log.exists() {
        return;
    }
    println!("cargo::rerun-if-changed={}", log.display());
    let commit = Command::new("git").args(["rev-parse", "--short=12", "HEAD"]).output();
    if let Ok(output) = commit
        && output.status.success()
        && let Ok(commit) = str::from_utf8(&output.stdout)
    {
        println!("cargo::rustc-env=C3_COMMIT={}", commit.trim());
    }
}
