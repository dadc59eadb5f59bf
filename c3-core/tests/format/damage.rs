//! Every truncation and every flipped bit of a small file is refused, and the error says why.

use c3_core::{Error, LatentContext};

use crate::support;

fn each_truncation(context: &LatentContext) {
    let bytes = context.to_bytes().unwrap();
    for length in 0..bytes.len() {
        match support::read_all(&bytes[..length]) {
            Err(Error::Truncated { expected, found }) => {
                assert_eq!(found, length as u64);
                assert!(expected > found, "{length}: {expected} bytes expected");
            }
            other => panic!("cut to {length} bytes: {other:?}"),
        }
    }
    let longer = [&bytes[..], &[0]].concat();
    assert!(matches!(support::read_all(&longer), Err(Error::TrailingBytes { .. })));
}

fn each_bit_flip(context: &LatentContext) {
    let mut bytes = context.to_bytes().unwrap();
    let header = 8 + u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    let latents: usize =
        context.segments().iter().map(|segment| segment.latents.as_le_bytes().len()).sum();
    let kept: usize = context.segments().iter().filter_map(|s| Some(s.text.as_ref()?.len())).sum();
    let mut by_hash = 0;
    for bit in 0..bytes.len() * 8 {
        let flip = 1 << (bit % 8);
        bytes[bit / 8] ^= flip;
        let error = support::read_all(&bytes).expect_err(&format!("bit {bit} flipped"));
        match bit / 8 {
            // The length field: too long, cut off, no JSON any more, or padding taken for data.
            0..8 => assert!(
                matches!(
                    error,
                    Error::HeaderTooLong { .. }
                        | Error::Truncated { .. }
                        | Error::BadHeader(_)
                        | Error::TrailingBytes { .. }
                ),
                "bit {bit}: {error}"
            ),
            at if at < header => by_hash += usize::from(matches!(error, Error::PayloadHash { .. })),
            at if at < header + latents => {
                assert!(matches!(error, Error::LatentsHash { .. }), "bit {bit}: {error}");
            }
            at if at >= bytes.len() - kept => {
                assert!(matches!(error, Error::VerbatimHash { .. }), "bit {bit}: {error}");
            }
            _ => assert!(matches!(error, Error::PayloadHash { .. }), "bit {bit}: {error}"),
        }
        assert!(error.to_string().len() > 20, "{error}");
        bytes[bit / 8] ^= flip;
    }
    assert!(by_hash > 1000, "only {by_hash} flips in the header got as far as the hash");
    support::read_all(&bytes).unwrap();
}

#[test]
fn truncations_of_the_simplest_file() {
    each_truncation(&support::simple());
}

#[test]
fn truncations_of_a_file_with_corrections() {
    each_truncation(&support::corrected());
}

#[test]
fn bit_flips_of_the_simplest_file() {
    each_bit_flip(&support::simple());
}

#[test]
fn bit_flips_of_a_file_with_corrections() {
    each_bit_flip(&support::corrected());
}

#[test]
fn truncations_of_a_file_with_patches_and_text() {
    each_truncation(&support::patched());
}

#[test]
fn bit_flips_of_a_file_with_patches_and_text() {
    each_bit_flip(&support::patched());
}

#[test]
fn truncations_of_a_file_with_near_ties() {
    each_truncation(&support::tied());
}

#[test]
fn bit_flips_of_a_file_with_near_ties() {
    each_bit_flip(&support::tied());
}

/// Damage to one segment's latents leaves the others readable.
#[test]
fn a_damaged_segment_is_named_and_stands_alone() {
    use c3_core::{LatentFile, SegmentSource};
    let context = support::corrected();
    let mut bytes = context.to_bytes().unwrap();
    let start = LatentFile::from_bytes(bytes.clone()).unwrap().layout().latents.start as usize;
    bytes[start + 6] ^= 1; // segment 0 has one row of three 16-bit numbers
    let file = LatentFile::from_bytes(bytes).unwrap();
    assert!(matches!(file.segment(1), Err(Error::LatentsHash { segment: 1, .. })));
    assert_eq!(file.segment(0).unwrap(), context.segments()[0]);
    assert_eq!(file.segment(2).unwrap(), context.segments()[2]);
}
