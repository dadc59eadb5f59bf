//! Exact and checked compression with the built-in model: every byte, whatever the text; and what must
//! be noticed.

mod support;

use c3_core::{
    Compression, Correction, DecodeRequest, Decoder, Fidelity, LatentContext, Patch, Segment,
    SegmentSource, SourceDigest,
};
use c3_decoder::Error;
use c3_exact::{CompressRequest, Finding, Level, audit};

use support::{EXACT, Models, checked, models, texts};

fn request(level: Level, ratio: u32) -> CompressRequest {
    CompressRequest { compression: Compression::Ratio(ratio), ..CompressRequest::new(level) }
}

fn decode(models: &Models, context: &LatentContext) -> Vec<u8> {
    models.decoder.decode_to_bytes(context, &DecodeRequest::default()).unwrap()
}

#[test]
fn every_byte_of_every_kind_of_text_comes_back() {
    let models = models();
    let (mut corrected, mut patched, mut kept) = (0, 0, 0);
    for (name, text) in texts() {
        for ratio in [4, 8, 16, 32] {
            let context = models.compress(&text, &request(EXACT, ratio));
            assert!(decode(models, &context) == text, "{name} at {ratio}×");
            for segment in context.segments() {
                match &segment.fidelity {
                    Fidelity::Exact { corrections, patches } => {
                        corrected += corrections.len();
                        patched += patches.len();
                        // A segment is kept as text where that is no longer.
                        let bytes: usize = patches.iter().map(|p| p.bytes.len()).sum();
                        let positions = segment.latents.rows() + 2 + corrections.len() + bytes;
                        assert!(positions < segment.text_tokens as usize);
                    }
                    Fidelity::Verbatim => kept += 1,
                    other => panic!("{name} at {ratio}×: {other:?}"),
                }
            }
        }
    }
    assert!(corrected > 100 && patched > 3 && kept > 3, "{corrected} {patched} {kept}");
}

/// One thread and two, alone and in company, both ways.
#[test]
fn threads_and_batches_make_no_difference() {
    let models = models();
    let text = support::samples("en-prose", 30);
    for (threads, batch) in [(1, 16), (2, 1), (2, 16)] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let asked = CompressRequest { batch: Some(batch), ..request(EXACT, 16) };
        let context = pool.install(|| models.compress(text.as_bytes(), &asked));
        assert!(context.segment_count() > 16, "{}", context.segment_count());
        for (threads, batch) in [(1, 1), (2, 16), (1, 3)] {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let request = DecodeRequest { batch: Some(batch), ..DecodeRequest::default() };
            let bytes = pool.install(|| models.decoder.decode_to_bytes(&context, &request));
            assert!(bytes.unwrap() == text.as_bytes(), "{threads} threads, {batch} at a time");
        }
    }
}

/// Each segment is right, but the whole is said to be another text.
#[test]
fn the_whole_text_has_a_hash_too() {
    let models = models();
    let text = support::prose();
    let context = models.compress(text.as_bytes(), &request(EXACT, 16));
    let mut source: SourceDigest = context.source();
    source.sha256.0[7] ^= 1;
    let segments = context.segments().to_vec();
    let other = LatentContext::new(context.provenance().clone(), source, segments).unwrap();
    let error = models.decoder.decode_to_bytes(&other, &DecodeRequest::default()).unwrap_err();
    assert!(matches!(error, Error::OtherSource), "{error}");
    // Of a part of it nobody knows the hash.
    let part = DecodeRequest { segments: Some(1..3), ..DecodeRequest::default() };
    models.decoder.decode_to_bytes(&other, &part).unwrap();
}

#[test]
fn one_segment_comes_back_alone() {
    let models = models();
    let text = support::prose();
    let context = models.compress(text.as_bytes(), &request(EXACT, 16));
    for index in 0..context.segment_count() {
        let segments = Some(index..index + 1);
        let request = DecodeRequest { segments, ..DecodeRequest::default() };
        let bytes = models.decoder.decode_to_bytes(&context, &request).unwrap();
        let place = &context.segments()[index].bytes;
        assert_eq!(bytes, &text.as_bytes()[place.start as usize..place.end as usize]);
    }
}

/// A corrected segment with its corrections changed.
fn changed(
    context: &LatentContext,
    change: impl Fn(&Segment, &mut Vec<Correction>),
) -> LatentContext {
    let segments = context.segments().iter().map(|segment| {
        let mut segment = segment.clone();
        if let Fidelity::Exact { corrections, .. } = &segment.fidelity {
            let mut corrections = corrections.clone();
            change(&segment, &mut corrections);
            segment.fidelity = Fidelity::Exact { corrections, patches: Vec::new() };
        }
        segment
    });
    let segments = segments.collect();
    LatentContext::new(context.provenance().clone(), context.source(), segments).unwrap()
}

fn refused(models: &Models, context: &LatentContext) {
    let error = models.decoder.decode_to_bytes(context, &DecodeRequest::default()).unwrap_err();
    assert!(matches!(error, Error::BrokenPromise { .. }), "{error}");
}

/// The mistakes that corrections could be made or applied with: each loses the text, and none of it
/// is passed on.
#[test]
fn corrections_at_any_other_place_are_not_enough() {
    let models = models();
    // No model knows these: every segment has corrections.
    let text = support::letters(1500);
    let context = models.compress(text.as_bytes(), &request(EXACT, 32));
    let late = |segment: &Segment, corrections: &mut Vec<Correction>| {
        corrections.iter_mut().for_each(|c| c.position += 1);
        corrections.retain(|c| c.position < segment.text_tokens);
    };
    let early = |_: &Segment, corrections: &mut Vec<Correction>| {
        corrections.retain(|c| c.position > 0);
        corrections.iter_mut().for_each(|c| c.position -= 1);
    };
    refused(models, &changed(&context, late));
    refused(models, &changed(&context, early));
    refused(models, &changed(&context, |_, c| *c = c.split_off(1)));
    refused(models, &changed(&context, |_, c| c.truncate(c.len() - 1)));
    refused(models, &changed(&context, |_, c| c[0].token += 1));
    let mut told = 0;
    let result = models.decoder.decode(
        &changed(&context, late),
        &DecodeRequest { batch: Some(1), ..DecodeRequest::default() },
        &mut |_| {
            told += 1;
            std::ops::ControlFlow::Continue(())
        },
    );
    assert!(result.is_err() && told == 0, "{told} events of a text that is wrong");
}

/// What is foretold of the first token that differs is what free-running decoding then shows.
#[test]
fn what_is_foretold_happens() {
    let models = models();
    let (mut differing, mut equal) = (0, 0);
    for (name, text) in texts().into_iter().filter(|(_, text)| std::str::from_utf8(text).is_ok()) {
        for ratio in [4, 32] {
            let context = models.compress(&text, &request(checked(), ratio));
            let decoded = models.segments(&context);
            for (segment, decoded) in context.segments().iter().zip(decoded) {
                let Fidelity::Checked { first, mismatches, .. } = segment.fidelity else {
                    panic!()
                };
                let source = &text[segment.bytes.start as usize..segment.bytes.end as usize];
                let own = models.encoder.tokenizer().encode(std::str::from_utf8(source).unwrap());
                let own = own.unwrap();
                assert_eq!(decoded.exact, mismatches == 0, "{name} at {ratio}×");
                equal += usize::from(mismatches == 0);
                if models.spells(&own, source) {
                    let found = own.iter().zip(&decoded.tokens).position(|(a, b)| a != b);
                    let lengths = (own.len(), decoded.tokens.len());
                    let found =
                        found.or((lengths.0 != lengths.1).then(|| lengths.0.min(lengths.1)));
                    assert_eq!(first.map(|at| at as usize), found, "{name} at {ratio}×");
                    differing += usize::from(found.is_some());
                }
            }
        }
    }
    assert!(differing > 10 && equal > 2, "{differing} {equal}");
}

/// A text that the decoder would go on after: all of its tokens are right, and the stop token isn't.
#[test]
fn the_stop_token_counts() {
    let models = models();
    let text = "The sea was calm that night, and the wind had gone down.";
    let whole = models.encoder.tokenizer().encode(text).unwrap();
    let latents = models.latents(&whole, 4);
    let all = models.decoder.verify(std::slice::from_ref(&latents), &[&whole]).unwrap().remove(0);
    // As far as it is right, and a token less.
    let right = all.first.unwrap_or(whole.len());
    assert!(right > 3, "{right}");
    let cut = &whole[..right - 1];
    let verified = models.decoder.verify(&[latents], &[cut]).unwrap().remove(0);
    assert_eq!((verified.mismatches, verified.first), (1, Some(cut.len())));
    assert_eq!(verified.predicted[cut.len()], whole[right - 1]);
    // Exact segments end where they end, and need no correction for it.
    assert!(verified.corrections(cut, -1.0).is_empty());
}

/// The slow way to verify says the same, up to what the margin is for.
#[test]
fn one_pass_agrees_with_as_many_steps() {
    let models = models();
    let texts = ["Call me Ishmael. Some years ago", "It is a truth universally acknowledged", "a"];
    let ids: Vec<Vec<u32>> =
        texts.iter().map(|text| models.encoder.tokenizer().encode(text).unwrap()).collect();
    let latents: Vec<_> = ids.iter().map(|ids| models.latents(ids, 8)).collect();
    let ids: Vec<&[u32]> = ids.iter().map(Vec::as_slice).collect();
    let pass = models.decoder.verify(&latents, &ids).unwrap();
    let steps = models.decoder.verify_stepwise(&latents, &ids).unwrap();
    for (pass, steps) in pass.iter().zip(&steps) {
        assert_eq!(pass.predicted, steps.predicted);
        for (a, b) in pass.margins.iter().zip(&steps.margins) {
            assert!((a - b).abs() < models.decoder.margin(), "{a} and {b}");
        }
    }
}

#[test]
fn an_adaptive_segment_gets_what_it_needs() {
    let models = models();
    let text = support::prose();
    let share = 0.05;
    let level = Level::Exact { max_corrections: Some(share) };
    let context = models.compress(text.as_bytes(), &CompressRequest::new(level));
    assert!(decode(models, &context) == text.as_bytes());
    for segment in context.segments() {
        if let Fidelity::Exact { corrections, .. } = &segment.fidelity {
            assert!(corrections.len() as f64 <= share * f64::from(segment.text_tokens));
        }
    }
    let level = Level::Checked { min_precision: Some(0.98), budget: None };
    let context = models.compress(text.as_bytes(), &CompressRequest::new(level));
    for segment in context.segments() {
        if let Fidelity::Checked { mismatches, .. } = segment.fidelity {
            assert!(f64::from(mismatches) <= 0.02 * f64::from(segment.text_tokens));
        }
    }
    // Nothing wrong is allowed: whatever isn't right is divided, and at last kept as text.
    let level = Level::Checked { min_precision: Some(1.0), budget: None };
    let foreign = support::foreign(1500);
    let context = models.compress(foreign.as_bytes(), &CompressRequest::new(level));
    assert!(decode(models, &context) == foreign.as_bytes());
    let right = |s: &&Segment| matches!(s.fidelity, Fidelity::Checked { mismatches: 0, .. });
    let kept = |s: &&Segment| s.fidelity == Fidelity::Verbatim;
    assert!(context.segments().iter().all(|s| kept(&s) || right(&s)));
    assert!(context.segments().iter().any(|s| kept(&s)));
}

#[test]
fn a_budget_is_kept_and_more_of_it_is_better() {
    let models = models();
    let text = support::prose() + &support::letters(1000);
    let spent = |budget: u64| {
        let level = Level::Checked { min_precision: None, budget: Some(budget) };
        let context = models.compress(text.as_bytes(), &CompressRequest::new(level));
        let positions: usize = context.segments().iter().map(|s| s.latents.rows() + 2).sum();
        let wrong = |s: &Segment| match s.fidelity {
            Fidelity::Checked { mismatches, .. } => mismatches,
            _ => panic!(),
        };
        (positions as u64, context.segments().iter().map(wrong).sum::<u32>())
    };
    let tokens = models.encoder.tokenizer().encode(&text).unwrap().len() as u64;
    let (tight, loose) = (tokens / 16, tokens / 3);
    let (few, many) = (spent(tight), spent(loose));
    assert!(few.0 <= tight && many.0 <= loose && many.0 > few.0, "{few:?} {many:?}");
    assert!(many.1 < few.1, "{few:?} {many:?}");
    let level = Level::Checked { min_precision: None, budget: Some(3) };
    let error = models.compressor().compress_bytes(text.as_bytes(), &CompressRequest::new(level));
    assert!(matches!(error, Err(c3_exact::Error::Budget { budget: 3, .. })));
}

#[test]
fn stored_segments_are_audited_against_their_text() {
    let models = models();
    let text = support::prose();
    for level in [EXACT, checked()] {
        let context = models.compress(text.as_bytes(), &request(level, 16));
        let mut segments: Vec<(Segment, Vec<u8>)> = context
            .segments()
            .iter()
            .map(|s| {
                (s.clone(), text.as_bytes()[s.bytes.start as usize..s.bytes.end as usize].into())
            })
            .collect();
        for finding in audit(&models.decoder, &segments).unwrap() {
            assert!(matches!(finding, Finding::Verified { as_stored: true, .. }), "{finding:?}");
        }
        segments[0].1[0] ^= 1;
        let found = audit(&models.decoder, &segments).unwrap();
        assert_eq!(found[0], Finding::OtherText);
        assert!(matches!(found[1], Finding::Verified { as_stored: true, .. }));
        segments[0].1[0] ^= 1;
        let sound = segments[0].0.fidelity.clone();
        let mut not_as_stored = |fidelity: Fidelity| {
            segments[0].0.fidelity = fidelity;
            let found = audit(&models.decoder, &segments).unwrap();
            let Finding::Verified { as_stored: false, mismatches, first, .. } = found[0] else {
                panic!("{:?}", found[0])
            };
            (mismatches, first)
        };
        match sound {
            Fidelity::Checked { mismatches, first, near_ties } => {
                let (more, start) = (mismatches + 1, Some(0));
                let stored = Fidelity::Checked { mismatches: more, first: start, near_ties };
                assert_eq!(not_as_stored(stored), (mismatches, first));
            }
            Fidelity::Exact { corrections, patches } => {
                // A correction or a patch too many spoils what was right.
                let mut other = corrections.clone();
                other.retain(|correction| correction.position > 0);
                other.insert(0, Correction { position: 0, token: 1 });
                let stored = Fidelity::Exact { corrections: other, patches: patches.clone() };
                assert_eq!(not_as_stored(stored), (1, Some(0)));
                let patch = Patch { start: 0, length: 0, bytes: b"x".to_vec() };
                let patches = [vec![patch], patches].concat();
                assert_eq!(not_as_stored(Fidelity::Exact { corrections, patches }), (1, Some(0)));
            }
            other => panic!("{other:?}"),
        }
    }
}

/// What is right by no more than the margin is told of where nothing corrects it.
#[test]
fn near_ties_are_told_of() {
    let models = models();
    let text = support::samples("en-prose", 40);
    let near_ties = |margin: f32| -> u32 {
        let request = CompressRequest { margin: Some(margin), ..request(EXACT, 8) };
        let context = models.compress(text.as_bytes(), &request);
        let bytes =
            |s: &Segment| text.as_bytes()[s.bytes.start as usize..s.bytes.end as usize].into();
        let segments: Vec<(Segment, Vec<u8>)> =
            context.segments().iter().map(|s| (s.clone(), bytes(s))).collect();
        // The batches that they were compressed in don't matter here.
        let findings = audit(&models.decoder, &segments).unwrap();
        findings
            .iter()
            .map(|finding| match finding {
                Finding::Verified { near_ties, as_stored: true, .. } => *near_ties,
                other => panic!("{other:?}"),
            })
            .sum()
    };
    assert_eq!(near_ties(2.0 * models.decoder.margin()), 0);
    let margins = |s: &Segment| {
        let source = &text[s.bytes.start as usize..s.bytes.end as usize];
        let ids = models.encoder.tokenizer().encode(source).unwrap();
        models.decoder.verify(&[models.latents(&ids, 8)], &[&ids]).unwrap().remove(0)
    };
    let context = models.compress(text.as_bytes(), &request(checked(), 8));
    let near: usize = context
        .segments()
        .iter()
        .map(|s| {
            let verified = margins(s);
            let margins = &verified.margins[..verified.margins.len() - 1];
            margins.iter().filter(|m| (0.0..=models.decoder.margin()).contains(*m)).count()
        })
        .sum();
    // Sums in another order may move one of them across a bound.
    assert!(near_ties(0.0).abs_diff(near as u32) <= 1, "{} {near}", near_ties(0.0));
    // Compressing counts them too, the stop tokens among them.
    let stored: u32 = context
        .segments()
        .iter()
        .map(|s| match s.fidelity {
            Fidelity::Checked { near_ties: Some(near), .. } => near,
            ref other => panic!("{other:?}"),
        })
        .sum();
    let stops = context.segment_count() as u32;
    assert!((near as u32..=near as u32 + stops + 1).contains(&(stored + 1)), "{stored} {near}");
}
