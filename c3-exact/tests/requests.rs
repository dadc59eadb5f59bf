//! What is asked of a compression: what adds up, what is refused, what breaks off.

mod support;

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use c3_core::{Compression, Fidelity, Segment};
use c3_encoder::Bank;
use c3_exact::{CompressRequest, Compressor, Error, Event, Level};

use support::{EXACT, Models, checked, models};

/// Banks, parts and texts that are counted are those of the segments.
#[test]
fn what_was_chosen_adds_up() {
    let models = models();
    let text = support::prose() + &support::letters(1500) + "Hi.";
    let config = models.encoder.config();
    let banks: Vec<Bank> = config
        .query_banks
        .keys()
        .map(|&ratio| Bank::choose(config, Compression::Ratio(ratio)).unwrap())
        .collect();
    let margin = Some(0.5);
    for request in [
        CompressRequest { margin, ..CompressRequest::new(EXACT) },
        CompressRequest {
            margin,
            ..CompressRequest::new(Level::Exact { max_corrections: Some(0.02) })
        },
        CompressRequest::new(Level::Checked { min_precision: Some(0.99), budget: None }),
        CompressRequest::new(Level::Checked { min_precision: None, budget: Some(400) }),
        CompressRequest::new(checked()),
    ] {
        let mut segments: Vec<Segment> = Vec::new();
        let (source, chosen) = models
            .compressor()
            .compress(&mut text.as_bytes(), &request, &mut |event| {
                if let Event::Segment(segment) = event {
                    segments.push(segment);
                }
                ControlFlow::Continue(())
            })
            .unwrap();
        assert_eq!(source.finish().bytes, text.len() as u64);
        let verbatim = |s: &&Segment| s.fidelity == Fidelity::Verbatim;
        assert_eq!(chosen.verbatim, segments.iter().filter(verbatim).count() as u64);
        let all: u64 = chosen.banks.values().sum::<u64>() + chosen.verbatim;
        assert_eq!(all, segments.len() as u64, "{chosen:?}");
        assert!(chosen.split <= all);
        // Each bank's segments have as many latents as it makes; short ones of several banks as many.
        let mut rows: BTreeMap<usize, u64> = BTreeMap::new();
        for segment in segments.iter().filter(|s| !verbatim(s)) {
            let made =
                |bank: &&Bank| bank.latents(segment.text_tokens as usize) == segment.latents.rows();
            let bank = banks.iter().find(made).expect("no bank makes so many");
            *rows.entry(bank.queries).or_default() += 1;
        }
        if segments.iter().all(|s| s.text_tokens > 64) {
            assert_eq!(rows, chosen.banks);
        }
        // Whole segments are as full as they get.
        if !request.is_adaptive() {
            assert_eq!((chosen.split, chosen.banks.len()), (0, 1));
        }
    }
}

#[test]
fn what_would_go_without_effect_is_refused() {
    let request = CompressRequest::new;
    let checked_at = |min_precision| Level::Checked { min_precision, budget: None };
    for (name, request) in [
        ("min-precision", request(checked_at(Some(1.5)))),
        ("min-precision", request(checked_at(Some(f64::NAN)))),
        ("max-corrections", request(Level::Exact { max_corrections: Some(-0.1) })),
        ("margin", CompressRequest { margin: Some(-1.0), ..request(EXACT) }),
        ("margin", CompressRequest { margin: Some(f32::NAN), ..request(EXACT) }),
        ("margin", CompressRequest { margin: Some(0.5), ..request(checked()) }),
        ("batch", CompressRequest { batch: Some(0), ..request(EXACT) }),
        ("budget", request(Level::Checked { min_precision: Some(0.9), budget: Some(100) })),
        ("lossy", CompressRequest { lossy: true, ..request(EXACT) }),
    ] {
        let error = models().compressor().compress_bytes(b"A text.", &request).unwrap_err();
        let Error::Setting { name: found, .. } = error else { panic!("{error}") };
        assert_eq!(found, name);
    }
}

#[test]
fn stages_of_different_models_are_refused() {
    let other = Models::load(&support::root().join("fixtures/c3-ref-f32"));
    let refused = Compressor::new(&models().encoder, &other.decoder);
    assert!(matches!(refused.err(), Some(Error::DifferentModels)));
}

#[test]
fn a_sink_can_break_off() {
    let text = support::prose();
    let tight = Level::Checked { min_precision: None, budget: Some(10_000) };
    for (level, after) in [(EXACT, 0), (checked(), 2), (tight, 1)] {
        let request = CompressRequest { batch: Some(1), ..CompressRequest::new(level) };
        let mut told = 0;
        let result = models().compressor().compress(&mut text.as_bytes(), &request, &mut |_| {
            told += 1;
            if told > after { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        assert!(matches!(result, Err(Error::Cancelled)));
        assert_eq!(told, after + 1);
    }
}
