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
