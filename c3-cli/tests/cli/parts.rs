//! Parts of a file alone: what they are, and that nothing else is decoded for them.

use c3_core::{LatentTokens, Segment};
use serde_json::Value;

use crate::support::{Dir, letters, sentences};

fn facts(dir: &Dir, name: &str) -> Value {
    dir.run(&["inspect", name, "--json"]).expect(0).json()
}

/// Where each segment ends.
fn ends(dir: &Dir, name: &str) -> Vec<usize> {
    let facts = facts(dir, name);
    let end = |segment: &Value| segment["bytes"][1].as_u64().unwrap() as usize;
    facts["segments"].as_array().unwrap().iter().map(end).collect()
}

/// Flips a bit in the last latents of the file.
fn damage_the_last_segment(dir: &Dir, name: &str) {
    let facts = facts(dir, name);
    let number = |value: &Value| value.as_u64().unwrap() as usize;
    let latents: usize =
        facts["segments"].as_array().unwrap().iter().map(|s| number(&s["latents"])).sum();
    let mut bytes = dir.read(name);
    let header = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    bytes[8 + header + latents * number(&facts["dim"]) * 2 - 1] ^= 1;
    dir.write(name, bytes);
}

#[test]
fn nothing_but_what_is_asked_for_is_read() {
    let dir = Dir::new();
    let text = sentences(100, "\n");
    dir.pipe(&["compress", "-q", "--exact", "-o", "in.c3"], text.as_bytes()).expect(0);
    let ends = ends(&dir, "in.c3");
    let last = ends.len() - 1;
    assert!(last >= 2);
    damage_the_last_segment(&dir, "in.c3");
    let damaged = format!("error: segment {last} is damaged: ");
    let run = dir.run(&["decompress", "in.c3", "-o", "out.txt"]).expect(2);
    assert!(run.stderr.starts_with(&damaged), "{}", run.stderr);

    let one = dir.run(&["decompress", "in.c3", "--segment", "1"]).expect(0);
    assert_eq!(one.text(), text[ends[0]..ends[1]]);
    let range = format!("10..{}", ends[last - 1]);
    let some = dir.run(&["decompress", "in.c3", "--bytes", &range]).expect(0);
    assert_eq!(some.text(), text[10..ends[last - 1]]);
    let range = format!("10..{}", ends[last - 1] + 1);
    dir.run(&["decompress", "in.c3", "--bytes", &range]).expect(2);

    for options in [&["--max-count", "1"][..], &["--max-count=1", "--batch", "64"]] {
        let first = dir.run(&[&["grep", "Sentence", "in.c3"], options].concat()).expect(0);
        assert_eq!(first.text(), format!("0:{}\n", text.lines().next().unwrap()));
    }
    dir.run(&["grep", "Sentence", "in.c3", "--batch", "1"]).expect(2);
}

#[test]
fn lines_are_found_in_later_segments_and_across_their_ends() {
    let dir = Dir::new();
    let text = sentences(100, "\n");
    dir.pipe(&["compress", "-q", "--exact", "-o", "lines.c3"], text.as_bytes()).expect(0);
    assert!(ends(&dir, "lines.c3").len() > 2);
    for number in [0, 17, 31, 59] {
        let words = format!("Sentence {number} ");
        let found = dir.run(&["grep", "--json", "tells", "lines.c3"]).expect(0).text();
        let line: Value = serde_json::from_str(found.lines().nth(number).unwrap()).unwrap();
        assert_eq!(line["offset"], text.find(&words).unwrap());
        assert_eq!(line["line"], text.lines().nth(number).unwrap());
    }
    // One line, whatever the segments.
    let text = sentences(100, " ");
    dir.pipe(&["compress", "-q", "--exact", "-o", "line.c3"], text.as_bytes()).expect(0);
    let ends = ends(&dir, "line.c3");
    assert!(ends.len() > 2);
    for &end in &ends[..ends.len() - 1] {
        let words = &text[end - 50..end + 50];
        let found = dir.run(&["grep", "-F", "--json", words, "line.c3"]).expect(0).json();
        assert_eq!((&found["offset"], &found["line"]), (&0.into(), &text.as_str().into()));
        assert_eq!(found["matches"], serde_json::json!([[end - 50, end + 50]]));
    }
}

/// What differs is counted from the start of its segment.
#[test]
fn bytes_of_segments_that_differ() {
    let dir = Dir::new();
    dir.pipe(&["compress", "-q", "--fast", "-r", "32", "-o", "in.c3"], letters(2500).as_bytes())
        .expect(0);
    let ends = ends(&dir, "in.c3");
    let of = |options: &[&str]| {
        dir.run(&[&["decompress", "-q", "in.c3"], options].concat()).expect(0).stdout
    };
    let (first, second) = (of(&["--segment", "0"]), of(&["--segment", "1"]));
    assert_ne!([first.clone(), second.clone()].concat(), letters(2500).as_bytes()[..ends[1]]);
    let (from, to) = (30, ends[0] + 40);
    let expected = [&first[from..], &second[..40]].concat();
    assert!(of(&["--bytes", &format!("{from}..{to}")]) == expected);
    assert!(of(&["--bytes", "3..20"]) == first[3..20]);
    // Shorter than its source: there is no more of it.
    let empty = |segment: &mut Segment| {
        let (dim, dtype) = (segment.latents.dim(), segment.latents.dtype());
        segment.latents = LatentTokens::from_f32(1, dim, dtype, &vec![0.0; dim]).unwrap();
    };
    dir.change("in.c3", |segments, _| segments.iter_mut().for_each(empty));
    let whole = of(&["--segment", "0"]);
    let end = ends[0].min(whole.len());
    assert!(of(&["--bytes", &format!("0..{}", ends[0] - 1)]) == whole[..end.min(ends[0] - 1)]);
}
