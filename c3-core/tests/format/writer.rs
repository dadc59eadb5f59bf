//! The writer refuses what a file could not say.

use std::io::{self, Cursor, Seek, SeekFrom, Write};

use c3_core::{
    Correction, Dtype, Error, Fidelity, LatentFile, LatentWriter, Patch, Segment, SegmentSource,
};

use crate::support::{self, digest, provenance, segment};

fn writer(dtype: Dtype) -> LatentWriter<Cursor<Vec<u8>>> {
    LatentWriter::new(Cursor::new(Vec::new()), provenance(4, dtype)).unwrap()
}

#[test]
fn segment_by_segment_gives_the_same_bytes() {
    let context = support::corrected();
    let p = context.provenance().clone();
    let mut writer = LatentWriter::new(Cursor::new(Vec::new()), p).unwrap();
    for segment in context.segments() {
        writer.push(segment).unwrap();
    }
    let bytes = writer.finish(context.source()).unwrap().into_inner();
    assert_eq!(bytes, context.to_bytes().unwrap());
}

#[test]
fn a_file_may_stand_behind_other_bytes() {
    let mut out = Cursor::new(b"before".to_vec());
    out.seek(SeekFrom::End(0)).unwrap();
    let out = support::simple().write(out).unwrap();
    assert_eq!(out.position(), out.get_ref().len() as u64);
    assert_eq!(&out.get_ref()[6..], support::simple().to_bytes().unwrap());
}

#[test]
fn what_does_not_fit_is_refused_and_changes_nothing() {
    let text = b"hello";
    let p = provenance(4, Dtype::F16);
    let mut writer = writer(Dtype::F16);
    let good = segment(text, 0..5, 2, &p, Fidelity::Unchecked);

    let wide = segment(text, 0..5, 2, &provenance(5, Dtype::F16), Fidelity::Unchecked);
    assert!(matches!(writer.push(&wide), Err(Error::LatentWidth { .. })));
    let other = segment(text, 0..5, 2, &provenance(4, Dtype::F32), Fidelity::Unchecked);
    assert!(matches!(writer.push(&other), Err(Error::LatentDtype { .. })));
    let late = segment(text, 1..5, 2, &p, Fidelity::Unchecked);
    assert!(matches!(writer.push(&late), Err(Error::SegmentGap { .. })));
    let mut long = good.clone();
    long.text_tokens = u32::MAX;
    assert!(matches!(writer.push(&long), Err(Error::TooLarge { .. })));
    long = good.clone();
    long.bytes.end = u64::MAX;
    assert!(matches!(writer.push(&long), Err(Error::TooLarge { .. })));
    let correction = |position, token| Correction { position, token };
    for corrections in [
        vec![correction(5, 1)],
        vec![correction(1, 1), correction(1, 1)],
        vec![correction(2, 1), correction(1, 1)],
        vec![correction(0, u32::MAX)],
    ] {
        let exact = segment(text, 0..5, 2, &p, support::exact(corrections));
        assert!(matches!(
            writer.push(&exact),
            Err(Error::CorrectionPosition { .. } | Error::TooLarge { .. })
        ));
    }
    for (mismatches, first, near_ties) in [
        (1, None, None),
        (0, Some(0), None),
        (1, Some(6), None),
        (3, Some(4), None),
        (0, None, Some(7)),
        (2, Some(0), Some(5)),
    ] {
        let checked = support::checked(mismatches, first, near_ties);
        let checked = segment(text, 0..5, 2, &p, checked);
        assert!(matches!(writer.push(&checked), Err(Error::BadFidelity { .. })));
    }

    let patch = |start, length| Patch { start, length, bytes: vec![1] };
    for patches in [
        vec![patch(3, 0), patch(2, 0)],
        vec![patch(0, 3), patch(2, 1)],
        vec![patch(u32::MAX, 1)],
        vec![patch(u32::MAX - 1, 1)],
    ] {
        let fidelity = Fidelity::Exact { corrections: vec![], patches };
        let patched = segment(text, 0..5, 2, &p, fidelity);
        let refused = writer.push(&patched);
        assert!(matches!(refused, Err(Error::PatchPlace { .. } | Error::TooLarge { .. })));
    }
    let kept = segment(text, 0..5, 0, &p, Fidelity::Verbatim);
    let with_latents = segment(text, 0..5, 2, &p, Fidelity::Verbatim);
    let without_text = Segment { text: None, ..kept.clone() };
    let too_short = Segment { text: Some(b"hell".to_vec()), ..kept.clone() };
    let unasked = Segment { text: Some(text.to_vec()), ..good.clone() };
    for contradiction in [with_latents, without_text, too_short, unasked] {
        assert!(matches!(writer.push(&contradiction), Err(Error::BadFidelity { .. })));
    }
    let other = Segment { text: Some(b"jello".to_vec()), ..kept };
    assert!(matches!(writer.push(&other), Err(Error::VerbatimHash { segment: 0, .. })));

    writer.push(&good).unwrap();
    let bytes = writer.finish(digest(text)).unwrap().into_inner();
    assert_eq!(bytes, support::simple().to_bytes().unwrap());
}

#[test]
fn an_end_before_the_text_ends_is_refused() {
    let error = writer(Dtype::F16).finish(digest(b"hello")).unwrap_err();
    assert!(matches!(error, Error::SegmentGap { segment: 0, expected: 0, found: 5 }));
}

#[test]
fn metadata_of_the_format_cannot_be_overruled() {
    let mut p = provenance(4, Dtype::F16);
    p.extra.insert("c3.payload_hash".to_owned(), "mine".to_owned());
    let error = LatentWriter::new(Cursor::new(Vec::new()), p).err().unwrap();
    assert!(matches!(error, Error::ReservedMetadata(key) if key == "c3.payload_hash"));
    let zero = LatentWriter::new(Cursor::new(Vec::new()), provenance(0, Dtype::F16));
    assert!(matches!(zero.err(), Some(Error::ZeroWidth)));
    let mut p = provenance(4, Dtype::F16);
    p.extra.insert("long".to_owned(), "x".repeat(100_000_000));
    let long = LatentWriter::new(Cursor::new(Vec::new()), p);
    assert!(matches!(long.err(), Some(Error::HeaderTooLong { .. })));
}

#[test]
fn an_unfinished_file_is_refused() {
    let mut file = Cursor::new(Vec::new());
    let mut writer = LatentWriter::new(&mut file, provenance(4, Dtype::F16)).unwrap();
    writer.push(&support::simple().segments()[0]).unwrap();
    drop(writer);
    assert!(matches!(LatentFile::from_bytes(file.into_inner()), Err(Error::BadHeader(_))));
}

/// Has room for so many bytes.
struct Full(usize);

impl Write for Full {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 = self.0.checked_sub(bytes.len()).ok_or(io::ErrorKind::StorageFull)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Seek for Full {
    fn seek(&mut self, _: SeekFrom) -> io::Result<u64> {
        Ok(0)
    }
}

#[test]
fn a_full_disk_is_told_and_nothing_follows_it() {
    let context = support::simple();
    let length = context.to_bytes().unwrap().len();
    let header = length - 16 - 16 * 2 - 8 * 2 - 4 - 12;
    assert!(matches!(context.write(Full(header - 1)), Err(Error::Write(_))));
    assert!(matches!(context.write(Full(length)), Err(Error::Write(_))));
    assert!(context.write(Full(length + header)).is_ok());

    let mut writer = LatentWriter::new(Full(header), provenance(4, Dtype::F16)).unwrap();
    assert!(matches!(writer.push(&context.segments()[0]), Err(Error::Write(_))));
    assert!(matches!(writer.push(&context.segments()[0]), Err(Error::WriterFailed)));
    assert!(matches!(writer.finish(context.source()), Err(Error::WriterFailed)));
}
