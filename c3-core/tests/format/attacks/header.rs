//! Files whose header lies.

use c3_core::Error;
use serde_json::json;

use super::changed;
use crate::support::{self, Parts, join};

#[test]
fn text_file() {
    refused!(
        support::read_all(b"It was a bright cold day in April").unwrap_err(),
        Error::HeaderTooLong { .. },
        "not a .c3 file"
    );
}

#[test]
fn header_too_long() {
    for length in [100_000_001, u64::MAX - 8, u64::MAX] {
        let bytes = [&length.to_le_bytes()[..], b"{}"].concat();
        let error = support::read_all(&bytes).unwrap_err();
        assert!(matches!(error, Error::HeaderTooLong { found, .. } if found == length));
    }
    // Long but allowed: nothing of it is there, so nothing is allocated for it.
    let bytes = [&100_000_000u64.to_le_bytes()[..], b"{}"].concat();
    refused!(
        support::read_all(&bytes).unwrap_err(),
        Error::Truncated { expected: 100_000_008, found: 10 },
        "100000008 bytes expected, 10 found"
    );
}

#[test]
fn header_is_no_json() {
    let deep = format!("{{\"__metadata__\":{}", "[".repeat(100_000));
    for header in ["", "[]", " {}", "{", "{}x", "{\"latents\":1}", "{\"\u{0}\":{}}", &deep] {
        let error = support::read_all(&join(header, b"")).unwrap_err();
        assert!(matches!(error, Error::BadHeader(_)), "{header:.40}: {error}");
        assert!(error.to_string().len() < 300, "{error}");
    }
    let bytes = [&3u64.to_le_bytes()[..], b"{\"\xff"].concat();
    assert!(matches!(support::read_all(&bytes), Err(Error::BadHeader(_))));
}

#[test]
fn other_safetensors_file() {
    let header = r#"{"weight":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}"#;
    refused!(
        support::read_all(&join(header, &[0; 4])).unwrap_err(),
        Error::NotC3,
        "not a .c3 file"
    );
}

/// JSON leaves open which of two equal keys counts: readers could disagree.
#[test]
fn duplicate_keys() {
    let bytes = support::simple().to_bytes().unwrap();
    let parts = Parts::of(&bytes);
    let header = parts.header.to_string();
    for (from, to) in [
        ("{\"__metadata__\":", "{\"__metadata__\":{},\"__metadata__\":"),
        ("\"c3.model\":", "\"c3.model\":\"other\",\"c3.model\":"),
        (
            "\"latents\":",
            "\"segment.hash\":{\"dtype\":\"U64\",\"shape\":[],\"data_offsets\":[0,0]},\"latents\":",
        ),
        ("\"shape\":", "\"shape\":[],\"shape\":"),
    ] {
        assert!(header.contains(from));
        let twice = header.replacen(from, to, 1);
        let error = support::read_all(&join(&twice, &parts.data)).unwrap_err();
        assert!(matches!(error, Error::BadHeader(_)), "{from}: {error}");
        assert!(error.to_string().contains("twice") || error.to_string().contains("duplicate"));
    }
}

#[test]
fn unknown_field_of_a_tensor() {
    let error = changed(|p| p.tensor("latents", "strides", json!([3, 1])));
    refused!(error, Error::BadHeader(_), "strides");
}

#[test]
fn newer_major_version() {
    refused!(
        changed(|p| p.meta("c3.version", "2.0")),
        Error::UnsupportedVersion { .. },
        "version 2.0: this program reads version 1.2"
    );
    // It may have any tensors; the version is what the user should hear of.
    refused!(
        changed(|p| p.meta("c3.version", "2.0").tensor("unheard.of", "dtype", json!("I64"))),
        Error::BadHeader(_),
        "missing field"
    );
    refused!(
        changed(|p| {
            p.header["unheard.of"] = json!({"dtype": "F8", "shape": [], "data_offsets": [0, 0]});
            p.meta("c3.version", "3.1")
        }),
        Error::UnsupportedVersion { .. },
        "version 3.1"
    );
}

#[test]
fn metadata_missing_or_wrong() {
    let keys = [
        ("c3.fingerprint", "no hex"),
        ("c3.dim", "4"),
        ("c3.dim", "03"),
        ("c3.markers", "4294967296"),
        ("c3.markers", "-1"),
        ("c3.source_bytes", "+23"),
        ("c3.source_bytes", "9223372036854775808"),
        ("c3.source_hash", "sha256:12"),
        ("c3.source_hash", "md5:d41d8cd98f00b204e9800998ecf8427e"),
    ];
    for (key, value) in keys {
        let error = changed(|p| p.meta(key, value));
        assert!(matches!(error, Error::BadMetadata { key: k, .. } if k == key), "{error}");
        assert!(error.to_string().contains(value), "{error}");
    }
    let names = ["c3.model", "c3.segmenter", "c3.prompt", "c3.created_by"];
    for key in keys.iter().map(|(key, _)| *key).chain(names) {
        let error = changed(|p| p.without_meta(key));
        assert!(matches!(error, Error::MissingMetadata(k) if k == key), "{error}");
    }
    let error = changed(|p| p.meta("c3.version", "one"));
    assert!(matches!(error, Error::BadMetadata { key: "c3.version", .. }), "{error}");
    let error = changed(|p| {
        p.meta("c3.model", "x").header["__metadata__"]["n"] = json!(1);
        p
    });
    assert!(matches!(error, Error::BadHeader(_)), "{error}");
    let error = changed(|p| p.meta("c3.markers", &"9".repeat(1 << 20)));
    assert!(error.to_string().len() < 300, "a megabyte of message");
}

#[test]
fn payload_hash_missing_wrong_or_twice() {
    let error = changed(|p| p.without_meta("c3.payload_hash"));
    assert!(matches!(error, Error::MissingMetadata("c3.payload_hash")));
    let bytes = support::corrected().to_bytes().unwrap();
    for value in ["", "xxh3-128:12", &format!("xxh3-128:{}", "A".repeat(32)), &"0".repeat(41)] {
        let mut parts = Parts::of(&bytes);
        parts.meta("c3.payload_hash", value);
        let error = support::read_all(&join(&parts.header.to_string(), &parts.data)).unwrap_err();
        refused!(error, Error::BadMetadata { key: "c3.payload_hash", .. }, "32 hexadecimal");
    }
    let mut zeros = Parts::of(&bytes);
    zeros.meta("c3.payload_hash", &format!("xxh3-128:{}", "0".repeat(32)));
    let error = support::read_all(&join(&zeros.header.to_string(), &zeros.data)).unwrap_err();
    refused!(error, Error::PayloadHash { .. }, "but it says xxh3-128:000");
    let value = Parts::of(&bytes).header["__metadata__"]["c3.payload_hash"].clone();
    let mut twice = Parts::of(&bytes);
    twice.meta("title", value.as_str().unwrap());
    let error = support::read_all(&join(&twice.header.to_string(), &twice.data)).unwrap_err();
    refused!(error, Error::PayloadHashPlace { found: 2 }, "2 times");
    // Spelt with an escape it can't be cut out.
    let parts = Parts::of(&bytes);
    let escaped = parts.header.to_string().replace("xxh3-128", "\\u0078xh3-128");
    let error = support::read_all(&join(&escaped, &parts.data)).unwrap_err();
    refused!(error, Error::PayloadHashPlace { found: 0 }, "0 times");
}
