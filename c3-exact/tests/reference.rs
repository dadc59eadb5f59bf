//! Checkpoints in the authors' layout, with random weights: they get no text right but their own.

mod support;

use c3_core::{
    Compression, Correction, DecodeRequest, Decoder, Dtype, Fidelity, LatentContext, LatentTokens,
    Segment, SourceHasher, StopReason, segment_hash,
};
use c3_encoder::Bank;
use c3_exact::{CompressRequest, Level};
use candle_core::{Device, Tensor};

use support::{EXACT, Models, checked};

const CHECKPOINTS: [&str; 2] = ["c3-ref-f32", "c3-ref-bf16-tied"];

fn models(name: &str) -> Models {
    Models::load(&support::root().join("fixtures").join(name))
}

/// One segment of tokens that nobody encoded.
fn context(
    models: &Models,
    latents: &LatentTokens,
    ids: &[u32],
    fidelity: Fidelity,
) -> LatentContext {
    let tokenizer = models.encoder.tokenizer();
    let spelled: Vec<u8> =
        ids.iter().filter_map(|&id| tokenizer.token_bytes(id)).flatten().copied().collect();
    let mut source = SourceHasher::new();
    source.update(&spelled);
    let segment = Segment {
        latents: latents.clone(),
        bytes: 0..spelled.len() as u64,
        text_tokens: ids.len() as u32,
        hash: segment_hash(&spelled),
        fidelity,
        text: None,
    };
    let request = CompressRequest { dtype: Dtype::F32, ..CompressRequest::new(checked()) };
    let provenance = models.compressor().provenance(&request).unwrap();
    LatentContext::new(provenance, source.finish(), vec![segment]).unwrap()
}

#[test]
fn a_models_own_answer_is_right_and_any_other_is_corrected() {
    for name in CHECKPOINTS {
        let models = models(name);
        let ids = models.encoder.tokenizer().encode("Call me Ishmael. Some years ago").unwrap();
        let bank = Bank::choose(models.encoder.config(), Compression::Default).unwrap();
        let latents = models.encoder.latents(&[&ids], &bank).unwrap().remove(0);
        let (rows, dim) = latents.dims2().unwrap();
        let values = latents.flatten_all().unwrap().to_vec1::<f32>().unwrap();
        let latents = LatentTokens::from_f32(rows, dim, Dtype::F32, &values).unwrap();
        let tensor = Tensor::from_vec(values, (rows, dim), &Device::Cpu).unwrap();

        let asked = DecodeRequest { max_new_tokens: Some(40), ..DecodeRequest::default() };
        let mut answers = Vec::new();
        models
            .decoder
            .decode(&context(&models, &latents, &ids, Fidelity::Unchecked), &asked, &mut |event| {
                if let c3_core::DecodeEvent::Segment(segment) = event {
                    answers.push(segment.clone());
                }
                std::ops::ControlFlow::Continue(())
            })
            .unwrap();
        let (answer, stop) = (answers[0].tokens.clone(), answers[0].stop);
        assert!(answer.len() > 3, "{name}: {answer:?}");
        let verify = |text: &[u32]| {
            models.decoder.verify(std::slice::from_ref(&tensor), &[text]).unwrap().remove(0)
        };
        let verified = verify(&answer);
        assert_eq!(&verified.predicted[..answer.len()], answer, "{name}");
        let goes_on = (stop == StopReason::MaxNewTokens).then_some(answer.len());
        assert_eq!(verified.first, goes_on, "{name}");

        // One token is another one: right up to there, and whatever comes then is corrected.
        for place in [0, answer.len() / 2, answer.len() - 1] {
            let mut text = answer.clone();
            text[place] = (text[place] + 1) % 100;
            let verified = verify(&text);
            assert_eq!(verified.first, Some(place), "{name}");
            let steps = models.decoder.verify_stepwise(std::slice::from_ref(&tensor), &[&text]);
            assert_eq!(steps.unwrap()[0].predicted, verified.predicted, "{name}");
            let corrections = verified.corrections(&text, models.decoder.margin());
            assert!(corrections.contains(&place));
            let correction = |at: usize| Correction { position: at as u32, token: text[at] };
            let corrections = corrections.into_iter().map(correction).collect();
            let fidelity = Fidelity::Exact { corrections, patches: Vec::new() };
            let context = context(&models, &latents, &text, fidelity);
            // Its hash is checked: that it comes back is all there is to say.
            models.decoder.decode_to_bytes(&context, &DecodeRequest::default()).unwrap();
        }
    }
}

/// Latents that tell such a decoder nothing: the text itself is cheapest, at every level that keeps
/// something.
#[test]
fn what_no_latents_help_is_kept_as_text() {
    let text =
        "Call me Ishmael. Some years ago, never mind how long precisely. \u{e9}\r\n".repeat(6);
    for name in CHECKPOINTS {
        let models = models(name);
        for level in [
            EXACT,
            Level::Exact { max_corrections: Some(0.1) },
            Level::Checked { min_precision: Some(0.9), budget: None },
        ] {
            let context = models.compress(text.as_bytes(), &CompressRequest::new(level));
            let verbatim = |s: &Segment| s.fidelity == Fidelity::Verbatim;
            assert!(context.segments().iter().all(verbatim), "{name} {level:?}");
            let bytes = models.decoder.decode_to_bytes(&context, &DecodeRequest::default());
            assert!(bytes.unwrap() == text.as_bytes());
        }
        let context = models.compress(text.as_bytes(), &CompressRequest::new(checked()));
        for (segment, decoded) in context.segments().iter().zip(models.segments(&context)) {
            let Fidelity::Checked { mismatches, first: Some(first), .. } = segment.fidelity else {
                panic!("{:?}", segment.fidelity)
            };
            let source = &text[segment.bytes.start as usize..segment.bytes.end as usize];
            let ids = models.encoder.tokenizer().encode(source).unwrap();
            let found = ids.iter().zip(&decoded.tokens).position(|(a, b)| a != b);
            assert_eq!(found, Some(first as usize), "{name}");
            assert!(mismatches > 0 && !decoded.exact);
        }
    }
}
