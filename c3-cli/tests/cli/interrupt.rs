//! Ctrl-C.
#![cfg(unix)]

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::support::{Dir, Run, TEXT};

/// Waits until the unfinished file is there, then sends SIGINT.
fn interrupt(dir: &Dir, child: &Child) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !dir.names().iter().any(|name| name.ends_with(".c3.tmp")) {
        assert!(Instant::now() < deadline, "nothing was begun");
        std::thread::sleep(Duration::from_millis(5));
    }
    // The model is loaded and the work has begun after this, if not before.
    std::thread::sleep(Duration::from_millis(500));
    let kill = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(kill.success());
}

#[test]
fn leaves_no_file_while_compressing() {
    let dir = Dir::new();
    dir.write("in.txt", TEXT.repeat(10_000));
    let child = dir.spawn(&mut dir.command(["compress", "in.txt", "-o", "out.c3"]));
    interrupt(&dir, &child);
    let run = Run::from(child.wait_with_output().unwrap()).expect(130);
    assert_eq!(run.stderr, "stopping; Ctrl-C once more stops at once\n");
    assert_eq!(dir.names(), ["in.txt"]);
}

#[test]
fn leaves_no_file_while_decompressing() {
    let dir = Dir::new();
    dir.compressed("in.c3", &TEXT.repeat(60));
    // Noise does not end before it must: this takes far longer than we wait.
    let noise = ["--temperature", "1000000", "--max-new-tokens", "4000", "--batch", "1"];
    let args = [&["decompress", "in.c3", "-o", "out.txt"], &noise[..]].concat();
    let child = dir.spawn(&mut dir.command(args));
    interrupt(&dir, &child);
    Run::from(child.wait_with_output().unwrap()).expect(130);
    assert_eq!(dir.names(), ["in.c3"]);
}

#[test]
fn does_not_wait_for_input() {
    let dir = Dir::new();
    let mut command = dir.command(["compress", "-o", "out.c3"]);
    let mut child = dir.spawn(command.stdin(Stdio::piped()));
    // Held open: no end of the input will come.
    let stdin = child.stdin.take();
    interrupt(&dir, &child);
    Run::from(child.wait_with_output().unwrap()).expect(130);
    drop(stdin);
    assert!(dir.names().is_empty());
}
