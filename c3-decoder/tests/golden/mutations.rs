//! The comparison must notice each of these mistakes; a golden that lets one pass proves nothing.

use candle_core::{Device, Tensor};

use c3_nn::LoadOptions;

use crate::compare::{compare_as, compare_with, fixture};

/// A copy of a checkpoint to spoil.
pub struct Copy {
    folder: tempfile::TempDir,
    golden: std::path::PathBuf,
}

impl Copy {
    pub fn of(name: &str) -> Self {
        let golden = fixture(name);
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("llm1")).unwrap();
        for file in [
            "config.json",
            "tokenizer.json",
            "model.safetensors",
            "llm1/config.json",
            "llm1/model.safetensors",
        ] {
            std::fs::copy(golden.join(file), folder.path().join(file)).unwrap();
        }
        Self { folder, golden }
    }

    fn path(&self, file: &str) -> std::path::PathBuf {
        self.folder.path().join(file)
    }

    pub fn config(&self, file: &str, change: impl Fn(&mut serde_json::Value)) {
        let text = std::fs::read_to_string(self.path(file)).unwrap();
        let mut config = serde_json::from_str(&text).unwrap();
        change(&mut config);
        std::fs::write(self.path(file), config.to_string()).unwrap();
    }

    fn tensors(&self, file: &str, change: impl Fn(&str, &Tensor) -> candle_core::Result<Tensor>) {
        let tensors = candle_core::safetensors::load(self.path(file), &Device::Cpu).unwrap();
        let changed = tensors.iter().map(|(name, t)| (name.clone(), change(name, t).unwrap()));
        let changed: std::collections::HashMap<_, _> = changed.collect();
        candle_core::safetensors::save(&changed, self.path(file)).unwrap();
    }

    pub fn compare(&self) -> Result<(), String> {
        compare_with(self.folder.path(), &self.golden)
    }

    pub fn compare_as(&self, options: &LoadOptions, tolerance: f32) -> Result<(), String> {
        compare_as(self.folder.path(), &self.golden, options, tolerance)
    }

    /// The comparison fails, and at the stage where the mistake is.
    fn fails_at(&self, stage: &str) {
        let error = self.compare().unwrap_err();
        assert!(error.contains(stage), "expected a difference in {stage}, found: {error}");
    }
}

#[test]
fn an_unspoilt_copy_passes() {
    Copy::of("c3-ref-f32").compare().unwrap();
}

#[test]
fn rope_theta() {
    let theta = |config: &mut serde_json::Value| config["rope_theta"] = 10000.0.into();
    let copy = Copy::of("c3-ref-f32");
    copy.config("llm1/config.json", theta);
    copy.fails_at("latents");
    let copy = Copy::of("c3-ref-f32");
    copy.config("config.json", theta);
    copy.fails_at("logits");
}

#[test]
fn dropped_qkv_bias() {
    for bias in ["q_proj.bias", "k_proj.bias", "v_proj.bias"] {
        for (file, stage) in
            [("llm1/model.safetensors", "latents"), ("model.safetensors", "logits")]
        {
            // A bias on the keys shifts all scores of a query alike but for its rotation, so it
            // shows as well.
            let copy = Copy::of("c3-ref-f32");
            copy.tensors(
                file,
                |name, t| if name.ends_with(bias) { t.zeros_like() } else { Ok(t.clone()) },
            );
            copy.fails_at(stage);
        }
    }
}

#[test]
fn final_norm_left_out() {
    let copy = Copy::of("c3-ref-f32");
    copy.tensors("llm1/model.safetensors", |name, t| {
        if name == "model.norm.weight" { t.ones_like() } else { Ok(t.clone()) }
    });
    copy.fails_at("latents");
}

#[test]
fn query_rows_off_by_one() {
    let copy = Copy::of("c3-ref-f32");
    copy.tensors("model.safetensors", |name, t| {
        if name == "model.Q.weight" { t.roll(1, 0) } else { Ok(t.clone()) }
    });
    copy.fails_at("latents");
}

#[test]
fn newline_in_the_prompt() {
    let copy = Copy::of("c3-ref-f32");
    copy.config("config.json", |config| {
        config["c3"]["prompt"] = serde_json::json!({
            "system": "You should follow the instructions carefully and explain your answers in detail.",
            "before": "<img>", "after": "</img>", "question": ""
        });
    });
    copy.fails_at("decoder ids");
}

#[test]
fn tied_head() {
    let copy = Copy::of("c3-ref-f32");
    copy.config("config.json", |config| config["tie_word_embeddings"] = true.into());
    copy.fails_at("logits");
}
