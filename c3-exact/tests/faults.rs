//! Decoders that are not the one that verified: weights with a flipped bit, logits with noise.

mod support;

use std::path::Path;

use c3_core::{Compression, DecodeEvent, DecodeRequest, Decoder, Fidelity, LatentContext};
use c3_decoder::Error;
use c3_exact::CompressRequest;
use candle_core::{Device, Tensor};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use safetensors::{Dtype, SafeTensors};

use support::{EXACT, Models, models};

/// A copy of the built-in model in a folder of its own.
fn copy() -> tempfile::TempDir {
    let (from, to) = (support::root().join("models/c3-tiny"), tempfile::tempdir().unwrap());
    std::fs::create_dir(to.path().join("llm1")).unwrap();
    for file in [
        "config.json",
        "tokenizer.json",
        "model.safetensors",
        "llm1/config.json",
        "llm1/model.safetensors",
    ] {
        std::fs::copy(from.join(file), to.path().join(file)).unwrap();
    }
    to
}

fn exact(ratio: u32, margin: f32) -> CompressRequest {
    let compression = Compression::Ratio(ratio);
    CompressRequest { compression, margin: Some(margin), ..CompressRequest::new(EXACT) }
}

const ANY: fn() -> DecodeRequest =
    || DecodeRequest { any_fingerprint: true, ..DecodeRequest::default() };

#[test]
fn one_bit_of_the_weights_is_noticed() {
    let models = models();
    let text = support::prose();
    let context = models.compress(text.as_bytes(), &exact(16, models.decoder.margin()));
    let mut rng = ChaCha8Rng::seed_from_u64(8);
    let mut wrong = 0;
    for _ in 0..6 {
        let folder = copy();
        let file = folder.path().join("model.safetensors");
        let mut bytes = std::fs::read(&file).unwrap();
        let header = 8 + u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
        // A weight of 8 bits, or a byte of a factor or of a vector.
        let at = header + 1 + 2 * rng.random_range(0..(bytes.len() - header) / 2);
        bytes[at] ^= 1 << rng.random_range(2..8);
        std::fs::write(&file, bytes).unwrap();
        let other = Models::load(folder.path());

        let error = other.decoder.decode_to_bytes(&context, &DecodeRequest::default()).unwrap_err();
        let noticed = matches!(error, Error::OtherDecoder { .. } | Error::OtherEncoder { .. });
        assert!(noticed, "{error}");
        // Overruled, it returns the text or names a segment: never another text.
        match other.decoder.decode_to_bytes(&context, &ANY()) {
            Ok(bytes) => assert!(bytes == text.as_bytes()),
            Err(Error::BrokenPromise { .. }) => wrong += 1,
            Err(other) => panic!("{other}"),
        }
    }
    println!("{wrong} of 6 flipped bits changed the text");
}

/// A whole matrix made wrong: the fingerprint is overruled, and the hashes still notice.
#[test]
fn hashes_notice_what_the_fingerprint_was_told_to_overlook() {
    let models = models();
    let text = support::prose();
    let context = models.compress(text.as_bytes(), &exact(8, models.decoder.margin()));
    let folder = copy();
    edit(folder.path(), "model.mm_projector.weight_scale", |value| -value);
    let other = Models::load(folder.path());
    let error = other.decoder.decode_to_bytes(&context, &DecodeRequest::default()).unwrap_err();
    assert!(matches!(error, Error::OtherDecoder { segment: 0, .. }), "{error}");
    let mut told = Vec::new();
    let error = other.decoder.decode(&context, &ANY(), &mut |event| {
        if let DecodeEvent::Text { segment, text } = event {
            told.push((segment, text.to_owned()));
        }
        std::ops::ControlFlow::Continue(())
    });
    assert!(matches!(error, Err(Error::BrokenPromise { .. })));
    for (segment, said) in told {
        let place = context.segments()[segment].bytes.clone();
        assert_eq!(said.as_bytes(), &text.as_bytes()[place.start as usize..place.end as usize]);
    }
}

/// Changes every value of one of the decoder's vectors.
fn edit(folder: &Path, name: &str, mut change: impl FnMut(f32) -> f32) {
    let file = folder.join("model.safetensors");
    let mut bytes = std::fs::read(&file).unwrap();
    let (header, metadata) = SafeTensors::read_metadata(&bytes).unwrap();
    let info = metadata.info(name).unwrap();
    assert_eq!(info.dtype, Dtype::F32);
    let (start, end) = (8 + header + info.data_offsets.0, 8 + header + info.data_offsets.1);
    for value in bytes[start..end].as_chunks_mut::<4>().0 {
        *value = change(f32::from_le_bytes(*value)).to_le_bytes();
    }
    std::fs::write(&file, bytes).unwrap();
}

/// The built-in model with noise on the scale of its last norm, and so on every logit.
fn noisy(amount: f32) -> Models {
    let folder = copy();
    let mut rng = ChaCha8Rng::seed_from_u64(5);
    let noise = |value: f32| value * (1.0 + amount * (rng.random::<f32>() - 0.5));
    edit(folder.path(), "model.norm.weight", noise);
    Models::load(folder.path())
}

/// How far the two models' margins are apart on the context's own text, at most.
fn apart(a: &Models, b: &Models, context: &LatentContext, text: &str) -> f32 {
    let mut most = 0f32;
    for segment in context.segments() {
        let part = &text[segment.bytes.start as usize..segment.bytes.end as usize];
        let ids = a.encoder.tokenizer().encode(part).unwrap();
        let shape = (segment.latents.rows(), segment.latents.dim());
        let latents = Tensor::from_vec(segment.latents.to_f32(), shape, &Device::Cpu).unwrap();
        let of = |models: &Models| {
            models
                .decoder
                .verify(std::slice::from_ref(&latents), &[&ids])
                .unwrap()
                .remove(0)
                .margins
        };
        most = of(a).iter().zip(of(b)).fold(most, |most, (a, b)| most.max((a - b).abs()));
    }
    most
}

/// Noise below the margin changes nothing; without a margin, the same noise does; above, it is noticed.
#[test]
fn noise_below_the_margin_is_borne_and_above_it_noticed() {
    let models = models();
    let text = support::samples("en-prose", 40);
    let fragile = models.compress(text.as_bytes(), &exact(32, 0.0));
    assert!(fragile.segments().iter().all(|s| matches!(s.fidelity, Fidelity::Exact { .. })));
    let other = noisy(0.05);
    let margin = apart(models, &other, &fragile, &text);
    assert!(margin > 0.01, "{margin}");
    let broken = other.decoder.decode_to_bytes(&fragile, &ANY());
    assert!(
        matches!(broken, Err(Error::BrokenPromise { .. })),
        "two near-tied logits changed places"
    );

    let robust = models.compress(text.as_bytes(), &exact(32, 1.01 * margin));
    assert!(other.decoder.decode_to_bytes(&robust, &ANY()).unwrap() == text.as_bytes());

    assert!(is_noticed_when_loud(models, &robust, &text, margin));
}

/// So it is with the margin that is the default.
#[test]
fn the_default_margin_bears_noise_below_it() {
    let models = models();
    let text = support::samples("en-prose", 40);
    let margin = models.decoder.margin();
    let context = models.compress(text.as_bytes(), &exact(16, margin));
    // Leads move in proportion to the noise.
    let moved = apart(models, &noisy(0.05), &context, &text);
    let other = noisy(0.8 * 0.05 * margin / moved);
    let moved = apart(models, &other, &context, &text);
    assert!((0.3 * margin..margin).contains(&moved), "{moved}");
    assert!(other.decoder.decode_to_bytes(&context, &ANY()).unwrap() == text.as_bytes());
    assert!(is_noticed_when_loud(models, &context, &text, margin));
}

/// Whether much more noise than `margin` is noticed.
fn is_noticed_when_loud(models: &Models, context: &LatentContext, text: &str, margin: f32) -> bool {
    let loud = noisy(1.0);
    assert!(apart(models, &loud, context, text) > margin);
    let broken = loud.decoder.decode_to_bytes(context, &ANY());
    matches!(broken, Err(Error::BrokenPromise { .. }))
}
