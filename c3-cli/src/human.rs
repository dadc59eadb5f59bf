//! Numbers and tables as people read them.

use std::ops::Range;
use std::time::Duration;

use crate::style::{DIM, paint};

/// `1234567` as `1,234,567`.
pub fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// `3 segments`, `1 segment`.
pub fn counted(number: u64, noun: &str) -> String {
    format!("{} {noun}{}", count(number), if number == 1 { "" } else { "s" })
}

/// Bytes in the largest binary unit that they fill: `17.0 KiB`.
pub fn bytes(number: u64) -> String {
    indicatif::BinaryBytes(number).to_string()
}

/// `bytes 0..1,024`.
pub fn byte_range(range: &Range<u64>) -> String {
    format!("bytes {}..{}", count(range.start), count(range.end))
}

/// Seconds, to two digits or three.
pub fn seconds(duration: Duration) -> String {
    let seconds = duration.as_secs_f64();
    if seconds < 10.0 { format!("{seconds:.3} s") } else { format!("{seconds:.1} s") }
}

/// How many a second; 0 where no time passed.
pub fn rate(number: u64, duration: Duration) -> u64 {
    let seconds = duration.as_secs_f64();
    if seconds > 0.0 { (number as f64 / seconds) as u64 } else { 0 }
}

/// Labels on the left, what they mean on the right.
#[derive(Default)]
pub struct Table(Vec<(&'static str, String)>);

impl Table {
    pub fn row(mut self, label: &'static str, value: impl Into<String>) -> Self {
        self.0.push((label, value.into()));
        self
    }
}

impl std::fmt::Display for Table {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let width = self.0.iter().map(|(label, _)| label.len()).max().unwrap_or(0);
        for (label, value) in &self.0 {
            writeln!(f, "{}  {value}", paint(DIM, format_args!("{label:width$}")))?;
        }
        Ok(())
    }
}

/// Columns as wide as what is in them. Those of numbers end flush, others begin so.
pub fn columns(header: &[&str], rows: &[Vec<String>]) -> String {
    let wide = |text: &str| text.chars().count();
    let cells = |c: usize| rows.iter().map(move |row| row[c].as_str());
    let columns: Vec<(usize, bool)> = (0..header.len())
        .map(|c| {
            let width = cells(c).chain([header[c]]).map(wide).max().unwrap_or(0);
            (width, cells(c).all(|cell| cell.starts_with(|first: char| first.is_ascii_digit())))
        })
        .collect();
    let line = |row: &[&str]| {
        let pad = |(cell, &(width, numbers)): (&&str, &(usize, bool))| {
            if numbers { format!("{cell:>width$}") } else { format!("{cell:width$}") }
        };
        let cells: Vec<String> = row.iter().zip(&columns).map(pad).collect();
        cells.join("  ").trim_end().to_owned()
    };
    let mut text = format!("{}\n", paint(DIM, line(header)));
    for row in rows {
        text.push_str(&line(&row.iter().map(String::as_str).collect::<Vec<_>>()));
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_come_in_threes() {
        for (number, text) in
            [(0, "0"), (12, "12"), (999, "999"), (1000, "1,000"), (1_234_567, "1,234,567")]
        {
            assert_eq!(count(number), text);
        }
        assert_eq!(counted(1, "segment"), "1 segment");
        assert_eq!(counted(0, "segment"), "0 segments");
    }

    #[test]
    fn columns_line_up() {
        let rows =
            vec![vec!["1".to_owned(), "xyz".to_owned()], vec!["100".to_owned(), "é".to_owned()]];
        let text = anstream::adapter::strip_str(&columns(&["n", "name"], &rows)).to_string();
        assert_eq!(text, "  n  name\n  1  xyz\n100  é\n");
    }
}
