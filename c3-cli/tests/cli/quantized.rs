//! `--quantize`.

use std::path::Path;

use crate::support::{Dir, TEXT};

fn similarity(dir: &Dir, options: &[&str]) -> f64 {
    let args = [&["roundtrip", "in.txt", "--json", "-r", "16"], options].concat();
    dir.run(&args).expect(0).json()["char_similarity"].as_f64().unwrap()
}

/// With 8 bits, which the built-in model has itself, little is lost, and with 4 some of the text. (Its
/// rows are no whole blocks of the types with fewer.)
#[test]
fn fewer_bits_cost_text() {
    let dir = Dir::new();
    let moby = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/moby-dick.txt");
    dir.write("in.txt", std::fs::read(moby).unwrap());
    let floats = similarity(&dir, &["--dtype", "bf16"]);
    let eight = similarity(&dir, &["--quantize", "q8_0"]);
    assert!((floats - eight).abs() < 0.05, "{floats} and {eight}");
    let four = similarity(&dir, &["--quantize", "q4_0"]);
    assert!(four < eight - 0.02, "{four} and {eight}");
}

#[test]
fn the_same_latents_whatever_the_threads() {
    let dir = Dir::new();
    let latents = |options: &[&str]| {
        let args = [&["compress", "-q"], options].concat();
        dir.pipe(&args, TEXT.as_bytes()).expect(0).stdout
    };
    let one = latents(&["--quantize", "q4_k", "--threads", "1"]);
    assert_eq!(one, latents(&["--quantize", "q4_k", "--threads", "3"]));
    assert_ne!(one, latents(&["--quantize", "q8_0"]));
    assert_ne!(one, latents(&[]));
}
