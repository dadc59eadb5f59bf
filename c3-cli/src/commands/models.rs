//! `c3 models`: what is on this machine.

use c3_core::FingerprintBuilder;
use c3_nn::{C3Config, Checkpoint, QueryPositions, Qwen2Config};
use serde_json::{Value, json};

use super::Context;
use crate::hub::{Cache, CachedModel};
use crate::human::{self, Table};
use crate::model::ModelName;
use crate::report::Outcome;
use crate::{builtin, output};

/// What to tell.
pub enum Models {
    List { json: bool },
    Show { model: ModelName, json: bool },
}

impl Models {
    pub fn run(self, context: &Context) -> anyhow::Result<Outcome> {
        match self {
            Self::List { json } => list(context, json)?,
            Self::Show { model, json } => show(context, &model, json)?,
        }
        Ok(Outcome::Done)
    }
}

fn list(context: &Context, json: bool) -> anyhow::Result<()> {
    let cached = Cache::new(&context.hub.cache).models();
    let embedded = builtin::files().map(|files| {
        let bytes: usize = files.iter().map(|(_, bytes)| bytes.len()).sum();
        (builtin::NAME, bytes as u64)
    });
    if json {
        let embedded = embedded.map(|(name, bytes)| json!({"name": name, "bytes": bytes}));
        return output::print_json(&json!({"builtin": embedded, "cached": cached}));
    }
    let builtin = embedded.map(|(name, bytes)| {
        vec!["builtin".to_owned(), human::bytes(bytes), format!("{name}, inside this program")]
    });
    let row = |model: &CachedModel| {
        let commit: String = model.commit.chars().take(12).collect();
        vec![model.name.clone(), human::bytes(model.bytes), format!("at {commit}")]
    };
    let rows: Vec<Vec<String>> = builtin.into_iter().chain(cached.iter().map(row)).collect();
    output::print(&human::columns(&["model", "size", ""], &rows))?;
    if cached.is_empty() {
        context.ui.say(format_args!("no C3 model in the cache, {}", context.hub.cache.display()));
    }
    Ok(())
}

fn show(context: &Context, model: &ModelName, json: bool) -> anyhow::Result<()> {
    let checkpoint = model.open(&context.hub)?;
    let facts = Facts::new(model, &checkpoint);
    if json { output::print_json(&facts.json()) } else { output::print(&facts.table().to_string()) }
}

struct Facts<'a> {
    name: String,
    config: &'a C3Config,
    fingerprint: Option<String>,
    encoder_bytes: u64,
    decoder_bytes: u64,
}

impl<'a> Facts<'a> {
    fn new(model: &ModelName, checkpoint: &'a Checkpoint) -> Self {
        let mut print = FingerprintBuilder::new();
        let identified = checkpoint.visit_identity(&mut |name, bytes| {
            print.tensor(name, bytes);
        });
        Self {
            name: model.name(checkpoint),
            config: checkpoint.config(),
            fingerprint: identified.then(|| print.finish().to_string()),
            encoder_bytes: checkpoint.encoder().map_or(0, |weights| weights.byte_count()),
            decoder_bytes: checkpoint.decoder().byte_count(),
        }
    }

    /// Ratio and latent tokens of a full segment, for every bank.
    fn ratios(&self) -> Vec<(f64, usize)> {
        let config = self.config;
        let default = config.latent_tokens;
        let banks = config.query_banks.iter().map(|(&ratio, &queries)| (f64::from(ratio), queries));
        let mut ratios: Vec<(f64, usize)> = banks.collect();
        if ratios.is_empty() {
            ratios.push((config.segment_tokens as f64 / default as f64, default));
        }
        ratios
    }

    fn table(&self) -> Table {
        let config = self.config;
        let default = config.latent_tokens;
        let ratios: Vec<String> = self
            .ratios()
            .iter()
            .map(|(ratio, latents)| {
                let mark = if *latents == default { ", the default" } else { "" };
                format!("{ratio}× ({latents} latent tokens{mark})")
            })
            .collect();
        let fingerprint = self.fingerprint.clone();
        Table::default()
            .row("model", &self.name)
            .row("fingerprint", fingerprint.unwrap_or_else(|| "none: it has no encoder".into()))
            .row("encoder", shape(&config.encoder, self.encoder_bytes))
            .row("decoder", shape(&config.decoder, self.decoder_bytes))
            .row(
                "segments",
                format!("at most {} tokens", human::count(config.segment_tokens as u64)),
            )
            .row("ratios", ratios.join(", "))
            .row("queries", positions(config.query_positions))
            .row("question", format!("{:?}", config.prompt.question))
    }

    fn json(&self) -> Value {
        let config = self.config;
        let shape = |qwen: &Qwen2Config, bytes: u64| {
            json!({
                "layers": qwen.num_hidden_layers,
                "hidden_size": qwen.hidden_size,
                "heads": qwen.num_attention_heads,
                "kv_heads": qwen.num_key_value_heads,
                "intermediate_size": qwen.intermediate_size,
                "vocab_size": qwen.vocab_size,
                "bytes": bytes,
            })
        };
        let ratio = |&(ratio, latents): &(f64, usize)| json!({"ratio": ratio, "latents": latents});
        json!({
            "name": self.name,
            "fingerprint": self.fingerprint,
            "encoder": shape(&config.encoder, self.encoder_bytes),
            "decoder": shape(&config.decoder, self.decoder_bytes),
            "segment_tokens": config.segment_tokens,
            "latent_tokens": config.latent_tokens,
            "query_positions": positions(config.query_positions),
            "ratios": self.ratios().iter().map(ratio).collect::<Vec<_>>(),
            "prompt": {
                "system": config.prompt.system,
                "before": config.prompt.before,
                "after": config.prompt.after,
                "question": config.prompt.question,
            },
        })
    }
}

fn shape(qwen: &Qwen2Config, bytes: u64) -> String {
    format!(
        "{} layers, width {}, {} heads ({} KV), FFN {}, vocabulary {}, {}",
        qwen.num_hidden_layers,
        human::count(qwen.hidden_size as u64),
        qwen.num_attention_heads,
        qwen.num_key_value_heads,
        human::count(qwen.intermediate_size as u64),
        human::count(qwen.vocab_size as u64),
        human::bytes(bytes),
    )
}

fn positions(positions: QueryPositions) -> &'static str {
    match positions {
        QueryPositions::Contiguous => "contiguous",
        QueryPositions::Anchored => "anchored",
        QueryPositions::Aligned => "aligned",
    }
}
