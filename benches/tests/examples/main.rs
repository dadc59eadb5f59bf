//! Every example, started on very little: that it runs, and that what it prints is what it is said to
//! print.

mod checkpoints;
mod exactness;
mod lead;
mod promises;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What an example came to.
struct Run {
    succeeded: bool,
    stdout: String,
    stderr: String,
}

/// Runs an example. `cargo test` builds them all beside the tests; with `--test examples` alone it takes
/// `--examples` as well.
fn example(name: &str, args: &[&str], stdin: &str) -> Run {
    let tests = std::env::current_exe().unwrap();
    let folder = tests.parent().and_then(Path::parent).unwrap().join("examples");
    let program = folder.join(format!("{name}{}", std::env::consts::EXE_SUFFIX));
    assert!(program.exists(), "{} isn't built: cargo test builds it", program.display());
    let mut child = Command::new(program)
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(stdin.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let [stdout, stderr] = [output.stdout, output.stderr].map(|b| String::from_utf8(b).unwrap());
    Run { succeeded: output.status.success(), stdout, stderr }
}

impl Run {
    /// What it printed, where it went well.
    #[track_caller]
    fn text(self) -> String {
        assert!(self.succeeded, "{}{}", self.stdout, self.stderr);
        self.stdout
    }

    /// Why it failed.
    #[track_caller]
    fn failure(self) -> String {
        assert!(!self.succeeded, "{}", self.stdout);
        self.stderr
    }
}

/// Tables in Markdown: the cells of each row, heads included and rules left out; one list for each table.
fn tables(text: &str) -> Vec<Vec<Vec<&str>>> {
    let mut tables = vec![Vec::new()];
    for line in text.lines() {
        let Some(cells) = line.strip_prefix('|').and_then(|line| line.strip_suffix('|')) else {
            tables.push(Vec::new());
            continue;
        };
        if !line.starts_with("|---") {
            let row = cells.split('|').map(str::trim).collect();
            tables.last_mut().unwrap().push(row);
        }
    }
    tables.retain(|table| !table.is_empty());
    tables
}

/// A number, whatever unit it stands in.
#[track_caller]
fn number(cell: &str) -> f64 {
    let digits = cell.trim_end_matches(['%', '×', ' ', 's']);
    digits.parse().unwrap_or_else(|_| panic!("{cell:?} is no number"))
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The beginning of a book.
fn prose() -> String {
    std::fs::read_to_string(root().join("fixtures/moby-dick.txt")).unwrap()
}
