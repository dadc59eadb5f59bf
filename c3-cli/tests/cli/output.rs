//! Where the output goes, and where it doesn't.

use std::fs::File;
use std::process::Stdio;

use crate::support::{Dir, Run, TEXT};

#[test]
fn a_file_that_exists_needs_force() {
    let dir = Dir::new();
    let expected = std::fs::read(dir.compressed("in.c3", TEXT)).unwrap();
    dir.write("out", "precious");
    dir.pipe(&["compress", "-o", "out"], TEXT.as_bytes())
        .fails("error: out exists already\nhint: -f overwrites it");
    dir.run(&["decompress", "in.c3", "-o", "out"])
        .fails("error: out exists already\nhint: -f overwrites it");
    assert_eq!(dir.read("out"), b"precious");
    dir.pipe(&["compress", "-q", "-f", "-o", "out"], TEXT.as_bytes()).expect(0);
    assert_eq!(dir.read("out"), expected);
    dir.run(&["decompress", "-q", "in.c3", "-f", "-o", "out"]).expect(0);
    assert!(String::from_utf8_lossy(&dir.read("out")).starts_with("It is a truth"));
    assert_eq!(dir.names(), ["in.c3", "out"]);
}

#[test]
fn a_failure_leaves_the_file_that_was_there() {
    let dir = Dir::new();
    dir.write("out.c3", "precious");
    dir.pipe(&["compress", "-f", "-o", "out.c3"], b"text \xff").expect(2);
    assert_eq!(dir.read("out.c3"), b"precious");
    assert_eq!(dir.names(), ["out.c3"]);
}

#[test]
fn a_folder_and_a_path_without_one() {
    let dir = Dir::new();
    dir.compressed("in.c3", TEXT);
    std::fs::create_dir(dir.path("folder")).unwrap();
    for args in [&["compress", "-o", "folder"][..], &["decompress", "in.c3", "-f", "-o", "folder"]]
    {
        dir.pipe(args, b"x").fails("error: folder is a directory\nhint: name a file in it");
    }
    let run = dir.pipe(&["compress", "-o", "nowhere/out.c3"], b"x").expect(2);
    assert!(run.stderr.starts_with("error: can't create nowhere/out.c3\n"), "{}", run.stderr);
    assert_eq!(dir.names(), ["folder", "in.c3"]);
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk() {
    let dir = Dir::new();
    dir.compressed("in.c3", TEXT);
    let full = "caused by: No space left on device (os error 28)";
    dir.pipe(&["compress", "-o", "/dev/full"], TEXT.as_bytes())
        .fails(&format!("error: can't write the output\n{full}"));
    dir.run(&["decompress", "in.c3", "-o", "/dev/full"])
        .fails(&format!("error: can't write /dev/full\n{full}"));
    let commands: [&[&str]; 6] = [
        &["decompress", "-q", "in.c3"],
        &["compress", "in.c3", "--lossy"],
        &["inspect", "in.c3"],
        &["models", "list", "--json"],
        &["man"],
        &["completions", "bash"],
    ];
    for args in commands {
        let device = File::options().write(true).open("/dev/full").unwrap();
        let run = Run::of(dir.command(args).stdout(device).stderr(Stdio::piped())).expect(2);
        assert!(run.stderr.trim_end().ends_with(full), "{args:?}: {}", run.stderr);
        assert!(run.stderr.starts_with("error: can't write "), "{args:?}: {}", run.stderr);
    }
}

#[cfg(unix)]
#[test]
fn devices_are_written_to_and_never_replaced() {
    let dir = Dir::new();
    dir.compressed("in.c3", TEXT);
    dir.pipe(&["compress", "-q", "-o", "/dev/null"], TEXT.as_bytes()).expect(0);
    dir.run(&["decompress", "-q", "in.c3", "-o", "/dev/null"]).expect(0);
    assert!(!std::fs::metadata("/dev/null").unwrap().is_file());
}

#[test]
fn a_closed_pipe_is_no_error() {
    let dir = Dir::new();
    dir.compressed("in.c3", TEXT);
    dir.write("in.txt", TEXT);
    let commands: [&[&str]; 6] = [
        &["decompress", "in.c3"],
        &["compress", "in.txt"],
        &["inspect", "in.c3", "--json"],
        &["roundtrip", "in.txt"],
        &["man"],
        &["completions", "zsh"],
    ];
    for args in commands {
        let mut child = dir.spawn(&mut dir.command(args));
        drop(child.stdout.take());
        let run = Run::from(child.wait_with_output().unwrap()).expect(0);
        assert_eq!(run.stderr, "", "{args:?}");
    }
}

#[test]
fn messages_that_nobody_reads_are_no_error() {
    let dir = Dir::new();
    dir.write("in.txt", TEXT);
    for (args, code) in [(&["compress", "in.txt"][..], 0), (&["inspect", "nowhere"], 2)] {
        let mut child = dir.spawn(&mut dir.command(args));
        drop(child.stderr.take());
        Run::from(child.wait_with_output().unwrap()).expect(code);
    }
}

#[test]
fn json_and_data_do_not_share_stdout() {
    let dir = Dir::new();
    dir.compressed("in.c3", TEXT);
    let run = dir.pipe(&["compress", "--json"], TEXT.as_bytes()).expect(2);
    assert!(run.stderr.contains("--output"), "{}", run.stderr);
    dir.run(&["decompress", "in.c3", "--json", "-o", "-"])
        .fails("error: --json prints to stdout, where the data goes: name a file with -o");
}

#[cfg(unix)]
#[test]
fn an_output_file_is_readable_by_those_whom_the_umask_lets() {
    use std::os::unix::fs::PermissionsExt;
    let dir = Dir::new();
    let mode = |path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let usual = mode(dir.write("usual", ""));
    assert_eq!(mode(dir.compressed("out.c3", TEXT)), usual);
}
