//! What is launched for which shape, and what it reads and writes.

use c3_kernels::attention::AttentionShape;
use c3_kernels::cuda::{self, AttentionPlan, AttentionViews, Buffer};
use c3_kernels::{Activations, Attention};
use candle_core::DType;

use crate::case::Case;
use crate::device::{Manner, Modules};

const OPTIONS: Attention =
    Attention { scale: 1.0, causal: true, first_key: vec![], activations: Activations::F32 };

fn views(dtype: DType) -> AttentionViews {
    AttentionViews { dtype, q: [0; 3], k: [0; 3], v: [0; 3], aligned: true }
}

fn splits(queries: usize, heads: [usize; 2], keys: usize, multiprocessors: usize) -> usize {
    let [heads, kv_heads] = heads;
    let shape = AttentionShape { batch: 1, queries, heads, kv_heads, keys, head_dim: 128 };
    let plan =
        AttentionPlan::new(&shape, &OPTIONS, &views(DType::BF16), multiprocessors, false).unwrap();
    assert_eq!(plan.launches.len(), if plan.splits > 1 { 2 } else { 1 });
    plan.splits
}

#[test]
fn splits_fill_the_device_and_are_not_too_short() {
    // Three tiles of rows of two key-value heads: six blocks for each part.
    assert_eq!(splits(32, [12, 2], 32_768, 108), 36);
    assert_eq!(splits(32, [12, 2], 1 << 20, 108), 36);
    // A step of decoding: parts of 64 keys.
    assert_eq!(splits(1, [16, 2], 1344, 108), 21);
    assert_eq!(splits(1, [16, 2], 100, 108), 1);
    // Prefill has rows enough.
    assert_eq!(splits(1312, [12, 2], 1312, 108), 1);
}

#[test]
fn keys_and_values_are_read_once() {
    let modules = Modules::new();
    for dtype in [DType::F32, DType::F16, DType::BF16] {
        for splits in [1, 3] {
            let shape = AttentionShape {
                batch: 1,
                queries: 5,
                heads: 6,
                kv_heads: 1,
                keys: 700,
                head_dim: 64,
            };
            let mut case = Case::random(shape, dtype, true, 1);
            case.splits = splits;
            let found = case.run(&modules, Manner::of(0)).unwrap();
            let (rows, element) = (30, dtype.size_in_bytes());
            let input = (rows + 2 * 700) * 64 * element;
            let parts = if splits > 1 { splits * rows * 65 * 4 } else { 0 };
            let output = rows * (64 * element + 4);
            let attention = &found.stats[0].global;
            assert_eq!(attention.distinct_read, input as u64, "{case}");
            // Every split reads q; its rows fit one tile, so keys are asked for once.
            let again = (splits - 1) * rows * 64 * element;
            assert_eq!(attention.read, (input + again) as u64, "{case}");
            let written = if splits > 1 { parts } else { output };
            assert_eq!(attention.written, written as u64, "{case}");
            if let Some(combine) = found.stats.get(1) {
                assert_eq!(combine.global.distinct_read, parts as u64, "{case}");
                assert_eq!(combine.global.written, output as u64, "{case}");
            }
        }
    }
}

#[test]
fn what_there_is_no_kernel_for_is_refused() {
    let shape =
        AttentionShape { batch: 1, queries: 1, heads: 2, kv_heads: 1, keys: 9, head_dim: 80 };
    let refusal = |shape: &AttentionShape, dtype: DType| {
        AttentionPlan::new(shape, &OPTIONS, &views(dtype), 108, false).unwrap_err().to_string()
    };
    let narrow = refusal(&shape, DType::BF16);
    assert!(narrow.contains("one of [64, 128] values, found 80"), "{narrow}");
    let shape = AttentionShape { head_dim: 64, ..shape };
    assert!(refusal(&shape, DType::F64).contains("q must be F32, F16 or BF16, found F64"));
    let many = AttentionShape { batch: 65_536, ..shape };
    let many = refusal(&many, DType::F32);
    assert!(many.contains("batch × key-value heads: 65536 is more than"), "{many}");
    let long = AttentionShape { keys: (1 << 30) + 1, ..shape };
    assert!(refusal(&long, DType::F32).contains("keys: 1073741825 is more than"));
    assert!(cuda::arg_max(DType::F32, 65_536, 4, true).is_err());
    assert!(cuda::swiglu(DType::U32, 1, 4, true).is_err());
    assert!(cuda::rope(DType::F16, [1, 1, 1 << 30, 4], [4; 3], true).is_err());
    assert!(cuda::combine(DType::F16, 16, 1, 1, true).is_err());
}

#[test]
fn every_argument_of_a_plan_is_a_buffer_of_its_operation() {
    use cuda::Argument::Pointer;
    let shape =
        AttentionShape { batch: 2, queries: 1, heads: 2, kv_heads: 1, keys: 900, head_dim: 64 };
    let options = Attention { first_key: vec![0, 3], ..OPTIONS };
    for log_sum_exp in [true, false] {
        let plan = AttentionPlan::with_splits(&shape, &options, &views(DType::F16), 3, log_sum_exp);
        let launches = plan.unwrap().launches;
        let has = |buffer| launches.iter().any(|l| l.arguments.contains(&Pointer(buffer)));
        assert!(has(Buffer::FirstKey) && has(Buffer::PartValues) && has(Buffer::PartLogSumExp));
        assert_eq!(has(Buffer::LogSumExp), log_sum_exp);
    }
}
