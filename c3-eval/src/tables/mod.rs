//! Results as tables, for people, documents and the report.

mod comparison;
mod cost;
mod csv;
mod reconstruction;

pub use comparison::{decline, gap};
pub use cost::{bench, cost};
pub use csv::{cost_csv, csv};
pub use reconstruction::{card, metrics, position, similarity};

use crate::Interval;

/// Cells under a header.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Table {
    /// Names of the columns.
    pub header: Vec<String>,
    /// Rows, as long as the header.
    pub rows: Vec<Vec<String>>,
}

impl Table {
    fn new(header: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self { header: header.into_iter().map(Into::into).collect(), rows: Vec::new() }
    }

    /// In Markdown.
    pub fn to_markdown(&self) -> String {
        let line = |cells: &[String]| {
            let cells: Vec<String> = cells.iter().map(|cell| cell.replace('|', "\\|")).collect();
            format!("| {} |\n", cells.join(" | "))
        };
        let rule = format!("|{}\n", "---|".repeat(self.header.len()));
        let rows: String = self.rows.iter().map(|row| line(row)).collect();
        line(&self.header) + &rule + &rows
    }
}

/// `0.966 (0.957–0.974)`.
fn with_interval(interval: Interval) -> String {
    let Interval { mean, low, high } = interval;
    format!("{mean:.3} ({low:.3}–{high:.3})")
}

/// `+0.012 (−0.003…+0.027)`.
fn signed(interval: Interval) -> String {
    let number = |value: f64| format!("{value:+.3}").replace('-', "−");
    format!("{} ({}…{})", number(interval.mean), number(interval.low), number(interval.high))
}

/// `12.5%`, without digits that say nothing.
fn percent(share: f64) -> String {
    let text = format!("{:.1}", 100.0 * share);
    format!("{}%", text.strip_suffix(".0").unwrap_or(&text))
}

/// Each once, in the order that they first occur.
fn distinct<T: PartialEq>(items: impl Iterator<Item = T>) -> Vec<T> {
    let mut seen = Vec::new();
    for item in items {
        if !seen.contains(&item) {
            seen.push(item);
        }
    }
    seen
}
