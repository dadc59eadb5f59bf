//! Which numbers are drawn against which.

use super::chart::{Chart, Scale, Series};
use super::published;
use crate::results::BUCKETS;
use crate::{Group, Interval, Metric, Row, Window};

/// Series of ours that stand beside the published ones: more would hide them.
const OURS_BESIDE_PUBLISHED: usize = 3;

/// A chart with its caption, and a name for a file of it.
pub(super) struct Figure {
    pub name: String,
    pub caption: String,
    pub chart: Chart,
}

fn figure(name: &str, caption: impl Into<String>, chart: Chart) -> Figure {
    let plain = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' };
    Figure { name: name.chars().map(plain).collect(), caption: caption.into(), chart }
}

/// A metric against the ratio; rows of one label are one series.
fn by_ratio(rows: &[&Row], metric: Metric, label: impl Fn(&Row) -> String) -> Vec<Series> {
    let mut series: Vec<Series> = Vec::new();
    for row in rows {
        let (label, point) = (label(row), (row.nominal_ratio, row.metric(metric)));
        match series.iter_mut().find(|series| series.label == label) {
            Some(series) => series.points.push(point),
            None => {
                let color = series.len();
                series.push(Series { label, color, published: false, points: vec![point] });
            }
        }
    }
    series.iter_mut().for_each(|series| series.points.sort_by(|a, b| a.0.total_cmp(&b.0)));
    series
}

/// What others have printed, beside ours.
fn published_series(first_color: usize) -> Vec<Series> {
    let point =
        |(ratio, share): (f64, f64)| (ratio, Interval { mean: share, low: share, high: share });
    let of = |label: &str, color: usize, points: Vec<(f64, f64)>| {
        let mut points: Vec<(f64, Interval)> = points.into_iter().map(point).collect();
        points.sort_by(|a, b| a.0.total_cmp(&b.0));
        Series { label: format!("published: {label}"), color, published: true, points }
    };
    let c3 = |latents: usize, place: usize, color: usize| {
        of(&format!("C3 of 4.5 B, {latents} latents"), color, published::c3(place).collect())
    };
    let other = |tokens: usize, place: usize, color: usize| {
        let points = published::deepseek_ocr(place).collect();
        of(&format!("DeepSeek-OCR, {tokens} vision tokens"), color, points)
    };
    vec![
        c3(32, 0, first_color),
        c3(64, 1, first_color + 1),
        c3(100, 2, first_color + 2),
        other(64, 0, first_color + 3),
        other(100, 1, first_color + 4),
    ]
}

fn against_ratio(y_label: &'static str, series: Vec<Series>) -> Chart {
    let x_label = "text tokens per latent token";
    Chart { x_label, y_label, x_scale: Scale::Doubling, y_is_share: true, series }
}

/// Char similarity against the ratio, by what `label` says of a row.
pub(super) fn similarity(
    name: &str,
    caption: impl Into<String>,
    rows: &[&Row],
    label: impl Fn(&Row) -> String,
) -> Figure {
    let series = by_ratio(rows, Metric::CharSimilarity, label);
    figure(name, caption, against_ratio("char similarity", series))
}

/// Fox's precision against the ratio, with the published numbers beside it.
pub(super) fn beside_published(rows: &[&Row]) -> Figure {
    let mut series = by_ratio(rows, Metric::FoxPrecision, Row::label);
    series.truncate(OURS_BESIDE_PUBLISHED);
    series.extend(published_series(series.len()));
    let caption = "The Fox script's precision against the ratio; dashed: what others have printed, of \
                   other models on other texts (English Fox pages, 600 to 1,300 tokens)";
    figure("published", caption, against_ratio("Fox precision", series))
}

/// The share of wrong tokens along the text, a line for each ratio.
pub(super) fn position(name: &str, caption: impl Into<String>, rows: &[&Row]) -> Figure {
    let place = |bucket: usize| (bucket as f64 + 0.5) / BUCKETS as f64;
    let series = rows.iter().enumerate().map(|(color, row)| Series {
        label: row.group.ratio.to_string(),
        color,
        published: false,
        points: row
            .error_by_position
            .iter()
            .enumerate()
            .filter(|(_, rate)| rate.mean.is_finite())
            .map(|(bucket, &rate)| (place(bucket), rate))
            .collect(),
    });
    let chart = Chart {
        x_label: "place in the text, 0 its beginning, 1 its end",
        y_label: "share of wrong tokens",
        x_scale: Scale::Linear,
        y_is_share: true,
        series: series.collect(),
    };
    figure(name, caption, chart)
}

/// Milliseconds to the first token, from latents and from the text, against the ratio.
pub(super) fn latency(series: Vec<(String, Vec<(f64, Interval)>)>) -> Figure {
    let series = series.into_iter().enumerate().map(|(color, (label, points))| Series {
        label,
        color,
        published: false,
        points,
    });
    let chart = Chart {
        x_label: "text tokens per latent token",
        y_label: "ms to the first token",
        x_scale: Scale::Doubling,
        y_is_share: false,
        series: series.collect(),
    };
    figure("latency", "Time to the decoder's first token", chart)
}

/// The rows of a corpus in one piece that a compressor restored, plain or not.
pub(super) fn of_corpus<'r>(
    rows: &'r [Row],
    corpus: &str,
    wanted: impl Fn(&Group) -> bool,
) -> Vec<&'r Row> {
    let group = |row: &&Row| row.group.corpus == corpus && wanted(&row.group);
    rows.iter().filter(group).filter(|row| row.group.window == Window::Within).collect()
}
