//! `c3 inspect`: what a `.c3` file says of itself. No model is loaded.

use c3_core::{Fidelity, LatentFile, SegmentInfo, SegmentSource};
use serde_json::{Value, json};

use super::Context;
use super::encoding::Foretold;
use super::foretold;
use crate::human::{self, Table};
use crate::input::{Bytes, Input};
use crate::report::Outcome;
use crate::{interrupt, output};

/// What to look at.
pub struct Inspect {
    pub input: Input,
    pub verify: bool,
    pub json: bool,
}

impl Inspect {
    pub fn run(self, context: &Context) -> anyhow::Result<Outcome> {
        let file = self.input.open_latents()?;
        if self.verify {
            for index in 0..file.segment_count() {
                interrupt::check()?;
                file.segment(index)?;
            }
        }
        let segments = (0..file.segment_count())
            .map(|index| file.segment_info(index))
            .collect::<c3_core::Result<Vec<_>>>()?;
        if self.json {
            output::print_json(&as_json(&file, &segments))?;
            return Ok(Outcome::Done);
        }
        let mut text = summary(&file, &segments).to_string();
        if context.ui.is_verbose() && !segments.is_empty() {
            text.push('\n');
            text.push_str(&segment_table(&segments));
        }
        output::print(&text)?;
        Ok(Outcome::Done)
    }
}

fn summary(file: &LatentFile<Bytes>, segments: &[SegmentInfo]) -> Table {
    let (provenance, source, ratio) = (file.provenance(), file.source(), file.ratio());
    let rows: u64 = segments.iter().map(|s| s.latents.end - s.latents.start).sum();
    let bytes = human::counted(ratio.stored_bytes, "byte");
    let mut table = Table::default()
        .row("file", format!("{bytes}, format {}", file.version()))
        .row("model", &provenance.model)
        .row("fingerprint", provenance.fingerprint.to_string())
        .row("made by", &provenance.created_by)
        .row("text", human::counted(source.bytes, "byte"))
        .row("sha-256", source.sha256.to_string())
        .row(
            "segments",
            format!("{} ({})", human::count(segments.len() as u64), provenance.segmenter),
        )
        .row(
            "latents",
            format!("{} × {} in {}", human::count(rows), provenance.dim, provenance.dtype),
        )
        .row("ratio", ratio.to_string())
        .row("fidelity", fidelity_summary(segments))
        .row("question", format!("{:?}", provenance.prompt));
    if let Some(kept) = provenance.verified_with() {
        table = table.row("verified with", kept);
    }
    // What the format itself keeps there is for programs.
    for (key, value) in provenance.extra.iter().filter(|(key, _)| !key.starts_with("c3.")) {
        table = table.row("metadata", format!("{key:?}: {value:?}"));
    }
    table
}

fn foretold_of(segments: &[SegmentInfo]) -> Foretold {
    let mut foretold = Foretold::default();
    segments.iter().for_each(|segment| foretold.add(&segment.fidelity));
    foretold
}

fn fidelity_summary(segments: &[SegmentInfo]) -> String {
    let Foretold { unchecked, checked, differing, mismatches, near_ties, exact, verbatim } =
        foretold_of(segments);
    let mut will_differ = match differing {
        0 => "checked: none is foretold to differ".to_owned(),
        _ => format!(
            "checked: {} foretold to differ, in {}",
            human::count(differing),
            human::counted(mismatches, "token")
        ),
    };
    will_differ.push_str(&nearly_tied(near_ties));
    let levels = [
        (unchecked, "unchecked"),
        (checked, &will_differ),
        (exact, "exact"),
        (verbatim, "kept as text"),
    ];
    let present: Vec<String> = levels
        .iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, name)| format!("{} {name}", human::count(*count)))
        .collect();
    if present.is_empty() { "nothing to say: no segments".into() } else { present.join(", ") }
}

/// Without corrections, a near tie may go the other way.
fn nearly_tied(tokens: u64) -> String {
    match tokens {
        0 => String::new(),
        1 => ", 1 near tie".to_owned(),
        _ => format!(", {} near ties", human::count(tokens)),
    }
}

fn segment_table(segments: &[SegmentInfo]) -> String {
    let rows: Vec<Vec<String>> = segments
        .iter()
        .enumerate()
        .map(|(index, segment)| {
            vec![
                index.to_string(),
                human::count(segment.bytes.start),
                human::count(segment.bytes.end),
                human::count(segment.text_tokens.into()),
                human::count(segment.latents.end - segment.latents.start),
                format!("{:016x}", segment.hash),
                fidelity(&segment.fidelity),
            ]
        })
        .collect();
    human::columns(&["segment", "from byte", "to", "tokens", "latents", "hash", "fidelity"], &rows)
}

fn fidelity(fidelity: &Fidelity) -> String {
    match fidelity {
        Fidelity::Unchecked => "unchecked".into(),
        Fidelity::Checked { mismatches, first, near_ties } => {
            let first = first.map_or(String::new(), |first| format!(", first at {first}"));
            let tokens = match mismatches {
                0 => "no token".to_owned(),
                some => human::counted(u64::from(*some), "token"),
            };
            let tied = nearly_tied(near_ties.unwrap_or(0).into());
            format!("checked: {tokens} foretold to differ{first}{tied}")
        }
        Fidelity::Exact { corrections, patches } => {
            let corrections = human::counted(corrections.len() as u64, "correction");
            match patches.len() {
                0 => format!("exact: {corrections}"),
                1 => format!("exact: {corrections}, 1 patch"),
                count => format!("exact: {corrections}, {count} patches"),
            }
        }
        Fidelity::Verbatim => "kept as text".into(),
    }
}

fn as_json(file: &LatentFile<Bytes>, segments: &[SegmentInfo]) -> Value {
    let (provenance, source, ratio) = (file.provenance(), file.source(), file.ratio());
    json!({
        "format": file.version().to_string(),
        "file_bytes": ratio.stored_bytes,
        "model": provenance.model,
        "fingerprint": provenance.fingerprint.to_string(),
        "created_by": provenance.created_by,
        "text_bytes": source.bytes,
        "source_sha256": source.sha256.to_string(),
        "dim": provenance.dim,
        "dtype": provenance.dtype.name(),
        "markers": provenance.markers,
        "segmenter": provenance.segmenter,
        "prompt": provenance.prompt,
        "metadata": provenance.extra,
        "token_ratio": ratio.token_ratio(),
        "byte_ratio": ratio.byte_ratio(),
        "text_tokens": ratio.text_tokens,
        "latent_positions": ratio.latent_positions,
        "corrections": ratio.corrections,
        "patch_bytes": ratio.patch_bytes,
        "verbatim_tokens": ratio.verbatim_tokens,
        "fidelity": foretold::counts(&foretold_of(segments)),
        "verified_by": provenance.verified_by().map(|print| print.to_string()),
        "verified_with": provenance.verified_with(),
        "appendable": file.source_hasher().is_some(),
        "segment_count": segments.len(),
        "segments": segments.iter().map(segment_json).collect::<Vec<_>>(),
    })
}

fn segment_json(segment: &SegmentInfo) -> Value {
    let mut value = json!({
        "bytes": [segment.bytes.start, segment.bytes.end],
        "text_tokens": segment.text_tokens,
        "latents": segment.latents.end - segment.latents.start,
        "hash": format!("{:016x}", segment.hash),
    });
    let fidelity = match &segment.fidelity {
        Fidelity::Unchecked => json!({"level": "unchecked"}),
        Fidelity::Checked { mismatches, first, near_ties } => json!({
            "level": "checked", "mismatches": mismatches, "first": first, "near_ties": near_ties,
        }),
        Fidelity::Exact { corrections, patches } => {
            let (corrections, patches) = (corrections.len(), patches.len());
            json!({"level": "exact", "corrections": corrections, "patches": patches})
        }
        Fidelity::Verbatim => json!({"level": "verbatim"}),
    };
    value["fidelity"] = fidelity;
    value
}
