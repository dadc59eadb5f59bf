//! Normal-like noise in bf16, fast enough to keep up with a disk.

use half::bf16;
use rand::{RngCore, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

/// The standard deviation that Qwen2's own weights start from.
const DEVIATION: f32 = 0.02;

/// Values that one stream of the generator makes; threads share the work in such pieces.
const PIECE: usize = 1 << 16;

/// `count` values of little-endian bf16 around `mean`, the same for the same `key` whatever the
/// number of threads.
///
/// A value is the sum of four random bytes: close enough to a normal distribution for weights that
/// nobody reads, at four bytes of noise and one look-up a value.
pub(super) fn bf16(key: u64, count: usize, mean: f32) -> Vec<u8> {
    let table = table(mean);
    let mut values = vec![0; 2 * count];
    values.par_chunks_mut(2 * PIECE).enumerate().for_each(|(i, values)| {
        let mut rng = ChaCha8Rng::seed_from_u64(key);
        rng.set_stream(i as u64);
        let mut noise = vec![0; 2 * values.len()];
        rng.fill_bytes(&mut noise);
        for (value, noise) in values.chunks_exact_mut(2).zip(noise.chunks_exact(4)) {
            let sum: usize = noise.iter().map(|&byte| usize::from(byte)).sum();
            value.copy_from_slice(&table[sum]);
        }
    });
    values
}

/// The value of each sum of four bytes.
fn table(mean: f32) -> Vec<[u8; 2]> {
    let (middle, variance) = (4.0 * 127.5, 4.0 * (256.0 * 256.0 - 1.0) / 12.0);
    let scale = DEVIATION / f32::sqrt(variance);
    (0..=4 * 255)
        .map(|sum| bf16::from_f32(mean + scale * (sum as f32 - middle)).to_le_bytes())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(key: u64, count: usize, mean: f32) -> Vec<f32> {
        let read = |b: &[u8]| bf16::from_le_bytes([b[0], b[1]]).to_f32();
        bf16(key, count, mean).chunks_exact(2).map(read).collect()
    }

    #[test]
    fn has_the_mean_and_deviation_it_claims() {
        for mean in [0.0, 1.0] {
            let values = values(7, 500_001, mean);
            let n = values.len() as f64;
            let found = values.iter().map(|&v| f64::from(v)).sum::<f64>() / n;
            let square = |v: &f32| (f64::from(*v) - found).powi(2);
            let deviation = (values.iter().map(square).sum::<f64>() / n).sqrt();
            // Five standard errors of a mean of that many.
            assert!((found - f64::from(mean)).abs() < 1.5e-4, "mean {found}");
            assert!((deviation - 0.02).abs() < 2e-4, "deviation {deviation}");
        }
    }

    #[test]
    fn depends_on_the_key_and_not_on_the_threads() {
        let count = 3 * PIECE + 5;
        let one = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
        assert_eq!(bf16(1, count, 0.0), one.install(|| bf16(1, count, 0.0)));
        assert_ne!(bf16(1, count, 0.0), bf16(2, count, 0.0));
        // Pieces are streams of their own: none repeats another.
        let bytes = bf16(1, count, 0.0);
        assert_ne!(bytes[..2 * PIECE], bytes[2 * PIECE..4 * PIECE]);
        assert!(bf16(1, 0, 0.0).is_empty());
    }
}
