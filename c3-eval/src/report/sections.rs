//! What each experiment shows.

use super::figures::drawn;
use super::html::{Section, command, escape, table};
use super::restored::restored;
use super::{figures, published};
use crate::cost::Stage;
use crate::results::{CostRecord, Record, Results};
use crate::{Interval, Row, Summary, Window, tables};

/// Restored texts that are shown of each experiment.
const SHOWN: usize = 24;

/// The section of an experiment on texts.
pub(super) fn of_texts<'r>(experiment: &str, results: &'r Results) -> Section<'r> {
    let Results { header, records } = results;
    let rows = Summary::of(records).rows;
    let section = |title| Section::new(title, header);
    let mut section = match experiment {
        "position" => positions(section("Where the errors are"), &rows),
        "unguessable" => unguessable(section("Text that can't be guessed"), records, &rows),
        "ood" => out_of_domain(section("Out of domain"), records, &rows),
        "baselines" => baselines(section("At the same budget"), &rows),
        "fox" => fox(section("Pages of the Fox benchmark"), &rows),
        _ => sweep(section("Against the ratio"), records, &rows),
    };
    section.html(format!(
        "<details><summary>Every metric</summary>{}{}</details>\n",
        table(&tables::every_metric(&rows)),
        command(header)
    ));
    section.html(beyond(header.model.window, &rows));
    section.html(texts(records));
    section
}

fn sweep<'r>(mut section: Section<'r>, records: &[Record], rows: &[Row]) -> Section<'r> {
    let shown = drawn(rows.iter());
    let caption = format!("Char similarity against the ratio, with 95% intervals{}", shown.also);
    section.figure(figures::similarity("ratio", caption, &shown.rows, Row::label));
    section.table(&tables::card(rows));
    beside_published(&mut section, &shown.rows, &shown.also);
    section
        .html("<p>Change of char similarity from each ratio to the next, on the same texts:</p>\n");
    section.table(&tables::decline(records));
    positions(section, rows)
}

fn positions<'r>(mut section: Section<'r>, rows: &[Row]) -> Section<'r> {
    for corpus in &section.header.corpora {
        let of = figures::of_corpus(rows, &corpus.name, |group| group.kind == corpus.kind);
        if let Some(first) = of.rows.first() {
            let caption = format!("Wrong tokens along the text: {}{}", first.label(), of.also);
            let name = format!("position-{}", first.label());
            section.figure(figures::position(&name, caption, &of.rows));
        }
    }
    section.table(&tables::position(rows));
    section
}

fn unguessable<'r>(mut section: Section<'r>, records: &[Record], rows: &[Row]) -> Section<'r> {
    section.html(
        "<p>The same texts, made unguessable with fixed seeds and cut to as many tokens as they had. A \
         language model's prior flatters reconstruction: what is left here is memory.</p>\n",
    );
    let label =
        |row: &Row| row.group.kind.map_or("plain".to_owned(), |kind| kind.name().replace('_', " "));
    for corpus in section.header.corpora.iter().filter(|corpus| corpus.kind.is_none()) {
        let of = figures::of_corpus(rows, &corpus.name, |_| true);
        if !of.rows.is_empty() {
            let (name, caption) = (
                format!("unguessable-{}", corpus.name),
                format!("Plain and unguessable: {}{}", corpus.name, of.also),
            );
            section.figure(figures::similarity(&name, caption, &of.rows, label));
        }
    }
    section.table(&tables::gap(&section.header.corpora, records));
    section
}

fn out_of_domain<'r>(mut section: Section<'r>, records: &[Record], rows: &[Row]) -> Section<'r> {
    let header = section.header;
    let label = |row: &Row| {
        let apart = header.corpora.iter().any(|c| c.name == row.group.corpus && c.out_of_domain);
        let domain = if apart { "never trained on" } else { "held out" };
        format!("{} ({domain})", row.label())
    };
    let shown = drawn(rows.iter());
    let caption = format!("Held-out texts and texts out of domain{}", shown.also);
    section.figure(figures::similarity("domain", caption, &shown.rows, label));
    section.table(&tables::gap(&header.corpora, records));
    section
}

fn baselines<'r>(mut section: Section<'r>, rows: &[Row]) -> Section<'r> {
    section.html(
        "<p>Each in as many decoder positions as C3 spends, markers counted. Of truncation and random \
         drop, what comes back is what was kept; means of embeddings are given to C3's own decoder, which \
         was never trained to read them.</p>\n",
    );
    let label = |row: &Row| row.group.compressor.replace('_', " ");
    for corpus in &section.header.corpora {
        let of = figures::of_corpus(rows, &corpus.name, |_| true);
        if !of.rows.is_empty() {
            let caption = format!("Compressors at the same budget: {}{}", corpus.name, of.also);
            let name = format!("baselines-{}", corpus.name);
            section.figure(figures::similarity(&name, caption, &of.rows, label));
        }
    }
    section
}

fn fox<'r>(mut section: Section<'r>, rows: &[Row]) -> Section<'r> {
    section.html(
        "<p>Pages in bins of 100 of this model's tokens. The papers count those of their own tokenizers: \
         their bins hold other pages.</p>\n",
    );
    beside_published(&mut section, &rows.iter().collect::<Vec<_>>(), "");
    section
}

/// What others have printed, drawn beside the rows and in a table of its own.
fn beside_published(section: &mut Section<'_>, rows: &[&Row], also: &str) {
    section.figure(figures::beside_published(rows, also));
    section.html(format!(
        "<details><summary>The published numbers: other models, other texts; the ratio counts latents \
         alone</summary>{}<p class=\"quiet\">C3: arXiv 2511.15244, figure 1. DeepSeek-OCR: arXiv \
         2510.18234, table 2; its 64 vision tokens are 73 positions, its 100 are 111.</p></details>\n",
        table(&published::table())
    ));
}

/// Says how many texts were longer than the window.
fn beyond(window: usize, rows: &[Row]) -> String {
    let beyond = rows.iter().filter(|row| row.group.window == Window::Beyond);
    match beyond.map(|row| row.n).sum::<usize>() {
        0 => String::new(),
        n => format!(
            "<p class=\"quiet\">{n} results are of texts longer than the model's window of {window} \
             tokens, which were compressed in several segments; they have rows of their own.</p>\n"
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
pub(super) fn of_cost(results: &Results<CostRecord>) -> Section<'_> {
    let Results { header, records } = results;
    let mut series: Vec<(String, Vec<(f64, Interval)>)> = Vec::new();
    for record in records {
        let latents = (record.positions / record.load.batch).saturating_sub(crate::MARKERS);
        let ratio = record.load.tokens as f64 / latents.max(1) as f64;
        for (stage, from) in [
            (Stage::Prefill, "from latents"),
            (Stage::PrefillText, "from the text itself"),
            (Stage::FirstToken, "from the text through latents"),
        ] {
            let Some((_, timed)) = record.stages.iter().find(|(s, _)| *s == stage) else {
                continue;
            };
            let (mean, sd) = (1000.0 * timed.seconds, 1000.0 * timed.seconds_sd);
            let point = (ratio, Interval { mean, low: (mean - sd).max(0.0), high: mean + sd });
            let label = format!("{} tokens, {from}", record.load.tokens);
            match series.iter_mut().find(|(of, _)| *of == label) {
                Some((_, points)) => points.push(point),
                None => series.push((label, vec![point])),
            }
        }
    }
    series.iter_mut().for_each(|(_, points)| points.sort_by(|a, b| a.0.total_cmp(&b.0)));
    let mut section = Section::new("What it costs", header);
    section.figure(figures::latency(series));
    section.html(format!(
        "<p class=\"quiet\">Whiskers and ± are one standard deviation. {}.</p>\n",
        escape(&header.place().to_string())
    ));
    section.table(&tables::cost(records));
    section
}
