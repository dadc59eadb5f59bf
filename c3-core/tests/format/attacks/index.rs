//! Numbers of the index that contradict each other.

use c3_core::Error;

use super::changed;
use crate::support::{self, Parts};

#[test]
fn offsets_not_monotone() {
    for name in ["segment.latents", "segment.bytes", "corrections.offsets"] {
        let error = changed(|p| p.put_i64(name, 2, i64::MAX));
        assert!(
            matches!(error, Error::BadOffset { tensor, index: 3, .. } if tensor == name),
            "{error}"
        );
    }
    refused!(
        changed(|p| p.put_i64("segment.bytes", 2, -1)),
        Error::BadOffset { tensor: "segment.bytes", index: 2, found: -1, .. },
        "expected 8 or more"
    );
}

#[test]
fn offsets_that_start_or_end_elsewhere() {
    for name in ["segment.latents", "segment.bytes", "corrections.offsets"] {
        let error = changed(|p| p.put_i64(name, 0, 1));
        assert!(matches!(error, Error::BadOffset { index: 0, found: 1, .. }), "{error}");
        let error = changed(|p| p.put_i64(name, 4, 1 << 40));
        assert!(matches!(error, Error::BadOffset { index: 4, .. }), "{error}");
    }
    let error = changed(|p| p.meta("c3.source_bytes", "24"));
    refused!(error, Error::BadOffset { tensor: "segment.bytes", index: 4, .. }, "expected 24");
}

#[test]
fn negative_numbers() {
    for (name, index) in
        [("segment.tokens", 3), ("corrections.positions", 1), ("corrections.tokens", 0)]
    {
        let error = changed(|p| p.put_i32(name, index, -5));
        assert!(
            matches!(error, Error::Negative { tensor, found: -5, .. } if tensor == name),
            "{error}"
        );
    }
}

/// Segments are exact (2 corrections), checked (2, first 6), exact (0), unchecked.
#[test]
fn fidelity_that_contradicts_itself() {
    for (segment, row) in [
        (0, [2, 1, 0]),
        (0, [2, 2, 1]),
        (0, [2, 2, -1]),
        (0, [1, 2, 0]),
        (0, [0, 0, -1]),
        (1, [1, 2, -1]),
        (1, [1, 0, 6]),
        (1, [1, 2, 8]),
        (1, [1, 3, 6]),
        (1, [1, -1, 6]),
        (1, [1, 2, -2]),
        (1, [1, 0, -2]),
        (1, [2, 2, 6]),
        (2, [2, 0, 0]),
        (3, [0, 1, -1]),
        (3, [0, 0, 0]),
        (3, [4, 0, -1]),
        (3, [3, 0, 0]),
        (2, [3, 0, -1]),
        (3, [-1, 0, -1]),
        (3, [i32::MAX, i32::MAX, i32::MAX]),
    ] {
        let error = changed(|p| {
            for (i, value) in row.into_iter().enumerate() {
                p.put_i32("segment.fidelity", segment * 3 + i, value);
            }
            p
        });
        assert!(
            matches!(error, Error::BadFidelity { segment: s, .. } if s == segment),
            "{segment} {row:?}: {error}"
        );
    }
}

/// Segments are checked (3 tokens, 1 wrong), checked (3, none), checked (3, none), unchecked.
#[test]
fn near_ties_that_contradict() {
    let entry = |segment: usize, value: i32| {
        let mut parts = Parts::of(&support::tied().to_bytes().unwrap());
        support::read_all(&parts.put_i32("segment.near_ties", segment, value).seal())
    };
    for (segment, value) in [(0, 4), (0, i32::MAX), (1, 5), (1, -2), (2, i32::MIN), (3, 1), (3, -1)]
    {
        let error = entry(segment, value).unwrap_err();
        assert!(
            matches!(error, Error::BadFidelity { segment: s, .. } if s == segment),
            "{segment} {value}: {error}"
        );
    }
    for (segment, value) in [(0, 0), (0, -1), (1, 4)] {
        entry(segment, value).unwrap();
    }
    // The column is there where it says something, and not otherwise.
    let mut parts = Parts::of(&support::tied().to_bytes().unwrap());
    parts.bytes_of("segment.near_ties").fill(0);
    refused!(
        support::read_all(&parts.seal()).unwrap_err(),
        Error::UnknownTensor(_),
        "segment.near_ties"
    );
    let parts = Parts::of(&support::corrected().to_bytes().unwrap());
    assert!(parts.header.get("segment.near_ties").is_none());
}

#[test]
fn corrections_out_of_order_or_range() {
    for (at, value) in [(1, 0), (1, 8), (1, i32::MAX)] {
        let error = changed(|p| p.put_i32("corrections.positions", at, value));
        refused!(error, Error::CorrectionPosition { segment: 0, from: 1, .. }, "1..8 is due");
    }
}

#[test]
fn corrections_without_an_exact_segment() {
    let text = b"hello";
    let p = support::provenance(4, c3_core::Dtype::F32);
    let exact = support::exact(vec![]);
    let only = support::segment(text, 0..5, 1, &p, exact);
    let context = c3_core::LatentContext::new(p, support::digest(text), vec![only]).unwrap();
    let mut parts = Parts::of(&context.to_bytes().unwrap());
    parts.put_i32("segment.fidelity", 0, 0);
    let error = support::read_all(&parts.seal()).unwrap_err();
    refused!(error, Error::UnknownTensor(_), "corrections.offsets");

    let mut parts = Parts::of(&support::simple().to_bytes().unwrap());
    parts.put_i32("segment.fidelity", 0, 2);
    let error = support::read_all(&parts.seal()).unwrap_err();
    refused!(error, Error::MissingTensor("corrections.offsets"), "is missing");
}

/// The error for `patched()` with `change` made to it and sealed.
fn repatched(change: impl FnOnce(&mut Parts) -> &mut Parts) -> Error {
    let mut parts = Parts::of(&support::patched().to_bytes().unwrap());
    change(&mut parts);
    support::read_all(&parts.seal()).expect_err("accepted")
}

#[test]
fn patches_out_of_order_or_range() {
    for (name, at, value) in [
        ("patches.starts", 1, 2),
        ("patches.starts", 2, 4),
        ("patches.lengths", 0, i32::MAX),
        ("patches.lengths", 1, 1),
    ] {
        let error = repatched(|p| p.put_i32(name, at, value));
        refused!(error, Error::PatchPlace { segment: 1, .. }, "a patch of");
    }
    for name in ["patches.starts", "patches.lengths"] {
        let error = repatched(|p| p.put_i32(name, 1, -1));
        assert!(matches!(error, Error::Negative { tensor, .. } if tensor == name), "{error}");
    }
    for (name, at) in [("patches.offsets", 1), ("patches.offsets", 4), ("patches.ends", 3)] {
        let error = repatched(|p| p.put_i64(name, at, 1 << 40));
        assert!(matches!(error, Error::BadOffset { tensor, .. } if tensor == name), "{error}");
    }
    // They belong to a segment that isn't exact.
    let error = repatched(|p| p.put_i64("patches.offsets", 1, 1));
    refused!(error, Error::BadFidelity { segment: 0, .. }, "not exact");
}

#[test]
fn text_that_is_kept_and_text_that_is_not_there() {
    let level = |p: &mut Parts, segment: usize, level: i32| {
        p.put_i32("segment.fidelity", segment * 3, level);
    };
    let error = repatched(|p| {
        level(p, 0, 0);
        p
    });
    refused!(error, Error::TensorShape { tensor: "verbatim.text", .. }, "expected shape [9]");
    let error = repatched(|p| {
        for segment in [0, 2, 3] {
            level(p, segment, 0);
        }
        p
    });
    refused!(error, Error::UnknownTensor(_), "verbatim.text");
    let mut parts = Parts::of(&support::simple().to_bytes().unwrap());
    parts.put_i32("segment.fidelity", 0, 3);
    let error = support::read_all(&parts.seal()).unwrap_err();
    refused!(error, Error::BadFidelity { segment: 0, .. }, "it has latents");
}

/// Damage to a text that is kept is found when it is read, and others stay readable.
#[test]
fn a_text_that_was_changed() {
    use c3_core::{LatentFile, SegmentSource};
    let context = support::patched();
    let mut bytes = context.to_bytes().unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    let file = LatentFile::from_bytes(bytes).unwrap();
    assert!(matches!(file.segment(3), Err(Error::VerbatimHash { segment: 3, .. })));
    for index in 0..3 {
        assert_eq!(file.segment(index).unwrap(), context.segments()[index]);
    }
}
