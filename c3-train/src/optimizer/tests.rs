//! One step of three tensors: what is clipped, what decays, what is averaged.

use candle_core::{Device, Tensor, Var};

use super::*;

const EMBEDDING: &str = "model.embed_tokens.weight";
const MATRIX: &str = "model.layers.0.mlp.up_proj.weight";
const BIAS: &str = "model.layers.0.self_attn.q_proj.bias";

/// Tensors of ones with these gradients, after one step.
fn stepped(config: &OptimizerConfig, gradients: [&[f32]; 3]) -> Vec<Parameter> {
    let shapes: [&[usize]; 3] = [&[2, 2], &[2, 2], &[2]];
    let names = [EMBEDDING, MATRIX, BIAS];
    let mut vars = Vec::new();
    let mut sum = Tensor::new(0f32, &Device::Cpu).unwrap();
    for ((name, shape), gradient) in names.into_iter().zip(shapes).zip(gradients) {
        let var = Var::ones(shape, candle_core::DType::F32, &Device::Cpu).unwrap();
        let gradient = Tensor::from_slice(gradient, shape, &Device::Cpu).unwrap();
        sum = (sum + (var.as_tensor() * gradient).unwrap().sum_all().unwrap()).unwrap();
        vars.push((name.to_owned(), var));
    }
    let mut optimizer = Optimizer::new(config, vars).unwrap();
    // Two halves of a step are a step.
    let gradients = sum.backward().unwrap();
    optimizer.add(&gradients, 0.75).unwrap();
    optimizer.add(&gradients, 0.25).unwrap();
    let norm = optimizer.norm();
    optimizer.step(0, 0.5, norm).unwrap();
    assert_eq!(optimizer.norm(), 0.0, "gradients are forgotten");
    optimizer.parameters
}

fn close(found: &[f32], right: &[f64]) {
    assert_eq!(found.len(), right.len());
    for (found, right) in found.iter().zip(right) {
        assert!((f64::from(*found) - right).abs() < 1e-6 * right.abs().max(1.0), "{found} {right}");
    }
}

fn plain() -> OptimizerConfig {
    OptimizerConfig {
        muon_rate: 0.0,
        adam_rate: 0.02,
        betas: [0.9, 0.98],
        clip: 0.0,
        alike_queries: false,
        average: 0.0,
        ..OptimizerConfig::default()
    }
}

const GRADIENTS: [&[f32]; 3] = [&[3.0, 0.0, 0.0, 4.0], &[0.0, 12.0, 0.0, 0.0], &[0.0, 84.0]];
/// √(3² + 4² + 12² + 84²)
const NORM: f64 = 85.0;

#[test]
fn all_gradients_are_clipped_together() {
    let first = |clip: f64| {
        let parameters = stepped(&OptimizerConfig { clip, ..plain() }, GRADIENTS);
        parameters.into_iter().map(|parameter| parameter.first).collect::<Vec<_>>()
    };
    for (clip, share) in [(0.0, 1.0), (100.0, 1.0), (NORM, 1.0), (17.0, 0.2)] {
        for (found, gradient) in first(clip).iter().zip(GRADIENTS) {
            let right: Vec<f64> = gradient.iter().map(|&g| 0.1 * share * f64::from(g)).collect();
            close(found, &right);
        }
    }
}

#[test]
fn matrices_decay_and_vectors_do_not() {
    let config = OptimizerConfig { weight_decay: 5.0, ..plain() };
    let parameters = stepped(&config, GRADIENTS);
    // The rate is 0.01 at half of 0.02; Adam's first step is the rate, whatever the gradient.
    let (decayed, moved) = (1.0 - 0.01 * 5.0, 0.01);
    let weights = |i: usize| parameters[i].weights().unwrap();
    close(&weights(0), &[decayed - moved, decayed, decayed, decayed - moved]);
    close(&weights(1), &[decayed, decayed - moved, decayed, decayed]);
    close(&weights(2), &[1.0, 1.0 - moved]);
}

#[test]
fn matrices_of_layers_alone_are_muons() {
    let config = OptimizerConfig { muon_rate: 0.02, weight_decay: 5.0, ..plain() };
    let parameters = stepped(&config, GRADIENTS);
    assert_eq!(parameters[0].rule, Rule::Adam(true));
    assert_eq!(parameters[1].rule, Rule::Muon);
    assert_eq!(parameters[2].rule, Rule::Adam(false));
    let second: Vec<usize> = parameters.iter().map(|parameter| parameter.second.len()).collect();
    assert_eq!(second, [4, 0, 2]);
    // Muon's momentum is the gradient itself; what has none decays alone.
    close(&parameters[1].first, &[0.0, 12.0, 0.0, 0.0]);
    let weights = parameters[1].weights().unwrap();
    close(&[weights[0], weights[2], weights[3]], &[0.95; 3]);
    assert!(weights[1] < 0.945, "{weights:?}");
}

#[test]
fn the_average_follows_the_weights() {
    let parameters = stepped(&OptimizerConfig { average: 0.75, ..plain() }, GRADIENTS);
    for parameter in &parameters {
        let weights = parameter.weights().unwrap();
        let right: Vec<f64> = weights.iter().map(|&w| 0.75 + 0.25 * f64::from(w)).collect();
        close(&parameter.average, &right);
    }
    assert!(stepped(&plain(), GRADIENTS).iter().all(|parameter| parameter.average.is_empty()));
}
