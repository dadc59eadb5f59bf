//! Notes the commit that the program is built from, where there is a repository; `-dirty` behind it
//! says that sources differed from that commit.

use std::path::{Path, PathBuf};
use std::process::Command;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    // It grows with every commit, checkout and merge. A missing file would run this each time.
    let log = Path::new("../.git/logs/HEAD");
    if !log.exists() {
        return;
    }
    println!("cargo::rerun-if-changed={}", log.display());
    let commit = git(&["rev-parse", "--short=12", "HEAD"], &[]);
    if let Some(commit) = commit.filter(|commit| !commit.is_empty()) {
        let sources = sources();
        for path in &sources {
            println!("cargo::rerun-if-changed={}", path.display());
        }
        let changed = git(&["--no-optional-locks", "status", "--porcelain", "--"], &sources);
        let dirty = if changed.is_some_and(|list| !list.is_empty()) { "-dirty" } else { "" };
        println!("cargo::rustc-env=C3_COMMIT={commit}{dirty}");
    }
}

/// What programs are made of: text about them may differ.
fn sources() -> Vec<PathBuf> {
    let workspace = Path::new("..");
    let crates = std::fs::read_dir(workspace).into_iter().flatten().flatten();
    let of_crates =
        crates.flat_map(|entry| ["src", "Cargo.toml"].map(|name| entry.path().join(name)));
    let shared = ["Cargo.toml", "Cargo.lock", "models"].map(|name| workspace.join(name));
    let mut found: Vec<PathBuf> = of_crates.chain(shared).filter(|path| path.exists()).collect();
    found.sort();
    found
}

/// What git says, if it can be run and doesn't fail.
fn git(args: &[&str], paths: &[PathBuf]) -> Option<String> {
    let output = Command::new("git").args(args).args(paths).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim().to_owned())
}
