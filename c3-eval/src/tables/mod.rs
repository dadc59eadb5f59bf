//! Results as tables, for people, documents and the report.

mod comparison;
mod cost;
mod csv;
mod reconstruction;

pub use comparison::{Gap, decline, gap, gaps};
pub use cost::{bench, cost};
pub use csv::{cost_csv, csv};
pub use reconstruction::{card, every_metric, metrics, position, similarity};

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

/// `0.966 (0.957–0.974)`; of a single document, `0.966` alone.
fn with_interval(interval: Interval) -> String {
    let Interval { mean, low, high } = interval;
    match low.is_nan() {
        true => format!("{mean:.3}"),
        false => format!("{mean:.3} ({low:.3}–{high:.3})"),
    }
}

/// `+0.012 (−0.003…+0.027)`; of a single document, `+0.012` alone.
fn signed(interval: Interval) -> String {
    let number = |value: f64| format!("{value:+.3}").replace('-', "−");
    let Interval { mean, low, high } = interval;
    match low.is_nan() {
        true => number(mean),
        false => format!("{} ({}…{})", number(mean), number(low), number(high)),
    }
}

/// How many texts, and of how many documents where those are fewer: `500 (189 documents)`.
fn count(n: usize, documents: usize) -> String {
    match documents {
        _ if documents == n => n.to_string(),
        1 => format!("{n} (1 document)"),
        _ => format!("{n} ({documents} documents)"),
    }
}

/// `12.5%`, without digits that say nothing.
fn percent(share: f64) -> String {
    let text = format!("{:.1}", 100.0 * share);
    format!("{}%", text.strip_suffix(".0").unwrap_or(&text))
}

/// `94% (90.5%–97%)`; of a single document, `94%` alone.
fn shares(interval: Interval) -> String {
    let Interval { mean, low, high } = interval;
    match low.is_nan() {
        true => percent(mean),
        false => format!("{} ({}–{})", percent(mean), percent(low), percent(high)),
    }
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
