//! A file of 200,000 segments opens at once, and one segment costs one read.

use std::cell::RefCell;
use std::io::{self, Cursor};
use std::ops::Range;
use std::time::{Duration, Instant};

use c3_core::{ByteSource, Dtype, LatentFile, LatentWriter, SegmentSource, SourceDigest};

use crate::support;

const SEGMENTS: usize = 200_000;
const ROWS: usize = 2;
const DIM: usize = 16;
const ROW: u64 = DIM as u64 * 2;

fn file() -> Vec<u8> {
    let text = vec![b'x'; SEGMENTS];
    let p = support::provenance(DIM, Dtype::F16);
    let mut writer = LatentWriter::new(Cursor::new(Vec::new()), p.clone()).unwrap();
    for at in 0..SEGMENTS {
        let fidelity = support::checked(1, Some(0), Some(1));
        writer.push(&support::segment(&text, at..at + 1, ROWS, &p, fidelity)).unwrap();
    }
    let SourceDigest { bytes, sha256 } = support::digest(&text);
    writer.finish(SourceDigest { bytes, sha256 }).unwrap().into_inner()
}

/// Remembers which bytes were asked for.
struct Counting<'a> {
    bytes: &'a [u8],
    reads: &'a RefCell<Vec<Range<u64>>>,
}

impl ByteSource for Counting<'_> {
    fn len(&self) -> u64 {
        ByteSource::len(self.bytes)
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        self.reads.borrow_mut().push(offset..offset + buffer.len() as u64);
        self.bytes.read_at(offset, buffer)
    }
}

#[test]
fn opening_touches_no_latents_and_a_segment_only_its_own() {
    let bytes = file();
    let reads = RefCell::new(Vec::new());
    let file = LatentFile::from_source(Counting { bytes: &bytes, reads: &reads }).unwrap();
    let layout = file.layout().clone();
    let opened = reads.take();
    let touched: u64 = opened.iter().map(|range| range.end - range.start).sum();
    assert_eq!(touched, layout.header.end + layout.index.end - layout.index.start);
    assert!(opened.iter().all(|r| r.end <= layout.latents.start || r.start >= layout.latents.end));
    assert!(opened.len() <= 12, "{} reads to open", opened.len());

    let segment = file.segment(123_456).unwrap();
    let start = layout.latents.start + 123_456 * ROWS as u64 * ROW;
    assert_eq!(reads.take().as_slice(), std::slice::from_ref(&(start..start + ROWS as u64 * ROW)));
    assert_eq!(segment.bytes, 123_456..123_457);
    file.segment_info(7).unwrap();
    assert!(reads.take().is_empty());
}

#[test]
fn opening_is_quick() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("large.c3");
    std::fs::write(&path, file()).unwrap();
    let time = |_| {
        let start = Instant::now();
        let file = LatentFile::open(&path).unwrap();
        file.segment(SEGMENTS / 2).unwrap();
        start.elapsed()
    };
    let best = (0..5).map(time).min().unwrap();
    println!("opened {SEGMENTS} segments and read one in {best:?}");
    // The debug build of a busy machine; the release build is held to the promise itself.
    let limit = Duration::from_millis(if cfg!(debug_assertions) { 2000 } else { 50 });
    assert!(best < limit, "{best:?}");
}
