//! What is known, before anything is decoded, of how a text will come back.

use serde_json::{Value, json};

use super::encoding::{Encoded, Foretold};
use crate::human::{count, counted};
use crate::ui::Ui;

/// Says what will come back of a text that was just compressed, and how its latents were chosen.
pub fn tell(ui: &Ui, encoded: &Encoded) {
    let Foretold { checked, differing, mismatches, .. } = encoded.fidelity;
    if let Some(line) = sentence(encoded) {
        ui.say(line);
    }
    if differing > 0 {
        ui.warn(format_args!(
            "{} of {} will differ, in {}; --exact stores what it takes for all to come back",
            count(differing),
            counted(checked, "checked segment"),
            counted(mismatches, "token"),
        ));
    }
}

/// How the latents were chosen, and what is promised; nothing where nobody looked.
pub fn sentence(encoded: &Encoded) -> Option<String> {
    let Foretold { differing, near_ties, exact, verbatim, .. } = encoded.fidelity;
    let compressed = encoded.compressed.as_ref().filter(|_| encoded.segments > 0)?;
    let mut parts = Vec::new();
    if encoded.fidelity.is_promise() {
        let ratio = &encoded.ratio;
        let stored = [(ratio.corrections, "correction"), (ratio.patch_bytes, "patched byte")];
        parts.push("every byte will come back".to_owned());
        parts.extend(stored.iter().filter(|(n, _)| *n > 0).map(|(n, noun)| counted(*n, noun)));
    } else if differing == 0 && verbatim + exact < encoded.segments {
        parts.push("as far as was checked, nothing is foretold to differ".to_owned());
    }
    if near_ties > 0 {
        parts.push(format!("{} right by a hair", counted(near_ties, "token")));
    }
    if compressed.banks.len() + usize::from(verbatim > 0) > 1 || compressed.split > 0 {
        let banks = compressed.banks.iter().rev();
        parts.extend(banks.map(|(queries, n)| {
            format!("{} of up to {}", counted(*n, "segment"), counted(*queries as u64, "latent"))
        }));
        if verbatim > 0 {
            parts.push(format!("{} kept as text", count(verbatim)));
        }
        if compressed.split > 0 {
            parts.push(format!("{} of them parts of longer ones", count(compressed.split)));
        }
    } else if verbatim > 0 {
        parts.push(format!("{} kept as text", counted(verbatim, "segment")));
    }
    (!parts.is_empty()).then(|| parts.join(", "))
}

/// The same for scripts.
pub fn json(encoded: &Encoded) -> Value {
    let chosen = encoded.compressed.as_ref();
    let mut value = counts(&encoded.fidelity);
    if let Some(chosen) = chosen {
        let banks = chosen.banks.iter().map(|(queries, &n)| (queries.to_string(), json!(n)));
        value["banks"] = Value::Object(banks.collect());
        value["split_segments"] = json!(chosen.split);
    }
    value
}

/// Numbers of segments by what is known of them.
pub fn counts(foretold: &Foretold) -> Value {
    json!({
        "unchecked": foretold.unchecked,
        "checked": foretold.checked,
        "differing": foretold.differing,
        "mismatches": foretold.mismatches,
        "near_ties": foretold.near_ties,
        "exact": foretold.exact,
        "verbatim": foretold.verbatim,
        "promised": foretold.is_promise(),
    })
}
