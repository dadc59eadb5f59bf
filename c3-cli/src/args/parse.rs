//! Values that need more than their type says.

use std::ops::Range;

use c3_eval::corpus::PassageTokens;
use c3_nn::BlockType;
use clap::builder::{PossibleValuesParser, TypedValueParser};

/// A type of quantised weights; help and completions list them.
pub fn block_type() -> impl TypedValueParser<Value = BlockType> {
    let names = PossibleValuesParser::new(BlockType::ALL.map(BlockType::name));
    names.try_map(|name| name.parse::<BlockType>())
}

/// `cpu`, or in a build that knows it `cuda` and `cuda:N`.
pub fn device(text: &str) -> Result<candle_core::Device, String> {
    let number = match text.split_once(':') {
        None if text == "cpu" => return Ok(candle_core::Device::Cpu),
        None if text == "cuda" => Some(0),
        Some(("cuda", number)) => number.parse().ok(),
        _ => None,
    };
    match number {
        Some(number) => cuda(number),
        None => Err("expected cpu, cuda or cuda:N".into()),
    }
}

#[cfg(feature = "cuda")]
fn cuda(number: usize) -> Result<candle_core::Device, String> {
    candle_core::Device::new_cuda(number).map_err(|error| {
        // What follows the first line is a backtrace.
        let text = error.to_string();
        let reason = text.lines().next().unwrap_or_default();
        format!("CUDA device {number} can't be used: {reason}")
    })
}

#[cfg(not(feature = "cuda"))]
fn cuda(_: usize) -> Result<candle_core::Device, String> {
    Err("this build computes on the CPU only; build it with --features cuda".into())
}

/// A temperature; 0 is greedy decoding.
pub fn temperature(text: &str) -> Result<f32, String> {
    let value: f32 = text.parse().map_err(|_| "expected a number".to_owned())?;
    let valid = value.is_finite() && value >= 0.0;
    valid.then_some(value).ok_or_else(|| "expected a number from 0 up".into())
}

/// A share of probability.
pub fn top_p(text: &str) -> Result<f32, String> {
    let value: f32 = text.parse().map_err(|_| "expected a number".to_owned())?;
    let valid = value > 0.0 && value <= 1.0;
    valid.then_some(value).ok_or_else(|| "expected a number above 0, at most 1".into())
}

/// A share of a whole.
pub fn share(text: &str) -> Result<f64, String> {
    let value: f64 = text.parse().map_err(|_| "expected a number".to_owned())?;
    let valid = (0.0..=1.0).contains(&value);
    valid.then_some(value).ok_or_else(|| "expected a number from 0 to 1".into())
}

/// A difference of logits.
pub fn margin(text: &str) -> Result<f32, String> {
    let value: f32 = text.parse().map_err(|_| "expected a number".to_owned())?;
    let valid = value.is_finite() && value >= 0.0;
    valid.then_some(value).ok_or_else(|| "expected a number from 0 up".into())
}

/// A half-open range of bytes.
pub fn bytes(text: &str) -> Result<Range<u64>, String> {
    let expected = || "expected a range of bytes A..B with A below B".to_owned();
    let number = |text: &str| text.parse::<u64>().map_err(|_| expected());
    let (start, end) = text.split_once("..").ok_or_else(expected)?;
    let range = number(start)?..number(end)?;
    if range.is_empty() { Err(expected()) } else { Ok(range) }
}

/// A segment's number, or a half-open range of them.
pub fn segments(text: &str) -> Result<Range<usize>, String> {
    let expected = || "expected a segment's number I, or a range A..B with A below B".to_owned();
    let number = |text: &str| text.parse::<usize>().map_err(|_| expected());
    let range = match text.split_once("..") {
        None => {
            let first = number(text)?;
            first..first.checked_add(1).ok_or_else(expected)?
        }
        Some((first, end)) => number(first)?..number(end)?,
    };
    if range.is_empty() { Err(expected()) } else { Ok(range) }
}

/// Lengths of passages, `A..B` tokens, B included.
pub fn passages(text: &str) -> Result<PassageTokens, String> {
    let expected = || "expected A..B tokens, A at least 1 and at most B".to_owned();
    let (least, most) = text.split_once("..").ok_or_else(expected)?;
    let number = |text: &str| text.parse::<usize>().map_err(|_| expected());
    let (least, most) = (number(least)?, number(most)?);
    let ordered = least >= 1 && least <= most;
    ordered.then_some(PassageTokens { least, most }).ok_or_else(expected)
}

/// Bytes, with K, M, G or T for powers of 1024: `8G`, `1.5GiB`, `4096`.
pub fn size(text: &str) -> Result<u64, String> {
    let expected = || "expected a size such as 512M or 8G".to_owned();
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let unit = unit.trim_start().to_ascii_uppercase();
    let unit = unit.strip_suffix("IB").or(unit.strip_suffix('B')).unwrap_or(&unit);
    let power = match unit {
        "" => 0,
        "K" => 1,
        "M" => 2,
        "G" => 3,
        "T" => 4,
        _ => return Err(expected()),
    };
    let bytes = number.parse::<f64>().map_err(|_| expected())? * 1024f64.powi(power);
    if bytes < 1.0 || bytes >= u64::MAX as f64 { Err(expected()) } else { Ok(bytes as u64) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_units() {
        for (text, bytes) in [
            ("4096", 4096),
            ("1K", 1 << 10),
            ("512M", 512 << 20),
            ("8g", 8 << 30),
            ("8 GiB", 8 << 30),
            ("1.5GB", 3 << 29),
            ("1T", 1 << 40),
        ] {
            assert_eq!(size(text), Ok(bytes), "{text}");
        }
        for bad in ["", "0", "G", "-1G", "1X", "1GG", "1e3", "1..5G", "99999999T", "nan", "BiB"] {
            assert!(size(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn devices_have_names() {
        assert!(device("cpu").is_ok());
        for name in ["", "CPU", "cuda:", "cuda:x", "tpu", "cpu:0"] {
            assert_eq!(device(name).unwrap_err(), "expected cpu, cuda or cuda:N", "{name}");
        }
    }

    #[cfg(not(feature = "cuda"))]
    #[test]
    fn what_is_not_built_in_is_said() {
        for name in ["cuda", "cuda:0", "cuda:11"] {
            assert!(device(name).unwrap_err().contains("build it with --features cuda"));
        }
    }

    #[test]
    fn sampling_values_have_bounds() {
        assert_eq!(temperature("0.7"), Ok(0.7));
        assert_eq!(temperature("0"), Ok(0.0));
        for bad in ["-1", "nan", "inf", "x", ""] {
            assert!(temperature(bad).is_err(), "{bad}");
        }
        assert_eq!(top_p("1"), Ok(1.0));
        for bad in ["0", "1.01", "nan", "-0.5", "x"] {
            assert!(top_p(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn passages_are_a_range() {
        assert_eq!(passages("64..256"), Ok(PassageTokens { least: 64, most: 256 }));
        assert_eq!(passages("7..7"), Ok(PassageTokens { least: 7, most: 7 }));
        for bad in ["", "64", "0..4", "9..8", "a..b", "1..", "..2", "-1..2"] {
            assert!(passages(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn segments_are_a_number_or_a_range() {
        assert_eq!(segments("3"), Ok(3..4));
        assert_eq!(segments("3..7"), Ok(3..7));
        for bad in ["", "x", "7..3", "3..3", "-1", "1...2", &usize::MAX.to_string()] {
            assert!(segments(bad).is_err(), "{bad}");
        }
    }
}
