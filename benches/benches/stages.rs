//! What surrounds both stages: files, segmenting, tokenising, loading; query banks from one pass. The
//! stages themselves, at every ratio, are in `ratios`.
//!
//! `cargo bench --bench stages -- --quick`

mod common;

use std::hint::black_box;
use std::io::Cursor;
use std::path::Path;

use c3_core::{Compression, EncodeRequest, Encoder, LatentContext, LatentFile, SegmentSource};
use c3_decoder::C3Decoder;
use c3_encoder::{Bank, C3Encoder, Segmenter, SegmenterOptions};
use c3_nn::{Checkpoint, LoadOptions};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

const RATIOS: [u32; 4] = [4, 8, 16, 32];

fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

fn checkpoint() -> Checkpoint {
    Checkpoint::open(&root().join("models/c3-tiny")).expect("the built-in model")
}

/// Held-out English prose, about `bytes` long.
fn prose(bytes: usize) -> String {
    let lines = std::fs::read_to_string(root().join("fixtures/samples/en-prose.jsonl"))
        .expect("the samples");
    let mut text = String::new();
    for line in lines.lines().cycle() {
        let sample: serde_json::Value = serde_json::from_str(line).expect("JSON");
        text.push_str(sample["text"].as_str().expect("a text"));
        text.push_str("\n\n");
        if text.len() >= bytes {
            break;
        }
    }
    text
}

fn request(ratio: u32) -> EncodeRequest {
    EncodeRequest { compression: Compression::Ratio(ratio), ..EncodeRequest::default() }
}

/// A file of 10,000 segments: 80 MB of latents.
fn format(c: &mut Criterion) {
    let encoder = C3Encoder::load(&checkpoint(), &LoadOptions::default()).expect("the encoder");
    let once = encoder.encode(&prose(100_000), &request(8)).expect("latents");
    let mut segments = Vec::new();
    let mut start = 0;
    for segment in once.segments().iter().cycle().take(10_000) {
        let mut segment = segment.clone();
        segment.bytes = start..start + (segment.bytes.end - segment.bytes.start);
        start = segment.bytes.end;
        segments.push(segment);
    }
    let source = c3_core::SourceDigest { bytes: start, ..once.source() };
    let context = LatentContext::new(once.provenance().clone(), source, segments).expect("valid");
    let bytes = context.to_bytes().expect("a file");

    let mut group = c.benchmark_group("format");
    group.throughput(Throughput::Bytes(bytes.len() as u64));
    group.bench_function("write 10,000 segments", |b| {
        b.iter(|| {
            let mut out = Cursor::new(Vec::with_capacity(bytes.len()));
            context.write(&mut out).expect("written");
            out.into_inner().len()
        })
    });
    let path = std::env::temp_dir().join(format!("c3-bench-{}.c3", std::process::id()));
    std::fs::write(&path, &bytes).expect("a temporary file");
    group.bench_function("read all 10,000 segments", |b| {
        b.iter(|| LatentFile::open(&path).and_then(|file| file.to_context()).expect("read"))
    });
    group.throughput(Throughput::Elements(1));
    group.bench_function("open and read one of 10,000", |b| {
        b.iter(|| LatentFile::open(&path).and_then(|file| file.segment(7_777)).expect("read"))
    });
    group.finish();
    std::fs::remove_file(&path).expect("removed");
}

fn text(c: &mut Criterion) {
    let checkpoint = checkpoint();
    let tokenizer = checkpoint.tokenizer();
    let text = prose(200_000);
    let mut group = c.benchmark_group("text");
    group.throughput(Throughput::Bytes(text.len() as u64));
    group.bench_function("tokenise", |b| b.iter(|| tokenizer.encode(black_box(&text))));
    group.bench_function("segment", |b| {
        b.iter(|| {
            let options = SegmenterOptions { max_tokens: 256, lossy: false };
            Segmenter::new(text.as_bytes(), tokenizer, options).expect("options").count()
        })
    });
    group.finish();
}

/// Every bank of the model for the same sixteen segments.
fn banks(c: &mut Criterion) {
    let encoder = C3Encoder::load(&checkpoint(), &LoadOptions::default()).expect("the encoder");
    let options = SegmenterOptions { max_tokens: 256, lossy: false };
    let text = prose(60_000);
    let pieces = Segmenter::new(text.as_bytes(), encoder.tokenizer(), options).expect("options");
    let pieces: Vec<_> = pieces.take(16).map(|piece| piece.expect("a segment")).collect();
    let segments: Vec<&[u32]> = pieces.iter().map(|piece| piece.ids.as_slice()).collect();
    let bank = |ratio| Bank::choose(encoder.config(), Compression::Ratio(ratio)).expect("a bank");
    let banks = RATIOS.map(bank);
    let mut group = c.benchmark_group("four banks");
    group.throughput(Throughput::Elements(segments.iter().map(|ids| ids.len() as u64).sum()));
    group.bench_function("from one pass", |b| {
        b.iter(|| encoder.latents_of_banks(&segments, &banks).expect("latents"))
    });
    group.bench_function("one by one", |b| {
        b.iter(|| banks.each_ref().map(|bank| encoder.latents(&segments, bank).expect("latents")))
    });
    group.finish();
}

fn load(c: &mut Criterion) {
    let load = LoadOptions::default();
    let mut group = c.benchmark_group("load");
    group.bench_function("both stages", |b| {
        b.iter(|| {
            let checkpoint = checkpoint();
            let encoder = C3Encoder::load(&checkpoint, &load).expect("the encoder");
            (encoder, C3Decoder::load(&checkpoint, &load).expect("the decoder"))
        })
    });
    group.finish();
}

criterion_group! {
    name = benches;
    config = common::settings();
    targets = format, text, banks, load
}
criterion_main!(benches);
