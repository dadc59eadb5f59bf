//! The column of near ties, which a file only has where it says something.

use super::index::narrow;
use super::version::FormatVersion;
use crate::segment::check_near_ties;
use crate::{Error, Fidelity, Result};

/// What stands where nobody counted.
const UNKNOWN: i32 = -1;

/// Near ties of each segment: 0 of those that are not checked.
#[derive(Default)]
pub(super) struct NearTies {
    column: Vec<i32>,
    /// What a segment that the column doesn't reach has: nothing in files of versions that count,
    /// [`None`] in older ones.
    otherwise: Option<u32>,
}

impl NearTies {
    /// The version from which on files count them.
    const SINCE: FormatVersion = FormatVersion { major: 1, minor: 2 };

    /// The column as a file has it.
    pub fn new(column: Vec<i32>) -> Self {
        Self { column, otherwise: None }
    }

    /// A file of `version` without the column: either there are none, or nobody counted.
    pub fn assume(&mut self, version: FormatVersion) {
        self.otherwise = (version >= Self::SINCE).then_some(0);
    }

    /// A segment's entry.
    pub fn of(fidelity: &Fidelity) -> Result<i32> {
        match *fidelity {
            Fidelity::Checked { near_ties: None, .. } => Ok(UNKNOWN),
            Fidelity::Checked { near_ties: Some(count), .. } => {
                narrow("the number of near ties", count)
            }
            _ => Ok(0),
        }
    }

    pub fn push(&mut self, entry: i32) {
        self.column.push(entry);
    }

    pub fn column(&self) -> &[i32] {
        &self.column
    }

    /// Whether the column must be there: without it, every checked segment has none.
    pub fn says_something(&self) -> bool {
        self.column.iter().any(|&entry| entry != 0)
    }

    /// Checks an entry of a segment with `text_tokens` tokens; `mismatches` where it is checked.
    pub fn check(
        entry: i32,
        segment: usize,
        text_tokens: u32,
        mismatches: Option<u32>,
    ) -> Result<()> {
        let contradiction = |reason| Err(Error::BadFidelity { segment, reason });
        match (mismatches, u32::try_from(entry)) {
            (Some(mismatches), Ok(count)) => {
                check_near_ties(segment, text_tokens, mismatches, count)
            }
            (Some(_), Err(_)) if entry == UNKNOWN => Ok(()),
            (None, Ok(0)) => Ok(()),
            (Some(_), Err(_)) => contradiction("a number below zero"),
            (None, _) => contradiction("near ties of a segment that is not checked"),
        }
    }

    /// Near ties of a checked segment.
    pub fn get(&self, segment: usize) -> Option<u32> {
        match self.column.get(segment) {
            Some(&entry) => u32::try_from(entry).ok(),
            None => self.otherwise,
        }
    }
}
