//! What each experiment shows.

use super::figures;
use super::html::{self, Section, command, table};
use super::restored::restored;
use crate::cost::Stage;
use crate::results::{CostRecord, Header, Record, Results};
use crate::{Interval, Result, Row, Summary, Window, tables};

/// Restored texts that are shown of each experiment.
const SHOWN: usize = 24;

/// The section of an experiment on texts.
pub(super) fn of_texts(experiment: &str, results: &Results) -> Result<Section> {
    let Results { header, records } = results;
    let rows = Summary::of(records).rows;
    let (title, mut body) = match experiment {
        "position" => ("Where the errors are".to_owned(), positions(header, &rows)?),
        "unguessable" => ("Text that can't be guessed".to_owned(), unguessable(header, &rows)?),
        "ood" => ("Out of domain".to_owned(), out_of_domain(header, &rows)?),
        "baselines" => ("At the same budget".to_owned(), baselines(header, &rows)?),
        "fox" => ("Pages of the Fox benchmark".to_owned(), fox(header, &rows)?),
        "sweep" => ("Against the ratio".to_owned(), sweep(header, records, &rows)?),
        other => (other.to_owned(), String::new()),
    };
    if matches!(experiment, "unguessable" | "ood") {
        body.push_str(&table(&tables::gap(header, records)));
    }
    body.push_str(&format!(
        "<details><summary>Every metric</summary>{}{}</details>\n",
        table(&tables::metrics(&rows)),
        command(header)
    ));
    body.push_str(&beyond(header, &rows));
    body.push_str(&texts(records));
    Ok(Section { title, body })
}

fn within(rows: &[Row]) -> Vec<&Row> {
    rows.iter().filter(|row| row.group.window == Window::Within).collect()
}

/// The rows within the window; where there are none, all.
fn drawn(rows: &[Row]) -> Vec<&Row> {
    let within = within(rows);
    if within.is_empty() { rows.iter().collect() } else { within }
}

fn sweep(header: &Header, records: &[Record], rows: &[Row]) -> Result<String> {
    let caption = "Char similarity against the ratio, with 95% intervals";
    let mut body = figures::similarity(caption, &drawn(rows), Row::label, header)?;
    body.push_str(&table(&tables::card(rows)));
    body.push_str(&figures::beside_published(&drawn(rows), header)?);
    body.push_str(
        "<p>Change of char similarity from each ratio to the next, on the same texts:</p>\n",
    );
    body.push_str(&table(&tables::decline(records)));
    body.push_str(&positions(header, rows)?);
    Ok(body)
}

fn positions(header: &Header, rows: &[Row]) -> Result<String> {
    let mut body = String::new();
    for corpus in &header.corpora {
        let of = figures::of_corpus(rows, &corpus.name, |group| group.kind == corpus.kind);
        if !of.is_empty() {
            let caption = format!("Wrong tokens along the text: {}", of[0].label());
            body.push_str(&figures::position(&caption, &of, header)?);
        }
    }
    body.push_str(&table(&tables::position(rows)));
    Ok(body)
}

fn unguessable(header: &Header, rows: &[Row]) -> Result<String> {
    let mut body = String::from(
        "<p>The same texts, made unguessable with fixed seeds and cut to as many tokens as they had. A \
         language model's prior flatters reconstruction: what is left here is memory.</p>\n",
    );
    let label =
        |row: &Row| row.group.kind.map_or("plain".to_owned(), |kind| kind.name().replace('_', " "));
    for corpus in header.corpora.iter().filter(|corpus| corpus.kind.is_none()) {
        let of = figures::of_corpus(rows, &corpus.name, |_| true);
        let caption = format!("Plain and unguessable: {}", corpus.name);
        if !of.is_empty() {
            body.push_str(&figures::similarity(&caption, &of, label, header)?);
        }
    }
    Ok(body)
}

fn out_of_domain(header: &Header, rows: &[Row]) -> Result<String> {
    let label = |row: &Row| {
        let apart = header.corpora.iter().any(|c| c.name == row.group.corpus && c.out_of_domain);
        let domain = if apart { "never trained on" } else { "held out" };
        format!("{} ({domain})", row.label())
    };
    figures::similarity("Held-out texts and texts out of domain", &drawn(rows), label, header)
}

fn baselines(header: &Header, rows: &[Row]) -> Result<String> {
    let mut body = String::from(
        "<p>Each in as many decoder positions as C3 spends, markers counted. Of truncation and random \
         drop, what comes back is what was kept; means of embeddings are given to C3's own decoder, which \
         was never trained to read them.</p>\n",
    );
    let label = |row: &Row| row.group.compressor.replace('_', " ");
    for corpus in &header.corpora {
        let of = figures::of_corpus(rows, &corpus.name, |_| true);
        if !of.is_empty() {
            let caption = format!("Compressors at the same budget: {}", corpus.name);
            body.push_str(&figures::similarity(&caption, &of, label, header)?);
        }
    }
    Ok(body)
}

fn fox(header: &Header, rows: &[Row]) -> Result<String> {
    figures::beside_published(&rows.iter().collect::<Vec<_>>(), header)
}

/// Says how many texts were longer than the window.
fn beyond(header: &Header, rows: &[Row]) -> String {
    let beyond: usize =
        rows.iter().filter(|row| row.group.window == Window::Beyond).map(|row| row.n).sum();
    match beyond {
        0 => String::new(),
        n => format!(
            "<p class=\"quiet\">{n} results are of texts longer than the model's window of {} tokens, \
             which were compressed in several segments; they have rows of their own.</p>\n",
            header.model.window
        ),
    }
}

/// Restored texts that the records keep.
fn texts(records: &[Record]) -> String {
    let shown: String =
        records.iter().filter(|r| r.compressor == "c3").filter_map(restored).take(SHOWN).collect();
    match shown.is_empty() {
        true => String::new(),
        false => format!(
            "<h3>Restored texts</h3><p class=\"quiet\"><del>lost</del> and <ins>come instead</ins></p>\n\
             {shown}"
        ),
    }
}

/// The section of what it costs.
pub(super) fn of_cost(results: &Results<CostRecord>) -> Result<Section> {
    let Results { header, records } = results;
    let mut series: Vec<(String, Vec<(f64, Interval)>)> = Vec::new();
    for record in records {
        let latents = (record.positions / record.load.batch).saturating_sub(crate::MARKERS);
        let ratio = record.load.tokens as f64 / latents.max(1) as f64;
        for (stage, from) in [(Stage::Prefill, "latents"), (Stage::PrefillText, "the text itself")]
        {
            let Some((_, timed)) = record.stages.iter().find(|(s, _)| *s == stage) else {
                continue;
            };
            let (mean, sd) = (1000.0 * timed.seconds, 1000.0 * timed.seconds_sd);
            let point = (ratio, Interval { mean, low: (mean - sd).max(0.0), high: mean + sd });
            let label = format!("{} tokens, from {from}", record.load.tokens);
            match series.iter_mut().find(|(of, _)| *of == label) {
                Some((_, points)) => points.push(point),
                None => series.push((label, vec![point])),
            }
        }
    }
    series.iter_mut().for_each(|(_, points)| points.sort_by(|a, b| a.0.total_cmp(&b.0)));
    let mut body = figures::latency(header, series)?;
    body.push_str("<p class=\"quiet\">Whiskers and ± are one standard deviation.</p>\n");
    body.push_str(&html::table(&tables::cost(records)));
    Ok(Section { title: "What it costs".into(), body })
}
