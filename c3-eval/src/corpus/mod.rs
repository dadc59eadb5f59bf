//! Texts to evaluate on, named by their hash.

mod files;
mod fox;
mod jsonl;
mod passages;
mod prepared;
mod unguessable;

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

use c3_core::SourceHasher;
use rand::SeedableRng;
use rand::seq::index;
use rand_chacha::ChaCha8Rng;

use crate::{Error, Result};
pub use fox::Pages;
pub use passages::PassageTokens;
pub use unguessable::Kind;

/// One text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sample {
    /// What it is called in its corpus: no two are called the same.
    pub id: String,
    /// The document that it is from. Texts of one document are not independent.
    pub document: String,
    /// The text.
    pub text: String,
}

/// Texts that belong together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Corpus {
    /// What it is called in tables.
    pub name: String,
    /// How its texts were made unguessable, if they were.
    pub kind: Option<Kind>,
    /// Whether its sources are in no training data, not only its texts.
    pub out_of_domain: bool,
    /// Texts that [`kind`](Self::kind) would have left as they are: they are not among the samples.
    pub left_out: usize,
    /// The texts.
    pub samples: Vec<Sample>,
}

impl Corpus {
    /// Texts from a file or folder.
    ///
    /// - `NAME.jsonl`: lines of objects with a `text`, and perhaps an `id`; lines of one `id` are of one
    ///   document.
    /// - `NAME.txt` with `NAME.idx.tsv` beside it: the documents of a prepared corpus.
    /// - Any other file is one text.
    /// - A folder: its `.txt`, `.md` and `.jsonl` files, and those of folders in it, in the order of
    ///   their names.
    ///
    /// # Errors
    /// Where something can't be read, is not UTF-8 or not what its name says, or there is no text.
    pub fn open(path: &Path) -> Result<Self> {
        let name = path
            .file_stem()
            .map_or_else(|| path.display().to_string(), |name| name.to_string_lossy().into_owned());
        Self::new(name, files::read(path)?, path)
    }

    /// Pages of the Fox benchmark in their published layout: `en_page_ocr.json` or
    /// `cn_page_ocr.json` in the folder `root`.
    ///
    /// # Errors
    /// As [`open`](Self::open); where an annotation has no text, the message says which.
    pub fn fox(root: &Path, pages: Pages) -> Result<Self> {
        let path = root.join(pages.file_name());
        Self::new(format!("fox-{}", pages.name()), fox::read(&path)?, &path)
    }

    fn new(name: String, mut samples: Vec<Sample>, path: &Path) -> Result<Self> {
        samples.retain(|sample| !sample.text.is_empty());
        if samples.is_empty() {
            let what = match path.is_dir() {
                true => format!("{} ({} files in it)", path.display(), files::endings()),
                false => path.display().to_string(),
            };
            return Err(Error::EmptyCorpus(what));
        }
        let mut seen: HashMap<String, usize> = HashMap::new();
        for sample in &mut samples {
            let times = seen.entry(sample.document.clone()).or_default();
            *times += 1;
            if *times > 1 {
                sample.id = numbered(&sample.document, *times);
            }
        }
        Ok(Self { name, kind: None, out_of_domain: false, left_out: 0, samples })
    }

    /// How many documents the texts are from.
    pub fn documents(&self) -> usize {
        self.samples.iter().map(|sample| &sample.document).collect::<HashSet<_>>().len()
    }

    /// At most `count` of the texts, drawn with a fixed seed, in their order.
    pub fn limit(&mut self, count: usize) {
        if count < self.samples.len() {
            let mut rng = ChaCha8Rng::seed_from_u64(0);
            let mut kept = index::sample(&mut rng, self.samples.len(), count).into_vec();
            kept.sort_unstable();
            self.samples = kept.into_iter().map(|place| self.samples[place].clone()).collect();
        }
    }

    /// The sha-256 of its texts, each behind its length.
    pub fn sha256(&self) -> String {
        let mut hasher = SourceHasher::new();
        for sample in &self.samples {
            hasher.update(&(sample.text.len() as u64).to_le_bytes());
            hasher.update(sample.text.as_bytes());
        }
        hasher.finish().sha256.to_string()
    }

    /// Bytes of all texts.
    pub fn bytes(&self) -> u64 {
        self.samples.iter().map(|sample| sample.text.len() as u64).sum()
    }
}

impl Sample {
    /// A text that is a document.
    fn document(id: String, text: String) -> Self {
        Self { document: id.clone(), id, text }
    }
}

/// What the text of that number in its document is called.
fn numbered(id: &str, number: usize) -> String {
    format!("{id} ({number})")
}

/// A file as text.
fn read_text(path: &Path) -> Result<String> {
    let bytes = std::fs::read(path).map_err(Error::io("read", path))?;
    String::from_utf8(bytes).map_err(|error| Error::InvalidUtf8 {
        path: PathBuf::from(path),
        offset: error.utf8_error().valid_up_to(),
    })
}

/// What a file should have had somewhere, and what it had.
fn malformed(path: &Path, place: String, expected: &'static str, found: impl ToString) -> Error {
    Error::Malformed { path: path.into(), place, expected, found: found.to_string() }
}

/// What kind of JSON a value is, for messages.
fn json_kind(value: Option<&serde_json::Value>) -> &'static str {
    use serde_json::Value;
    match value {
        None => "nothing",
        Some(Value::Null) => "null",
        Some(Value::Bool(_)) => "a boolean",
        Some(Value::Number(_)) => "a number",
        Some(Value::String(_)) => "a string",
        Some(Value::Array(_)) => "an array",
        Some(Value::Object(_)) => "an object",
    }
}
