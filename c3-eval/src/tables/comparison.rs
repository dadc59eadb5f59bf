//! One set of texts beside another.

use serde::Serialize;

use super::{Table, count, signed, with_interval};
use crate::results::{CorpusIdentity, Record};
use crate::summary::row;
use crate::{Group, Interval, Metric, counterparts, difference, groups, paired_difference};

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
            group.label(),
            group.compressor.clone(),
            group.ratio.to_string(),
            other.ratio.to_string(),
            counted(second),
            signed(change),
        ]);
    }
    table
}

/// Texts beside those that they are compared with: what the model's prior is worth.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Gap {
    /// The texts.
    pub group: Group,
    /// What they are compared with.
    pub compared_with: Group,
    /// Whether both are the same texts, made unguessable and plain.
    pub paired: bool,
    /// How many.
    pub n: usize,
    /// Documents that they are from.
    pub documents: usize,
    /// Char similarity of what they are compared with: where paired, of those that have a counterpart.
    pub base: Interval,
    /// Their char similarity.
    pub char_similarity: Interval,
    /// Theirs, less that of what they are compared with.
    pub difference: Interval,
}

/// Unguessable texts beside the plain ones, and texts out of domain beside those of each corpus that
/// isn't.
pub fn gaps(corpora: &[CorpusIdentity], records: &[Record]) -> Vec<Gap> {
    let groups = groups(records);
    let of = |(group, records): &Grouped<'_>| {
        let bases = bases_of(corpora, group, &groups);
        bases.into_iter().map(|base| gap_of(group, records, base)).collect::<Vec<_>>()
    };
    groups.iter().flat_map(of).collect()
}

/// [`gaps`] as a table.
pub fn gap(corpora: &[CorpusIdentity], records: &[Record]) -> Table {
    let mut table = Table::new([
        "text",
        "compared with",
        "ratio",
        "n",
        "char similarity",
        "compared",
        "difference",
    ]);
    for gap in gaps(corpora, records) {
        table.rows.push(vec![
            gap.group.label(),
            gap.compared_with.label(),
            gap.group.ratio.to_string(),
            count(gap.n, gap.documents),
            with_interval(gap.base),
            with_interval(gap.char_similarity),
            signed(gap.difference),
        ]);
    }
    table
}

fn gap_of(group: &Group, records: &[&Record], (base, all): &Grouped<'_>) -> Gap {
    // Plain texts are the same ones; texts out of domain are others, even where ids agree.
    let same = group.kind.and_then(|_| counterparts(all, records));
    let paired = same.is_some();
    let change = match paired {
        true => paired_difference(all, records, Metric::CharSimilarity),
        false => None,
    };
    let similarity = |row: crate::Row| row.metric(Metric::CharSimilarity);
    let of = row(group.clone(), records);
    Gap {
        group: group.clone(),
        compared_with: base.clone(),
        paired,
        n: of.n,
        documents: of.documents,
        base: similarity(row(base.clone(), same.as_ref().unwrap_or(all))),
        char_similarity: similarity(of),
        difference: change.unwrap_or_else(|| difference(all, records, Metric::CharSimilarity)),
    }
}

fn counted(records: &[&Record]) -> String {
    let documents: std::collections::HashSet<&str> =
        records.iter().map(|record| record.document.as_str()).collect();
    count(records.len(), documents.len())
}

/// What a group is compared with: of unguessable texts the plain ones, of those out of domain all that
/// aren't.
fn bases_of<'g, 'r>(
    corpora: &[CorpusIdentity],
    group: &Group,
    groups: &'g [Grouped<'r>],
) -> Vec<&'g Grouped<'r>> {
    let out_of_domain = |group: &Group| {
        corpora.iter().any(|c| c.name == group.corpus && c.kind == group.kind && c.out_of_domain)
    };
    let alike = |other: &Group| {
        (other.ratio, other.window) == (group.ratio, group.window)
            && other.compressor == group.compressor
    };
    let base = |other: &Group| match (group.kind, out_of_domain(group)) {
        (Some(_), _) => other.corpus == group.corpus && other.kind.is_none(),
        (None, true) => other.kind.is_none() && !out_of_domain(other),
        (None, false) => false,
    };
    groups.iter().filter(|(other, _)| alike(other) && base(other)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::corpus::Kind;
    use crate::fixture::Texts;

    fn corpus(name: &str, kind: Option<Kind>, out_of_domain: bool) -> CorpusIdentity {
        let sha256 = String::new();
        let (texts, documents, left_out, bytes) = (3, 3, 0, 0);
        let name = name.to_owned();
        CorpusIdentity { name, kind, out_of_domain, texts, documents, left_out, bytes, sha256 }
    }

    #[test]
    fn a_decline_is_below_zero_and_of_the_next_ratio() {
        let mut records = [
            Texts::new("c", 16).scored(&[0.5, 0.5]),
            Texts::new("c", 4).scored(&[1.0, 0.75]),
            Texts::new("c", 8).scored(&[0.75, 0.5]),
        ]
        .concat();
        let rows = decline(&records).rows;
        let change = |row: &Vec<String>| [&row[2], &row[3], &row[4], &row[5]].map(String::clone);
        assert_eq!(rows.len(), 2);
        assert_eq!(change(&rows[0]), ["4×", "8×", "2", "−0.250 (−0.250…−0.250)"]);
        assert_eq!(change(&rows[1]), ["8×", "16×", "2", "−0.125 (−0.250…+0.000)"]);
        // Those beyond the window are another text's.
        records.iter_mut().for_each(|record| record.beyond_window = record.id == "1");
        let labels: Vec<String> = decline(&records).rows.iter().map(|row| row[0].clone()).collect();
        assert_eq!(labels, ["c", "c, longer than the window", "c", "c, longer than the window"]);
    }

    #[test]
    fn unguessable_texts_are_compared_with_their_plain_ones() {
        let mut shuffled = Texts::new("c", 4).made(Kind::SentenceShuffle).scored(&[0.0, 0.25, 0.5]);
        // Left out: a single sentence.
        shuffled.remove(0);
        let records = [Texts::new("c", 4).scored(&[1.0, 0.5, 0.75]), shuffled].concat();
        let corpora = [corpus("c", None, false), corpus("c", Some(Kind::SentenceShuffle), false)];
        let rows = gap(&corpora, &records).rows;
        let row = [
            "c, sentence shuffle",
            "c",
            "4×",
            "2",
            "0.625 (0.500–0.750)",
            "0.375 (0.250–0.500)",
            "−0.250 (−0.250…−0.250)",
        ];
        assert_eq!(rows, [row.map(str::to_owned)]);
    }

    #[test]
    fn texts_out_of_domain_are_compared_with_every_held_out_corpus() {
        let records = [
            Texts::new("a", 4).scored(&[0.5, 0.5]),
            Texts::new("b", 4).scored(&[0.25, 0.25]),
            Texts::new("o", 4).scored(&[0.375, 0.375, 0.375]),
            Texts::new("o", 8).scored(&[0.1, 0.1]),
        ]
        .concat();
        let corpora = [corpus("a", None, false), corpus("b", None, false), corpus("o", None, true)];
        let gaps = gaps(&corpora, &records);
        let found: Vec<(&str, f64, bool)> = gaps
            .iter()
            .map(|gap| (gap.compared_with.corpus.as_str(), gap.difference.mean, gap.paired))
            .collect();
        // Ids agree, the texts don't: nothing is paired.
        assert_eq!(found, [("a", -0.125, false), ("b", 0.125, false)]);
        assert_eq!((gaps[0].difference.low, gaps[0].difference.high), (-0.125, -0.125));
    }
}
