//! How gradients change the weights: Muon for the layers' matrices, AdamW for all else.

mod adam;
mod muon;
#[cfg(test)]
mod tests;

use candle_core::backprop::GradStore;
use candle_core::{Device, Storage, Tensor, Var};
use rayon::prelude::*;

use crate::export::Named;
use crate::{OptimizerConfig, Result};

/// One tensor that is trained, and what the optimiser remembers of it.
pub(crate) struct Parameter {
    pub name: String,
    var: Var,
    rule: Rule,
    /// Muon's momentum, or the first moment.
    pub first: Vec<f32>,
    /// The second moment; empty for Muon.
    pub second: Vec<f32>,
    /// The average of the weights; empty where none is kept.
    pub average: Vec<f32>,
    gradient: Vec<f32>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rule {
    Muon,
    /// AdamW; whether weights decay.
    Adam(bool),
}

/// The optimiser of all parameters.
pub struct Optimizer {
    config: OptimizerConfig,
    pub(crate) parameters: Vec<Parameter>,
}

impl Optimizer {
    /// An optimiser that has seen no gradient yet.
    ///
    /// # Errors
    /// Where a tensor can't be read.
    pub fn new(config: &OptimizerConfig, vars: Vec<(String, Var)>) -> Result<Self> {
        let parameter = |(name, var): (String, Var)| -> Result<Parameter> {
            let size = var.elem_count();
            let rule = rule(config, &name, var.rank());
            let second = if rule == Rule::Muon { 0 } else { size };
            let average = if config.average > 0.0 { values(&var)? } else { Vec::new() };
            Ok(Parameter {
                name,
                var,
                rule,
                first: vec![0.0; size],
                second: vec![0.0; second],
                average,
                gradient: vec![0.0; size],
            })
        };
        let parameters = vars.into_iter().map(parameter).collect::<Result<_>>()?;
        Ok(Self { config: config.clone(), parameters })
    }

    /// Adds `share` of these gradients to those of the step.
    ///
    /// # Errors
    /// Where a gradient can't be read.
    pub fn add(&mut self, gradients: &GradStore, share: f64) -> Result<()> {
        let share = share as f32;
        for parameter in &mut self.parameters {
            // What had no part in the loss, such as another bank's queries, has no gradient.
            if let Some(gradient) = gradients.get(parameter.var.as_tensor()) {
                let gradient = match self.config.alike_queries && is_queries(&parameter.name) {
                    true => gradient.mean_keepdim(0)?.broadcast_as(gradient.shape())?,
                    false => gradient.clone(),
                };
                let gradient = gradient.contiguous()?.to_device(&Device::Cpu)?;
                // Read where they lie: a copy of every gradient is a tenth of a second in each step.
                let (storage, layout) = gradient.storage_and_layout();
                let Storage::Cpu(storage) = &*storage else {
                    return Err(candle_core::Error::Msg("a gradient isn't in memory".into()).into());
                };
                let values = &storage.as_slice::<f32>()?[layout.start_offset()..];
                let sums = parameter.gradient.par_iter_mut().zip(values);
                sums.for_each(|(sum, gradient)| *sum += share * gradient);
            }
        }
        Ok(())
    }

    /// The norm of the step's gradients together, before they are clipped.
    pub fn norm(&self) -> f64 {
        let square = |parameter: &Parameter| -> f64 {
            // In parts of fixed size: the sum mustn't depend on the number of threads.
            let parts = parameter.gradient.par_chunks(1 << 14);
            let sums: Vec<f64> =
                parts.map(|part| part.iter().map(|&g| f64::from(g).powi(2)).sum()).collect();
            sums.iter().sum()
        };
        self.parameters.iter().map(square).sum::<f64>().sqrt()
    }

    /// Changes the weights by the step's gradients, whose norm is `norm`, and forgets those. `step` is
    /// counted from 0; `share` is that of the learning rates.
    ///
    /// # Errors
    /// Where a weight can't be read or written.
    pub fn step(&mut self, step: u64, share: f64, norm: f64) -> Result<()> {
        let config = &self.config;
        let clip = if config.clip > 0.0 && norm > config.clip { config.clip / norm } else { 1.0 };
        for parameter in &mut self.parameters {
            let Parameter { var, gradient, first, second, .. } = parameter;
            let mut weights = values(var)?;
            gradient.par_iter_mut().for_each(|gradient| *gradient *= clip as f32);
            match parameter.rule {
                Rule::Muon => {
                    let rate = share * config.muon_rate;
                    decay(&mut weights, rate * config.weight_decay);
                    let dims = var.dims2()?;
                    let activations = config.activations();
                    let momentum = config.momentum;
                    muon::update(&mut weights, gradient, first, dims, rate, momentum, activations)?;
                }
                Rule::Adam(decays) => {
                    let rate = share * config.adam_rate;
                    if decays {
                        decay(&mut weights, rate * config.weight_decay);
                    }
                    adam::update(&mut weights, gradient, [first, second], step, rate, config.betas);
                }
            }
            let keep = config.average as f32;
            let averages = parameter.average.par_iter_mut().zip(&weights);
            averages.for_each(|(average, weight)| *average += (1.0 - keep) * (weight - *average));
            parameter.gradient.par_iter_mut().for_each(|gradient| *gradient = 0.0);
            var.set(&Tensor::from_vec(weights, var.shape(), var.device())?)?;
        }
        Ok(())
    }

    /// What is exported: the averages where they are kept, else the weights.
    ///
    /// # Errors
    /// Where a weight can't be read.
    pub(crate) fn result(&self) -> Result<Vec<Named>> {
        let one = |parameter: &Parameter| {
            let values = match parameter.average.is_empty() {
                true => values(&parameter.var)?,
                false => parameter.average.clone(),
            };
            Ok((parameter.name.clone(), parameter.var.dims().to_vec(), values))
        };
        self.parameters.iter().map(one).collect()
    }

    /// Does `work` while the model has the weights that would be exported; those that are trained are
    /// in their place again afterwards, to the last bit.
    ///
    /// # Errors
    /// Where `work` fails, or a weight can't be read or written.
    pub(crate) fn with_result<R>(&self, work: impl FnOnce() -> Result<R>) -> Result<R> {
        let averaged = || self.parameters.iter().filter(|parameter| !parameter.average.is_empty());
        let trained = averaged().map(Parameter::weights).collect::<Result<Vec<_>>>()?;
        let done = averaged()
            .try_for_each(|parameter| parameter.set(parameter.average.clone()))
            .and_then(|()| work());
        averaged().zip(trained).try_for_each(|(parameter, weights)| parameter.set(weights))?;
        done
    }
}

impl Parameter {
    /// The weights themselves.
    pub fn weights(&self) -> Result<Vec<f32>> {
        values(&self.var)
    }

    pub fn dims(&self) -> &[usize] {
        self.var.dims()
    }

    /// Puts other weights in their place.
    pub fn set(&self, weights: Vec<f32>) -> Result<()> {
        Ok(self.var.set(&Tensor::from_vec(weights, self.var.shape(), self.var.device())?)?)
    }
}

/// Matrices of the layers are what Muon is for; embeddings, queries, the projector, norms and biases
/// aren't. Only matrices decay.
fn rule(config: &OptimizerConfig, name: &str, rank: usize) -> Rule {
    match name.contains(".layers.") && rank == 2 {
        true if config.muon_rate > 0.0 => Rule::Muon,
        _ => Rule::Adam(rank == 2),
    }
}

/// Whether this is a bank of context queries.
fn is_queries(name: &str) -> bool {
    name.starts_with("model.Q.") || name.starts_with("model.Q_banks.")
}

fn values(var: &Var) -> Result<Vec<f32>> {
    Ok(var.as_tensor().flatten_all()?.to_vec1()?)
}

fn decay(weights: &mut [f32], share: f64) {
    if share > 0.0 {
        weights.par_iter_mut().for_each(|weight| *weight *= (1.0 - share) as f32);
    }
}
