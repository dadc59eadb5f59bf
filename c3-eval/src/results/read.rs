//! Result files, read.

use std::io::{BufRead, Read};
use std::path::Path;

use serde::de::DeserializeOwned;

use super::{Header, Record};
use crate::{Error, Result};

/// No header is as long: what is longer is no result file.
const LONGEST_HEADER: u64 = 1 << 20;

/// A result file.
#[derive(Clone, Debug, PartialEq)]
pub struct Results<R = Record> {
    /// What was run.
    pub header: Header,
    /// What came of it, in the order of the run.
    pub records: Vec<R>,
}

impl<R> Results<R> {
    /// Whether every record that the header speaks of is there.
    pub fn is_complete(&self) -> bool {
        let Header { corpora, compressors, ratios, cost, .. } = &self.header;
        let texts: usize = corpora.iter().map(|corpus| corpus.texts).sum();
        let expected = match cost {
            Some(plan) => plan.loads.len(),
            None => texts * compressors.len() * ratios.len(),
        };
        self.records.len() == expected
    }
}

/// The first line of a result file.
///
/// # Errors
/// As [`read_results`].
pub fn read_header(path: &Path) -> Result<Header> {
    let file = std::fs::File::open(path).map_err(Error::io("read", path))?;
    let mut line = Vec::new();
    std::io::BufReader::new(file)
        .take(LONGEST_HEADER)
        .read_until(b'\n', &mut line)
        .map_err(Error::io("read", path))?;
    Header::parse(path, &String::from_utf8_lossy(&line))
}

/// Reads a result file, of a run that is done or one that was stopped.
///
/// # Errors
/// Where it can't be read, is no result file or one of another version, or a line in it is damaged.
pub fn read_results<R: DeserializeOwned>(path: &Path) -> Result<Results<R>> {
    Ok(parse(path)?.0)
}

/// The results, and how many bytes of the file are whole lines.
pub(super) fn parse<R: DeserializeOwned>(path: &Path) -> Result<(Results<R>, u64)> {
    let bytes = std::fs::read(path).map_err(Error::io("read", path))?;
    // What follows the last line end was being written when the run was stopped.
    let whole = bytes.iter().rposition(|&byte| byte == b'\n').map_or(0, |end| end + 1);
    let text = std::str::from_utf8(&bytes[..whole])
        .map_err(|error| Error::InvalidUtf8 { path: path.into(), offset: error.valid_up_to() })?;
    let mut lines = text.lines();
    let header = Header::parse(path, lines.next().unwrap_or_default())?;
    let record = |(number, line): (usize, &str)| {
        serde_json::from_str(line).map_err(|error| Error::Malformed {
            path: path.into(),
            place: format!("line {}", number + 2),
            expected: "a record",
            found: error.to_string(),
        })
    };
    let records = lines.enumerate().map(record).collect::<Result<Vec<R>>>()?;
    Ok((Results { header, records }, whole as u64))
}
