//! `c3 doctor`: what this machine and this build offer.

use std::path::Path;

use serde::Serialize;

use c3_core::{DecodeRequest, EncodeRequest};

use super::Context;
use super::needs::Needs;
use crate::compute::Compute;
use crate::hub::{COMPILED_IN, Cache, HubSettings, TokenSource};
use crate::human::{self, Table};
use crate::machine::Machine;
use crate::model::ModelName;
use crate::report::Outcome;
use crate::style::{BAD, GOOD, paint};
use crate::{builtin, output};

/// Everything found, for scripts.
#[derive(Serialize)]
struct Findings {
    version: &'static str,
    /// What is compiled in.
    features: Vec<&'static str>,
    /// Devices that this build can compute on.
    devices: Vec<&'static str>,
    /// Which kernels this machine gets.
    kernels: &'static str,
    /// What multiplies bf16 weights.
    bf16_products: &'static str,
    machine: Machine,
    builtin_model: Option<&'static str>,
    hub: Hub,
    /// Absent in a build without a model that was asked about none.
    memory: Option<Needs>,
    problems: Vec<String>,
}

#[derive(Serialize)]
struct Hub {
    cache: String,
    cached_models: usize,
    endpoint: String,
    offline: bool,
    token: TokenSource,
}

/// What to look into beside the machine: the memory that a model takes.
pub struct Doctor {
    pub compute: Compute,
    pub encode: EncodeRequest,
    pub decode: DecodeRequest,
    /// Whether nothing is verified when text is compressed.
    pub fast: bool,
    /// Bytes of text.
    pub text: u64,
    pub json: bool,
}

impl Doctor {
    pub fn run(self, context: &Context) -> anyhow::Result<Outcome> {
        let mut findings = Findings::gather(&context.hub);
        findings.memory = self.needs(&context.hub, &mut findings.problems)?;
        if self.json {
            output::print_json(&findings)?;
        } else {
            output::print(&findings.render())?;
        }
        Ok(if findings.problems.is_empty() { Outcome::Done } else { Outcome::Failed })
    }

    fn needs(
        &self,
        hub: &HubSettings,
        problems: &mut Vec<String>,
    ) -> anyhow::Result<Option<Needs>> {
        if matches!(self.compute.model, ModelName::Builtin) && builtin::files().is_none() {
            return Ok(None);
        }
        let checkpoint = self.compute.checkpoint(hub)?;
        let requests = (&self.encode, &self.decode);
        Needs::new(&self.compute, &checkpoint, requests, (self.text, self.fast), problems).map(Some)
    }
}

impl Findings {
    fn gather(hub: &HubSettings) -> Self {
        let mut problems = Vec::new();
        let builtin_model = builtin::files().map(|files| {
            if let Err(error) = c3_nn::Checkpoint::from_memory(builtin::NAME, files) {
                problems.push(format!("the built-in model can't be used: {error}"));
            }
            builtin::NAME
        });
        if let Some(problem) = cache_problem(&hub.cache) {
            problems.push(problem);
        }
        let mut features = Vec::new();
        features.extend(builtin_model.map(|_| "builtin-model"));
        features.extend(COMPILED_IN.then_some("hub"));
        features.extend(cfg!(feature = "cuda").then_some("cuda"));
        Self {
            version: env!("CARGO_PKG_VERSION"),
            features,
            devices: if cfg!(feature = "cuda") { vec!["cpu", "cuda"] } else { vec!["cpu"] },
            kernels: c3_kernels::Level::detect().name(),
            bf16_products: c3_kernels::Unit::detect(c3_kernels::Activations::Bf16).name(),
            machine: Machine::look(),
            builtin_model,
            hub: Hub {
                cache: hub.cache.display().to_string(),
                cached_models: Cache::new(&hub.cache).models().len(),
                endpoint: hub.endpoint.clone(),
                offline: hub.offline,
                token: hub.token_source(),
            },
            memory: None,
            problems,
        }
    }

    fn render(&self) -> String {
        let (machine, hub) = (&self.machine, &self.hub);
        let list = |names: &[&str]| {
            if names.is_empty() { "none".to_owned() } else { names.join(", ") }
        };
        let memory = machine.memory_bytes.map_or("unknown".into(), human::bytes);
        let cached = human::counted(hub.cached_models as u64, "C3 model");
        let token = match hub.token {
            TokenSource::Environment => "from HF_TOKEN",
            TokenSource::File => "from a file",
            TokenSource::None => "none",
        };
        let offline = if hub.offline { ", offline (HF_HUB_OFFLINE)" } else { "" };
        let table = Table::default()
            .row("c3", self.version)
            .row("features", list(&self.features))
            .row("devices", list(&self.devices))
            .row("system", format!("{}, {}", machine.os, machine.architecture))
            .row("cores", machine.cores.to_string())
            .row("memory", memory)
            .row("processor", list(&machine.cpu_features))
            .row("kernels", self.kernels)
            .row("bf16 products", self.bf16_products)
            .row("built-in model", self.builtin_model.unwrap_or("none"))
            .row("hub cache", format!("{}, {cached}", hub.cache))
            .row("hub", format!("{}{offline}", hub.endpoint))
            .row("hub token", token);
        let table = match &self.memory {
            Some(needs) => needs.rows(table),
            None => table,
        };
        let verdict = if self.problems.is_empty() {
            paint(GOOD, "nothing is wrong")
        } else {
            let line = |problem: &String| paint(BAD, format_args!("problem: {problem}"));
            self.problems.iter().map(line).collect::<Vec<_>>().join("\n")
        };
        format!("{table}\n{verdict}\n")
    }
}

/// A cache that isn't there yet is no problem; one that can't be a folder is.
fn cache_problem(cache: &Path) -> Option<String> {
    let found = cache.metadata().ok()?;
    let problem = format!("the hub's cache, {}, is not a folder", cache.display());
    (!found.is_dir()).then_some(problem)
}
