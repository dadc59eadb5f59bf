//! What checking and exactness cost.

use c3_bench::random::{RandomCheckpoint, Shape};

use crate::{example, number, prose};

/// `what, way: 0.012 s, 1.00 times the first (1.00–1.00)`: what and way; seconds, ratio, least, most.
fn times(text: &str) -> Vec<(&str, Vec<f64>)> {
    text.lines()
        .filter_map(|line| {
            let (way, numbers) = line.split_once(": ")?;
            let (seconds, rest) = numbers.split_once(" s, ")?;
            let (ratio, spread) = rest.split_once(" times the first (")?;
            let (least, most) = spread.strip_suffix(')')?.split_once('–')?;
            Some((way, [seconds, ratio, least, most].map(number).to_vec()))
        })
        .collect()
}

fn check(text: &str, ways: &[&str]) {
    let times = times(text);
    assert_eq!(times.iter().map(|(way, _)| *way).collect::<Vec<_>>(), ways, "{text}");
    let mut before = "";
    for (way, numbers) in times {
        let what = way.split_once(", ").unwrap().0;
        let &[seconds, ratio, least, most] = numbers.as_slice() else { unreachable!() };
        assert!(seconds < 60.0 && least > 0.0 && (least..=most).contains(&ratio), "{text}");
        // The first way of each kind is what the others are compared with.
        assert!(what == before || (ratio, least, most) == (1.0, 1.0, 1.0), "{text}");
        before = what;
    }
}

#[test]
fn what_a_promise_costs() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("text.txt");
    std::fs::write(&file, &prose()[..600]).unwrap();
    let file = file.to_str().unwrap();
    let text = example("promises", &["--rounds", "1", "--segments", "1", file], "").text();
    let (size, _) = text.split_once('\n').unwrap();
    let words: Vec<&str> = size.split_whitespace().collect();
    let [count, "segments,", tokens, "tokens,", bytes, "bytes"] = words[..] else {
        panic!("{size}")
    };
    let (tokens, bytes) = (number(tokens), number(bytes));
    assert!(count == "1" && tokens > 50.0 && (tokens + 1.0..=600.0).contains(&bytes), "{size}");
    check(
        &text,
        &[
            "compress, fast",
            "compress, checked",
            "compress, exact",
            "decompress, without corrections",
            "decompress, with corrections",
            "one segment at a time, verify",
            "one segment at a time, decode",
        ],
    );
    for level in ["fast", "checked", "exact"] {
        let stored = text.lines().find_map(|line| line.strip_prefix(level)?.strip_prefix(": "));
        let stored = number(stored.unwrap().strip_suffix(" bytes stored").unwrap());
        // Latents take more than text does.
        assert!(stored > bytes, "{text}");
    }
}

#[test]
fn the_decoder_alone_with_random_weights() {
    let folder = tempfile::tempdir().unwrap();
    let model = folder.path().join("tiny");
    RandomCheckpoint::new(Shape::Tiny, 1).write(&model, &|_| ()).unwrap();
    let file = folder.path().join("text.txt");
    std::fs::write(&file, &prose()[..200]).unwrap();
    let (model, file) = (model.to_str().unwrap(), file.to_str().unwrap());
    let args = ["--model", model, "--rounds", "1", "--decoder-only", file];
    let text = example("promises", &args, "").text();
    check(&text, &["one segment at a time, verify", "one segment at a time, as many steps"]);
}

#[test]
fn what_makes_no_sense_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("text.txt");
    std::fs::write(&file, "").unwrap();
    let file = file.to_str().unwrap();
    for (args, why) in [
        (&[file][..], "is empty"),
        (&["/nowhere"], "/nowhere"),
        (&[file, "--rounds", "0"], "--rounds"),
        (&[file, "--round", "3"], "--round"),
    ] {
        let said = example("promises", args, "").failure();
        assert!(said.contains(why), "{said}");
    }
}
