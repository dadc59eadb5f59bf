//! How far step-by-step decoding is from one pass.

use crate::{example, number, prose, tables};

#[test]
fn margins_of_every_way_to_keep_weights() {
    let folder = tempfile::tempdir().unwrap();
    let prose = prose();
    let files = [("a.txt", &prose[..300]), ("b.txt", &prose[300..550])].map(|(name, text)| {
        let file = folder.path().join(name);
        std::fs::write(&file, text).unwrap();
        file.to_str().unwrap().to_owned()
    });
    let text = example("margins", &["--segments", "2", &files[0], &files[1]], "").text();
    let tables = tables(&text);
    let [differences, costs] = &tables[..] else { panic!("{text}") };

    let weights = ["f32", "bf16, activations f32", "bf16", "q8_0", "q4_0"];
    assert_eq!(differences.len(), 1 + 4 * weights.len(), "{text}");
    assert!(differences.iter().all(|row| row.len() == 11), "{text}");
    for (at, row) in differences[1..].iter().enumerate() {
        let (threads, batch, segments) =
            [("2", "16", 2.0), ("1", "16", 1.0), ("2", "1", 1.0), ("1", "3", 1.0)][at % 4];
        assert_eq!(row[..3], [weights[at / 4], threads, batch], "{text}");
        let of: Vec<f64> = row[3..].iter().map(|cell| number(cell)).collect();
        // The tokens of the segments and the stop tokens behind them.
        assert!(of[0] == segments && (50.0 * segments..300.0).contains(&of[1]), "{row:?}");
        assert!(of[2..6].is_sorted() && of[2] >= 0.0, "quantiles: {row:?}");
        let (wrong, lost) = (of[6], of[7]);
        assert!(wrong <= of[1] && (wrong == 0.0) == (lost == 0.0), "{row:?}");
        let rough = at / 4 >= 2;
        assert!(rough || of[5] < 1e-3, "sums of f32 in another order: {row:?}");
    }

    assert_eq!(costs.len(), 1 + weights.len(), "{text}");
    for (row, kept) in costs[1..].iter().zip(weights) {
        assert_eq!((row.len(), row[0]), (8, kept), "{text}");
        let shares: Vec<f64> = row[1..].iter().map(|cell| number(cell)).collect();
        assert!(shares.is_sorted() && shares[0] >= 0.0 && shares[6] <= 1000.0, "{row:?}");
    }
}

#[test]
fn texts_are_needed() {
    assert!(example("margins", &[], "").failure().contains("TEXT"));
    let folder = tempfile::tempdir().unwrap();
    let empty = folder.path().join("empty");
    std::fs::write(&empty, "").unwrap();
    let said = example("margins", &[empty.to_str().unwrap()], "").failure();
    assert!(said.contains("these texts are empty"), "{said}");
}
