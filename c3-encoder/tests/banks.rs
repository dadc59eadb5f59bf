//! Several banks from one pass over the text equal each bank alone.

use std::path::Path;

use c3_core::Compression;
use c3_encoder::{Bank, C3Encoder, Error};
use c3_nn::{Checkpoint, LoadOptions};
use candle_core::Tensor;

/// Relative to the largest absolute value of a bank's latents. Most are equal to the bit; a few rows
/// alone are another kernel's, which sums in another order.
const TOLERANCE: f32 = 2e-6;

fn encoder(folder: &str) -> C3Encoder {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let checkpoint = Checkpoint::open(&root.join(folder)).unwrap();
    C3Encoder::load(&checkpoint, &LoadOptions::default()).unwrap()
}

fn banks(encoder: &C3Encoder, ratios: &[u32]) -> Vec<Bank> {
    let of = |compression| Bank::choose(encoder.config(), compression).unwrap();
    let ratios = ratios.iter().map(|&ratio| of(Compression::Ratio(ratio)));
    [of(Compression::Default)].into_iter().chain(ratios).collect()
}

/// Ids of uneven lengths, `lengths[i]` each.
fn segments(encoder: &C3Encoder, lengths: &[usize]) -> Vec<Vec<u32>> {
    let vocabulary = encoder.config().encoder.vocab_size.min(400) as u32;
    let ids = |start: usize, tokens: usize| {
        (0..tokens).map(|i| (start * 131 + i * i * 7 + i * 29) as u32 % vocabulary).collect()
    };
    lengths.iter().enumerate().map(|(row, &tokens)| ids(row, tokens)).collect()
}

#[track_caller]
fn close(together: &[Tensor], alone: &[Tensor]) {
    assert_eq!(together.len(), alone.len());
    let values = |tensors: &[Tensor]| -> Vec<f32> {
        let flat = |t: &Tensor| t.flatten_all().unwrap().to_vec1::<f32>().unwrap();
        tensors.iter().flat_map(flat).collect()
    };
    for (together, alone) in together.iter().zip(alone) {
        assert_eq!(together.dims(), alone.dims());
    }
    let (together, alone) = (values(together), values(alone));
    let largest = alone.iter().fold(0f32, |m, x| m.max(x.abs()));
    let error = together.iter().zip(&alone).fold(0f32, |m, (a, b)| m.max((a - b).abs()));
    assert!(together.iter().all(|x| x.is_finite()));
    assert!(error <= TOLERANCE * largest, "off by {error}, largest value {largest}");
}

fn compare(encoder: &C3Encoder, banks: &[Bank], lengths: &[usize]) {
    let segments = segments(encoder, lengths);
    let segments: Vec<&[u32]> = segments.iter().map(Vec::as_slice).collect();
    let together = encoder.latents_of_banks(&segments, banks).unwrap();
    assert_eq!(together.len(), banks.len());
    for (bank, together) in banks.iter().zip(&together) {
        close(together, &encoder.latents(&segments, bank).unwrap());
    }
}

/// Aligned query positions; a short segment has fewer latents than a long one.
#[test]
fn the_built_in_models_banks() {
    let encoder = encoder("models/c3-tiny");
    let banks = banks(&encoder, &[4, 8, 16, 32]);
    for lengths in [&[256, 1, 100, 33, 255][..], &[1], &[0], &[40, 0], &[], &[256; 3]] {
        compare(&encoder, &banks, lengths);
    }
}

/// Contiguous query positions; a ratio only bounds the length of the segments.
#[test]
fn the_authors_layout() {
    for folder in ["fixtures/c3-ref-f32", "fixtures/c3-ref-bf16-tied"] {
        let encoder = encoder(folder);
        let banks = banks(&encoder, &[20, 16]);
        for lengths in [&[80, 5, 77][..], &[80], &[1, 1]] {
            compare(&encoder, &banks, lengths);
        }
    }
}

#[test]
fn no_banks_and_wrong_ones() {
    let encoder = encoder("models/c3-tiny");
    let mut banks = banks(&encoder, &[8]);
    assert!(encoder.latents_of_banks(&[&[1, 2]], &[]).unwrap().is_empty());
    let long = vec![1; 257];
    assert!(matches!(
        encoder.latents_of_banks(&[&[1], &long], &banks),
        Err(Error::SegmentTooLong { tokens: 257, most: 256 })
    ));
    banks[1].ratio = Some(5);
    assert!(matches!(
        encoder.latents_of_banks(&[&[1]], &banks),
        Err(Error::ForeignBank(bank)) if bank == banks[1]
    ));
}
