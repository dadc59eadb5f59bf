//! Checkpoints of a run: everything it needs to go on as if nothing had happened.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use safetensors::SafeTensors;

use crate::error::io;
use crate::export::{self, Dtype, Named};
use crate::optimizer::Optimizer;
use crate::{Error, Result};

/// The name of the steps' folders, and what one that is being written ends with.
const STEP: &str = "step-";
const PARTIAL: &str = ".partial";

/// The newest complete checkpoint in the run's folder: its step and its folder.
pub(crate) fn newest(run: &Path) -> Result<Option<(u64, PathBuf)>> {
    let mut found = None;
    for entry in fs::read_dir(run).map_err(io(run, "listing"))? {
        let path = entry.map_err(io(run, "listing"))?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let step = name.strip_prefix(STEP).and_then(|step| step.parse::<u64>().ok());
        if let Some(step) = step
            && found.as_ref().is_none_or(|(newest, _)| step > *newest)
        {
            found = Some((step, path));
        }
    }
    Ok(found)
}

/// Writes a checkpoint after `step` steps; it appears when all of it is there. Older ones go then.
pub(crate) fn save(run: &Path, like: &Path, step: u64, optimizer: &Optimizer) -> Result<PathBuf> {
    let name = format!("{STEP}{step:09}");
    let (partial, path) = (run.join(format!("{name}{PARTIAL}")), run.join(&name));
    if partial.exists() {
        fs::remove_dir_all(&partial).map_err(io(&partial, "removing"))?;
    }
    if path.exists() {
        return Ok(path);
    }
    let mut weights = Vec::new();
    let mut state: Vec<Named> = Vec::new();
    for parameter in &optimizer.parameters {
        weights.push((parameter.name.clone(), parameter.dims().to_vec(), parameter.weights()?));
        for (kind, values) in remembered(parameter) {
            state.push((format!("{kind}/{}", parameter.name), vec![values.len()], values.clone()));
        }
    }
    export::write(&weights, like, &partial, Dtype::F32)?;
    export::write_tensors(&partial.join("optimizer.safetensors"), &state, Dtype::F32)?;
    for file in ["model.safetensors", "llm1/model.safetensors", "optimizer.safetensors"] {
        let path = partial.join(file);
        let file = fs::File::open(&path).map_err(io(&path, "opening"))?;
        file.sync_all().map_err(io(&path, "writing"))?;
    }
    fs::rename(&partial, &path).map_err(io(&path, "renaming to"))?;
    for entry in fs::read_dir(run).map_err(io(run, "listing"))? {
        let old = entry.map_err(io(run, "listing"))?.path();
        let is_step = old.file_name().is_some_and(|name| name.to_string_lossy().starts_with(STEP));
        if is_step && old != path {
            fs::remove_dir_all(&old).map_err(io(&old, "removing"))?;
        }
    }
    Ok(path)
}

/// Takes weights and all that the optimiser remembers from a checkpoint.
pub(crate) fn restore(folder: &Path, optimizer: &mut Optimizer) -> Result<()> {
    let mut weights = read(&folder.join("model.safetensors"), "")?;
    weights.extend(read(&folder.join("llm1/model.safetensors"), "llm1/")?);
    let path = folder.join("optimizer.safetensors");
    let mut state = read(&path, "")?;
    let take = |from: &mut HashMap<String, Vec<f32>>, name: String, length: usize| {
        let found = from.remove(&name);
        found.filter(|values| values.len() == length).ok_or_else(|| Error::State {
            path: path.clone(),
            reason: format!("expected {length} numbers of {name}"),
        })
    };
    for parameter in &mut optimizer.parameters {
        let (name, length) = (parameter.name.clone(), parameter.first.len());
        parameter.set(take(&mut weights, name.clone(), length)?)?;
        parameter.first = take(&mut state, format!("first/{name}"), length)?;
        let (second, average) = (parameter.second.len(), parameter.average.len());
        if second > 0 {
            parameter.second = take(&mut state, format!("second/{name}"), second)?;
        }
        if average > 0 {
            parameter.average = take(&mut state, format!("average/{name}"), average)?;
        }
    }
    Ok(())
}

fn remembered(
    parameter: &crate::optimizer::Parameter,
) -> impl Iterator<Item = (&'static str, &Vec<f32>)> {
    let all = [
        ("first", &parameter.first),
        ("second", &parameter.second),
        ("average", &parameter.average),
    ];
    all.into_iter().filter(|(_, values)| !values.is_empty())
}

fn read(path: &Path, prefix: &str) -> Result<HashMap<String, Vec<f32>>> {
    let bytes = fs::read(path).map_err(io(path, "reading"))?;
    let damaged = |reason: String| Error::State { path: path.into(), reason };
    let tensors = SafeTensors::deserialize(&bytes).map_err(|error| damaged(error.to_string()))?;
    let values = |(name, view): (String, safetensors::tensor::TensorView<'_>)| {
        if view.dtype() != safetensors::Dtype::F32 {
            return Err(damaged(format!("expected {name} in F32, found {:?}", view.dtype())));
        }
        let (numbers, _) = view.data().as_chunks::<4>();
        let numbers = numbers.iter().map(|&bytes| f32::from_le_bytes(bytes)).collect();
        Ok((format!("{prefix}{name}"), numbers))
    };
    tensors.tensors().into_iter().map(values).collect()
}
