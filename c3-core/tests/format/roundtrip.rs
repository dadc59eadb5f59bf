//! What is written is read back, whatever it is.

use std::collections::BTreeMap;

use c3_core::{
    Correction, Dtype, Fidelity, FingerprintBuilder, LatentContext, LatentFile, LatentTokens,
    Patch, Provenance, Segment, SegmentSource, Sha256Digest, SourceDigest, segment_hash,
};
use proptest::collection::{btree_map, btree_set, vec};
use proptest::prelude::*;

use crate::support;

fn fidelity(tokens: u32) -> BoxedStrategy<Fidelity> {
    let position = 0..tokens.max(1);
    prop_oneof![
        Just(Fidelity::Unchecked),
        near_ties(tokens + 1).prop_map(|near_ties| support::checked(0, None, near_ties)),
        (0..=tokens)
            .prop_flat_map(move |first| (Just(first), 1..=tokens - first + 1))
            .prop_flat_map(move |(first, wrong)| {
                let checked = move |near_ties| support::checked(wrong, Some(first), near_ties);
                near_ties(tokens + 1 - wrong).prop_map(checked)
            }),
        (btree_set(position, 0..6), 0..=i32::MAX as u32)
            .prop_map(move |(positions, token)| {
                let inside = positions.into_iter().filter(|&position| position < tokens);
                let corrections = inside.map(|position| Correction { position, token }).collect();
                (corrections, tokens)
            })
            .prop_flat_map(|(corrections, tokens)| (Just(corrections), patches(tokens)))
            .prop_map(|(corrections, patches)| Fidelity::Exact { corrections, patches }),
        Just(Fidelity::Verbatim),
    ]
    .boxed()
}

/// Of so many right tokens; most files have none.
fn near_ties(right: u32) -> impl Strategy<Value = Option<u32>> {
    prop_oneof![Just(None), Just(Some(0)), (0..=right).prop_map(Some)]
}

fn patches(tokens: u32) -> impl Strategy<Value = Vec<Patch>> {
    let patch = (0..tokens + 9, 0..9u32, vec(any::<u8>(), 0..5));
    vec(patch, 0..3).prop_map(|patches| {
        let mut from = 0;
        let place = |(start, length, bytes)| {
            let patch = Patch { start: from + start, length, bytes };
            from = patch.start + length;
            patch
        };
        patches.into_iter().map(place).collect()
    })
}

/// Rows, source bytes, tokens, hash, fidelity; the latents' bits come from the seed.
fn piece() -> impl Strategy<Value = (usize, u64, u32, u64, Fidelity)> {
    (0..4usize, 0..1u64 << 40, 0..40u32, any::<u64>())
        .prop_flat_map(|(r, b, t, h)| (Just(r), Just(b), Just(t), Just(h), fidelity(t)))
}

fn latents(rows: usize, dim: usize, dtype: Dtype, seed: u64) -> LatentTokens {
    let bytes = (0..rows * dim * dtype.size()).map(|i| (seed >> (i % 57)) as u8 ^ i as u8);
    LatentTokens::from_le_bytes(rows, dim, dtype, bytes.collect()).unwrap()
}

prop_compose! {
    fn context()(
        dim in 1..6usize,
        dtype in prop::sample::select(vec![Dtype::F32, Dtype::F16, Dtype::Bf16]),
        markers in any::<u32>(),
        texts in vec(any::<String>(), 4),
        extra in btree_map("[a-z.\"\\\\\u{4e0a}]{0,12}", any::<String>(), 0..4),
        sha256 in any::<[u8; 32]>(),
        pieces in vec(piece(), 0..8),
    ) -> LatentContext {
        let mut end = 0;
        let mut segments = Vec::new();
        for (rows, bytes, text_tokens, hash, fidelity) in pieces {
            let kept = fidelity == Fidelity::Verbatim;
            let bytes = if kept { bytes % 50 } else { bytes };
            let text = kept.then(|| (0..bytes).map(|i| (hash >> (i % 57)) as u8).collect());
            let hash = text.as_ref().map_or(hash, |text: &Vec<u8>| segment_hash(text));
            let latents = latents(if kept { 0 } else { rows }, dim, dtype, hash);
            let start = end;
            end += bytes;
            let bytes = start..end;
            segments.push(Segment { latents, bytes, text_tokens, hash, fidelity, text });
        }
        let [model, segmenter, prompt, created_by] = <[String; 4]>::try_from(texts).unwrap();
        let fingerprint = FingerprintBuilder::new().part("sha", &sha256).finish();
        let p = Provenance {
            fingerprint, model, dim, dtype, markers, segmenter, prompt, created_by, extra,
        };
        LatentContext::new(p, SourceDigest { bytes: end, sha256: Sha256Digest(sha256) }, segments)
            .unwrap()
    }
}

proptest! {
    #[test]
    fn any_context_comes_back(context in context()) {
        let bytes = context.to_bytes().unwrap();
        prop_assert_eq!(&bytes, &context.to_bytes().unwrap());
        let file = LatentFile::from_bytes(bytes.clone()).unwrap();
        prop_assert_eq!(&file.to_context().unwrap(), &context);
        for (index, segment) in context.segments().iter().enumerate() {
            prop_assert_eq!(&file.segment(index).unwrap(), segment);
            let info = file.segment_info(index).unwrap();
            prop_assert_eq!(&info.bytes, &segment.bytes);
            prop_assert_eq!(info.latents.end - info.latents.start, segment.latents.rows() as u64);
            prop_assert_eq!((info.text_tokens, info.hash), (segment.text_tokens, segment.hash));
            prop_assert_eq!(&info.fidelity, &segment.fidelity);
        }
        safetensors::SafeTensors::deserialize(&bytes).unwrap();
        // The crafting helper and the writer agree on the hash.
        let mut sealed = bytes.clone();
        support::seal(&mut sealed).unwrap();
        prop_assert_eq!(sealed, bytes);
    }
}

#[test]
fn ratio_counts_latents_markers_and_corrections() {
    let bytes = support::corrected().to_bytes().unwrap();
    let ratio = LatentFile::from_bytes(bytes.clone()).unwrap().ratio();
    assert_eq!(ratio.text_tokens, 23);
    assert_eq!(ratio.latent_positions, 6 + 4 * 2);
    assert_eq!(ratio.corrections, 2);
    assert_eq!((ratio.text_bytes, ratio.stored_bytes), (23, bytes.len() as u64));

    // Text that is kept costs its tokens, and neither latents nor markers.
    let bytes = support::patched().to_bytes().unwrap();
    let ratio = LatentFile::from_bytes(bytes).unwrap().ratio();
    assert_eq!((ratio.latent_positions, ratio.corrections), (2 + 2, 1));
    assert_eq!((ratio.patch_bytes, ratio.verbatim_tokens), (4, 14));
    assert_eq!((ratio.text_tokens, ratio.positions()), (24, 4 + 1 + 4 + 14));
}

#[test]
fn an_empty_text_is_a_file_without_segments() {
    let p = support::provenance(8, Dtype::F32);
    let empty = LatentContext::new(p, support::digest(b""), vec![]).unwrap();
    let file = LatentFile::from_bytes(empty.to_bytes().unwrap()).unwrap();
    assert_eq!(file.segment_count(), 0);
    assert_eq!(file.to_context().unwrap(), empty);
    assert_eq!(file.ratio().token_ratio(), 0.0);
    let error = file.segment(0).unwrap_err();
    assert!(matches!(error, c3_core::Error::NoSuchSegment { index: 0, count: 0 }));
}

#[test]
fn unknown_metadata_is_kept_and_written_back() {
    let mut parts = support::Parts::of(&support::simple().to_bytes().unwrap());
    parts.meta("c3.version", "1.7").meta("c3.from_the_future", "x").meta("title", "y");
    let file = LatentFile::from_bytes(parts.seal()).unwrap();
    assert_eq!(file.version().to_string(), "1.7");
    let expected = BTreeMap::from(
        [("c3.from_the_future", "x"), ("title", "y")].map(|(k, v)| (k.into(), v.into())),
    );
    assert_eq!(file.provenance().extra, expected);
    assert_eq!(file.metadata().len(), 13);
    let again = LatentFile::from_bytes(file.to_context().unwrap().to_bytes().unwrap()).unwrap();
    assert_eq!(again.provenance().extra, expected);
    assert_eq!(again.version().to_string(), "1.2");
}
