//! The whole program on a CUDA device. `c3-kernels/emulator/driver/install.sh` makes one that needs no
//! NVIDIA software; it is slow, so the text is short.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const TEXT: &str = "Call me Ishmael. Some years ago";

fn c3(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_c3")).args(args).output().unwrap()
}

fn done(args: &[&str]) -> String {
    let output = c3(args);
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

struct Files {
    text: PathBuf,
    latents: PathBuf,
    _folder: tempfile::TempDir,
}

impl Files {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (text, latents) = (folder.path().join("text.txt"), folder.path().join("latents.c3"));
        std::fs::write(&text, TEXT).unwrap();
        Self { text, latents, _folder: folder }
    }

    /// The text after both stages on a device.
    fn travel(&self, device: &str, dtype: &str) -> String {
        let latents = path(&self.latents);
        let options = ["--device", device, "--dtype", dtype, "-q"];
        done(&[&["compress", path(&self.text), "-f", "-o", latents], &options[..]].concat());
        done(&[&["decompress", latents], &options[..]].concat())
    }
}

fn path(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn text_makes_the_round_trip_as_on_the_cpu() {
    let files = Files::new();
    let expected = files.travel("cpu", "f32");
    assert!(expected.contains("Ishmael"), "{expected}");
    for dtype in ["f32", "f16", "bf16", "auto"] {
        assert_eq!(files.travel("cuda", dtype), expected, "{dtype}");
    }
}

/// Several segments side by side: padding on the left, rows that leave the batch.
#[test]
fn segments_are_decoded_in_batches() {
    let files = Files::new();
    std::fs::write(&files.text, format!("{TEXT}.\n\n").repeat(3)).unwrap();
    let expected = files.travel("cpu", "f32");
    assert_eq!(files.travel("cuda:0", "f32"), expected);
}

#[test]
fn what_a_device_does_not_do_is_said() {
    let files = Files::new();
    let text = path(&files.text);
    for (args, said) in [
        (&["--device", "cuda:99"][..], "CUDA device 99 can't be used"),
        (&["--device", "cuda", "--quantize", "q8_0"], "q8_0 are multiplied on the CPU only"),
        (&["--device", "cuda", "--max-memory", "1G"], "--max-memory is for the CPU"),
    ] {
        let output = c3(&[&["roundtrip", text], args].concat());
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{stderr}");
        assert!(stderr.contains(said), "{stderr}");
    }
}

/// Stages compute there and the optimiser here: the losses, a second step's too, are the CPU's.
#[test]
fn training_learns_as_on_the_cpu() {
    let files = Files::new();
    let folder = files.text.parent().unwrap();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let config = format!(
        "[from.scratch]\ntokenizer = {:?}\nlayers = 1\nhidden = 64\nheads = 1\nfeed_forward = 32\n\
         segment_tokens = 16\nbanks = {{ 4 = 4 }}\ndefault_ratio = 4\n\
         [data]\ntrain = [{text:?}]\nvalid = [{text:?}]\n\
         [[stages]]\nsteps = 2\nlengths = [6]\nratios = [4]\ntokens = 12\n\
         [optimizer]\nbf16 = false\nwarm_up = 0\n[run]\nevaluate_steps = 2\nevaluate_segments = 1\n",
        root.join("models/c3-tiny/tokenizer.json"),
        text = root.join("fixtures/moby-dick.txt"),
    );
    let path_of = |name: &str| folder.join(name).to_str().unwrap().to_owned();
    let toml = path_of("train.toml");
    std::fs::write(&toml, config).unwrap();
    let losses = |device: &str| -> Vec<f64> {
        let run = path_of(device);
        let said = done(&["train", &toml, "--out", &run, "--device", device, "--json", "-q"]);
        let events = said.lines().map(|line| serde_json::from_str(line).unwrap());
        let loss = |event: serde_json::Value| match event["event"].as_str() {
            Some("evaluated") => event["ratios"][0]["loss"].as_f64(),
            _ => event["loss"].as_f64(),
        };
        events.filter_map(loss).collect()
    };
    let (found, right) = (losses("cuda"), losses("cpu"));
    assert_eq!((found.len(), right.len()), (3, 3));
    assert!(right[1] < right[0] - 0.01, "the step changes something: {right:?}");
    for (found, right) in found.iter().zip(&right) {
        assert!((found - right).abs() < 1e-4 * right, "{found} instead of {right}");
    }
}
