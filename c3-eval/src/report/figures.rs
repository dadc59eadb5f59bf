//! Which numbers are drawn against which.

use super::chart::{Chart, Scale, Series};
use super::{html, published};
use crate::results::{BUCKETS, Header};
use crate::{Group, Interval, Metric, Result, Row, Window};

/// A figure of some series, with its legend and command.
fn figure(caption: &str, chart: &Chart, header: &Header) -> Result<String> {
    let legend: Vec<(usize, String, bool)> =
        chart.series.iter().map(|s| (s.color, s.label.clone(), s.published)).collect();
    Ok(html::figure(caption, &chart.svg(caption)?, &legend, header))
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
    caption: &str,
    rows: &[&Row],
    label: impl Fn(&Row) -> String,
    header: &Header,
) -> Result<String> {
    let series = by_ratio(rows, Metric::CharSimilarity, label);
    figure(caption, &against_ratio("char similarity", series), header)
}

/// Fox's precision against the ratio, with the published numbers beside it.
pub(super) fn beside_published(rows: &[&Row], header: &Header) -> Result<String> {
    let mut series = by_ratio(rows, Metric::FoxPrecision, Row::label);
    series.truncate(3);
    series.extend(published_series(series.len()));
    let caption = "The Fox script's precision against the ratio; dashed: what others have printed, of \
                   other models on other texts (English Fox pages, 600 to 1,300 tokens)";
    figure(caption, &against_ratio("Fox precision", series), header)
}

/// The share of wrong tokens along the text, a line for each ratio.
pub(super) fn position(caption: &str, rows: &[&Row], header: &Header) -> Result<String> {
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
    figure(caption, &chart, header)
}

/// Milliseconds to the first token, from latents and from the text, against the ratio.
pub(super) fn latency(
    header: &Header,
    series: Vec<(String, Vec<(f64, Interval)>)>,
) -> Result<String> {
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
    figure("Time to the decoder's first token", &chart, header)
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
