//! What was run.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::corpus::{Corpus, Kind};
use crate::cost::Load;
use crate::{Batches, Error, ModelIdentity, Ratio, Result};

/// The version of result files that this program writes, and the only one that it reads.
pub const VERSION: u32 = 2;

/// A result file's first line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// [`VERSION`].
    pub c3_eval: u32,
    /// Name of the experiment.
    pub experiment: String,
    /// The command that made the file.
    pub command: String,
    /// The program's version, and the commit that it was built from where that is known.
    pub program: String,
    /// Where it ran.
    pub machine: Machine,
    /// What computed: `cpu`, or a device.
    pub device: String,
    /// The model.
    pub model: ModelIdentity,
    /// The corpora, in the order of the records.
    pub corpora: Vec<CorpusIdentity>,
    /// The compressors' names.
    pub compressors: Vec<String>,
    /// The ratios.
    pub ratios: Vec<Ratio>,
    /// Texts restored together, which a result may depend on in its last bits.
    pub chunk: usize,
    /// Segments computed together, where memory was limited: the same goes for them.
    #[serde(default, skip_serializing_if = "Batches::is_default")]
    pub batches: Batches,
    /// Restored texts that are kept, of each corpus, compressor and ratio.
    pub kept_texts: usize,
    /// What is timed, where the experiment is cost: then there are no texts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost: Option<CostPlan>,
}

/// What is timed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CostPlan {
    /// In the order of the records.
    pub loads: Vec<Load>,
    /// Threads that compute.
    pub threads: usize,
    /// Measurements of each.
    pub repetitions: usize,
}

/// Which model was measured by which program where: what speeds mean nothing without.
#[derive(Clone, Copy, Debug)]
pub struct Place<'h> {
    /// The model.
    pub model: &'h ModelIdentity,
    /// The machine.
    pub machine: &'h Machine,
    /// What computed.
    pub device: &'h str,
    /// The program.
    pub program: &'h str,
}

impl std::fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { model, machine, device, program } = self;
        write!(f, "{model} with {program} on {machine}, on {device}")
    }
}

/// Where an evaluation ran.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Machine {
    /// Operating system and architecture.
    pub system: String,
    /// The processor's name, where the system says.
    #[serde(default)]
    pub cpu: Option<String>,
    /// Threads that can run at once.
    pub cores: usize,
    /// Memory that there is, where the system says.
    #[serde(default)]
    pub memory_bytes: Option<u64>,
    /// Vector and matrix instructions that matter here.
    pub cpu_features: Vec<String>,
}

/// Which texts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CorpusIdentity {
    /// What it is called in tables.
    pub name: String,
    /// How its texts were made unguessable, if they were.
    pub kind: Option<Kind>,
    /// Whether its sources are in no training data.
    pub out_of_domain: bool,
    /// How many there are.
    pub texts: usize,
    /// Documents that they are from.
    pub documents: usize,
    /// Texts that its kind would have left as they are: they aren't among them.
    pub left_out: usize,
    /// Their length in bytes.
    pub bytes: u64,
    /// Their hash.
    pub sha256: String,
}

/// `Xeon, 2 cores, 7.8 GiB, linux x86_64`.
impl std::fmt::Display for Machine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if let Some(cpu) = &self.cpu {
            write!(f, "{cpu}, ")?;
        }
        write!(f, "{} cores, ", self.cores)?;
        if let Some(bytes) = self.memory_bytes {
            write!(f, "{:.1} GiB, ", bytes as f64 / f64::from(1 << 30))?;
        }
        f.write_str(&self.system)
    }
}

impl std::fmt::Display for CostPlan {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let load =
            |load: &Load| format!("{} tokens × {} at {}", load.tokens, load.batch, load.ratio);
        let loads: Vec<String> = self.loads.iter().map(load).collect();
        let Self { threads, repetitions, .. } = self;
        write!(f, "{}; {threads} threads; {repetitions} times each", loads.join(", "))
    }
}

impl CorpusIdentity {
    /// Of a corpus.
    pub fn of(corpus: &Corpus) -> Self {
        Self {
            name: corpus.name.clone(),
            kind: corpus.kind,
            out_of_domain: corpus.out_of_domain,
            texts: corpus.samples.len(),
            documents: corpus.documents(),
            left_out: corpus.left_out,
            bytes: corpus.bytes(),
            sha256: corpus.sha256(),
        }
    }
}

impl Header {
    /// Which model was measured by which program where.
    pub fn place(&self) -> Place<'_> {
        let Self { model, machine, device, program, .. } = self;
        Place { model, machine, device, program }
    }

    /// Reads the first line of `path`.
    pub(super) fn parse(path: &Path, line: &str) -> Result<Self> {
        let other = |found: String| Error::Version { path: path.into(), expected: VERSION, found };
        let value: serde_json::Value = serde_json::from_str(line)
            .map_err(|_| other("its first line is no JSON object".into()))?;
        match value.get("c3_eval").map(|version| (version.as_u64(), version)) {
            Some((Some(version), _)) if version == u64::from(VERSION) => {}
            Some((_, version)) => return Err(other(format!("it says version {version}"))),
            None => return Err(other("its first line has no `c3_eval`".into())),
        }
        serde_json::from_value(value).map_err(|error| Error::Malformed {
            path: path.into(),
            place: "line 1".into(),
            expected: "the header of a result file",
            found: error.to_string(),
        })
    }

    /// Whether a run with this header can go on with the file of `other`: everything that decides
    /// results must be the same.
    pub(super) fn check_same(&self, other: &Self, path: &Path) -> Result<()> {
        let differs = |what, expected: String, found: String| match expected == found {
            true => Ok(()),
            false => Err(Error::OtherRun { path: path.into(), what, expected, found }),
        };
        let corpora = |header: &Self| {
            let name = |c: &CorpusIdentity| {
                let kind = c.kind.map_or_else(String::new, |kind| format!(" as {kind}"));
                format!("{}{kind} ({} texts, sha-256 {:.12}…)", c.name, c.texts, c.sha256)
            };
            header.corpora.iter().map(name).collect::<Vec<_>>().join(", ")
        };
        let ratios = |header: &Self| {
            header.ratios.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
        };
        differs("experiment", self.experiment.clone(), other.experiment.clone())?;
        differs("program", self.program.clone(), other.program.clone())?;
        differs("device", self.device.clone(), other.device.clone())?;
        differs("model", self.model.to_string(), other.model.to_string())?;
        differs("corpora", corpora(self), corpora(other))?;
        differs("compressors", self.compressors.join(", "), other.compressors.join(", "))?;
        differs("ratios", ratios(self), ratios(other))?;
        differs("chunk", self.chunk.to_string(), other.chunk.to_string())?;
        let batches = |header: &Self| {
            let of = |batch: Option<usize>| batch.map_or("any".into(), |batch| batch.to_string());
            format!("{} and {}", of(header.batches.encode), of(header.batches.decode))
        };
        differs("batches", batches(self), batches(other))?;
        differs("number of kept texts", self.kept_texts.to_string(), other.kept_texts.to_string())?;
        let cost =
            |header: &Self| header.cost.as_ref().map_or_else(String::new, ToString::to_string);
        differs("cost", cost(self), cost(other))
    }
}
