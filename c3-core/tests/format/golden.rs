//! Committed files: what is written today must be what was written then.

use std::path::Path;

use c3_core::LatentContext;

use crate::support;

/// Compares with the committed file. After a wanted change of the format, delete the file and run
/// the test twice: the first run fails and writes it anew.
fn check(name: &str, context: &LatentContext) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/format/golden").join(name);
    let bytes = context.to_bytes().unwrap();
    if !path.exists() {
        std::fs::write(&path, &bytes).unwrap();
        panic!("{name} was not there; it is written now, look at it before you commit it");
    }
    let golden = std::fs::read(&path).unwrap();
    assert_eq!(golden, bytes, "{name}: the bytes have changed");
    assert_eq!(&support::read_all(&golden).unwrap(), context, "{name}");
}

#[test]
fn simplest_file() {
    check("simple.c3", &support::simple());
}

#[test]
fn file_with_corrections() {
    check("corrected.c3", &support::corrected());
}

#[test]
fn file_with_patches_and_text() {
    check("patched.c3", &support::patched());
}

#[test]
fn file_with_near_ties() {
    check("tied.c3", &support::tied());
}

/// Files of earlier versions are read as they were: nobody counted near ties then.
#[test]
fn files_of_earlier_versions() {
    for (bytes, context) in [
        (&include_bytes!("golden/1.0/simple.c3")[..], support::simple()),
        (include_bytes!("golden/1.0/corrected.c3"), support::corrected()),
        (include_bytes!("golden/1.1/simple.c3"), support::simple()),
        (include_bytes!("golden/1.1/corrected.c3"), support::corrected()),
        (include_bytes!("golden/1.1/patched.c3"), support::patched()),
    ] {
        let context = support::uncounted(&context);
        assert_eq!(support::read_all(bytes).unwrap(), context);
        // Written again, they still don't say that there are none.
        assert_eq!(support::read_all(&context.to_bytes().unwrap()).unwrap(), context);
    }
}

/// The bytes that FORMAT.md shows are those of the file.
#[test]
fn worked_example_of_the_specification() {
    let golden = include_bytes!("golden/simple.c3");
    let (_, example) = include_str!("../../FORMAT.md").split_once("## A worked example").unwrap();
    let rows = example.lines().filter_map(|line| {
        let (at, rest) = line.strip_prefix("| ")?.split_once(" | `")?;
        Some((at.parse::<usize>().ok()?, rest.split_once('`')?.0))
    });
    let mut shown = 0;
    for (at, text) in rows {
        let hex = text.split(' ').map(|byte| u8::from_str_radix(byte, 16));
        match hex.collect::<Result<Vec<u8>, _>>() {
            Ok(bytes) => assert!(golden[at..].starts_with(&bytes), "at {at}: {text}"),
            Err(_) => assert!(golden[at..].starts_with(text.trim_end_matches('…').as_bytes())),
        }
        shown += 1;
    }
    assert_eq!(shown, 10);
    assert!(example.contains(&format!("{} bytes", golden.len())));
}

/// The container is what the safetensors crate says it is, tensor by tensor.
#[test]
fn safetensors_reads_it() {
    let bytes = support::corrected().to_bytes().unwrap();
    let file = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    let shapes: Vec<_> = file
        .iter()
        .map(|(name, tensor)| (name, tensor.dtype().to_string(), tensor.shape().to_vec()))
        .collect();
    let of = |name: &str| {
        let found = shapes.iter().find(|(n, ..)| *n == name);
        let (_, dtype, shape) = found.unwrap_or_else(|| panic!("{name} is missing"));
        (dtype.as_str(), shape.as_slice())
    };
    assert_eq!(shapes.len(), 10);
    assert_eq!(of("latents"), ("BF16", &[6, 3][..]));
    assert_eq!(of("segment.latents"), ("I64", &[5][..]));
    assert_eq!(of("segment.bytes"), ("I64", &[5][..]));
    assert_eq!(of("segment.hash"), ("U64", &[4][..]));
    assert_eq!(of("segment.latents_hash"), ("U64", &[4][..]));
    assert_eq!(of("segment.tokens"), ("I32", &[4][..]));
    assert_eq!(of("segment.fidelity"), ("I32", &[4, 3][..]));
    assert_eq!(of("corrections.offsets"), ("I64", &[5][..]));
    assert_eq!(of("corrections.positions"), ("I32", &[2][..]));
    assert_eq!(of("corrections.tokens"), ("I32", &[2][..]));
}
