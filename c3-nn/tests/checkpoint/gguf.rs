//! The same model in safetensors and in GGUF, and quantised when it is loaded.

use c3_nn::{BlockType, LoadOptions, Qwen2, WeightDtype};

use crate::as_gguf;
use crate::spoil::Spoilt;

fn options(dtype: WeightDtype) -> LoadOptions {
    LoadOptions { dtype, ..LoadOptions::default() }
}

fn forward(model: &Qwen2) -> Vec<f32> {
    let x = model.embed(&[1, 2, 3, 4, 5, 6, 7]).unwrap().unsqueeze(0).unwrap();
    let hidden = model.forward_embeds(&x, &[0, 1, 2, 3, 4, 5, 6], &[], None, 3).unwrap();
    model.logits(&hidden).unwrap().flatten_all().unwrap().to_vec1().unwrap()
}

fn logits(copy: &Spoilt, dtype: WeightDtype) -> Vec<f32> {
    let checkpoint = copy.open().unwrap();
    let weights = checkpoint.decoder();
    let config = checkpoint.config();
    // Beside the language model there is what C3 adds to it.
    let queries = [config.latent_tokens, config.encoder.hidden_size];
    weights.tensor("model.Q.weight", &queries, &options(dtype)).unwrap();
    forward(&Qwen2::load(&config.decoder, weights, &options(dtype)).unwrap())
}

fn identity(copy: &Spoilt) -> Vec<(String, Vec<u8>)> {
    let mut parts = Vec::new();
    assert!(copy.open().unwrap().visit_identity(&mut |name, bytes| {
        parts.push((name.to_owned(), bytes.to_vec()));
    }));
    parts
}

#[test]
fn floats_in_gguf_are_the_same_model() {
    let (whole, converted) = (Spoilt::new(), Spoilt::new());
    as_gguf::convert(&converted, None);
    assert_eq!(logits(&whole, WeightDtype::F32), logits(&converted, WeightDtype::F32));
    assert_eq!(logits(&whole, WeightDtype::F32), logits(&converted, WeightDtype::Stored));
    assert_eq!(identity(&whole), identity(&converted));
    converted.load().unwrap();
}

#[test]
fn blocks_from_a_file_are_those_made_when_loading() {
    for kind in [BlockType::Q4_0, BlockType::Q5_0, BlockType::Q8_0, BlockType::Q5_1] {
        let (whole, converted) = (Spoilt::new(), Spoilt::new());
        as_gguf::convert(&converted, Some(kind));
        let made = logits(&whole, WeightDtype::Quantized(kind));
        assert_eq!(made, logits(&converted, WeightDtype::Stored), "{kind}");
        assert_eq!(made, logits(&converted, WeightDtype::Quantized(kind)), "{kind}");
        assert_ne!(made, logits(&whole, WeightDtype::F32), "{kind}");
        // The encoder's weights are others, and so is what its latents mean.
        assert_ne!(identity(&whole), identity(&converted), "{kind}");
    }
}

/// RMS of the difference, relative to that of `right`.
fn difference(found: &[f32], right: &[f32]) -> f64 {
    let norm = |values: &mut dyn Iterator<Item = f64>| values.map(|x| x * x).sum::<f64>().sqrt();
    let mut errors = found.iter().zip(right).map(|(x, y)| f64::from(x - y));
    norm(&mut errors) / norm(&mut right.iter().map(|&x| f64::from(x)))
}

#[test]
fn fewer_bits_lose_more() {
    let copy = Spoilt::new();
    let exact = logits(&copy, WeightDtype::F32);
    let loss = |kind| difference(&logits(&copy, WeightDtype::Quantized(kind)), &exact);
    // Rows of 96 and 160 are no whole blocks of 256: `q4_k` becomes `q8_0`.
    let (eight, five, four) = (loss(BlockType::Q8_0), loss(BlockType::Q5_0), loss(BlockType::Q4_0));
    assert_eq!(loss(BlockType::Q4K), eight);
    assert!(eight > 0.0 && eight < 0.05, "{eight}");
    assert!(eight < five && five < four && four < 0.5, "{eight} {five} {four}");
}

/// Blocks as floats again: the weights themselves, with no rounding of what they multiply.
#[test]
fn blocks_can_be_widened() {
    let copy = Spoilt::new();
    as_gguf::convert(&copy, Some(BlockType::Q8_0));
    let (wide, narrow) = (logits(&copy, WeightDtype::F32), logits(&copy, WeightDtype::Stored));
    let loss = difference(&narrow, &wide);
    assert!(loss > 0.0 && loss < 0.05, "{loss}");
    let half = difference(&logits(&copy, WeightDtype::F16), &wide);
    assert!(half < 5e-3, "{half}");
}

#[test]
fn a_file_alone_is_a_model() {
    let copy = Spoilt::new();
    let exact = logits(&copy, WeightDtype::F32);
    let config = copy.open().unwrap().config().decoder.clone();
    as_gguf::convert(&copy, None);
    let model = Qwen2::from_gguf(&copy.path("model.gguf"), &LoadOptions::default()).unwrap();
    assert_eq!(model.config(), &config);
    assert_eq!(forward(&model), exact);
}

#[test]
fn safetensors_beside_a_gguf_file_give_way() {
    let copy = Spoilt::new();
    let mut tensors = copy.tensors("model.safetensors");
    let exact = logits(&copy, WeightDtype::F32);
    let config = copy.open().unwrap().config().decoder.clone();
    as_gguf::save(&copy.path("model.gguf"), &as_gguf::metadata(&config), &tensors, None);
    let norm = tensors.get_mut("model.norm.weight").unwrap();
    *norm = (&*norm * 2.0).unwrap();
    copy.save("model.safetensors", &tensors);
    assert_eq!(logits(&copy, WeightDtype::F32), exact);
}
