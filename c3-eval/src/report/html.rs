//! The page around the sections.

use super::chart::{COLORS, Series};
use super::figures::Figure;
use crate::Result;
use crate::results::Header;
use crate::tables::Table;

const STYLE: &str = include_str!("style.css");

/// A section: its heading, and what is under it.
pub(super) struct Section<'r> {
    pub title: &'static str,
    pub header: &'r Header,
    parts: Vec<Part>,
}

/// A piece of a section.
enum Part {
    Html(String),
    Figure(Figure),
}

impl<'r> Section<'r> {
    pub fn new(title: &'static str, header: &'r Header) -> Self {
        Self { title, header, parts: Vec::new() }
    }

    /// Adds HTML.
    pub fn html(&mut self, html: impl Into<String>) {
        self.parts.push(Part::Html(html.into()));
    }

    /// Adds a table.
    pub fn table(&mut self, content: &Table) {
        self.html(table(content));
    }

    /// Adds a figure.
    pub fn figure(&mut self, figure: Figure) {
        self.parts.push(Part::Figure(figure));
    }

    /// Its figures.
    pub fn figures(&self) -> impl Iterator<Item = &Figure> {
        self.parts.iter().filter_map(|part| match part {
            Part::Html(_) => None,
            Part::Figure(figure) => Some(figure),
        })
    }

    /// As HTML, with the model's name where the page has several.
    fn render(&self, names_model: bool) -> Result<String> {
        let part = |part: &Part| match part {
            Part::Html(html) => Ok(html.clone()),
            Part::Figure(of) => figure(of, self.header),
        };
        let parts = self.parts.iter().map(part).collect::<Result<String>>()?;
        let model = match names_model {
            true => format!(
                "<p class=\"quiet\">Model: {}</p>\n",
                escape(&self.header.model.to_string())
            ),
            false => String::new(),
        };
        Ok(format!("<section><h2>{}</h2>\n{model}{parts}</section>\n", escape(self.title)))
    }
}

/// Text as HTML.
pub(super) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            c => escaped.push(c),
        }
    }
    escaped
}

/// A table that scrolls where the window is narrow.
pub(super) fn table(table: &Table) -> String {
    let cells = |cells: &[String], tag: &str| -> String {
        cells.iter().map(|cell| format!("<{tag}>{}</{tag}>", escape(cell))).collect()
    };
    let rows: String =
        table.rows.iter().map(|row| format!("<tr>{}</tr>\n", cells(row, "td"))).collect();
    format!(
        "<div class=\"scroll\" tabindex=\"0\"><table><thead><tr>{}</tr></thead>\n<tbody>{rows}</tbody>\
         </table></div>\n",
        cells(&table.header, "th")
    )
}

/// The command that made what stands above it.
pub(super) fn command(header: &Header) -> String {
    format!("<pre class=\"command\">{}</pre>\n", escape(&header.command))
}

/// A figure with its caption, its legend and its command.
fn figure(figure: &Figure, header: &Header) -> Result<String> {
    let entry = |series: &Series| {
        let class = if series.published { "swatch published" } else { "swatch" };
        let (color, label) = (series.color % COLORS, escape(&series.label));
        format!("<li><span class=\"{class}\" style=\"--c: var(--s{color})\"></span>{label}</li>")
    };
    let legend: String = figure.chart.series.iter().map(entry).collect();
    let (svg, command) = (figure.chart.svg(&figure.caption)?, command(header));
    let caption = escape(&figure.caption);
    Ok(format!(
        "<figure><figcaption>{caption}</figcaption><ul class=\"legend\">{legend}</ul>{svg}{command}\
         </figure>\n"
    ))
}

/// The whole page.
pub(super) fn page(first: &Header, sections: &[Section<'_>]) -> Result<String> {
    let headers: Vec<&Header> = sections.iter().map(|section| section.header).collect();
    let several = headers.iter().any(|header| header.model != first.model);
    let mut body = about(first, &headers);
    for section in sections {
        body.push_str(&section.render(several)?);
    }
    let title = format!("c3 eval: {}", escape(&first.model.name));
    Ok(format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n\
         <link rel=\"icon\" href=\"data:,\">\n<title>{title}</title>\n<style>\n{STYLE}</style>\n\
         </head>\n<body>\n<main>\n{body}</main>\n</body>\n</html>\n"
    ))
}

/// What was run, where, on what.
fn about(first: &Header, headers: &[&Header]) -> String {
    let mut facts = Table {
        header: vec!["model".into(), "window".into(), "weights".into(), "fingerprint".into()],
        rows: Vec::new(),
    };
    let mut texts = Table {
        header: ["texts", "made", "n", "documents", "left out", "bytes", "sha-256"]
            .map(str::to_owned)
            .to_vec(),
        rows: Vec::new(),
    };
    let mut machines = Vec::new();
    let add = |rows: &mut Vec<Vec<String>>, row: Vec<String>| {
        if !rows.contains(&row) {
            rows.push(row);
        }
    };
    for header in headers {
        let model = &header.model;
        let parameters = format!("{:.1} M parameters", model.parameters as f64 / 1e6);
        let row = [
            format!("{}, {parameters}", model.name),
            format!("{} tokens", model.window),
            model.weights.clone(),
            model.fingerprint.clone(),
        ];
        add(&mut facts.rows, row.to_vec());
        for corpus in &header.corpora {
            let domain = if corpus.out_of_domain { "out of domain" } else { "" };
            let made = corpus.kind.map_or(domain.into(), |kind| kind.name().replace('_', " "));
            let counts = [corpus.texts, corpus.documents, corpus.left_out].map(|n| n.to_string());
            let mut row = vec![corpus.name.clone(), made];
            row.extend(counts);
            row.extend([corpus.bytes.to_string(), format!("{:.16}…", corpus.sha256)]);
            add(&mut texts.rows, row);
        }
        let features = header.machine.cpu_features.join(" ");
        let Header { machine, device, program, .. } = header;
        let line = format!("{machine}, on {device}; {features}; {program}");
        if !machines.contains(&line) {
            machines.push(line);
        }
    }
    format!(
        "<h1>What comes back of a text</h1>\n<p>{} compresses texts to latent tokens and gives them back, \
         free-running, by greedy decoding. Every number is a mean over texts; intervals are 95% \
         bootstrap intervals, 2,000 resamples of the documents with a fixed seed. Ratios of papers count latent tokens \
         (tokens/latent); the decoder also spends two markers a segment (tokens/position).</p>\n{}\
         <details><summary>Texts, by hash</summary>{}</details>\n<p class=\"quiet\">{}</p>\n",
        escape(&first.model.name),
        table(&facts),
        table(&texts),
        escape(&machines.join(" · ")),
    )
}
