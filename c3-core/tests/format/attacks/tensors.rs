//! Tensors of the wrong name, kind, size or place.

use c3_core::Error;
use serde_json::{Value, json};

use super::changed;
use crate::support::{self, Parts};

#[test]
fn missing_tensor() {
    let names: Vec<String> = {
        let parts = Parts::of(&support::corrected().to_bytes().unwrap());
        let names = parts.header.as_object().unwrap().keys().cloned();
        names.filter(|name| name != "__metadata__").collect()
    };
    assert_eq!(names.len(), 10);
    for name in names {
        let error = changed(|p| {
            p.header.as_object_mut().unwrap().remove(&name).unwrap();
            p
        });
        assert!(matches!(error, Error::MissingTensor(n) if n == name), "{name}: {error}");
    }
}

#[test]
fn unknown_and_missing_tensors() {
    let entry = json!({"dtype": "U8", "shape": [0], "data_offsets": [0, 0]});
    refused!(
        changed(|p| p.add("optimizer.state", entry.clone())),
        Error::UnknownTensor(_),
        "optimizer.state"
    );
    refused!(
        changed(|p| p.add("patches.offsets", entry.clone())),
        Error::MissingTensor("patches.starts"),
        "patches.starts"
    );
    refused!(
        changed(|p| p.add("verbatim.bytes", entry.clone())),
        Error::UnknownTensor(_),
        "verbatim.bytes"
    );
}

#[test]
fn wrong_dtypes() {
    for (name, dtype) in [
        ("latents", "F64"),
        ("segment.latents", "U64"),
        ("segment.hash", "I64"),
        ("segment.tokens", "F32"),
        ("corrections.tokens", "U32"),
    ] {
        refused!(
            changed(|p| p.tensor(name, "dtype", json!(dtype))),
            Error::TensorDtype { tensor, .. } if *tensor == name,
            "expected dtype"
        );
    }
}

#[test]
fn wrong_shapes() {
    for (name, shape) in [
        ("latents", json!([18])),
        ("latents", json!([6, 3, 1])),
        ("segment.latents", json!([4])),
        ("segment.tokens", json!([2, 2])),
        ("segment.fidelity", json!([4, 2])),
        ("corrections.tokens", json!([3])),
        ("segment.hash", Value::Array(vec![json!(1); 1000])),
    ] {
        let error = changed(|p| p.tensor(name, "shape", shape));
        assert!(matches!(error, Error::TensorShape { tensor, .. } if tensor == name), "{error}");
        assert!(error.to_string().len() < 200, "{error}");
    }
    let error = changed(|p| p.tensor("latents", "shape", json!([6, 0])));
    assert!(matches!(error, Error::ZeroWidth), "{error}");
    let error = changed(|p| p.tensor("latents", "shape", json!([-6, 3])));
    assert!(matches!(error, Error::BadHeader(_)), "{error}");
}

#[test]
fn overlapping_tensors() {
    let error = changed(|p| p.tensor("segment.bytes", "data_offsets", json!([36, 76])));
    refused!(
        error,
        Error::TensorPlace { tensor: "segment.bytes", .. },
        "expected at bytes 76..116"
    );
}

#[test]
fn hole_between_tensors() {
    let error = changed(|p| {
        let object = p.header.as_object_mut().unwrap();
        for entry in
            object.iter_mut().filter(|(n, _)| !["__metadata__", "latents"].contains(&n.as_str()))
        {
            let offsets = entry.1["data_offsets"].as_array_mut().unwrap();
            offsets.iter_mut().for_each(|n| *n = json!(n.as_u64().unwrap() + 8));
        }
        p.data.splice(36..36, [0; 8]);
        p
    });
    refused!(error, Error::TensorPlace { .. }, "found at 44..84");
}

#[test]
fn tensor_ends_before_it_starts() {
    let error = changed(|p| p.tensor("segment.hash", "data_offsets", json!([148, 116])));
    assert!(matches!(error, Error::TensorPlace { tensor: "segment.hash", .. }), "{error}");
}

/// Shapes whose sizes overflow are too large for any file, and nothing is allocated for them.
#[test]
fn sizes_that_overflow() {
    let max = u64::MAX;
    let error = changed(|p| {
        p.tensor("latents", "shape", json!([max, 3]));
        p.tensor("latents", "data_offsets", json!([0, max]))
    });
    assert!(matches!(error, Error::TensorPlace { .. }), "{error}");
    let error = changed(|p| {
        let ends = json!([max]);
        for name in ["segment.latents", "segment.bytes", "corrections.offsets"] {
            p.tensor(name, "shape", ends.clone());
        }
        for name in ["segment.hash", "segment.latents_hash", "segment.tokens"] {
            p.tensor(name, "shape", json!([max]));
        }
        p.tensor("segment.fidelity", "shape", json!([max, 3]));
        p.tensor("latents", "data_offsets", json!([0, 36]));
        for (name, entry) in p.header.as_object_mut().unwrap() {
            match name.as_str() {
                "__metadata__" | "latents" => {}
                "segment.latents" => entry["data_offsets"] = json!([36, max]),
                _ => entry["data_offsets"] = json!([max, max]),
            }
        }
        p
    });
    refused!(error, Error::Truncated { expected: u64::MAX, .. }, "cut off");
}

/// No rows take no bytes, however wide they are.
#[test]
fn empty_latents_of_enormous_width() {
    let text = b"hello";
    let p = support::provenance(4, c3_core::Dtype::F32);
    let only = support::segment(text, 0..5, 0, &p, c3_core::Fidelity::Unchecked);
    let context = c3_core::LatentContext::new(p, support::digest(text), vec![only]).unwrap();
    let mut parts = Parts::of(&context.to_bytes().unwrap());
    let width = u64::MAX;
    parts.tensor("latents", "shape", json!([0, width])).meta("c3.dim", &width.to_string());
    let read = support::read_all(&parts.seal()).unwrap();
    assert_eq!(read.segments()[0].latents.rows(), 0);
}
