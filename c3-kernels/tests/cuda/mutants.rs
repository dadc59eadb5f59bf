//! Kernels with one bug each: the checks of this file, which the real kernels pass, must notice every
//! one. (`cuda/mutants.py` beside the crate's sources says what they are and compiles them.)

use std::panic::{AssertUnwindSafe, catch_unwind};

use c3_kernels::attention::AttentionShape;
use c3_kernels::cuda::Module;
use candle_core::DType;

use crate::case::Case;
use crate::device::{Manner, Modules};
use crate::layout::Layout;
use crate::{combine, elementwise};

const MUTANTS: &[u8] = include_bytes!("../../cuda/mutants.xz");

const README: &str = include_str!("../../cuda/README.md");

/// Name, module and PTX of each.
fn mutants(text: &str) -> impl Iterator<Item = (&str, Module, &str)> {
    text.split("// mutant: ").skip(1).map(|mutant| {
        let (title, ptx) = mutant.split_once('\n').unwrap();
        let (name, module) = title.split_once(' ').unwrap();
        let is = |candidate: &Module| candidate.name() == format!("c3_{module}");
        (name, Module::ALL.into_iter().find(is).unwrap(), ptx)
    })
}

/// What is wrong with a module's kernels, if anything is found to be.
fn check(modules: &Modules, module: Module) -> Result<(), String> {
    match module {
        Module::AttentionBf16 => attention(modules, DType::BF16),
        Module::AttentionF16 => attention(modules, DType::F16),
        Module::AttentionF32 => attention(modules, DType::F32),
        Module::Combine => unwound(|| combine::check(modules, &[DType::F32], &[64])),
        Module::Elementwise => unwound(|| {
            elementwise::check_rope(modules, &[DType::F32]);
            elementwise::check_swiglu(modules, &[DType::F32]);
            elementwise::check_ends(modules);
            elementwise::check_arg_max(modules, &[DType::F32]);
        }),
    }
}

fn attention(modules: &Modules, dtype: DType) -> Result<(), String> {
    for (turn, case) in cases(dtype).into_iter().enumerate() {
        let found = case.run(modules, Manner::of(turn)).map_err(|error| error.to_string())?;
        case.judge(&found)?;
    }
    combine::far_apart(modules, dtype)
}

fn cases(dtype: DType) -> Vec<Case> {
    // Batch, queries, heads, key-value heads, keys, splits; first keys.
    let sizes: [([usize; 6], &[usize]); 7] = [
        ([2, 5, 6, 2, 100, 1], &[3, 40]),
        ([1, 20, 12, 2, 129, 3], &[]),
        ([1, 3, 4, 4, 70, 1], &[]),
        ([1, 2, 2, 1, 40, 2], &[]),
        ([1, 3, 2, 2, 50, 1], &[50]),
        ([1, 97, 4, 2, 97, 1], &[]),
        ([1, 7, 8, 2, 300, 2], &[]),
    ];
    let case = |(i, (sizes, first_key)): (usize, ([usize; 6], &[usize]))| {
        let [batch, queries, heads, kv_heads, keys, splits] = sizes;
        let shape = AttentionShape { batch, queries, heads, kv_heads, keys, head_dim: 64 };
        let mut case = Case::random(shape, dtype, i != 2, i as u64);
        case.splits = splits;
        case.layout = [Layout::View, Layout::Turned, Layout::Contiguous, Layout::Unaligned][i % 4];
        case.options.first_key = first_key.to_vec();
        case
    };
    sizes.into_iter().enumerate().map(case).collect()
}

/// What the checks of a module's own tests say.
fn unwound(check: impl FnOnce()) -> Result<(), String> {
    let message = |cause: Box<dyn std::any::Any + Send>| match cause.downcast::<String>() {
        Ok(message) => *message,
        Err(_) => "failed".to_string(),
    };
    catch_unwind(AssertUnwindSafe(check)).map_err(message)
}

#[test]
fn every_mutant_is_noticed() {
    let mut text = vec![];
    lzma_rs::xz_decompress(&mut &*MUTANTS, &mut text).unwrap();
    let text = String::from_utf8(text).unwrap();
    let mut modules = Modules::new();
    for module in Module::ALL {
        check(&modules, module).unwrap();
    }
    let (mut count, mut missed) = (0, vec![]);
    for (name, module, ptx) in mutants(&text) {
        assert!(README.contains(&format!("| `{name}` |")), "{name} isn't in the README");
        modules.with(module, ptx);
        match check(&modules, module) {
            Ok(()) => missed.push(name),
            Err(how) => println!("{name}: {how}"),
        }
        modules.with(module, module.ptx());
        count += 1;
    }
    assert!(missed.is_empty(), "not noticed: {missed:?}");
    assert!(count >= 50, "only {count} mutants");
}
