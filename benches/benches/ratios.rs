//! Encoding, decoding, verifying and the round trip with the built-in model: every ratio × length of
//! text. Throughput in text tokens and in bytes.
//!
//! `cargo bench --bench ratios -- --quick`

mod common;

use std::hint::black_box;
use std::ops::ControlFlow;
use std::path::Path;

use c3_core::{
    Compression, DecodeRequest, Decoder, EncodeRequest, Encoder, LatentContext, SegmentSource,
};
use c3_decoder::C3Decoder;
use c3_encoder::{Bank, C3Encoder, Segmenter, SegmenterOptions};
use c3_nn::{Checkpoint, LoadOptions};
use criterion::measurement::WallTime;
use criterion::{
    BenchmarkGroup, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main,
};

const RATIOS: [u32; 4] = [4, 8, 16, 32];
/// A quarter of a segment, one segment, and eight that share a batch.
const LENGTHS: [(&str, usize); 3] =
    [("64 tokens", 64), ("256 tokens", 256), ("2,048 tokens", 2048)];

/// Both stages, and a text at one ratio.
struct Case<'a> {
    encoder: &'a C3Encoder,
    decoder: &'a C3Decoder,
    text: String,
    request: EncodeRequest,
    context: LatentContext,
    ids: Vec<Vec<u32>>,
}

fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

/// Held-out English prose, cut after so many tokens.
fn prose(encoder: &C3Encoder, tokens: usize) -> String {
    let lines = std::fs::read_to_string(root().join("fixtures/samples/en-prose.jsonl"))
        .expect("the samples");
    let mut text = String::new();
    for line in lines.lines() {
        let sample: serde_json::Value = serde_json::from_str(line).expect("JSON");
        text.push_str(sample["text"].as_str().expect("a text"));
        text.push_str("\n\n");
        let ids = encoder.tokenizer().encode(&text).expect("tokens");
        if ids.len() >= tokens {
            return encoder.tokenizer().decode_lossy(&ids[..tokens]);
        }
    }
    text
}

impl<'a> Case<'a> {
    fn new(encoder: &'a C3Encoder, decoder: &'a C3Decoder, text: String, ratio: u32) -> Self {
        let compression = Compression::Ratio(ratio);
        let request = EncodeRequest { compression, ..EncodeRequest::default() };
        let context = encoder.encode(&text, &request).expect("latents");
        let options =
            SegmenterOptions { max_tokens: bank(encoder, ratio).segment_tokens, lossy: false };
        let pieces =
            Segmenter::new(text.as_bytes(), encoder.tokenizer(), options).expect("options");
        let ids = pieces.map(|piece| piece.expect("a segment").ids).collect();
        Self { encoder, decoder, text, request, context, ids }
    }

    fn throughput(&self) -> Throughput {
        let elements = self.ids.iter().map(|ids| ids.len() as u64).sum();
        Throughput::ElementsAndBytes { elements, bytes: self.context.source().bytes }
    }

    fn encode(&self) -> LatentContext {
        self.encoder.encode(black_box(&self.text), &self.request).expect("latents")
    }

    fn decode(&self, context: &LatentContext) -> u64 {
        let go_on = &mut |_: c3_core::DecodeEvent<'_>| ControlFlow::Continue(());
        self.decoder.decode(context, &DecodeRequest::default(), go_on).expect("text").tokens
    }
}

fn bank(encoder: &C3Encoder, ratio: u32) -> Bank {
    Bank::choose(encoder.config(), Compression::Ratio(ratio)).expect("a bank")
}

/// Times `work` for every length and ratio.
fn each<T>(
    c: &mut Criterion,
    name: &str,
    work: impl for<'c> Fn(&'c Case<'c>, u32) -> Box<dyn Fn() -> T + 'c>,
) {
    let checkpoint = Checkpoint::open(&root().join("models/c3-tiny")).expect("the built-in model");
    let load = LoadOptions::default();
    let encoder = C3Encoder::load(&checkpoint, &load).expect("the encoder");
    let decoder = C3Decoder::load(&checkpoint, &load).expect("the decoder");
    for (label, tokens) in LENGTHS {
        let mut group: BenchmarkGroup<'_, WallTime> = c.benchmark_group(format!("{name} {label}"));
        for ratio in RATIOS {
            let case = Case::new(&encoder, &decoder, prose(&encoder, tokens), ratio);
            group.throughput(case.throughput());
            let work = work(&case, ratio);
            group.bench_function(BenchmarkId::from_parameter(format!("{ratio}x")), |b| {
                b.iter(&work)
            });
        }
        group.finish();
    }
}

fn encode(c: &mut Criterion) {
    each(c, "encode", |case, _| Box::new(move || case.encode()));
}

fn decode(c: &mut Criterion) {
    each(c, "decode", |case, _| Box::new(move || case.decode(&case.context)));
}

/// The teacher-forced pass that foretells decoding.
fn verify(c: &mut Criterion) {
    each(c, "verify", |case, ratio| {
        let ids: Vec<&[u32]> = case.ids.iter().map(Vec::as_slice).collect();
        let latents = case.encoder.latents(&ids, &bank(case.encoder, ratio)).expect("latents");
        Box::new(move || case.decoder.verify(&latents, &ids).expect("predictions"))
    });
}

fn round_trip(c: &mut Criterion) {
    each(c, "round trip", |case, _| Box::new(move || case.decode(&case.encode())));
}

criterion_group! {
    name = benches;
    config = common::settings();
    targets = encode, decode, verify, round_trip
}
criterion_main!(benches);
