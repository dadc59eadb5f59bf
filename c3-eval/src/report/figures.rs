//! Which numbers are drawn against which.

use super::chart::{Chart, Scale, Series};
use super::published;
use crate::results::{BUCKETS, unbinned};
use crate::{Group, Interval, Metric, Row, Window};

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
pub(super) fn beside_published(rows: &[&Row], also: &str) -> Figure {
    // A model with one bank compresses every page to as many latents: its pages' lengths are its ratios,
    // and its bins one series, as in the papers.
    let label = |row: &Row| match row.group.ratio.0 {
        Some(_) => row.label(),
        None => {
            let corpus = unbinned(&row.group.corpus).to_owned();
            Group { corpus, ..row.group.clone() }.label()
        }
    };
    let mut series = by_ratio(rows, Metric::FoxPrecision, label);
    series.extend(published_series(series.len()));
    let caption = format!(
        "Precision against the ratio{also}. Ours is that of the Fox script: the share of a text's \
         different words that came back. Dashed: what others have printed, of other models on other texts \
         (English Fox pages, 600 to 1,300 of their tokens); the authors of C3 don't define theirs"
    );
    figure("published", caption, against_ratio("precision", series))
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

/// Rows that are drawn, and what the caption says of those that aren't.
pub(super) struct Drawn<'r> {
    pub rows: Vec<&'r Row>,
    pub also: String,
}

/// The rows within the window; where there are none, all.
pub(super) fn drawn<'r>(rows: impl Iterator<Item = &'r Row>) -> Drawn<'r> {
    let (within, beyond): (Vec<&Row>, Vec<&Row>) =
        rows.partition(|row| row.group.window == Window::Within);
    if within.is_empty() {
        let also = if beyond.is_empty() { "" } else { ", of texts longer than the window" };
        return Drawn { rows: beyond, also: also.into() };
    }
    let n: usize = beyond.iter().map(|row| row.n).sum();
    let results = if n == 1 { "result" } else { "results" };
    let also = match n {
        0 => String::new(),
        n => format!(" ({n} {results} of texts longer than the window not drawn)"),
    };
    Drawn { rows: within, also }
}

/// The rows of a corpus, plain or not.
pub(super) fn of_corpus<'r>(
    rows: &'r [Row],
    corpus: &str,
    wanted: impl Fn(&Group) -> bool,
) -> Drawn<'r> {
    drawn(rows.iter().filter(|row| row.group.corpus == corpus && wanted(&row.group)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Summary;
    use crate::fixture::{Texts, header};
    use crate::results::{Record, Results};

    fn labels(rows: &[Row]) -> Vec<(String, usize)> {
        let figure = beside_published(&drawn(rows.iter()).rows, "");
        let ours = figure.chart.series.into_iter().filter(|series| !series.published);
        ours.map(|series| (series.label, series.points.len())).collect()
    }

    fn pages(ratio: Option<u32>) -> Vec<Row> {
        let mut records: Vec<Record> = Texts::new("fox-en", 0).scored(&[0.5, 0.6, 0.7]);
        for (record, tokens) in records.iter_mut().zip([99, 100, 250]) {
            (record.tokens, record.ratio.0) = (tokens, ratio);
        }
        let results = Results { header: header("fox"), records }.binned();
        Summary::of(&results.records).rows
    }

    #[test]
    fn the_bins_of_a_single_bank_are_one_series() {
        assert_eq!(labels(&pages(None)), [("fox-en".to_owned(), 3)]);
        let bins = ["0–100", "100–200", "200–300"].map(|bin| (format!("fox-en, {bin} tokens"), 1));
        assert_eq!(labels(&pages(Some(8))), bins);
    }

    #[test]
    fn every_corpus_stands_beside_the_published_numbers() {
        let corpora = ["a", "b", "c", "d", "e"];
        let records: Vec<Record> =
            corpora.iter().flat_map(|name| Texts::new(name, 8).scored(&[0.5])).collect();
        let expected = corpora.map(|name| (name.to_owned(), 1));
        assert_eq!(labels(&Summary::of(&records).rows), expected);
    }

    #[test]
    fn captions_say_what_is_not_drawn() {
        let mut records = Texts::new("a", 8).scored(&[0.5, 0.6, 0.7]);
        records[0].beyond_window = true;
        let rows = Summary::of(&records).rows;
        let some = drawn(rows.iter());
        assert_eq!((some.rows.len(), some.rows[0].n), (1, 2));
        assert_eq!(some.also, " (1 result of texts longer than the window not drawn)");
        records.iter_mut().for_each(|record| record.beyond_window = true);
        let rows = Summary::of(&records).rows;
        let long = of_corpus(&rows, "a", |_| true);
        assert_eq!((long.rows.len(), long.also.as_str()), (1, ", of texts longer than the window"));
    }
}
