//! Turns a compressed text back, as it comes:
//! `c3 compress fixtures/moby-dick.txt -o moby.c3`
//! `cargo run --release -p c3-decoder --example decode -- models/c3-tiny moby.c3`

use std::io::Write;
use std::ops::ControlFlow;
use std::path::Path;

use c3_core::{DecodeEvent, DecodeRequest, Decoder, LatentFile};
use c3_decoder::C3Decoder;
use c3_nn::{Checkpoint, LoadOptions};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args: Vec<String> = std::env::args().collect();
    let [_, model, file] = args.as_slice() else {
        return Err("usage: decode MODEL FILE.c3".into());
    };
    let checkpoint = Checkpoint::open(Path::new(model))?;
    let decoder = C3Decoder::load(&checkpoint, &LoadOptions::default())?;
    let context = LatentFile::open(file)?;
    let mut out = std::io::stdout().lock();
    let done = decoder.decode(&context, &DecodeRequest::default(), &mut |event| match event {
        DecodeEvent::Text { text, .. } if out.write_all(text.as_bytes()).is_err() => {
            ControlFlow::Break(())
        }
        _ => ControlFlow::Continue(()),
    })?;
    eprintln!("\n{} of {} segments came back exactly", done.exact, done.segments);
    Ok(())
}
