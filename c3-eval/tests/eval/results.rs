//! Several result files, and who may write one.

use std::path::{Path, PathBuf};

use c3_eval::corpus::Kind;
use c3_eval::cost::Load;
use c3_eval::results::{CostPlan, Merged, Record, ResultWriter, Results, merge, read_results};
use c3_eval::{Evaluation, Ratio, Result, Summary, tables};

use crate::support::{evaluation, model, samples};

fn written(dir: &Path, name: &str, evaluation: &Evaluation<'_>) -> PathBuf {
    let path = dir.join(name);
    evaluation.run(&path, false, &|_| true).unwrap();
    path
}

fn merged(paths: &[&PathBuf]) -> Result<Merged> {
    merge(paths.iter().map(|&path| (path.clone(), read_results(path).unwrap())).collect())
}

#[test]
fn what_two_files_measured_counts_once() {
    let dir = tempfile::tempdir().unwrap();
    let prose = samples("en-prose", 4);
    let shuffled = prose.unguessable(Kind::WordShuffle, model().tokenizer()).unwrap();
    let sweep = evaluation(vec![prose.clone(), samples("code", 3)], &[8]);
    let sweep = written(dir.path(), "sweep.jsonl", &sweep);
    let mut both = evaluation(vec![prose, shuffled], &[8]);
    both.experiment = "unguessable".into();
    let both = written(dir.path(), "unguessable.jsonl", &both);

    let all = merged(&[&sweep, &both]).unwrap();
    let table = tables::card(&Summary::of(&all.records).rows);
    let rows: Vec<(&str, &str)> =
        table.rows.iter().map(|row| (row[0].as_str(), row[1].as_str())).collect();
    assert_eq!(rows, [("en-prose", "4"), ("code", "3"), ("en-prose, word shuffle", "4")]);
    assert_eq!(all.corpora.len(), 3);

    let message = |result: Result<Merged>| result.unwrap_err().to_string();
    let twice = message(merged(&[&sweep, &sweep]));
    assert!(twice.contains("the later has nothing that the earlier hasn't"), "{twice}");
    // The same corpus' name with other texts.
    let mut few = evaluation(vec![samples("en-prose", 3), samples("zh-classical", 2)], &[8]);
    few.experiment = "baselines".into();
    let few = written(dir.path(), "few.jsonl", &few);
    let other = message(merged(&[&sweep, &both, &few]));
    assert!(
        other.contains("few.jsonl and ")
            && other.contains("sweep.jsonl don't go into one table: both have en-prose at 8×"),
        "{other}"
    );
    assert!(message(merged(&[])).contains("no result file was given"));
}

#[test]
fn two_models_have_no_common_table() {
    let dir = tempfile::tempdir().unwrap();
    let first = written(dir.path(), "a.jsonl", &evaluation(vec![samples("en-prose", 2)], &[8]));
    let mut second: Results = read_results(&first).unwrap();
    second.header.model.fingerprint = "f".repeat(64);
    second.header.model.name = "other".into();
    second.records.iter_mut().for_each(|record| record.corpus = "elsewhere".into());
    let files = vec![(first.clone(), read_results(&first).unwrap()), ("b.jsonl".into(), second)];
    let error = merge(files).unwrap_err().to_string();
    assert!(
        error.starts_with("b.jsonl and ") && error.contains("the models are other (ffffffffffff…"),
        "{error}"
    );
}

#[test]
fn a_file_is_one_process_to_write() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("r.jsonl");
    let run = evaluation(vec![samples("en-prose", 2)], &[8]);
    let writer = ResultWriter::open(&path, &run.header(), false).unwrap();
    for overwrite in [false, true] {
        let error = ResultWriter::open(&path, &run.header(), overwrite).err().unwrap().to_string();
        assert!(error.ends_with("r.jsonl is being written by another process"), "{error}");
    }
    drop(writer);
    run.run(&path, true, &|_| true).unwrap();
    assert!(read_results::<Record>(&path).unwrap().is_complete());
}

#[test]
fn costs_are_gone_on_with_where_loads_threads_and_repetitions_agree() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("cost.jsonl");
    let load = |tokens| Load { tokens, batch: 1, ratio: Ratio(Some(8)) };
    let mut header = evaluation(vec![], &[8]).header();
    let plan = CostPlan { loads: vec![load(16), load(32)], threads: 2, repetitions: 3 };
    header.cost = Some(plan.clone());
    drop(ResultWriter::open(&path, &header, false).unwrap());
    let written = std::fs::read(&path).unwrap();
    assert_eq!(ResultWriter::open(&path, &header, false).unwrap().done(), 0);
    for other in [
        CostPlan { loads: vec![load(16), load(64)], ..plan.clone() },
        CostPlan { threads: 1, ..plan.clone() },
        CostPlan { repetitions: 5, ..plan.clone() },
    ] {
        header.cost = Some(other);
        let error = ResultWriter::open(&path, &header, false).err().unwrap().to_string();
        assert!(
            error.contains(
                "its cost is 16 tokens × 1 at 8×, 32 tokens × 1 at 8×; 2 threads; 3 times each, this"
            ),
            "{error}"
        );
    }
    assert_eq!(std::fs::read(&path).unwrap(), written);
}
