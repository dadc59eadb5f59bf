//! How fast memory can be read at all.

use std::hint::black_box;
use std::time::Instant;

use anyhow::{Result, ensure};
use rayon::prelude::*;

use super::Answer;

/// 8-byte words that a thread reads in one go.
const RUN: usize = 1 << 19;

/// Sums `bytes` of memory, which are kept for the next time.
pub(super) fn read(memory: &mut Vec<u64>, bytes: usize) -> Result<Answer> {
    let words = bytes / 8;
    ensure!(words > 0, "{bytes} bytes to read, expected at least 8");
    if memory.len() != words {
        *memory = vec![0; words];
        // Written once, so that it is memory and not the one page of zeros.
        memory.par_iter_mut().enumerate().for_each(|(i, word)| *word = i as u64);
    }
    let start = Instant::now();
    black_box(sum(memory));
    let seconds = start.elapsed().as_secs_f64();
    Ok(Answer { seconds, bytes: Some(8 * words as u64), ..Answer::default() })
}

fn sum(words: &[u64]) -> u64 {
    words.par_chunks(RUN).map(sum_run).reduce(|| 0, u64::wrapping_add)
}

/// Eight cache lines of sums side by side: the additions then wait for memory and for nothing else.
fn sum_run(words: &[u64]) -> u64 {
    let (blocks, rest) = words.as_chunks::<64>();
    let mut sums = [0u64; 64];
    for block in blocks {
        for (sum, word) in sums.iter_mut().zip(block) {
            *sum = sum.wrapping_add(*word);
        }
    }
    sums.iter().chain(rest).fold(0, |sum, word| sum.wrapping_add(*word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_is_read() {
        for count in [1usize, 7, 64, 65, RUN - 1, RUN, 3 * RUN + 70] {
            let words: Vec<u64> = (0..count as u64).map(|i| i * i + 1).collect();
            assert_eq!(sum(&words), words.iter().sum::<u64>(), "{count}");
        }
    }
}
