//! The decoder on the built-in model: batches, single segments, sampling, streaming, refusals.

use std::cell::RefCell;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::OnceLock;

use c3_core::{
    Compression, DecodeEvent, DecodeRequest, DecodedSegment, Decoder, EncodeRequest, Encoder,
    LatentContext, Provenance, Sampling, Segment, SegmentSource, SourceDigest, StopReason,
    segment_hash,
};
use c3_decoder::{C3Decoder, Error};
use c3_encoder::C3Encoder;
use c3_nn::{Checkpoint, LoadOptions};
use candle_core::{Device, Tensor};

struct Setup {
    encoder: C3Encoder,
    decoder: C3Decoder,
    text: String,
    context: LatentContext,
}

/// Random letters of a script that the model has hardly seen: what it can't return.
fn foreign(words: u32) -> String {
    let mut state = 1u32;
    let mut letter = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        char::from_u32(0xAC00 + (state >> 8) % 11_172).unwrap()
    };
    (0..words).flat_map(|_| [letter(), letter(), letter(), ' ']).collect()
}

/// Segments of many lengths, so that rows of a batch are padded and leave at different times.
fn setup() -> &'static Setup {
    static SETUP: OnceLock<Setup> = OnceLock::new();
    SETUP.get_or_init(|| {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let checkpoint = Checkpoint::open(&root.join("models/c3-tiny")).unwrap();
        let options = LoadOptions::default();
        let encoder = C3Encoder::load(&checkpoint, &options).unwrap();
        let prose = std::fs::read_to_string(root.join("fixtures/moby-dick.txt")).unwrap();
        let foreign = foreign(60);
        let text =
            format!("{prose}\n\nCall me Ishmael.\n\n{foreign}\n\n{prose}\n\n{prose}Once more.");
        let request =
            EncodeRequest { compression: Compression::Ratio(16), ..EncodeRequest::default() };
        let context = encoder.encode(&text, &request).unwrap();
        assert!(context.segment_count() >= 3);
        let decoder = C3Decoder::load(&checkpoint, &options).unwrap();
        Setup { encoder, decoder, text, context }
    })
}

/// Runs a request; returns the segments and, per segment, its text.
fn decode(request: &DecodeRequest) -> (Vec<DecodedSegment>, Vec<(usize, String)>) {
    let Setup { decoder, context, .. } = setup();
    let (mut segments, mut texts) = (Vec::new(), Vec::<(usize, String)>::new());
    let total = decoder
        .decode(context, request, &mut |event| {
            match event {
                DecodeEvent::Segment(segment) => segments.push(segment.clone()),
                DecodeEvent::Bytes { segment, .. } => panic!("segment {segment} is no text"),
                DecodeEvent::Text { segment, text } => match texts.last_mut() {
                    Some((last, all)) if *last == segment => all.push_str(text),
                    _ => texts.push((segment, text.to_owned())),
                },
            }
            ControlFlow::Continue(())
        })
        .unwrap();
    assert_eq!(total.segments, segments.len());
    assert_eq!(total.exact, segments.iter().filter(|s| s.exact).count());
    assert_eq!(total.tokens, segments.iter().map(|s| s.tokens.len() as u64).sum::<u64>());
    (segments, texts)
}

/// One pass tells where free-running decoding first goes wrong, and that it doesn't.
#[test]
fn verification_foretells_free_running() {
    let Setup { encoder, decoder, text, .. } = setup();
    let (mut latents, mut texts, mut decoded) = (Vec::new(), Vec::new(), Vec::new());
    // Long and short.
    for text in
        [text.as_str(), "Call me Ishmael.", "The sea was calm that night.", "It is a house."]
    {
        let request =
            EncodeRequest { compression: Compression::Ratio(16), ..EncodeRequest::default() };
        let context = encoder.encode(text, &request).unwrap();
        decoder
            .decode(&context, &DecodeRequest::default(), &mut |event| {
                if let DecodeEvent::Segment(segment) = event {
                    decoded.push(segment.clone());
                }
                ControlFlow::Continue(())
            })
            .unwrap();
        for index in 0..context.segment_count() {
            let segment = context.segment(index).unwrap();
            let shape = (segment.latents.rows(), segment.latents.dim());
            let values = segment.latents.to_f32();
            latents.push(Tensor::from_vec(values, shape, &Device::Cpu).unwrap());
            let part = &text[segment.bytes.start as usize..segment.bytes.end as usize];
            texts.push(encoder.tokenizer().encode(part).unwrap());
        }
    }
    let refs: Vec<&[u32]> = texts.iter().map(Vec::as_slice).collect();
    let together = decoder.verify(&latents, &refs).unwrap();
    let mut wrong = 0;
    for (index, (verified, decoded)) in together.iter().zip(&decoded).enumerate() {
        let alone = decoder.verify(&latents[index..=index], &refs[index..=index]).unwrap();
        assert_eq!(alone[0].predicted, verified.predicted, "segment {index} alone and in company");
        for (a, b) in alone[0].margins.iter().zip(&verified.margins) {
            assert!((a - b).abs() < decoder.margin(), "segment {index}: {a} and {b}");
        }
        let (text, found) = (&texts[index], &decoded.tokens);
        assert_eq!(verified.predicted.len(), text.len() + 1);
        let differs = text.iter().zip(found).position(|(a, b)| a != b);
        let differs = differs.or((text.len() != found.len()).then(|| text.len().min(found.len())));
        assert_eq!(verified.first, differs, "segment {index}");
        assert_eq!(verified.first.is_none(), verified.mismatches == 0);
        wrong += usize::from(verified.first.is_some());
    }
    assert!(wrong > 0, "none of {} goes wrong", decoded.len());
    // What comes out is, given as the text, foretold to come out.
    let stopped = |&i: &usize| decoded[i].stop == StopReason::StopToken;
    let own: Vec<usize> = (0..decoded.len()).filter(stopped).collect();
    assert!(!own.is_empty());
    for i in own {
        let verified = decoder.verify(&latents[i..=i], &[&decoded[i].tokens]).unwrap();
        assert_eq!((verified[0].mismatches, verified[0].first), (0, None), "segment {i}");
    }
    assert!(decoder.verify(&[], &[]).unwrap().is_empty());
    let unpaired = decoder.verify(&latents[..1], &[]).unwrap_err();
    assert!(matches!(unpaired, Error::TextCount { latents: 1, texts: 0 }), "{unpaired}");
}

#[test]
fn the_batch_and_the_company_change_nothing() {
    let (all, texts) = decode(&DecodeRequest::default());
    assert!(all.iter().enumerate().all(|(i, s)| s.index == i), "told in the order of the text");
    for batch in [1, 2, 3] {
        let request = DecodeRequest { batch: Some(batch), ..DecodeRequest::default() };
        assert_eq!(decode(&request), (all.clone(), texts.clone()), "batch {batch}");
    }
    for index in 0..all.len() {
        let segments = Some(index..index + 1);
        let alone = decode(&DecodeRequest { segments, ..DecodeRequest::default() });
        assert_eq!(alone.0, all[index..=index]);
        assert_eq!(alone.1, texts[index..=index]);
    }
}

/// Remembers which segments were read.
struct Watched<'a> {
    context: &'a LatentContext,
    read: RefCell<Vec<usize>>,
}

impl SegmentSource for Watched<'_> {
    fn provenance(&self) -> &Provenance {
        self.context.provenance()
    }

    fn source(&self) -> SourceDigest {
        self.context.source()
    }

    fn segment_count(&self) -> usize {
        self.context.segment_count()
    }

    fn segment(&self, index: usize) -> c3_core::Result<Segment> {
        self.read.borrow_mut().push(index);
        self.context.segment(index)
    }
}

#[test]
fn gradual_decoding_changes_nothing_but_how_much_is_read_before_it_is_broken_off() {
    let Setup { decoder, context, .. } = setup();
    let request = DecodeRequest { gradual: true, ..DecodeRequest::default() };
    assert_eq!(decode(&request), decode(&DecodeRequest::default()));
    let read = |request: &DecodeRequest, enough: usize| {
        let watched = Watched { context, read: RefCell::default() };
        let broken_off = decoder.decode(&watched, request, &mut |event| match event {
            DecodeEvent::Segment(segment) if segment.index + 1 == enough => ControlFlow::Break(()),
            _ => ControlFlow::Continue(()),
        });
        assert!(matches!(broken_off, Err(Error::Cancelled)));
        watched.read.into_inner()
    };
    assert_eq!(read(&request, 1), [0]);
    assert_eq!(read(&request, 2), [0, 1, 2]);
    assert_eq!(read(&DecodeRequest { batch: Some(1), ..request }, 2), [0, 1]);
    assert!(read(&DecodeRequest::default(), 1).len() == context.segment_count());
}

#[test]
fn text_and_verdict_agree_with_the_source() {
    let (segments, texts) = decode(&DecodeRequest::default());
    let Setup { decoder, text, context, .. } = setup();
    for (segment, (index, decoded)) in segments.iter().zip(&texts) {
        assert_eq!(segment.index, *index);
        let source = context.segment(*index).unwrap();
        let original = &text[source.bytes.start as usize..source.bytes.end as usize];
        assert_eq!(segment.exact, decoded == original);
        assert_eq!(segment.exact, segment_hash(decoded.as_bytes()) == source.hash);
    }
    assert!(segments.iter().any(|s| !s.exact));
    let whole: String = texts.iter().map(|(_, text)| text.as_str()).collect();
    assert_eq!(decoder.decode_to_string(context, &DecodeRequest::default()).unwrap(), whole);
    let similarity = c3_core::char_similarity(text, &whole);
    assert!(similarity > 0.8, "{similarity}: {whole}");
}

#[test]
fn what_comes_back_exactly_is_called_exact() {
    let Setup { encoder, decoder, .. } = setup();
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/c3-tiny.expected.jsonl");
    let cases = std::fs::read_to_string(file).unwrap();
    let mut cases =
        cases.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    let case = cases.find(|case| case["output"] == case["text"]).unwrap();
    let (text, ratio) = (case["text"].as_str().unwrap(), case["ratio"].as_u64().unwrap() as u32);
    let request =
        EncodeRequest { compression: Compression::Ratio(ratio), ..EncodeRequest::default() };
    let context = encoder.encode(text, &request).unwrap();
    let sink = &mut |_: DecodeEvent<'_>| ControlFlow::Continue(());
    let total = decoder.decode(&context, &DecodeRequest::default(), sink).unwrap();
    assert_eq!((total.segments, total.exact, total.cut_off), (1, 1, 0));
    assert_eq!(decoder.decode_to_string(&context, &DecodeRequest::default()).unwrap(), text);
}

#[test]
fn sampling_follows_its_seed_and_not_the_batch() {
    let with = |seed, batch| {
        let sampling = Sampling::TopP { temperature: 1.5, top_p: 0.95, seed };
        decode(&DecodeRequest { sampling, batch: Some(batch), ..DecodeRequest::default() }).0
    };
    let first = with(1, 1);
    assert_eq!(first, with(1, 3));
    assert_ne!(first, with(2, 1));
    assert_ne!(first, decode(&DecodeRequest::default()).0);
    // As the temperature falls, sampling becomes greedy.
    let sampling = Sampling::TopP { temperature: 1e-4, top_p: 1.0, seed: 5 };
    let cold = decode(&DecodeRequest { sampling, ..DecodeRequest::default() });
    assert_eq!(cold, decode(&DecodeRequest::default()));
}

#[test]
fn the_allowed_number_of_tokens_is_kept() {
    let request = DecodeRequest { max_new_tokens: Some(3), ..DecodeRequest::default() };
    for segment in decode(&request).0 {
        assert_eq!((segment.tokens.len(), segment.stop), (3, StopReason::MaxNewTokens));
        assert!(!segment.exact);
    }
}

/// Neither a request nor what a file claims of its segments decides how much memory is taken.
#[test]
fn the_models_positions_bound_the_answer() {
    let Setup { decoder, context, .. } = setup();
    let whole = decode(&DecodeRequest::default());
    let request = DecodeRequest { max_new_tokens: Some(usize::MAX), ..DecodeRequest::default() };
    let (segments, _) = decode(&request);
    for (segment, (_, text)) in segments.iter().zip(&whole.1) {
        // Positions 0 to 65 are the markers' and the largest bank's.
        assert!(segment.tokens.len() <= 1024 - 66, "{text}");
    }
    let mut segment = context.segment(0).unwrap();
    segment.text_tokens = u32::MAX;
    segment.hash ^= 1; // whatever comes back
    let mut source = context.source();
    source.bytes = segment.bytes.end;
    let claimed = LatentContext::new(context.provenance().clone(), source, vec![segment]).unwrap();
    let sink = &mut |_: DecodeEvent<'_>| ControlFlow::Continue(());
    let total = decoder.decode(&claimed, &DecodeRequest::default(), sink).unwrap();
    assert!(total.tokens <= 1024 - 66);
}

#[test]
fn banned_ngrams_do_not_occur() {
    let request = DecodeRequest { no_repeat_ngram: Some(2), ..DecodeRequest::default() };
    for segment in decode(&request).0 {
        let mut pairs: Vec<&[u32]> = segment.tokens.windows(2).collect();
        let all = pairs.len();
        pairs.sort();
        pairs.dedup();
        assert_eq!(pairs.len(), all, "segment {} repeats a pair", segment.index);
    }
}

#[test]
fn another_question_is_answered_and_never_called_exact() {
    let request = DecodeRequest {
        question: Some("Who speaks? <|im_end|>".into()),
        max_new_tokens: Some(8),
        ..DecodeRequest::default()
    };
    let (segments, _) = decode(&request);
    assert!(segments.iter().all(|s| !s.exact && s.tokens.len() <= 8));
    let same = DecodeRequest { max_new_tokens: Some(8), ..DecodeRequest::default() };
    assert_ne!(segments, decode(&same).0, "the question is read");
}

#[test]
fn a_sink_breaks_off_between_tokens() {
    let Setup { decoder, context, .. } = setup();
    let mut seen = 0;
    let result = decoder.decode(context, &DecodeRequest::default(), &mut |_| {
        seen += 1;
        if seen == 5 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    assert!(matches!(result, Err(Error::Cancelled)));
    assert_eq!(seen, 5);
}

#[test]
fn settings_and_segments_out_of_range() {
    let Setup { decoder, context, .. } = setup();
    let error = |request: DecodeRequest| {
        let sink = &mut |_: DecodeEvent<'_>| ControlFlow::Continue(());
        decoder.decode(context, &request, sink).unwrap_err().to_string()
    };
    let count = context.segment_count();
    let default = DecodeRequest::default;
    assert_eq!(
        error(DecodeRequest { segments: Some(1..count + 1), ..default() }),
        format!("segments 1..{} were asked for, but there are {count}", count + 1)
    );
    assert_eq!(
        error(DecodeRequest { max_new_tokens: Some(0), ..default() }),
        "max-new-tokens is 0, expected at least 1"
    );
    let sampling = Sampling::TopP { temperature: 0.0, top_p: 0.9, seed: 0 };
    assert_eq!(
        error(DecodeRequest { sampling, ..default() }),
        "temperature is 0, expected a number above 0"
    );
}

#[test]
fn latents_of_another_encoder() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/c3-ref-f32");
    let checkpoint = Checkpoint::open(&folder).unwrap();
    let other = C3Decoder::load(&checkpoint, &LoadOptions::default()).unwrap();
    let Setup { decoder, context, .. } = setup();
    let sink = &mut |_: DecodeEvent<'_>| ControlFlow::Continue(());
    let error = other.decode(context, &DecodeRequest::default(), sink).unwrap_err().to_string();
    for part in [
        "made by \"c3-tiny\"",
        "belongs to \"c3-ref-f32\"",
        &decoder.fingerprint().unwrap().to_string(),
        &other.fingerprint().unwrap().to_string(),
    ] {
        assert!(error.contains(part), "expected {part:?} in: {error}");
    }
    // Overruled, the widths still don't fit.
    let request = DecodeRequest { any_fingerprint: true, ..DecodeRequest::default() };
    let error = other.decode(context, &request, sink).unwrap_err().to_string();
    assert_eq!(error, "these latents are 384 wide, the decoder's projector takes 64");
}
