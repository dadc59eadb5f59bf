//! Every segment gets the fewest positions: by trying every bank on it.

use std::path::Path;
use std::sync::OnceLock;

use c3_core::{Correction, Fidelity};
use c3_nn::{Checkpoint, LoadOptions};

use super::*;
use crate::source::Items;

struct Models {
    encoder: C3Encoder,
    decoder: C3Decoder,
}

fn models() -> &'static Models {
    static MODELS: OnceLock<Models> = OnceLock::new();
    MODELS.get_or_init(|| {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/c3-tiny");
        let checkpoint = Checkpoint::open(&path).unwrap();
        let options = LoadOptions::default();
        Models {
            encoder: C3Encoder::load(&checkpoint, &options).unwrap(),
            decoder: C3Decoder::load(&checkpoint, &options).unwrap(),
        }
    })
}

/// Prose, then letters that no model knows, so that segments are easy and hard.
fn text() -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let prose = std::fs::read_to_string(root.join("fixtures/moby-dick.txt")).unwrap();
    let mut state = 1u32;
    let letters = std::iter::repeat_with(|| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        char::from(b"abcdefghijklmnopqrstuvwxyz     "[(state >> 16) as usize % 31])
    });
    prose.chars().take(900).chain(letters.take(1000)).collect()
}

/// One segment at a time, so that what is computed again has the same bits.
fn settler(request: &CompressRequest) -> Settler<'_> {
    let Models { encoder, decoder } = models();
    let banks = request.banks(encoder.config()).unwrap();
    let margin = request.margin.unwrap_or_else(|| decoder.margin());
    Settler { encoder, decoder, request, banks, batch: 1, margin }
}

fn items(text: &str, settler: &Settler<'_>) -> Vec<Item> {
    let most = settler.banks[0].segment_tokens;
    let tokenizer = settler.encoder.tokenizer();
    Items::new(text.as_bytes(), tokenizer, most, true, false).unwrap().map(Result::unwrap).collect()
}

/// What becomes of an item with every bank.
fn all(settler: &Settler<'_>, item: &Item) -> Vec<Candidate> {
    let items = std::slice::from_ref(item);
    let mut tried = Vec::new();
    for (&bank, mut latents) in settler.banks.iter().zip(settler.latents(&[item]).unwrap()) {
        let latents = vec![(0, latents.remove(0))];
        tried.push(settler.candidates(bank, latents, items).unwrap().remove(0).1);
    }
    tried
}

fn positions(Settled { segment, .. }: &Settled) -> u64 {
    match &segment.fidelity {
        Fidelity::Verbatim => segment.text_tokens.into(),
        Fidelity::Exact { corrections, patches } => {
            let patched: usize = patches.iter().map(|patch| patch.bytes.len()).sum();
            segment.latents.rows() as u64 + MARKERS + (corrections.len() + patched) as u64
        }
        _ => segment.latents.rows() as u64 + MARKERS,
    }
}

/// What a level came to, over all segments of the text.
#[derive(Default, Debug)]
struct Came {
    /// Segments for which a denser bank than the first that does is cheaper.
    denser: usize,
    split: usize,
    text: usize,
    latents: usize,
}

fn cheapest_of_all(request: &CompressRequest) -> Came {
    let settler = settler(request);
    let items = items(&text(), &settler);
    assert!(items.len() > 2 && settler.banks.len() > 1);
    let mut came = Came::default();
    for (item, settled) in items.iter().zip(settler.settle(items.clone()).unwrap()) {
        let tokens = item.ids.len() as u64;
        let candidates = all(&settler, item);
        let mut good = candidates.iter().filter(|c| settler.honours(c, item));
        let first = good.clone().next().map(Candidate::positions);
        let least = good.by_ref().map(Candidate::positions).min();
        let bytes = |settled: &Settled| settled.segment.bytes.clone();
        match least {
            Some(least) => {
                let [only] = settled.as_slice() else { panic!("divided without need") };
                assert_eq!(positions(only), least.min(tokens));
                assert_eq!((only.split, bytes(only)), (false, item.bytes.clone()));
                assert_eq!(only.bank.is_none(), least >= tokens);
                came.denser += usize::from(least < tokens && first != Some(least));
                came.text += usize::from(only.bank.is_none());
                came.latents += usize::from(only.bank.is_some());
            }
            None => {
                // Parts of at most half of it, each with as few positions as it can have.
                let Some(halves) = item.halves(settler.encoder.tokenizer()).unwrap() else {
                    assert!(settled.len() == 1 && settled[0].bank.is_none() && !settled[0].split);
                    came.text += 1;
                    continue;
                };
                let expected: u64 =
                    settler.settle(halves).unwrap().iter().flatten().map(positions).sum();
                assert_eq!(settled.iter().map(positions).sum::<u64>(), expected);
                assert!(settled.len() > 1 && settled.iter().all(|part| part.split));
                let ends = (bytes(&settled[0]).start, bytes(settled.last().unwrap()).end);
                assert_eq!(ends, (item.bytes.start, item.bytes.end));
                came.split += settled.len();
                came.text += settled.iter().filter(|part| part.bank.is_none()).count();
                came.latents += settled.iter().filter(|part| part.bank.is_some()).count();
            }
        }
    }
    came
}

fn exact(share: f64, margin: f32) -> CompressRequest {
    let level = Level::Exact { max_corrections: Some(share) };
    CompressRequest { margin: Some(margin), ..CompressRequest::new(level) }
}

/// Whatever may be corrected: corrections cost positions, so the highest ratio is not always cheapest.
#[test]
fn corrections_are_weighed_against_latents() {
    let came = cheapest_of_all(&exact(1.0, 1e-3));
    assert!(came.denser > 0 && came.split == 0, "{came:?}");
}

/// Every token needs a correction: latents can't pay, whether that is allowed or not.
#[test]
fn what_cannot_pay_is_split_and_kept_as_text() {
    let came = cheapest_of_all(&exact(1.0, f32::MAX));
    assert!(came.text > 2 && came.latents == 0 && came.split == 0, "{came:?}");
    let came = cheapest_of_all(&exact(0.0, f32::MAX));
    assert!(came.split > 4 && came.text >= came.split && came.latents == 0, "{came:?}");
}

/// A share that some segments keep with some bank and others with none.
#[test]
fn between_the_two_some_are_split() {
    // One of twenty tokens isn't certain enough with the densest bank, however good the model is.
    let request = exact(1.0, 0.0);
    let certain = settler(&request);
    let mut margins: Vec<f32> = Vec::new();
    for item in &items(&text(), &certain) {
        let latents = certain.latents(&[item]).unwrap().pop().unwrap().remove(0);
        margins.extend(&certain.verify(&[(0, latents)], &[item]).unwrap()[0].margins);
    }
    margins.sort_by(f32::total_cmp);
    let margin = margins[margins.len() / 20].max(0.0);
    let loose = exact(1.0, margin);
    let settler = settler(&loose);
    let mut least: Vec<f64> = items(&text(), &settler)
        .iter()
        .map(|item| {
            let wrong = all(&settler, item).iter().map(|c| c.wrong).min().unwrap();
            wrong as f64 / item.ids.len() as f64
        })
        .collect();
    least.sort_by(f64::total_cmp);
    let share = least[least.len() / 2].midpoint(least[0]);
    let came = cheapest_of_all(&exact(share, margin));
    assert!(came.split > 0 && came.latents > 0, "{least:?} {came:?}");
}

#[test]
fn precision_takes_the_fewest_latents_and_never_more_than_the_text() {
    for least in [0.9, 1.0] {
        let level = Level::Checked { min_precision: Some(least), budget: None };
        cheapest_of_all(&CompressRequest::new(level));
    }
    let level = Level::Checked { min_precision: Some(0.0), budget: None };
    let request = CompressRequest::new(level);
    let settler = settler(&request);
    let short = settler.settle(items("Hi.", &settler)).unwrap().remove(0).remove(0);
    assert_eq!((short.segment.fidelity, short.bank), (Fidelity::Verbatim, None));
    // Without a promise, latents were asked for.
    let request = CompressRequest::new(Level::Checked { min_precision: None, budget: None });
    let settler = self::settler(&request);
    let short = settler.settle(items("Hi.", &settler)).unwrap().remove(0).remove(0);
    assert!(short.bank.is_some());
}

/// All of a text is right, but the decoder goes on after it: one token differs, and exactness needs
/// nothing for it.
#[test]
fn a_text_that_is_gone_on_with() {
    let Models { encoder, decoder } = models();
    let request = exact(1.0, 0.0);
    let settler = settler(&request);
    let item = items("A text.", &settler).remove(0);
    let latents = settler.latents(&[&item]).unwrap().remove(0).remove(0);
    let predicted = item.ids.iter().copied().chain([item.ids[0]]).collect();
    let (margins, first) = (vec![9.0; item.ids.len() + 1], Some(item.ids.len()));
    assert_ne!(item.ids[0], decoder.stop());
    let verified = Verification { predicted, margins, mismatches: 1, first };
    let bank = settler.banks[0];
    let checked = Candidate::checked(bank, latents.clone(), &item, &verified, 9.0, &[]);
    let first = Some(item.ids.len() as u32);
    // The stop token's lead is as small as the others', but it is wrong.
    let near_ties = Some(item.ids.len() as u32);
    assert_eq!(checked.fidelity, Fidelity::Checked { mismatches: 1, first, near_ties });
    let exact = Candidate::exact(bank, latents, &item, &verified, 0.0, &[]);
    let corrections: Vec<Correction> = Vec::new();
    assert_eq!(exact.fidelity, Fidelity::Exact { corrections, patches: Vec::new() });
    assert_eq!(encoder.tokenizer().encode(&item.text).unwrap(), item.ids);
}
