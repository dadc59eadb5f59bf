//! Exactness where weights or products are rounded: one pass of 16 segments and steps of one segment
//! add numbers that differ by more than order.

mod support;

use c3_core::{Compression, DecodeRequest, Decoder, Fidelity, SegmentSource};
use c3_exact::CompressRequest;
use c3_nn::{Activations, BlockType, LoadOptions, WeightDtype};

use support::{EXACT, Models};

fn pool(threads: usize) -> rayon::ThreadPool {
    rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap()
}

/// Many segments together and each alone, one thread and two, both ways.
fn comes_back(dtype: WeightDtype, activations: Activations) {
    let options = LoadOptions { dtype, activations, ..LoadOptions::default() };
    let models = Models::load_with(&support::root().join("models/c3-tiny"), &options);
    let text = support::samples("en-prose", 30) + &support::letters(600);
    for ((threads, batch), decoding) in [((2, 16), [(1, 1), (2, 32)]), ((1, 1), [(2, 16), (1, 5)])]
    {
        let request = CompressRequest {
            compression: Compression::Ratio(16),
            batch: Some(batch),
            ..CompressRequest::new(EXACT)
        };
        let context = pool(threads).install(|| models.compress(text.as_bytes(), &request));
        let exact = |s: &&c3_core::Segment| matches!(s.fidelity, Fidelity::Exact { .. });
        assert!(context.segments().iter().filter(exact).count() > 16);
        for (threads, batch) in decoding {
            let request = DecodeRequest { batch: Some(batch), ..DecodeRequest::default() };
            let decoder = &models.decoder;
            let bytes = pool(threads).install(|| decoder.decode_to_bytes(&context, &request));
            let count = context.segment_count();
            assert!(
                bytes.unwrap() == text.as_bytes(),
                "{dtype}: {count} segments, {threads} threads, {batch} at a time"
            );
        }
    }
}

#[test]
fn bf16_comes_back() {
    comes_back(WeightDtype::Bf16, Activations::Bf16);
}

#[test]
fn bf16_weights_alone_come_back() {
    comes_back(WeightDtype::Bf16, Activations::F32);
}

#[test]
fn eight_bits_come_back() {
    comes_back(WeightDtype::Quantized(BlockType::Q8_0), Activations::F32);
}

#[test]
fn four_bits_come_back() {
    comes_back(WeightDtype::Quantized(BlockType::Q4_0), Activations::F32);
}
