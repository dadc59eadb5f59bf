//! The likeliest tokens.

use anyhow::Result;
use candle_core::Tensor;
use rayon::prelude::*;

/// The likeliest token of each row of `[rows, vocab]`; of equals, the one with the lower id.
pub(super) fn likeliest(logits: &Tensor) -> Result<Vec<u32>> {
    Ok(logits.to_vec2::<f32>()?.par_iter().map(|row| argmax(row)).collect())
}

fn argmax(row: &[f32]) -> u32 {
    let mut best = (0, f32::NEG_INFINITY);
    for (i, &value) in row.iter().enumerate() {
        if value > best.1 {
            best = (i, value);
        }
    }
    best.0 as u32
}

#[cfg(test)]
mod tests {
    use candle_core::Device;

    use super::*;

    #[test]
    fn finds_the_first_of_the_largest() {
        let rows = [[0f32, 3.0, 3.0, -1.0], [-5.0, -4.0, -9.0, -4.0]];
        let logits = Tensor::new(&rows, &Device::Cpu).unwrap();
        assert_eq!(likeliest(&logits).unwrap(), [1, 1]);
    }
}
