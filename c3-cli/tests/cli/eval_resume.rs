//! Runs that are killed, and go on.

use crate::support::{Dir, TEXT};

#[test]
fn costs_go_on_after_the_loads_that_are_there() {
    let dir = Dir::new();
    let cost = |tokens: &str, more: &[&str]| {
        let args = ["eval", "cost", "-r", "8", "--repetitions", "2", "--tokens", tokens];
        dir.run(&[&args[..], &["--threads", "1", "-o", "c.jsonl"], more].concat())
    };
    cost("8,16,24", &[]).expect(0);
    let whole = dir.read("c.jsonl");
    let lines: Vec<&[u8]> = whole.split_inclusive(|&byte| byte == b'\n').collect();
    assert_eq!(lines.len(), 4);
    // Killed while the third load's line was written.
    let kept = lines[..3].concat();
    dir.write("c.jsonl", [&kept[..], &lines[3][..20]].concat());
    cost("8,16,24", &[]).expect(0);
    let again = dir.read("c.jsonl");
    assert!(again.starts_with(&kept), "loads that were measured are kept");
    assert_eq!(again.iter().filter(|&&byte| byte == b'\n').count(), 4);
    assert_ne!(again, whole, "the third load was measured anew");

    // As many loads of other lengths, and other threads.
    let other = cost("8,16,32", &[]).expect(2);
    assert!(other.stderr.contains("its cost is 8 tokens × 1 at 8×, 16 tokens"), "{}", other.stderr);
    assert!(other.stderr.contains("hint: name another file with -o, or start anew with -f"));
    let args = ["eval", "cost", "-r", "8", "--repetitions", "2", "--tokens", "8,16,24"];
    let args = [&args[..], &["--threads", "2", "-o", "c.jsonl"]].concat();
    let other = dir.run(&args).expect(2);
    assert!(other.stderr.contains("; 1 threads; "), "{}", other.stderr);
    assert_eq!(dir.read("c.jsonl"), again);
}

/// Waits until a running sweep has written some records.
#[cfg(unix)]
fn wait_for_records(dir: &Dir, name: &str) {
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(300);
    let lines = || {
        let bytes = std::fs::read(dir.path(name)).unwrap_or_default();
        bytes.iter().filter(|&&byte| byte == b'\n').count()
    };
    while lines() < 2 {
        assert!(std::time::Instant::now() < deadline, "nothing was written");
        std::thread::sleep(std::time::Duration::from_millis(2));
    }
}

#[cfg(unix)]
#[test]
fn a_sweep_that_is_killed_goes_on_to_the_same_bytes() {
    use crate::support::Run;
    let dir = Dir::new();
    let texts = (0..160).map(|number| {
        let text = TEXT.split_inclusive(", ").nth(number % 3).unwrap();
        serde_json::json!({ "text": format!("{number}. {text}") }).to_string()
    });
    dir.write("texts.jsonl", texts.collect::<Vec<_>>().join("\n"));
    let sweep = |out: &'static str| ["eval", "sweep", "texts.jsonl", "-r", "8,16", "-o", out];
    dir.run(&sweep("whole.jsonl")).expect(0);
    // The header has the command, and with it the file's name.
    let whole = String::from_utf8(dir.read("whole.jsonl")).unwrap();
    let whole = whole.replacen("whole.jsonl", "r.jsonl", 1);
    for signal in ["-KILL", "-INT"] {
        let _ = std::fs::remove_file(dir.path("r.jsonl"));
        let child = dir.spawn(&mut dir.command(sweep("r.jsonl")));
        wait_for_records(&dir, "r.jsonl");
        let mut kill = std::process::Command::new("kill");
        kill.args([signal, &child.id().to_string()]);
        assert!(kill.status().unwrap().success());
        let run = Run::from(child.wait_with_output().unwrap());
        let code = if signal == "-INT" { Some(130) } else { None };
        assert_eq!(run.code, code, "{signal}: {}", run.stderr);
        let part = String::from_utf8(dir.read("r.jsonl")).unwrap();
        assert!(whole.starts_with(&part) && part.len() < whole.len(), "{signal}");
        let run = dir.run(&sweep("r.jsonl")).expect(0);
        assert!(run.stderr.contains("going on after "), "{signal}: {}", run.stderr);
        assert!(dir.read("r.jsonl") == whole.as_bytes(), "{signal}: other bytes");
    }
}
