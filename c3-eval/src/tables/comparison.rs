//! One set of texts beside another.

use super::{Table, signed, with_interval};
use crate::results::{Header, Record};
use crate::{Group, Metric, bootstrap, difference, groups, paired_difference};

type Grouped<'r> = (Group, Vec<&'r Record>);

/// How char similarity changes from each ratio to the next, on the same texts. Below 0 with its whole
/// interval, it falls.
pub fn decline(records: &[Record]) -> Table {
    let groups = groups(records);
    let mut table =
        Table::new(["text", "compressor", "from", "to", "n", "change of char similarity"]);
    for (group, first) in &groups {
        let next = groups.iter().filter(|(other, _)| {
            let elsewhere = Group { ratio: group.ratio, ..other.clone() };
            elsewhere == *group && other.ratio > group.ratio
        });
        let Some((other, second)) = next.min_by_key(|(other, _)| other.ratio) else { continue };
        let Some(change) = paired_difference(first, second, Metric::CharSimilarity) else {
            continue;
        };
        table.rows.push(vec![
            label(group),
            group.compressor.clone(),
            group.ratio.to_string(),
            other.ratio.to_string(),
            first.len().to_string(),
            signed(change),
        ]);
    }
    table
}

/// Plain texts beside what was made of them, and held-out texts beside those out of domain: what the
/// model's prior is worth.
pub fn gap(header: &Header, records: &[Record]) -> Table {
    let groups = groups(records);
    let mut table = Table::new([
        "text",
        "compared with",
        "ratio",
        "n",
        "char similarity",
        "compared",
        "difference",
    ]);
    for (group, records) in &groups {
        let Some((base, base_records)) = base_of(header, group, &groups) else { continue };
        let paired = paired_difference(base_records, records, Metric::CharSimilarity);
        let change =
            paired.unwrap_or_else(|| difference(base_records, records, Metric::CharSimilarity));
        table.rows.push(vec![
            label(group),
            label(base),
            group.ratio.to_string(),
            records.len().to_string(),
            with_interval(similarity(base_records)),
            with_interval(similarity(records)),
            signed(change),
        ]);
    }
    table
}

fn similarity(records: &[&Record]) -> crate::Interval {
    let rows: Vec<Vec<f64>> =
        records.iter().map(|record| vec![record.scores.get(Metric::CharSimilarity)]).collect();
    bootstrap(&rows)[0]
}

/// What a group is compared with: of unguessable texts the plain ones, of those out of domain the
/// first that aren't.
fn base_of<'g, 'r>(
    header: &Header,
    group: &Group,
    groups: &'g [Grouped<'r>],
) -> Option<&'g Grouped<'r>> {
    let out_of_domain = |group: &Group| {
        header
            .corpora
            .iter()
            .any(|c| c.name == group.corpus && c.kind == group.kind && c.out_of_domain)
    };
    let alike = |other: &Group| {
        (other.ratio, other.window) == (group.ratio, group.window)
            && other.compressor == group.compressor
    };
    groups.iter().find(|(other, _)| {
        alike(other)
            && match (group.kind, out_of_domain(group)) {
                (Some(_), _) => other.corpus == group.corpus && other.kind.is_none(),
                (None, true) => !out_of_domain(other),
                (None, false) => false,
            }
    })
}

fn label(group: &Group) -> String {
    match group.kind {
        Some(kind) => format!("{}, {}", group.corpus, kind.name().replace('_', " ")),
        None => group.corpus.clone(),
    }
}
