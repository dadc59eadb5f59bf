use std::fmt::Write;

use crate::support::{Dir, TEXT};

#[test]
fn a_file_a_pipe_and_a_dash_give_the_same_bytes() {
    let dir = Dir::new();
    dir.write("in.txt", TEXT);
    dir.run(&["compress", "in.txt", "-o", "a.c3"]).expect(0);
    let expected = dir.read("a.c3");
    dir.pipe(&["compress", "-o", "b.c3"], TEXT.as_bytes()).expect(0);
    assert_eq!(dir.read("b.c3"), expected);
    assert_eq!(dir.pipe(&["compress", "-", "-o", "-"], TEXT.as_bytes()).expect(0).stdout, expected);
    assert_eq!(dir.run(&["compress", "in.txt"]).expect(0).stdout, expected);
}

#[test]
fn the_same_bytes_on_any_number_of_threads() {
    let dir = Dir::new();
    dir.write("in.txt", TEXT.repeat(40));
    let of =
        |threads| dir.run(&["compress", "in.txt", "-q", "--threads", threads]).expect(0).stdout;
    let one = of("1");
    assert!(one.len() > 100_000);
    assert_eq!(of("2"), one);
    assert_eq!(of("3"), one);
}

#[test]
fn the_summary_is_for_scripts() {
    let dir = Dir::new();
    dir.write("in.txt", TEXT);
    let run = dir.run(&["compress", "in.txt", "-o", "out.c3", "--json", "--ratio", "4"]).expect(0);
    let summary = run.json();
    assert_eq!(summary["text_bytes"], TEXT.len());
    assert_eq!(summary["stored_bytes"], dir.read("out.c3").len());
    assert_eq!(summary["segments"], 1);
    let (tokens, positions) = (&summary["text_tokens"], &summary["latent_positions"]);
    assert_eq!(positions.as_u64().unwrap(), tokens.as_u64().unwrap().div_ceil(4) + 2);
    assert!(run.stderr.starts_with("in.txt → out.c3: "), "{}", run.stderr);
    assert!(run.stderr.contains("× in tokens"), "{}", run.stderr);
}

#[test]
fn ratio_latents_and_their_dtype_decide_the_size() {
    let dir = Dir::new();
    let shape = |options: &[&str]| {
        let file = dir.pipe(&[&["compress", "-q"], options].concat(), TEXT.as_bytes()).expect(0);
        let facts = dir.pipe(&["inspect", "--json"], &file.stdout).expect(0).json();
        let latents = facts["segments"][0]["latents"].as_u64().unwrap();
        (latents, facts["dtype"].as_str().unwrap().to_owned(), file.stdout.len())
    };
    let (eight, dtype, size) = shape(&[]);
    assert_eq!(dtype, "f16");
    assert_eq!(shape(&["--ratio", "8"]), (eight, dtype.clone(), size));
    assert_eq!(shape(&["--latents", "32"]), (eight, dtype, size));
    assert_eq!(shape(&["--latents", "64"]).0, shape(&["-r", "4"]).0);
    assert!(shape(&["-r", "32"]).0 < eight);
    let wide = shape(&["--latent-dtype", "f32"]);
    assert_eq!((wide.0, wide.1.as_str()), (eight, "f32"));
    assert!(wide.2 > size);
    assert_eq!(shape(&["--latent-dtype", "bf16"]).1, "bf16");
}

#[test]
fn a_ratio_that_the_model_lacks_is_refused_with_those_it_has() {
    let dir = Dir::new();
    dir.pipe(&["compress", "-o", "out.c3", "--ratio", "7"], TEXT.as_bytes()).fails(
        "error: no query bank compresses 7×; this model has: 4, 8, 16, 32\n\
         hint: `c3 models show MODEL` lists what a model offers",
    );
    dir.pipe(&["compress", "-o", "out.c3", "--latents", "33"], TEXT.as_bytes()).fails(
        "error: no query bank has 33 latent tokens; this model has: 8, 16, 32, 64\n\
         hint: `c3 models show MODEL` lists what a model offers",
    );
    assert!(dir.names().is_empty());
}

#[test]
fn weights_can_be_kept_in_every_dtype() {
    let dir = Dir::new();
    let of = |dtype| {
        let args = ["compress", "-q", "--fast", "--dtype", dtype, "--device", "cpu"];
        dir.pipe(&args, TEXT.as_bytes()).expect(0).stdout
    };
    let f32 = of("f32");
    // Of 8 bits and a factor nothing is lost on the way to f32, and some bits are to bf16.
    assert_eq!(of("stored").len(), f32.len());
    assert_eq!(of("f16").len(), f32.len());
    assert_ne!(of("bf16"), f32);
}

#[test]
fn invalid_utf8_is_refused_at_its_offset_or_replaced() {
    let dir = Dir::new();
    let mut text = TEXT.repeat(5).into_bytes();
    text[1500] = 0xff;
    dir.write("in.txt", &text);
    dir.run(&["compress", "in.txt", "-o", "out.c3"]).fails(
        "error: the text is not UTF-8: invalid byte at offset 1500\n\
         hint: --exact brings every byte back, and --lossy replaces what is not UTF-8 by U+FFFD",
    );
    assert_eq!(dir.names(), ["in.txt"]);
    let run = dir.run(&["compress", "in.txt", "-o", "out.c3", "--lossy", "--json"]).expect(0);
    assert_eq!(run.json()["text_bytes"], text.len() + 2);
    let lossy = dir.run(&["roundtrip", "in.txt", "--lossy", "--json"]).expect(0).json();
    assert_eq!(lossy["text_bytes"], text.len() + 2);
}

#[test]
fn a_binary_file_is_refused() {
    let dir = Dir::new();
    dir.write("in.bin", [0x7f, b'E', b'L', b'F', 2, 1, 1, 0, 0x80, 0]);
    dir.run(&["compress", "in.bin", "-o", "out.c3"]).fails(
        "error: the text is not UTF-8: invalid byte at offset 8\n\
         hint: --exact brings every byte back, and --lossy replaces what is not UTF-8 by U+FFFD",
    );
    dir.write("cut.txt", "täglich".as_bytes().split_at(2).0);
    dir.run(&["compress", "cut.txt", "-o", "out.c3"]).fails(
        "error: the text is not UTF-8: invalid byte at offset 1\n\
         hint: --exact brings every byte back, and --lossy replaces what is not UTF-8 by U+FFFD",
    );
    assert_eq!(dir.names(), ["cut.txt", "in.bin"]);
}

#[test]
fn one_endless_word_is_divided() {
    let dir = Dir::new();
    let mut word = String::new();
    for n in 0..20_000u32 {
        write!(word, "{:05}", n * 7919 % 100_000).unwrap();
    }
    assert_eq!(word.len(), 100_000);
    dir.write("in.txt", &word);
    let run = dir.run(&["compress", "in.txt", "-o", "out.c3", "--json", "-r", "32"]).expect(0);
    assert_eq!(run.json()["text_bytes"], 100_000);
    assert!(run.json()["segments"].as_u64().unwrap() > 10);
}

#[test]
fn inputs_that_are_no_files() {
    let dir = Dir::new();
    dir.run(&["compress", "nowhere.txt", "-o", "out.c3"]).fails(
        "error: can't open nowhere.txt\n\
         caused by: No such file or directory (os error 2)",
    );
    dir.run(&["compress", ".", "-o", "out.c3"]).fails("error: . is a folder, expected a file");
    assert!(dir.names().is_empty());
}
