//! Files that are not, or no longer, what they should be.

use crate::support::{Dir, TEXT};

const NO_C3: &str = "hint: `c3 compress` makes .c3 files from text";
const AGAIN: &str = "hint: make it again with `c3 compress`, or copy it again from where it came";

fn refused(bytes: &[u8], reason: &str) {
    let dir = Dir::new();
    dir.write("in.c3", bytes);
    for args in [&["decompress", "in.c3", "-o", "out.txt"][..], &["inspect", "in.c3"]] {
        dir.run(args).fails(&format!("error: in.c3 is not a .c3 file that can be used\n{reason}"));
    }
    assert_eq!(dir.names(), ["in.c3"]);
}

fn sound() -> Vec<u8> {
    let dir = Dir::new();
    dir.compressed("in.c3", TEXT);
    dir.read("in.c3")
}

#[test]
fn cut_off() {
    let bytes = sound();
    let (all, cut) = (bytes.len(), bytes.len() - 1);
    refused(
        &bytes[..cut],
        &format!("caused by: the .c3 file is cut off: {all} bytes expected, {cut} found\n{AGAIN}"),
    );
    refused(
        &[],
        &format!("caused by: the .c3 file is cut off: 8 bytes expected, 0 found\n{AGAIN}"),
    );
}

#[test]
fn one_bit_flipped_in_the_index() {
    let mut bytes = sound();
    // The last eight bytes are a segment's hash or fidelity: covered by the payload hash alone.
    let at = bytes.len() - 3;
    bytes[at] ^= 1;
    let dir = Dir::new();
    dir.write("in.c3", &bytes);
    let run = dir.run(&["decompress", "in.c3", "-o", "out.txt"]).expect(2);
    let expected = "caused by: the .c3 file is damaged: its payload hash is ";
    assert!(run.stderr.lines().nth(1).unwrap().starts_with(expected), "{}", run.stderr);
    assert!(run.stderr.trim_end().ends_with(AGAIN), "{}", run.stderr);
    assert_eq!(dir.names(), ["in.c3"]);
}

#[test]
fn of_a_newer_version() {
    let bytes = sound();
    let text = b"\"c3.version\":\"1.";
    let at = bytes.windows(text.len()).position(|window| window == text).unwrap();
    let mut newer = bytes.clone();
    newer[at + text.len() - 2] = b'2';
    refused(
        &newer,
        "caused by: a .c3 file of version 2.2: this program reads version 1.2\n\
         hint: use the c3 that wrote it, or a newer one",
    );
}

#[test]
fn of_another_kind() {
    let text = "Some text that is much longer than eight bytes.";
    let dir = Dir::new();
    dir.write("in.c3", text);
    let run = dir.run(&["decompress", "in.c3", "-o", "out.txt"]).expect(2);
    let expected = "caused by: not a .c3 file: a header of ";
    assert!(run.stderr.lines().nth(1).unwrap().starts_with(expected), "{}", run.stderr);
    assert!(run.stderr.trim_end().ends_with(NO_C3), "{}", run.stderr);

    let json = br#"{"x":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}}   "#;
    let mut safetensors = (json.len() as u64).to_le_bytes().to_vec();
    safetensors.extend_from_slice(json);
    refused(
        &safetensors,
        &format!(
            "caused by: a safetensors file, but not a .c3 file: its metadata has no c3.version\n\
             {NO_C3}"
        ),
    );
}

#[test]
fn of_another_model() {
    let dir = Dir::new();
    crate::checkpoints::other(&dir, "other");
    dir.compressed("in.c3", TEXT);
    let print = |model: &str| {
        let facts = dir.run(&["models", "show", model, "--json"]).expect(0).json();
        facts["fingerprint"].as_str().unwrap().to_owned()
    };
    let (builtin, other) = (print("builtin"), print("other"));
    assert_ne!(builtin, other);
    dir.run(&["decompress", "in.c3", "-o", "out.txt", "--model", "other"]).fails(&format!(
        "error: these latents were made by \"c3-tiny\" (fingerprint {builtin}), but this decoder \
         belongs to \"other\" (fingerprint {other})\n\
         hint: --model names the model to decode with; --any-model decodes all the same, most \
         likely to nonsense"
    ));
    assert_eq!(dir.names(), ["in.c3", "other"]);
    dir.run(&["decompress", "in.c3", "-o", "out.txt", "--model", "other", "--any-model"]).expect(0);
    assert!(!dir.read("out.txt").is_empty());
}
