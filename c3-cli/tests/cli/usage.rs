use crate::support::Dir;

#[test]
fn wrong_usage_exits_with_2() {
    let dir = Dir::new();
    let cases: [(&[&str], &str); 26] = [
        (&["compress", "--ratio", "0"], "0 is not in 1.."),
        (&["compress", "--ratio", "8", "--latents", "32"], "cannot be used with"),
        (&["compress", "--dtype", "int8"], "[possible values: auto, f32, f16, bf16, stored]"),
        (&["compress", "--quantize", "q9"], "q8_0]"),
        (&["compress", "--quantize", "q8_0", "--dtype", "f16"], "cannot be used with"),
        (&["compress", "--device", "cuda"], "this build computes on the CPU only"),
        (&["decompress", "--device", "cuda:1"], "this build computes on the CPU only"),
        (&["compress", "--device", "tpu"], "expected cpu, cuda or cuda:N"),
        (&["compress", "--threads", "0"], "invalid value '0'"),
        (&["decompress", "--temperature", "-1"], "unexpected argument"),
        (&["decompress", "--temperature=-1"], "expected a number from 0 up"),
        (&["decompress", "--top-p", "2"], "expected a number above 0, at most 1"),
        (&["decompress", "--segment", "3..1"], "expected a segment's number I, or a range A..B"),
        (&["decompress", "--seed", "1", "in.c3"], "they need a --temperature above 0"),
        (&["compress", "--exact", "--fast"], "cannot be used with"),
        (&["compress", "--exact", "--check"], "cannot be used with"),
        (&["compress", "--exact", "--lossy"], "cannot be used with"),
        (&["compress", "--exact", "--budget", "100"], "cannot be used with"),
        (&["compress", "--max-corrections", "0.1"], "--exact"),
        (&["compress", "--min-precision", "2"], "expected a number from 0 to 1"),
        (&["decompress", "--bytes", "7"], "expected a range of bytes A..B"),
        (&["decompress", "--bytes", "7..7"], "expected a range of bytes A..B"),
        (&["decompress", "--bytes", "0..7", "--segment", "0"], "cannot be used with"),
        (&["grep", "(", "in.c3"], "regex parse error"),
        (&["pull", "../x"], "expected ORG/NAME or ORG/NAME@REVISION"),
        (&["-q", "-v", "doctor"], "cannot be used with"),
    ];
    for (args, said) in cases {
        let run = dir.run(args).expect(2);
        assert!(run.stderr.starts_with("error: "), "{args:?}: {}", run.stderr);
        assert!(run.stderr.contains(said), "{args:?}: {}", run.stderr);
        assert!(run.stdout.is_empty());
    }
    assert_eq!(dir.run(&[]).code, Some(2));
}

#[test]
fn every_command_has_help_and_a_manual_page() {
    let dir = Dir::new();
    let help = dir.run(&["--help"]).expect(0).text();
    assert!(help.contains("Exit codes:"), "{help}");
    assert!(dir.run(&["man"]).expect(0).text().contains(".TH c3 1"));
    for command in [
        "compress",
        "decompress",
        "roundtrip",
        "inspect",
        "verify",
        "append",
        "grep",
        "diff",
        "models",
        "pull",
        "doctor",
        "train",
        "eval",
        "bench",
        "completions",
        "man",
    ] {
        assert!(help.contains(&format!("\n  {command} ")), "{command}");
        assert!(!dir.run(&[command, "--help"]).expect(0).stdout.is_empty());
        let page = dir.run(&["man", command]).expect(0).text();
        assert!(page.contains(&format!(".TH c3-{command} 1")), "{page}");
    }
    let page = dir.run(&["man", "eval", "sweep"]).expect(0).text();
    assert!(page.contains(".TH c3-eval-sweep 1"), "{page}");
    dir.run(&["man", "dance"]).fails("error: no command \"dance\": `c3 --help` lists them");
    dir.run(&["man", "eval", "tango"])
        .fails("error: no command \"tango\": `c3 eval --help` lists them");
}

#[test]
fn completions_name_the_commands() {
    let dir = Dir::new();
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let script = dir.run(&["completions", shell]).expect(0).text();
        assert!(script.contains("roundtrip") && script.contains("no-repeat-ngram"), "{shell}");
    }
}

#[test]
fn doctor_tells_of_machine_build_and_hub() {
    let dir = Dir::new();
    let mut command = dir.command(["doctor", "--json"]);
    command.env("HF_TOKEN", "hf_secret").env("HF_HUB_OFFLINE", "1");
    let run = crate::support::Run::of(&mut command).expect(0);
    let facts = run.json();
    assert!(facts["machine"]["cores"].as_u64().unwrap() > 0);
    assert_eq!(facts["builtin_model"], "c3-tiny");
    assert_eq!(facts["features"], serde_json::json!(["builtin-model", "hub"]));
    assert_eq!(facts["hub"]["offline"], true);
    assert_eq!(facts["hub"]["token"], "environment");
    assert_eq!(facts["hub"]["cache"], dir.path("hf/hub").to_str().unwrap());
    assert!(!run.text().contains("hf_secret"));
    assert!(dir.run(&["doctor"]).expect(0).text().contains("nothing is wrong"));
    dir.write("hf/hub", "a file where a folder should be");
    let sick = dir.run(&["doctor"]).expect(1).text();
    assert!(sick.contains("problem: the hub's cache, "), "{sick}");
}

#[test]
fn color_follows_the_flag_then_the_environment() {
    let dir = Dir::new();
    let stderr = |args: &[&str], no_color: &str| {
        let mut command = dir.command(args);
        command.env("NO_COLOR", no_color).env("CLICOLOR_FORCE", "1");
        crate::support::Run::of(&mut command).expect(2).stderr
    };
    let args = ["inspect", "nowhere"];
    assert!(!stderr(&args, "1").contains('\u{1b}'));
    assert!(stderr(&args, "").contains('\u{1b}'));
    assert!(stderr(&["--color", "always", "inspect", "nowhere"], "1").contains('\u{1b}'));
    assert!(!stderr(&["--color", "never", "inspect", "nowhere"], "").contains('\u{1b}'));
}
