//! Attention in all types, over odd sizes, masks, splits and layouts.

use c3_kernels::attention::AttentionShape;
use candle_core::DType;

use crate::case::Case;
use crate::device::{Manner, Modules};
use crate::layout::Layout;

const DTYPES: [DType; 3] = [DType::F32, DType::F16, DType::BF16];
const HEADS: [(usize, usize); 5] = [(12, 2), (16, 2), (4, 4), (6, 2), (5, 1)];
const KEYS: [usize; 12] = [1, 15, 16, 17, 31, 32, 33, 63, 65, 127, 129, 300];

/// Everything that can differ takes turns, so that each value of each meets each of most others in
/// time.
fn cases() -> impl Iterator<Item = (Case, Manner)> {
    let sizes = [1, 2, 7, 20, 33].into_iter().flat_map(|q| KEYS.map(|keys| (q, keys)));
    sizes.flat_map(|size| DTYPES.map(|dtype| (size, dtype))).enumerate().map(
        |(i, ((queries, keys), dtype))| {
            let (heads, kv_heads) = HEADS[i % 5];
            let head_dim = [64, 128][i / 3 % 2];
            let batch = [1, 1, 2, 3][i / 5 % 4];
            let shape = AttentionShape { batch, queries, heads, kv_heads, keys, head_dim };
            let mut case = Case::random(shape, dtype, i % 4 != 0, i as u64);
            case.layout = Layout::ALL[i / 2 % 4];
            case.splits = [1, 2, 3, 5, 9][i / 7 % 5];
            if i / 3 % 3 == 1 {
                case.options.first_key =
                    (0..batch).map(|b| (keys * (b + 1) / 3 + i % 2).min(keys)).collect();
            }
            (case, Manner::of(i))
        },
    )
}

#[test]
fn odd_sizes() {
    let modules = Modules::new();
    let mut worst = [0f64; 3];
    for (case, manner) in cases() {
        let error = case.check(&modules, manner);
        let at = DTYPES.iter().position(|&dtype| dtype == case.dtype).unwrap();
        worst[at] = worst[at].max(error);
    }
    println!("largest relative RMS errors: {DTYPES:?} {worst:?}");
}

#[test]
fn many_queries() {
    // Several tiles of rows, and keys beyond the diagonal of most; as prefill has them.
    let modules = Modules::new();
    for (i, (queries, keys, heads, kv_heads, head_dim)) in
        [(200, 200, 2, 1, 64), (130, 161, 4, 2, 64), (97, 97, 3, 3, 128), (70, 40, 2, 2, 64)]
            .into_iter()
            .enumerate()
    {
        for dtype in DTYPES {
            for splits in [1, 3] {
                let shape = AttentionShape { batch: 1, queries, heads, kv_heads, keys, head_dim };
                let mut case = Case::random(shape, dtype, true, i as u64);
                case.splits = splits;
                case.check(&modules, Manner::of(i));
            }
        }
    }
}

#[test]
fn roundings_and_orders() {
    // The same case under every rounding of the tensor cores and many orders of warps.
    let modules = Modules::new();
    let shape =
        AttentionShape { batch: 1, queries: 19, heads: 6, kv_heads: 1, keys: 150, head_dim: 128 };
    for dtype in DTYPES {
        let mut case = Case::random(shape, dtype, true, 1);
        case.splits = 2;
        for turn in 0..12 {
            case.check(&modules, Manner::of(turn));
        }
    }
}

#[test]
fn long_keys() {
    let modules = Modules::new();
    for (i, dtype) in DTYPES.into_iter().enumerate() {
        let shape = AttentionShape {
            batch: 1,
            queries: 4,
            heads: 4,
            kv_heads: 1,
            keys: 5003,
            head_dim: 64,
        };
        let mut case = Case::random(shape, dtype, true, i as u64);
        case.splits = 8;
        case.check(&modules, Manner::of(i));
    }
}

#[test]
fn every_query_before_the_first_key() {
    let modules = Modules::new();
    for dtype in DTYPES {
        for splits in [1, 4] {
            let shape = AttentionShape {
                batch: 2,
                queries: 3,
                heads: 2,
                kv_heads: 1,
                keys: 50,
                head_dim: 64,
            };
            let mut case = Case::random(shape, dtype, true, 3);
            case.splits = splits;
            case.options.first_key = vec![50, 49];
            let found = case.run(&modules, Manner::of(0)).unwrap();
            case.judge(&found).unwrap();
            assert!(found.values[..3 * 2 * 64].iter().all(|&x| x == 0.0));
            assert!(found.log_sum_exp[..6].iter().all(|&x| x == f32::NEG_INFINITY));
        }
    }
}

#[test]
fn no_key_at_all() {
    let modules = Modules::new();
    for dtype in DTYPES {
        let shape =
            AttentionShape { batch: 1, queries: 3, heads: 2, kv_heads: 1, keys: 0, head_dim: 64 };
        let case = Case::random(shape, dtype, false, 3);
        case.check(&modules, Manner::of(0));
    }
}

#[test]
fn a_nan_is_not_hidden() {
    let modules = Modules::new();
    for dtype in DTYPES {
        for splits in [1, 2] {
            let shape = AttentionShape {
                batch: 1,
                queries: 3,
                heads: 2,
                kv_heads: 1,
                keys: 70,
                head_dim: 64,
            };
            let mut case = Case::random(shape, dtype, false, 3);
            case.splits = splits;
            case.spoil_key(69);
            let found = case.run(&modules, Manner::of(0)).unwrap();
            assert!(found.values.iter().all(|x| x.is_nan()), "{case}");
        }
    }
}

#[test]
fn huge_scores_and_any_scale() {
    // Exponents would overflow if the maximum weren't taken away; with a scale below 0 the largest
    // score is the smallest product. A product of some hundreds is exact to some 1e-5 in f32.
    let modules = Modules::new();
    for dtype in DTYPES {
        let shape =
            AttentionShape { batch: 1, queries: 9, heads: 2, kv_heads: 1, keys: 70, head_dim: 64 };
        for scale in [3.0, -0.1, 0.0] {
            let mut case = Case::random(shape, dtype, true, 5);
            case.options.scale = scale;
            case.splits = 2;
            let found = case.run(&modules, Manner::of(0)).unwrap();
            let error = crate::device::relative_rms(&found.values, &case.reference().values);
            let tolerance = crate::case::tolerance(dtype).max(if scale > 1.0 { 1e-4 } else { 0.0 });
            assert!(error <= tolerance, "{case}: {error:e}");
        }
    }
}
