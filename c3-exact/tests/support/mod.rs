//! The built-in model, and texts of many kinds.
#![allow(dead_code)] // each test uses some of it

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use c3_core::{
    Compression, DecodeEvent, DecodeRequest, DecodedSegment, Decoder, Dtype, LatentContext,
    LatentTokens,
};
use c3_decoder::C3Decoder;
use c3_encoder::{Bank, C3Encoder};
use c3_exact::{CompressRequest, Compressor, Level};
use c3_nn::{Checkpoint, LoadOptions};
use candle_core::{Device, Tensor};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

pub const EXACT: Level = Level::Exact { max_corrections: None };

pub fn checked() -> Level {
    Level::Checked { min_precision: None, budget: None }
}

pub struct Models {
    pub encoder: C3Encoder,
    pub decoder: C3Decoder,
}

pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

pub fn models() -> &'static Models {
    static MODELS: OnceLock<Models> = OnceLock::new();
    MODELS.get_or_init(|| Models::load(&root().join("models/c3-tiny")))
}

impl Models {
    pub fn load(folder: &Path) -> Self {
        Self::load_with(folder, &LoadOptions::default())
    }

    pub fn load_with(folder: &Path, options: &LoadOptions) -> Self {
        let checkpoint = Checkpoint::open(folder).unwrap();
        let encoder = C3Encoder::load(&checkpoint, options).unwrap();
        let mut decoder = C3Decoder::load(&checkpoint, options).unwrap();
        decoder.identify(&checkpoint);
        Self { encoder, decoder }
    }

    pub fn compressor(&self) -> Compressor<'_> {
        Compressor::new(&self.encoder, &self.decoder).unwrap()
    }

    pub fn compress(&self, text: &[u8], request: &CompressRequest) -> LatentContext {
        self.compressor().compress_bytes(text, request).unwrap()
    }

    /// What free-running decoding makes of each segment.
    pub fn segments(&self, context: &LatentContext) -> Vec<DecodedSegment> {
        let mut segments = Vec::new();
        self.decoder
            .decode(context, &DecodeRequest::default(), &mut |event| {
                if let DecodeEvent::Segment(segment) = event {
                    segments.push(segment.clone());
                }
                std::ops::ControlFlow::Continue(())
            })
            .unwrap();
        segments
    }

    pub fn spells(&self, ids: &[u32], source: &[u8]) -> bool {
        let tokenizer = self.encoder.tokenizer();
        let bytes = ids.iter().filter_map(|&id| tokenizer.token_bytes(id)).flatten();
        bytes.eq(source)
    }

    /// As they would be stored.
    pub fn latents(&self, ids: &[u32], ratio: u32) -> Tensor {
        let bank = Bank::choose(self.encoder.config(), Compression::Ratio(ratio)).unwrap();
        let latents = self.encoder.latents(&[ids], &bank).unwrap().remove(0);
        let (rows, dim) = latents.dims2().unwrap();
        let values = latents.flatten_all().unwrap().to_vec1::<f32>().unwrap();
        let stored = LatentTokens::from_f32(rows, dim, Dtype::F16, &values).unwrap();
        Tensor::from_vec(stored.to_f32(), (rows, dim), &Device::Cpu).unwrap()
    }
}

/// A few pages of a book.
pub fn prose() -> String {
    samples("en-prose", 8)
}

/// Texts of a file of samples.
pub fn samples(name: &str, count: usize) -> String {
    let file = root().join("fixtures/samples").join(format!("{name}.jsonl"));
    let lines = std::fs::read_to_string(file).unwrap();
    let text = |line: &str| {
        let value: serde_json::Value = serde_json::from_str(line).unwrap();
        value["text"].as_str().unwrap().to_owned()
    };
    lines.lines().take(count).map(text).collect::<Vec<_>>().join("\n\n")
}

/// Words of random letters.
pub fn letters(bytes: usize) -> String {
    let mut rng = ChaCha8Rng::seed_from_u64(3);
    let mut text = String::new();
    while text.len() < bytes {
        let length = rng.random_range(1..12);
        text.extend((0..length).map(|_| char::from(rng.random_range(b'a'..=b'z'))));
        text.push(' ');
    }
    text
}

/// Words of random letters whose bytes the built-in model has never learnt: Hebrew.
pub fn foreign(bytes: usize) -> String {
    let mut rng = ChaCha8Rng::seed_from_u64(5);
    let mut text = String::new();
    while text.len() < bytes {
        let length = rng.random_range(1..6);
        text.extend((0..length).map(|_| rng.random_range('א'..='ת')));
        text.push(' ');
    }
    text
}

pub fn texts() -> Vec<(&'static str, Vec<u8>)> {
    let mut rng = ChaCha8Rng::seed_from_u64(4);
    let binary: Vec<u8> = (0..1500).map(|_| rng.random()).collect();
    let sprinkled: Vec<u8> =
        prose().bytes().enumerate().map(|(i, b)| if i % 211 == 0 { 0xff } else { b }).collect();
    let text = |text: &str| text.as_bytes().to_vec();
    vec![
        ("nothing", vec![]),
        ("a letter", text("a")),
        ("a line end", text("\r\n")),
        ("prose", text(&prose())),
        ("CRLF", text(&prose().replace('\n', "\r\n"))),
        ("tabs and trailing blanks", text(&prose().replace(". ", ".\t  \n").replace(", ", " ,  "))),
        ("decomposed", text(&"Le cafe\u{301} e\u{302}tait ouvert a\u{300} midi. ".repeat(9))),
        ("Hangul letters", text(&"\u{1112}\u{1161}\u{11ab} and so on. ".repeat(6))),
        ("Chinese", text(&samples("zh-classical", 3))),
        ("code", text(&samples("code", 4))),
        ("shuffled", text(&samples("en-shuffled", 3))),
        (
            "special tokens",
            text("<img> and </img> and <|im_end|> in a text about <imgpad>, as such."),
        ),
        ("letters", text(&letters(1200))),
        ("binary", binary),
        ("stray bytes", sprinkled),
        ("cut off", text(&prose()).into_iter().chain([0xe4, 0xbd]).collect()),
    ]
}
