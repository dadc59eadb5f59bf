//! Checkpoints of a run: everything it needs to go on as if nothing had happened.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use safetensors::SafeTensors;
use safetensors::tensor::TensorView;

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

/// The folder of a step's checkpoint.
pub(crate) fn folder(run: &Path, step: u64) -> PathBuf {
    run.join(format!("{STEP}{step:09}"))
}

/// Writes a checkpoint after `step` steps; it appears when all of it is there. Older ones stay: that
/// numbers are finite doesn't say that a loss made of them is.
///
/// # Errors
/// [`Error::NotFinite`] where a number isn't, and then nothing is written.
pub(crate) fn save(run: &Path, like: &Path, step: u64, optimizer: &Optimizer) -> Result<PathBuf> {
    let path = folder(run, step);
    let partial = run.join(format!("{STEP}{step:09}{PARTIAL}"));
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
    for (name, _, values) in weights.iter().chain(&state) {
        if let Some(&value) = values.iter().find(|value| !value.is_finite()) {
            let kept = newest(run)?.map_or(0, |(step, _)| step);
            let (what, found) = (format!("{name} after the update"), f64::from(value));
            return Err(Error::NotFinite { what, step, found, kept });
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
    Ok(path)
}

/// Removes what is older than the checkpoint of `step`, which has proved good, and what was left half
/// written.
pub(crate) fn remove_older(run: &Path, step: u64) -> Result<()> {
    for entry in fs::read_dir(run).map_err(io(run, "listing"))? {
        let old = entry.map_err(io(run, "listing"))?.path();
        let name = old.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let Some(name) = name.strip_prefix(STEP) else { continue };
        if name.ends_with(PARTIAL) || name.parse::<u64>().is_ok_and(|older| older < step) {
            fs::remove_dir_all(&old).map_err(io(&old, "removing"))?;
        }
    }
    Ok(())
}

/// Removes the checkpoint of `step`, if there is one: a loss made of it isn't finite. The step of the
/// newest that stays, 0 for the beginning.
pub(crate) fn remove_bad(run: &Path, step: u64) -> Result<u64> {
    let bad = folder(run, step);
    if bad.exists() {
        fs::remove_dir_all(&bad).map_err(io(&bad, "removing"))?;
    }
    Ok(newest(run)?.map_or(0, |(step, _)| step))
}

/// Takes weights and all that the optimiser remembers from a checkpoint.
///
/// # Errors
/// Where a file can't be read, or a tensor is missing or has another shape than the model's.
pub(crate) fn restore(folder: &Path, optimizer: &mut Optimizer) -> Result<()> {
    let mut decoder = Tensors::read(folder.join("model.safetensors"))?;
    let mut encoder = Tensors::read(folder.join(export::ENCODER).join("model.safetensors"))?;
    let mut state = Tensors::read(folder.join("optimizer.safetensors"))?;
    for parameter in &mut optimizer.parameters {
        let name = parameter.name.clone();
        let weights = match name.strip_prefix(export::ENCODER) {
            Some(name) => encoder.take(name, parameter.dims())?,
            None => decoder.take(&name, parameter.dims())?,
        };
        parameter.set(weights)?;
        let mut remembered = |kind: &str, values: &mut Vec<f32>| -> Result<()> {
            if !values.is_empty() {
                *values = state.take(&format!("{kind}/{name}"), &[values.len()])?;
            }
            Ok(())
        };
        remembered("first", &mut parameter.first)?;
        remembered("second", &mut parameter.second)?;
        remembered("average", &mut parameter.average)?;
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

/// A file's tensors: shapes and values, by name.
struct Tensors {
    path: PathBuf,
    all: HashMap<String, (Vec<usize>, Vec<f32>)>,
}

impl Tensors {
    fn read(path: PathBuf) -> Result<Self> {
        let bytes = fs::read(&path).map_err(io(&path, "reading"))?;
        let damaged = |reason: String| Error::State { path: path.clone(), reason };
        let tensors =
            SafeTensors::deserialize(&bytes).map_err(|error| damaged(error.to_string()))?;
        let values = |(name, view): (String, TensorView<'_>)| {
            if view.dtype() != safetensors::Dtype::F32 {
                return Err(damaged(format!("expected {name} in F32, found {:?}", view.dtype())));
            }
            let (numbers, _) = view.data().as_chunks::<4>();
            let numbers = numbers.iter().map(|&bytes| f32::from_le_bytes(bytes)).collect();
            Ok((name, (view.shape().to_vec(), numbers)))
        };
        let all = tensors.tensors().into_iter().map(values).collect::<Result<_>>()?;
        Ok(Self { path, all })
    }

    /// A tensor's values. As many numbers in another shape are another tensor.
    fn take(&mut self, name: &str, dims: &[usize]) -> Result<Vec<f32>> {
        let refuse = |found: String| {
            let reason = format!("expected {name} of shape {dims:?}, found {found}");
            Err(Error::State { path: self.path.clone(), reason })
        };
        match self.all.remove(name) {
            None => refuse("none".into()),
            Some((found, _)) if found != dims => refuse(format!("{found:?}")),
            Some((_, values)) => Ok(values),
        }
    }
}
