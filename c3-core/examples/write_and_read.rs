//! Writes a `.c3` file segment by segment, then reads one segment of it without the others.

use c3_core::*;

fn main() -> std::result::Result<(), Box<dyn std::error::Error>> {
    let path = std::env::temp_dir().join("example.c3");
    let (dim, dtype) = (8, Dtype::F16);
    let provenance = Provenance {
        fingerprint: FingerprintBuilder::new().part("weights", b"none").finish(),
        model: "example".into(),
        dim,
        dtype,
        markers: 2,
        segmenter: "sentence".into(),
        prompt: "Repeat the text: ".into(),
        created_by: "c3-core example".into(),
        extra: Default::default(),
    };
    let mut writer = LatentWriter::new(AtomicFile::create(&path, true)?, provenance)?;
    let mut source = SourceHasher::new();
    let mut start = 0;
    for (number, text) in ["Call me Ishmael. ", "Some years ago …"].iter().enumerate() {
        source.update(text.as_bytes());
        // An encoder would compute these from the text: here, four latent tokens [4, dim].
        let latents = LatentTokens::from_f32(4, dim, dtype, &vec![number as f32; 4 * dim])?;
        let (bytes, hash) = (start..start + text.len() as u64, segment_hash(text.as_bytes()));
        start = bytes.end;
        let (fidelity, text) = (Fidelity::Unchecked, None);
        writer.push(&Segment { latents, bytes, text_tokens: 4, hash, fidelity, text })?;
    }
    writer.finish(source.finish())?.commit()?;

    let file = LatentFile::open(&path)?;
    println!("{} segments, {}", file.segment_count(), file.ratio());
    println!("segment 1: {:?}", file.segment(1)?);
    Ok(())
}
