//! The full gradient of a C3 of two layers against the same model written with candle's own
//! operations, one by one. Tolerance: relative RMS error 1e-4 for every tensor.

use std::collections::BTreeMap;
use std::ops::ControlFlow::Continue;
use std::path::Path;

use c3_core::Compression;
use c3_decoder::C3Decoder;
use c3_encoder::{Bank, C3Encoder};
use c3_nn::{Checkpoint, LoadOptions, Parameters};
use c3_train::{Batch, Config, Data, From, OptimizerConfig, Run, Shape, Stage, Trainer, loss};
use candle_core::{D, DType, Device, IndexOp, Tensor, Var};

const LAYERS: usize = 2;
const HEADS: usize = 3;
const HIDDEN: usize = 24;
const SEGMENT: usize = 32;
const TOKENS: usize = 20;

fn checkpoint(folder: &Path) -> Checkpoint {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let text = root.join("fixtures/moby-dick.txt");
    let config = Config {
        seed: 11,
        from: From::Scratch(Shape {
            tokenizer: root.join("models/c3-tiny/tokenizer.json"),
            layers: LAYERS,
            hidden: HIDDEN,
            heads: HEADS,
            feed_forward: 40,
            segment_tokens: SEGMENT,
            banks: BTreeMap::from([(4, 8), (8, 4)]),
            default_ratio: 8,
            query_positions: c3_nn::QueryPositions::Anchored,
        }),
        data: Data { train: vec![text.clone()], valid: vec![text], ..Data::default() },
        stages: vec![Stage { steps: 1, lengths: vec![8], ratios: vec![4], tokens: 8, parts: 1 }],
        optimizer: OptimizerConfig::default(),
        run: Run::default(),
    };
    Trainer::open(&config, folder, &|_| Continue(())).unwrap();
    Checkpoint::open(&folder.join("initial")).unwrap()
}

type Result<T> = candle_core::Result<T>;

/// A Qwen2 model as its paper has it.
struct Plain<'a> {
    vars: &'a BTreeMap<String, Var>,
    prefix: &'a str,
}

impl Plain<'_> {
    fn get(&self, name: &str) -> &Tensor {
        self.vars[&format!("{}model.{name}", self.prefix)].as_tensor()
    }

    fn embed(&self, ids: &[u32]) -> Result<Tensor> {
        self.get("embed_tokens.weight").index_select(&Tensor::new(ids, &Device::Cpu)?, 0)
    }

    fn norm(&self, x: &Tensor, name: &str) -> Result<Tensor> {
        let square = (x.sqr()?.mean_keepdim(D::Minus1)? + 1e-6)?;
        x.broadcast_div(&square.sqrt()?)?.broadcast_mul(self.get(name))
    }

    fn linear(&self, x: &Tensor, name: &str, bias: bool) -> Result<Tensor> {
        let y = x.broadcast_matmul(&self.get(&format!("{name}.weight")).t()?)?;
        if bias { y.broadcast_add(self.get(&format!("{name}.bias"))) } else { Ok(y) }
    }

    /// `x` is `[rows, tokens, hidden]`.
    fn forward(&self, x: &Tensor, positions: &[u32]) -> Result<Tensor> {
        let (rows, tokens, hidden) = x.dims3()?;
        let dim = hidden / HEADS;
        let angles: Vec<f32> = positions
            .iter()
            .flat_map(|&p| {
                (0..dim / 2).map(move |i| p as f32 / 1e4f32.powf(2.0 * i as f32 / dim as f32))
            })
            .collect();
        let angles = Tensor::from_vec(angles, (tokens, dim / 2), &Device::Cpu)?;
        let (cos, sin) = (angles.cos()?, angles.sin()?);
        let rotate = |x: &Tensor| -> Result<Tensor> {
            let (a, b) = (x.narrow(3, 0, dim / 2)?, x.narrow(3, dim / 2, dim / 2)?);
            let first = (a.broadcast_mul(&cos)? - b.broadcast_mul(&sin)?)?;
            let second = (a.broadcast_mul(&sin)? + b.broadcast_mul(&cos)?)?;
            Tensor::cat(&[first, second], 3)
        };
        let mask: Vec<f32> = (0..tokens * tokens)
            .map(|i| if i % tokens > i / tokens { f32::NEG_INFINITY } else { 0.0 })
            .collect();
        let mask = Tensor::from_vec(mask, (tokens, tokens), &Device::Cpu)?;
        let mut x = x.clone();
        for layer in 0..LAYERS {
            let name = |part: &str| format!("layers.{layer}.{part}");
            let normed = self.norm(&x, &name("input_layernorm.weight"))?;
            let heads = |part: &str| {
                let y = self.linear(&normed, &name(part), true)?;
                y.reshape((rows, tokens, HEADS, dim))?.transpose(1, 2)?.contiguous()
            };
            let q = rotate(&heads("self_attn.q_proj")?)?;
            let k = rotate(&heads("self_attn.k_proj")?)?;
            let scores = (q.matmul(&k.t()?)? / (dim as f64).sqrt())?.broadcast_add(&mask)?;
            let weights =
                (scores.broadcast_sub(&scores.max_keepdim(D::Minus1)?.detach())?).exp()?;
            let weights = weights.broadcast_div(&weights.sum_keepdim(D::Minus1)?)?;
            let mixed = weights.matmul(&heads("self_attn.v_proj")?)?.transpose(1, 2)?;
            let mixed = mixed.contiguous()?.reshape((rows, tokens, hidden))?;
            x = (x + self.linear(&mixed, &name("self_attn.o_proj"), false)?)?;
            let normed = self.norm(&x, &name("post_attention_layernorm.weight"))?;
            let gate = self.linear(&normed, &name("mlp.gate_proj"), false)?;
            let gate = (&gate / (gate.neg()?.exp()? + 1.0)?)?;
            let gated = (gate * self.linear(&normed, &name("mlp.up_proj"), false)?)?;
            x = (x + self.linear(&gated, &name("mlp.down_proj"), false)?)?;
        }
        self.norm(&x, "norm.weight")
    }
}

#[test]
fn every_tensor_has_the_gradient_of_the_plain_model() {
    let folder = tempfile::tempdir().unwrap();
    let checkpoint = checkpoint(folder.path());
    let parameters = Parameters::new();
    let options = LoadOptions { parameters: Some(parameters.clone()), ..LoadOptions::default() };
    let encoder = C3Encoder::load(&checkpoint, &options).unwrap();
    let decoder = C3Decoder::load(&checkpoint, &options).unwrap();
    let prompt = checkpoint.config().prompt.ids(checkpoint.tokenizer(), None).unwrap();
    let bank = Bank::choose(checkpoint.config(), Compression::Ratio(4)).unwrap();
    let rows = 3;
    let ids: Vec<u32> = (0..rows * TOKENS).map(|i| (i * 7919 % 8000) as u32).collect();
    let batch = Batch { ids: &ids, given: &ids, next: None, tokens: TOKENS, bank };
    let found = loss(&encoder, &decoder, &prompt, &batch).unwrap();

    let vars: BTreeMap<String, Var> = parameters.vars().into_iter().collect();
    let count = bank.latents(TOKENS);
    let plain = || -> Result<Tensor> {
        let reader = Plain { vars: &vars, prefix: "llm1/" };
        let writer = Plain { vars: &vars, prefix: "" };
        let special = |name| checkpoint.tokenizer().require_special(&[name]).unwrap()[0];
        let all =
            |x: Tensor, n: usize| x.unsqueeze(0)?.broadcast_as((rows, n, HIDDEN))?.contiguous();
        let embed = |model: &Plain<'_>| model.embed(&ids)?.reshape((rows, TOKENS, HIDDEN));
        let queries = vars["model.Q_banks.4.weight"].as_tensor().narrow(0, 0, count)?;
        let asking = Tensor::cat(&[reader.embed(&[special("<img>")])?, queries], 0)?;
        let x = Tensor::cat(&[embed(&reader)?, all(asking, 1 + count)?], 1)?;
        let behind = SEGMENT as u32..SEGMENT as u32 + 1 + count as u32;
        let positions: Vec<u32> = (0..TOKENS as u32).chain(behind).collect();
        let latents = reader.forward(&x, &positions)?.i((.., TOKENS + 1.., ..))?.contiguous()?;
        let projected = latents
            .broadcast_matmul(&writer.get("mm_projector.weight").t()?)?
            .broadcast_add(writer.get("mm_projector.bias"))?;
        let before = all(writer.embed(&[special("<img>")])?, 1)?;
        let after = all(writer.embed(&[special("</img>")])?, 1)?;
        let x = Tensor::cat(&[before, projected, after, embed(&writer)?], 1)?;
        // The largest bank has 8 queries.
        let positions: Vec<u32> = (0..1 + count as u32).chain(9..10 + TOKENS as u32).collect();
        let hidden = writer.forward(&x, &positions)?.i((.., 1 + count.., ..))?.contiguous()?;
        let hidden = hidden.reshape((rows * (TOKENS + 1), HIDDEN))?;
        let logits = hidden.matmul(&writer.get("embed_tokens.weight").t()?)?;
        let targets: Vec<u32> = ids
            .chunks(TOKENS)
            .flat_map(|ids| ids.iter().copied().chain([special("<|im_end|>")]))
            .collect();
        let own = logits.gather(&Tensor::new(targets, &Device::Cpu)?.unsqueeze(1)?, 1)?;
        let all = logits.exp()?.sum_keepdim(1)?.log()?;
        (all - own)?.mean_all()
    };
    let right = plain().unwrap();
    let [a, b] = [&found, &right].map(|loss| loss.to_scalar::<f32>().unwrap());
    assert!((a - b).abs() < 1e-5 * b, "{a} {b}");

    let (found, right) = (found.backward().unwrap(), right.backward().unwrap());
    let mut compared = 0;
    for (name, var) in &vars {
        let of = |gradients: &candle_core::backprop::GradStore| gradients.get(var).cloned();
        let (Some(found), Some(right)) = (of(&found), of(&right)) else {
            // The other banks, which had no part in it.
            assert!(name.starts_with("model.Q"), "{name} has no gradient");
            assert!(of(&found).is_none() && of(&right).is_none(), "{name}");
            continue;
        };
        let sum =
            |x: Tensor| f64::from(x.sqr().unwrap().sum_all().unwrap().to_scalar::<f32>().unwrap());
        let error = sum((&found - &right).unwrap());
        let relative = (error / sum(right.to_dtype(DType::F32).unwrap()).max(1e-20)).sqrt();
        assert!(relative <= 1e-4, "{name}: relative RMS error {relative:e}");
        compared += 1;
    }
    assert_eq!(compared, 2 * (2 + LAYERS * 12) + 3, "tensors");
}
