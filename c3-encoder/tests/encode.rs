//! The encoder on the built-in model: what must not change a latent, and what must be refused.

use std::io::Read;
use std::ops::ControlFlow;
use std::path::Path;

use c3_core::{
    Compression, Dtype, EncodeRequest, Encoder, LatentContext, SegmentSource, segment_hash,
};
use c3_encoder::{Bank, C3Encoder, Error, Segmenter, SegmenterOptions};
use c3_nn::{Checkpoint, LoadOptions};

fn encoder() -> C3Encoder {
    let model = Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/c3-tiny");
    C3Encoder::load(&Checkpoint::open(&model).unwrap(), &LoadOptions::default()).unwrap()
}

/// Held-out prose, some Chinese and some code: segments of many lengths.
fn text() -> String {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures");
    let prose = std::fs::read_to_string(fixtures.join("moby-dick.txt")).unwrap();
    format!("{prose}帝高阳之苗裔兮，朕皇考曰伯庸。\n\nfn main() {{}}\n\n{prose}x\n\n")
}

fn request(ratio: u32) -> EncodeRequest {
    EncodeRequest {
        compression: Compression::Ratio(ratio),
        dtype: Dtype::F32,
        ..EncodeRequest::default()
    }
}

#[test]
fn segments_cover_the_text_and_carry_its_hashes() {
    let (encoder, text) = (encoder(), text());
    for (ratio, bank) in [(4, 64), (8, 32), (16, 16), (32, 8)] {
        let context = encoder.encode(&text, &request(ratio)).unwrap();
        assert!(context.segment_count() > 2);
        assert_eq!(context.source().bytes, text.len() as u64);
        for segment in context.segments() {
            let piece = &text[segment.bytes.start as usize..segment.bytes.end as usize];
            let tokens = encoder.tokenizer().encode(piece).unwrap().len();
            assert_eq!(segment.text_tokens as usize, tokens);
            assert_eq!(segment.latents.rows(), tokens.div_ceil(ratio as usize).min(bank));
            assert_eq!(segment.latents.dim(), 384);
            assert_eq!(segment.hash, segment_hash(piece.as_bytes()));
            assert!(segment.latents.to_f32().iter().all(|x| x.is_finite()));
        }
    }
}

#[test]
fn the_number_of_threads_changes_nothing() {
    let (encoder, text) = (encoder(), text());
    let with = |threads: usize| -> LatentContext {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| encoder.encode(&text, &request(8)).unwrap())
    };
    let one = with(1);
    for threads in [2, 3, 7] {
        assert!(one == with(threads), "{threads} threads gave other latents");
    }
}

/// Padding and neighbours change the shapes of the products, so sums may round differently.
#[test]
fn the_batch_changes_rounding_alone() {
    let (encoder, text) = (encoder(), text());
    let with =
        |batch| encoder.encode(&text, &EncodeRequest { batch: Some(batch), ..request(4) }).unwrap();
    let alone = with(1);
    for batch in [2, 3, 64] {
        for (a, b) in alone.segments().iter().zip(with(batch).segments()) {
            assert_eq!(a.bytes, b.bytes);
            let (a, b) = (a.latents.to_f32(), b.latents.to_f32());
            let largest = a.iter().fold(0f32, |m, x| m.max(x.abs()));
            let error = a.iter().zip(&b).fold(0f32, |m, (a, b)| m.max((a - b).abs()));
            assert!(error <= 1e-5 * largest, "batch {batch}: off by {error} of {largest}");
        }
    }
}

#[test]
fn special_tokens_in_a_text_are_its_characters() {
    let encoder = encoder();
    let text = "a <img> b </img> c <imgpad> d <|im_end|> e <|im_start|>";
    let ids = encoder.tokenizer().encode(text).unwrap();
    assert!(ids.iter().all(|&id| encoder.tokenizer().token_bytes(id).is_some()));
    assert_eq!(encoder.tokenizer().decode_lossy(&ids), text);
    assert_eq!(encoder.encode(text, &request(8)).unwrap().segment_count(), 1);
}

#[test]
fn an_empty_text_has_no_segments() {
    let context = encoder().encode("", &EncodeRequest::default()).unwrap();
    assert_eq!(context.segment_count(), 0);
    assert_eq!(context.source().bytes, 0);
}

#[test]
fn the_default_is_eight_to_one_with_the_bank_of_the_authors_layout() {
    let encoder = encoder();
    let bank = Bank::choose(encoder.config(), Compression::Default).unwrap();
    assert_eq!((bank.ratio, bank.queries, bank.segment_tokens), (None, 32, 256));
    assert_eq!([0, 1, 8, 9, 256].map(|tokens| bank.latents(tokens)), [1, 1, 1, 2, 32]);
}

#[test]
fn a_single_bank_is_spent_whole_and_the_ratio_sets_the_segments() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/c3-ref-f32");
    let checkpoint = Checkpoint::open(&folder).unwrap();
    let bank = Bank::choose(checkpoint.config(), Compression::Ratio(20)).unwrap();
    assert_eq!((bank.queries, bank.segment_tokens), (8, 160));
    assert_eq!([0, 1, 160].map(|tokens| bank.latents(tokens)), [8, 8, 8]);
    for ratio in [0, 1, 161, u32::MAX] {
        let error = Bank::choose(checkpoint.config(), Compression::Ratio(ratio)).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("no query bank compresses {ratio}×; this model has: 2 to 160")
        );
    }
}

#[test]
fn what_the_model_has_not_is_refused_with_what_it_has() {
    let encoder = encoder();
    let error = |compression| {
        let request = EncodeRequest { compression, ..EncodeRequest::default() };
        encoder.encode("text", &request).unwrap_err().to_string()
    };
    assert_eq!(
        error(Compression::Ratio(7)),
        "no query bank compresses 7×; this model has: 4, 8, 16, 32"
    );
    assert_eq!(
        error(Compression::Latents(33)),
        "no query bank has 33 latent tokens; this model has: 8, 16, 32, 64"
    );
    let request = EncodeRequest { batch: Some(0), ..EncodeRequest::default() };
    assert!(matches!(encoder.encode("text", &request), Err(Error::EmptyBatch)));
    let long = vec![1; 257];
    let bank = Bank::choose(encoder.config(), Compression::Default).unwrap();
    assert!(matches!(
        encoder.latents(&[&long], &bank),
        Err(Error::SegmentTooLong { tokens: 257, most: 256 })
    ));
}

#[test]
fn a_sink_can_break_off() {
    let (encoder, text) = (encoder(), text());
    let mut seen = 0;
    let request = EncodeRequest { batch: Some(1), ..request(8) };
    let result = encoder.encode_stream(&mut text.as_bytes(), &request, &mut |_| {
        seen += 1;
        if seen == 2 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    assert!(matches!(result, Err(Error::Cancelled)));
    assert_eq!(seen, 2);
}

/// Reads a text and then fails, or has a byte that is not UTF-8.
fn broken(text: &str, io: bool) -> Box<dyn Read + Send> {
    struct Failing;
    impl Read for Failing {
        fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
            Err(std::io::Error::other("gone"))
        }
    }
    let text = std::io::Cursor::new(text.as_bytes().to_vec());
    match io {
        true => Box::new(text.chain(Failing)),
        false => Box::new(text.chain(&[0xFFu8][..])),
    }
}

#[test]
fn whole_batches_before_an_error_are_told_of() {
    let (encoder, text) = (encoder(), text().repeat(12));
    let whole = encoder.encode(&text, &request(8)).unwrap();
    for io in [false, true] {
        let options = SegmenterOptions { max_tokens: 256, lossy: false };
        let pieces = Segmenter::new(broken(&text, io), encoder.tokenizer(), options).unwrap();
        let readable = pieces.filter(Result::is_ok).count();
        assert!(readable > 20, "{readable}");
        for batch in [1, 3, 16, 1000] {
            let mut told = Vec::new();
            let request = EncodeRequest { batch: Some(batch), ..request(8) };
            let result = encoder.encode_stream(&mut broken(&text, io), &request, &mut |segment| {
                told.push(segment);
                ControlFlow::Continue(())
            });
            match result {
                Err(Error::Read(_)) if io => {}
                Err(Error::InvalidUtf8 { offset }) if !io => assert_eq!(offset, text.len() as u64),
                other => panic!("{other:?}"),
            }
            assert_eq!(told.len(), readable / batch * batch, "batch {batch}");
            for (told, whole) in told.iter().zip(whole.segments()) {
                assert_eq!((&told.bytes, told.hash), (&whole.bytes, whole.hash));
            }
        }
    }
}

/// Batches are picked from a window; what comes out is what each segment gives alone.
#[test]
fn a_stream_equals_its_segments_alone() {
    let (encoder, text) = (encoder(), text().repeat(16));
    let bank = Bank::choose(encoder.config(), Compression::Ratio(16)).unwrap();
    let options = SegmenterOptions { max_tokens: bank.segment_tokens, lossy: false };
    let pieces = Segmenter::new(text.as_bytes(), encoder.tokenizer(), options).unwrap();
    let context = encoder.encode(&text, &request(16)).unwrap();
    let mut count = 0;
    for (piece, segment) in pieces.map(Result::unwrap).zip(context.segments()) {
        assert_eq!(piece.bytes, segment.bytes);
        let alone = encoder.latents(&[&piece.ids], &bank).unwrap().remove(0);
        let alone = alone.flatten_all().unwrap().to_vec1::<f32>().unwrap();
        let streamed = segment.latents.to_f32();
        assert_eq!(alone.len(), streamed.len());
        let largest = alone.iter().fold(0f32, |m, x| m.max(x.abs()));
        let error = alone.iter().zip(&streamed).fold(0f32, |m, (a, b)| m.max((a - b).abs()));
        assert!(error <= 1e-5 * largest, "off by {error} of {largest}");
        count += 1;
    }
    assert!(count > 48 && count == context.segment_count());
}

/// The pool reads while the caller computes: neither may wait for the other, however few threads
/// there are and whether or not the caller is one of them.
#[test]
fn one_thread_is_enough() {
    let (encoder, text) = (encoder(), text().repeat(4));
    let request = EncodeRequest { batch: Some(2), ..request(32) };
    let outside = encoder.encode(&text, &request).unwrap();
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    assert!(pool.install(|| encoder.encode(&text, &request).unwrap()) == outside);
    let both = pool.install(|| {
        rayon::join(|| encoder.encode(&text, &request), || encoder.encode(&text, &request))
    });
    assert!(both.0.unwrap() == outside && both.1.unwrap() == outside);
}
