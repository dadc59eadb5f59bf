//! Small kernels around the instructions to test.

use c3_emulator::{Arg, FaultKind, Launch, Memory, Module, Options};
use rand::{RngCore, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Threads of a block in [`map`].
const BLOCK: usize = 64;

/// A module around the body of a kernel `t` with so many pointers as parameters, loaded into `%p0`, …
pub fn kernel(pointers: usize, body: &str) -> String {
    let params: Vec<_> = (0..pointers).map(|i| format!(".param .u64 t_{i}")).collect();
    let loads: Vec<_> = (0..pointers)
        .map(|i| format!("ld.param.u64 %p{i}, [t_{i}]; cvta.to.global.u64 %p{i}, %p{i};"))
        .collect();
    format!(
        ".version 8.0\n.target sm_80\n.address_size 64\n.visible .entry t({}) {{\n\
         .reg .b64 %p<9>;\n{}\n{body}\nret;\n}}\n",
        params.join(", "),
        loads.join("\n"),
    )
}

/// Runs `body`, which makes `%d` of `%a`, `%b` and `%c`, for each of the inputs. `bits` are the sizes
/// of a, b and c, `out` that of d.
pub fn map(bits: [u32; 3], out: u32, body: &str, inputs: &[[u64; 3]]) -> Vec<u64> {
    let [a, b, c] = bits;
    let text = kernel(
        4,
        &format!(
            ".reg .b{a} %a; .reg .b{b} %b; .reg .b{c} %c; .reg .b{out} %d; .reg .b32 %i<4>;
             .reg .b64 %o<2>; .reg .pred %q<4>;
             mov.u32 %i0, %ctaid.x; mov.u32 %i1, %ntid.x; mov.u32 %i2, %tid.x;
             mad.lo.u32 %i3, %i0, %i1, %i2; mul.wide.u32 %o0, %i3, 8;
             add.s64 %o1, %p0, %o0; ld.global.b{a} %a, [%o1];
             add.s64 %o1, %p1, %o0; ld.global.b{b} %b, [%o1];
             add.s64 %o1, %p2, %o0; ld.global.b{c} %c, [%o1];
             {body}
             add.s64 %o1, %p3, %o0; st.global.b{out} [%o1], %d;"
        ),
    );
    let module = Module::parse(&text).unwrap();
    let mut memory = Memory::new();
    let padded = inputs.len().next_multiple_of(BLOCK);
    let mut pointers: Vec<_> = (0..3)
        .map(|i| {
            let values: Vec<u64> = inputs.iter().cycle().take(padded).map(|x| x[i]).collect();
            memory.alloc_read_only(&values)
        })
        .collect();
    pointers.push(memory.alloc(&vec![0u64; padded]));
    let args: Vec<_> = pointers.iter().map(|&p| Arg::ptr(p)).collect();
    let grid = [(padded / BLOCK) as u32, 1, 1];
    let launch = Launch { grid, block: [BLOCK as u32, 1, 1], shared: 0, args: &args };
    let kernel = module.kernel("t").unwrap_or_else(|error| panic!("{error}"));
    let ran = kernel.launch(&memory, &launch, &Options::default());
    ran.unwrap_or_else(|error| panic!("{error}"));
    let mut result: Vec<u64> = memory.read(pointers[3]).unwrap();
    result.truncate(inputs.len());
    result
}

/// Checks an instruction of integers of `bits` bits against Rust at random and extreme inputs.
pub fn check(bits: u32, body: &str, expected: impl Fn(u64, u64, u64) -> u64) {
    check_wide([bits; 3], bits, body, expected);
}

/// The same, with sizes of operands and result of their own.
pub fn check_wide(bits: [u32; 3], out: u32, body: &str, expected: impl Fn(u64, u64, u64) -> u64) {
    let inputs = inputs(bits);
    let found = map(bits, out, body, &inputs);
    for ([a, b, c], found) in inputs.into_iter().zip(found) {
        let expected = cut(expected(a, b, c), out);
        assert_eq!(
            found, expected,
            "{body} of {a:#x}, {b:#x}, {c:#x}: {found:#x}, not {expected:#x}"
        );
    }
}

/// The lowest bits.
pub fn cut(x: u64, bits: u32) -> u64 {
    if bits < 64 { x & ((1 << bits) - 1) } else { x }
}

/// Extreme values in all pairs, and random ones of all magnitudes.
fn inputs(bits: [u32; 3]) -> Vec<[u64; 3]> {
    let mut random = rng(7);
    let extremes = |n: u32| {
        [0, 1, 2, 31, 32, 33, 1 << (n - 1), (1 << (n - 1)) - 1, u64::MAX, 0x5a5a_a5a5_5a5a_a5a5]
    };
    let mut found = Vec::new();
    for a in extremes(bits[0]) {
        for b in extremes(bits[1]) {
            let c = extremes(bits[2])[random.next_u32() as usize % 10];
            found.push([cut(a, bits[0]), cut(b, bits[1]), cut(c, bits[2])]);
        }
    }
    for _ in 0..400 {
        let mut one = |n: u32| cut(random.next_u64() >> (random.next_u32() % 64), n);
        found.push([one(bits[0]), one(bits[1]), one(bits[2])]);
    }
    found
}

/// Random numbers of a seed.
pub fn rng(seed: u64) -> ChaCha8Rng {
    ChaCha8Rng::seed_from_u64(seed)
}

/// f32 bits: special values, subnormal ones, ties, and random ones of all magnitudes.
pub fn floats() -> Vec<f32> {
    let mut random = rng(11);
    let mut found = vec![
        0.0,
        -0.0,
        1.0,
        -1.0,
        0.5,
        1.5,
        2.5,
        -2.5,
        3.0,
        f32::MIN_POSITIVE,
        1e-40,
        -1e-45,
        f32::MAX,
        f32::MIN,
        f32::INFINITY,
        f32::NEG_INFINITY,
        f32::NAN,
        f32::EPSILON,
        65504.0,
        65520.0,
        1e-7,
    ];
    found.extend((0..200).map(|_| f32::from_bits(random.next_u32())));
    found.extend((0..200).map(|_| (random.next_u32() as f32 / 2f32.powi(31) - 1.0) * 8.0));
    found
}

/// Launches a kernel of [`kernel`] with one block and a single buffer of `words` zeros.
pub fn one_block(
    body: &str,
    threads: u32,
    words: usize,
    options: &Options,
) -> c3_emulator::Result<Vec<u32>> {
    let module = Module::parse(&kernel(1, body))?;
    let mut memory = Memory::new();
    let out = memory.alloc(&vec![0u32; words]);
    let args = [Arg::ptr(out)];
    let launch = Launch { grid: [1; 3], block: [threads, 1, 1], shared: 0, args: &args };
    module.kernel("t")?.launch(&memory, &launch, options)?;
    memory.read(out)
}

/// What a kernel with one block and a buffer of 1,024 words does wrong.
pub fn fault(body: &str, threads: u32) -> FaultKind {
    match one_block(body, threads, 1024, &Options { budget: 1 << 20, ..Options::default() }) {
        Err(c3_emulator::Error::Fault(fault)) => fault.kind,
        Err(error) => panic!("{error}"),
        Ok(_) => panic!("nothing wrong was found"),
    }
}

/// Checks that a kernel does nothing wrong, in whatever order its warps run.
pub fn fine(body: &str, threads: u32) -> Vec<u32> {
    let run = |warp_order| {
        let options = Options { warp_order, ..Options::default() };
        one_block(body, threads, 1024, &options).unwrap_or_else(|error| panic!("{error}"))
    };
    let first = run(0);
    for seed in 1..4 {
        assert_eq!(run(seed), first);
    }
    first
}
