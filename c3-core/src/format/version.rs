//! The version of the format.

use crate::error::clip;
use crate::{Error, Result};

/// A version of the `.c3` format.
///
/// Files of one major version can be read by every program that knows this major version; a higher
/// minor version adds metadata that may be ignored, or tensors, which older programs refuse.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FormatVersion {
    /// Changes where an older program would read wrong text.
    pub major: u32,
    /// Changes where something may be ignored.
    pub minor: u32,
}

impl FormatVersion {
    /// The version that this crate writes.
    pub const CURRENT: Self = Self { major: 1, minor: 2 };

    /// Whether this crate can read files of this version.
    pub(super) fn check(self) -> Result<()> {
        let supported = Self::CURRENT;
        if self.major == supported.major {
            Ok(())
        } else {
            Err(Error::UnsupportedVersion { found: self, supported })
        }
    }
}

impl std::fmt::Display for FormatVersion {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

impl std::str::FromStr for FormatVersion {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        text.split_once('.')
            .and_then(|(major, minor)| {
                let (major, minor) = (decimal(major)?, decimal(minor)?);
                Some(Self { major: major.try_into().ok()?, minor: minor.try_into().ok()? })
            })
            .ok_or_else(|| Error::BadMetadata {
                key: "c3.version",
                expected: "two numbers, as in 1.0".to_owned(),
                found: clip(text),
            })
    }
}

/// A number as [`u64::to_string`] writes it, and in no other spelling: every value has one text.
pub(super) fn decimal(text: &str) -> Option<u64> {
    text.parse::<u64>().ok().filter(|number| number.to_string() == text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_spelling_for_each_version() {
        assert_eq!("1.2".parse::<FormatVersion>().unwrap(), FormatVersion::CURRENT);
        assert_eq!("12.34".parse::<FormatVersion>().unwrap().to_string(), "12.34");
        for bad in ["", "1", "1.", ".0", "01.0", "+1.0", "1.0.0", "1.-0", "4294967296.0", "1. 0"] {
            assert!(bad.parse::<FormatVersion>().is_err(), "{bad:?}");
        }
    }
}
