//! A folder and commands for one test.

use std::ffi::OsStr;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use c3_core::{LatentContext, LatentFile, Segment, SegmentSource, SourceDigest};

/// English prose: the first page of a book.
pub const TEXT: &str = "\
It is a truth universally acknowledged, that a single man in possession of a good fortune, must \
be in want of a wife.\n\nHowever little known the feelings or views of such a man may be on his \
first entering a neighbourhood, this truth is so well fixed in the minds of the surrounding \
families, that he is considered as the rightful property of some one or other of their \
daughters.\n";

/// Words of random letters: at a high ratio no model gets all of them right.
pub fn letters(bytes: usize) -> String {
    let (mut state, mut text) = (3u32, String::new());
    let mut random = |below: u32| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 16) % below
    };
    while text.len() < bytes {
        let length = 1 + random(11);
        text.extend((0..length).map(|_| char::from(b'a' + random(26) as u8)));
        text.push(' ');
    }
    text
}

/// Sentences that are all different, with `end` behind each.
pub fn sentences(count: usize, end: &str) -> String {
    (0..count).map(|n| format!("Sentence {n} tells of the sea and the wind.{end}")).collect()
}

/// A temporary folder that commands run in.
pub struct Dir(tempfile::TempDir);

/// What a command came to.
pub struct Run {
    pub code: Option<i32>,
    pub stdout: Vec<u8>,
    pub stderr: String,
}

impl Dir {
    pub fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.0.path().join(name)
    }

    pub fn write(&self, name: impl AsRef<Path>, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, bytes).unwrap();
        path
    }

    pub fn read(&self, name: impl AsRef<Path>) -> Vec<u8> {
        std::fs::read(self.path(name)).unwrap()
    }

    /// Names in the folder, sorted.
    pub fn names(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.0.path()).unwrap();
        let mut names: Vec<String> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    /// A command in this folder, with none of the caller's settings.
    pub fn command<A: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = A>) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_c3"));
        command.args(args).current_dir(self.0.path()).stdin(Stdio::null());
        for (name, _) in std::env::vars_os() {
            let name = name.to_string_lossy().into_owned();
            if name.starts_with("HF_")
                || name.starts_with("CLICOLOR")
                || name.ends_with("_PROXY")
                || name.ends_with("_proxy")
                || ["NO_COLOR", "XDG_CACHE_HOME"].contains(&&*name)
            {
                command.env_remove(name);
            }
        }
        command.env("HF_HOME", self.path("hf"));
        command
    }

    pub fn run(&self, args: &[&str]) -> Run {
        Run::of(&mut self.command(args))
    }

    /// Runs a command that reads `stdin`.
    pub fn pipe(&self, args: &[&str], stdin: &[u8]) -> Run {
        let mut child = self.spawn(self.command(args).stdin(Stdio::piped()));
        let mut pipe = child.stdin.take().unwrap();
        let bytes = stdin.to_vec();
        // The command may end without reading everything.
        let writer = std::thread::spawn(move || drop(pipe.write_all(&bytes)));
        let run = Run::from(child.wait_with_output().unwrap());
        writer.join().unwrap();
        run
    }

    pub fn spawn(&self, command: &mut Command) -> Child {
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    }

    /// Makes a `.c3` file say something else.
    pub fn change(&self, name: &str, change: impl FnOnce(&mut [Segment], &mut SourceDigest)) {
        let file = LatentFile::open(self.path(name)).unwrap().to_context().unwrap();
        let (mut segments, mut source) = (file.segments().to_vec(), file.source());
        change(&mut segments, &mut source);
        let changed = LatentContext::new(file.provenance().clone(), source, segments).unwrap();
        changed.save(self.path(name), true).unwrap();
    }

    /// Compresses `text` to `name`.
    pub fn compressed(&self, name: &str, text: &str) -> PathBuf {
        self.pipe(&["compress", "-q", "-o", name], text.as_bytes()).expect(0);
        self.path(name)
    }
}

impl Run {
    pub fn of(command: &mut Command) -> Self {
        Self::from(command.output().unwrap())
    }

    /// Checks the exit code.
    #[track_caller]
    pub fn expect(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "stderr: {}\nstdout: {}", self.stderr, self.text());
        self
    }

    /// Checks that it failed with exactly this on stderr, and gave no data.
    #[track_caller]
    pub fn fails(self, stderr: &str) {
        let run = self.expect(2);
        assert_eq!(run.stderr.trim_end(), stderr.trim_end());
        assert!(run.stdout.is_empty());
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.stdout).unwrap()
    }
}

impl From<std::process::Output> for Run {
    fn from(output: std::process::Output) -> Self {
        let stderr = String::from_utf8(output.stderr).unwrap();
        Self { code: output.status.code(), stdout: output.stdout, stderr }
    }
}
