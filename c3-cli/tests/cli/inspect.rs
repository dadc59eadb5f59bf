use crate::support::{Dir, TEXT};

#[test]
fn a_file_says_what_it_holds_without_a_model() {
    let dir = Dir::new();
    let text = TEXT.repeat(6);
    let size = std::fs::metadata(dir.compressed("in.c3", &text)).unwrap().len();
    let facts = dir.run(&["inspect", "in.c3", "--json"]).expect(0).json();
    assert_eq!(facts["text_bytes"], text.len());
    assert_eq!(facts["file_bytes"], size);
    assert_eq!(facts["format"], "1.2");
    assert_eq!(facts["created_by"], concat!("c3 ", env!("CARGO_PKG_VERSION")));
    let segments = facts["segments"].as_array().unwrap();
    assert_eq!(facts["segment_count"], segments.len());
    let end = segments.iter().fold(0, |end, segment| {
        assert_eq!(segment["bytes"][0], end);
        assert_eq!(segment["fidelity"]["level"], "checked");
        segment["bytes"][1].as_u64().unwrap()
    });
    assert_eq!(end, text.len() as u64);
    let positions: u64 = segments.iter().map(|s| s["latents"].as_u64().unwrap() + 2).sum();
    assert_eq!(facts["latent_positions"], positions);
    let bytes = dir.read("in.c3");
    assert_eq!(dir.pipe(&["inspect", "--json"], &bytes).expect(0).json(), facts);
    #[cfg(unix)]
    assert_eq!(dir.pipe(&["inspect", "/dev/stdin", "--json"], &bytes).expect(0).json(), facts);
}

#[test]
fn people_see_segments_where_they_ask_for_them() {
    let dir = Dir::new();
    dir.compressed("in.c3", &TEXT.repeat(6));
    let short = dir.run(&["inspect", "in.c3"]).expect(0).text();
    assert!(short.lines().any(|line| line.starts_with("fingerprint  ")), "{short}");
    assert!(!short.contains("from byte"), "{short}");
    let long = dir.run(&["inspect", "-v", "in.c3"]).expect(0).text();
    assert!(long.starts_with(&short), "{long}");
    let count = dir.run(&["inspect", "in.c3", "--json"]).expect(0).json()["segment_count"].as_u64();
    let table = long.lines().skip_while(|line| !line.contains("from byte")).count();
    assert_eq!(table as u64, count.unwrap() + 1);
}

#[test]
fn damage_in_the_latents_is_found_on_request() {
    let dir = Dir::new();
    dir.compressed("in.c3", TEXT);
    let mut bytes = dir.read("in.c3");
    let header = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    bytes[8 + header + 1000] ^= 1;
    dir.write("in.c3", &bytes);
    dir.run(&["inspect", "in.c3"]).expect(0);
    let run = dir.run(&["inspect", "in.c3", "--verify"]).expect(2);
    assert!(run.stderr.starts_with("error: segment 0 is damaged: "), "{}", run.stderr);
    let run = dir.run(&["decompress", "in.c3", "-o", "out.txt"]).expect(2);
    assert!(run.stderr.starts_with("error: segment 0 is damaged: "), "{}", run.stderr);
    assert_eq!(dir.names(), ["in.c3"]);
}
