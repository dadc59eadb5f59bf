//! The page of results.

use std::path::{Path, PathBuf};

use c3_eval::Ratio;
use c3_eval::compressor::NAMES;
use c3_eval::corpus::{Corpus, Kind};
use c3_eval::cost::{Load, Stage, measure};
use c3_eval::report::ReportBuilder;
use c3_eval::results::{CostPlan, ResultWriter};

use crate::support::{evaluation, model, samples};

/// Result files of every experiment, small.
pub fn results(dir: &Path) -> Vec<PathBuf> {
    let (prose, code) = (samples("en-prose", 6), samples("code", 6));
    let mut paths = Vec::new();
    let mut add = |name: &str, corpora: Vec<Corpus>, compressors: &[&str]| {
        let path = dir.join(format!("{name}.jsonl"));
        let mut evaluation = evaluation(corpora, &[4, 32]);
        evaluation.experiment = name.into();
        evaluation.command = format!("c3 eval {name} 'of <&> texts'");
        evaluation.compressors = compressors.iter().map(|&name| name.to_owned()).collect();
        evaluation.run(&path, false, &|_| true).unwrap();
        paths.push(path);
    };
    let shuffled = prose.unguessable(Kind::WordShuffle, model().tokenizer()).unwrap();
    let out_of_domain = Corpus { out_of_domain: true, ..code.clone() };
    add("sweep", vec![prose.clone(), code], &["c3"]);
    add("position", vec![prose.clone()], &["c3"]);
    add("unguessable", vec![prose.clone(), shuffled], &["c3"]);
    add("ood", vec![prose.clone(), out_of_domain], &["c3"]);
    add("baselines", vec![prose.clone()], &NAMES);
    add("fox", vec![prose.clone()], &["c3"]);

    let path = dir.join("cost.jsonl");
    let load = Load { tokens: 32, batch: 1, ratio: Ratio(Some(8)) };
    let mut header = evaluation(vec![], &[8]).header();
    header.experiment = "cost".into();
    header.cost = Some(CostPlan { loads: vec![load], threads: 2, repetitions: 2 });
    let mut writer = ResultWriter::open(&path, &header, false).unwrap();
    writer.push(&[measure(model(), load, &Stage::ALL, 2, true, &|| true).unwrap()]).unwrap();
    paths.push(path);
    paths
}

pub fn page(dir: &Path) -> String {
    let mut report = ReportBuilder::new();
    for path in results(dir) {
        assert!(report.add(&path).unwrap(), "{}", path.display());
    }
    report.page().unwrap()
}

/// Figures of that page: sweep has a ratio curve, one beside the published numbers and a position
/// curve of each corpus; cost has one.
pub const FIGURES: usize = 4 + 1 + 1 + 1 + 1 + 1 + 1;

#[test]
fn every_experiment_has_its_figures_tables_and_commands() {
    let dir = tempfile::tempdir().unwrap();
    let page = page(dir.path());
    assert_eq!(page.matches("<figure>").count(), FIGURES);
    assert_eq!(page.matches("<svg class=\"wide\"").count(), FIGURES);
    assert_eq!(page.matches("<svg class=\"narrow\"").count(), FIGURES);
    // The command under each figure, as text.
    for figure in page.split("<figure>").skip(1) {
        let figure = &figure[..figure.find("</figure>").unwrap()];
        assert!(figure.contains("<pre class=\"command\">c3 eval"), "{figure}");
    }
    assert!(page.contains("'of &lt;&amp;&gt; texts'") && !page.contains("<&>"));
    assert!(page.contains("published: C3 of 4.5 B, 32 latents"));
    // Where and by what it was measured.
    for place in ["Processor of &lt;tests&gt;", "linux of tests", "c3 0.0.0 (tests)", "c3-tiny"] {
        assert!(page.contains(place), "{place}");
    }
    for series in ["DeepSeek-OCR, 64 vision tokens", "DeepSeek-OCR, 100 vision tokens"] {
        assert!(page.contains(series), "{series}");
    }
    assert!(page.contains("<del>") && page.contains("<ins>"));
    // Nothing is fetched, nothing runs; colors are the page's own.
    for foreign in ["<script", "<img", "@import", "url(", "src=", "#0303", "#0101"] {
        assert!(!page.contains(foreign), "{foreign}");
    }
    let outside = page.match_indices("http").map(|(at, _)| &page[at..at + 30]);
    let outside: Vec<&str> = outside.filter(|s| !s.starts_with("http://www.w3.org/")).collect();
    assert!(outside.is_empty(), "{outside:?}");
}

#[test]
fn a_report_of_nothing_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    assert!(ReportBuilder::new().page().unwrap_err().to_string().contains("no result file"));
    let path = dir.path().join("begun.jsonl");
    let begun = evaluation(vec![samples("en-prose", 2)], &[4]);
    assert!(begun.run(&path, false, &|_| false).is_err());
    let mut report = ReportBuilder::new();
    assert!(!report.add(&path).unwrap());
    assert!(report.page().unwrap_err().to_string().contains("sweep has no records yet"));
    std::fs::write(&path, "{\"c3_eval\": 9}\n").unwrap();
    let error = report.add(&path).unwrap_err().to_string();
    assert!(
        error.contains("begun.jsonl is not a result file of version 2: it says version 9"),
        "{error}"
    );
    std::fs::write(&path, [0xff, 0xfe]).unwrap();
    assert!(report.add(&path).is_err());
}
