//! What is predicted from a shape equals what a loaded model takes.

use std::path::Path;

use c3_nn::{Checkpoint, LoadOptions, Qwen2, WeightDtype};

fn checkpoint(folder: &str) -> Checkpoint {
    Checkpoint::open(&Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(folder)).unwrap()
}

/// To the byte: f32, f16 and bf16 files, tied and untied heads, grouped and ungrouped heads.
#[test]
fn weights() {
    for folder in ["models/c3-tiny", "fixtures/c3-ref-f32", "fixtures/c3-ref-bf16-tied"] {
        let checkpoint = checkpoint(folder);
        let encoder = checkpoint.encoder().unwrap();
        let (outer, inner) = (&checkpoint.config().decoder, &checkpoint.config().encoder);
        for dtype in [WeightDtype::F32, WeightDtype::F16, WeightDtype::Bf16, WeightDtype::Stored] {
            let options = LoadOptions { dtype, ..LoadOptions::default() };
            let model = Qwen2::load(outer, checkpoint.decoder(), &options).unwrap();
            let predicted = outer.weight_bytes(checkpoint.decoder(), &options, true);
            assert_eq!(predicted, model.byte_count(), "{folder}, {dtype:?}");
            let model = Qwen2::load_headless(inner, encoder, &options).unwrap();
            let predicted = inner.weight_bytes(encoder, &options, false);
            assert_eq!(predicted, model.byte_count(), "{folder}, {dtype:?}, headless");
        }
    }
}

#[test]
fn shapes_that_no_memory_holds_are_numbers_that_none_has() {
    let mut config = checkpoint("fixtures/c3-ref-f32").config().decoder.clone();
    assert_eq!(config.kv_bytes(), 2 * 2 * 2 * 16 * 4);
    assert_eq!(config.pass_bytes(0), 0);
    assert_eq!(config.pass_bytes(usize::MAX), u64::MAX);
    config.vocab_size = 1 << 24;
    assert_eq!(config.logits_bytes(usize::MAX), u64::MAX);
}

/// A pass over the cache forgets what is cut off, and fills it without computing what nobody reads.
#[test]
fn a_cache_can_be_cut_back_and_only_filled() {
    let checkpoint = checkpoint("fixtures/c3-ref-f32");
    let config = &checkpoint.config().decoder;
    let model = Qwen2::load(config, checkpoint.decoder(), &LoadOptions::default()).unwrap();
    let x = |ids: &[u32]| model.embed(ids).unwrap().unsqueeze(0).unwrap();
    let values = |t: &candle_core::Tensor| t.flatten_all().unwrap().to_vec1::<f32>().unwrap();
    let all = model.forward_embeds(&x(&[5, 6, 7, 8, 9]), &[0, 1, 2, 3, 4], &[], None, 2).unwrap();
    let mut cache = model.kv_cache(1, 5).unwrap();
    let none = model.forward_embeds(&x(&[5, 6, 7]), &[0, 1, 2], &[], Some(&mut cache), 0).unwrap();
    assert_eq!((none.dims(), cache.len()), (&[1, 0, config.hidden_size][..], 3));
    for _ in 0..2 {
        cache.truncate(3);
        let last = model.forward_embeds(&x(&[8, 9]), &[3, 4], &[], Some(&mut cache), 2).unwrap();
        assert_eq!(cache.len(), 5);
        for (a, b) in values(&last).iter().zip(values(&all)) {
            assert!((a - b).abs() <= 1e-5, "{a} {b}");
        }
    }
    cache.truncate(9);
    assert_eq!(cache.len(), 5);
}
