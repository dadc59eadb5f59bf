//! Steps that several workers share.

use c3_train::{Run, Trainer};
use candle_core::{Device, Tensor};
use std::ops::ControlFlow::Continue;

use crate::support::{config, losses};

/// Two workers with half of a step each do what one does with all of it.
#[test]
fn workers_share_a_step() {
    let folder = tempfile::tempdir().unwrap();
    let run = |workers: usize, micro_tokens: usize| {
        let mut config = config(6);
        config.optimizer.bf16 = false;
        config.run = Run { workers, micro_tokens, ..config.run };
        let place = folder.path().join(format!("{workers}-{micro_tokens}"));
        let losses =
            losses(&mut Trainer::open(&config, &place, &|_| Continue(())).unwrap(), usize::MAX).0;
        let path = place.join("step-000000006/model.safetensors");
        (losses, candle_core::safetensors::load(path, &Device::Cpu).unwrap())
    };
    let (losses, weights) = run(1, 128);
    for (workers, micro_tokens) in [(2, 128), (2, 64), (3, 32)] {
        let (other, others) = run(workers, micro_tokens);
        for (loss, other) in losses.iter().zip(other) {
            assert!((loss - other).abs() < 1e-5 * loss, "{workers}: {loss} {other}");
        }
        for (name, tensor) in &weights {
            let off = (tensor - &others[name]).unwrap().abs().unwrap().max_all().unwrap();
            let off = off.to_scalar::<f32>().unwrap();
            // AdamW divides by the size of a gradient, so what is next to none may have either sign.
            assert!(off < 1e-3, "{workers}: {name} is off by {off}");
        }
    }
}

/// After one step the optimiser's momentum is the gradient, or a tenth of it.
#[test]
fn gradients_do_not_depend_on_workers() {
    let folder = tempfile::tempdir().unwrap();
    let gradients = |workers: usize, micro_tokens: usize| {
        let mut config = config(1);
        config.optimizer.bf16 = false;
        config.run = Run { workers, micro_tokens, ..config.run };
        let place = folder.path().join(format!("{workers}-{micro_tokens}"));
        losses(&mut Trainer::open(&config, &place, &|_| Continue(())).unwrap(), usize::MAX);
        let path = place.join("step-000000001/optimizer.safetensors");
        let mut tensors = candle_core::safetensors::load(path, &Device::Cpu).unwrap();
        tensors.retain(|name, _| name.starts_with("first/"));
        tensors
    };
    let norm =
        |tensor: &Tensor| tensor.sqr().unwrap().sum_all().unwrap().to_scalar::<f32>().unwrap();
    let alone = gradients(1, 128);
    // Every tensor has a gradient but the default bank, whose queries are those of its ratio.
    let still: Vec<_> = alone.iter().filter(|(_, tensor)| norm(tensor) == 0.0).collect();
    assert!(still.iter().all(|(name, _)| *name == "first/model.Q.weight"), "{still:?}");
    for (workers, micro_tokens) in [(2, 128), (2, 64), (3, 32)] {
        let others = gradients(workers, micro_tokens);
        assert_eq!(alone.len(), others.len());
        for (name, tensor) in &alone {
            let off = norm(&(tensor - &others[name]).unwrap()).sqrt();
            let size = norm(tensor).sqrt();
            assert!(off <= 1e-5 * size, "{workers}, {name}: {off} of {size}");
        }
    }
}
