//! Compresses a text file and says what its segments became:
//! `cargo run --release -p c3-encoder --example encode -- models/c3-tiny fixtures/moby-dick.txt`

use std::ops::ControlFlow;
use std::path::Path;

use c3_core::{EncodeRequest, Encoder};
use c3_encoder::C3Encoder;
use c3_nn::{Checkpoint, LoadOptions};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args: Vec<String> = std::env::args().collect();
    let [_, model, text] = args.as_slice() else { return Err("usage: encode MODEL TEXT".into()) };
    let checkpoint = Checkpoint::open(Path::new(model))?;
    let encoder = C3Encoder::load(&checkpoint, &LoadOptions::default())?;
    let mut file = std::fs::File::open(text)?;
    let source = encoder.encode_stream(&mut file, &EncodeRequest::default(), &mut |segment| {
        let (bytes, tokens, latents) = (segment.bytes, segment.text_tokens, segment.latents.rows());
        println!("bytes {bytes:?}: {tokens} tokens in {latents} latents");
        ControlFlow::Continue(())
    })?;
    println!("{} bytes, sha-256 {}", source.bytes, source.sha256);
    Ok(())
}
