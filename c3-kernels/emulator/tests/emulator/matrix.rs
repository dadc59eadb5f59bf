use c3_emulator::{Arg, Launch, Memory, MmaRounding, Module, Options};
use half::{bf16, f16};
use rand::RngCore;

use crate::support::{fine, kernel, rng};

#[test]
fn matrices_are_loaded_by_rows_or_columns() {
    for transposed in [false, true] {
        let trans = if transposed { ".trans" } else { "" };
        // Element i of shared memory is i; four matrices of 64 elements lie one after another.
        let found = fine(
            &format!(
                ".shared .align 16 .b8 s[512]; .reg .b32 %r<9>; .reg .b64 %o; .reg .b16 %h;
                 mov.u32 %r0, %tid.x; mov.u32 %r1, s;
                 mad.lo.u32 %r2, %r0, 16, %r1; mul.lo.u32 %r3, %r0, 8;
                 {} bar.warp.sync -1;
                 ldmatrix.sync.aligned.m8n8.x4{trans}.shared.b16 {{%r4, %r5, %r6, %r7}}, [%r2];
                 mul.wide.u32 %o, %r0, 16; add.u64 %o, %p0, %o;
                 st.global.v4.u32 [%o], {{%r4, %r5, %r6, %r7}};",
                (0..8)
                    .map(|i| format!(
                        "add.u32 %r4, %r3, {i}; cvt.u16.u32 %h, %r4; st.shared.u16 [%r2+{}], %h;",
                        2 * i
                    ))
                    .collect::<String>()
            ),
            32,
        );
        for (lane, found) in found[..128].chunks(4).enumerate() {
            for (matrix, &found) in found.iter().enumerate() {
                let (row, pair) = (lane / 4, lane % 4 * 2);
                let at = |r: usize, c: usize| (matrix * 64 + r * 8 + c) as u32;
                let expected = match transposed {
                    false => at(row, pair) | at(row, pair + 1) << 16,
                    true => at(pair, row) | at(pair + 1, row) << 16,
                };
                assert_eq!(found, expected);
            }
        }
    }
}

/// Lanes hold a of 16 × k, b of k × 8 and c of 16 × 8 as the PTX manual says.
fn product(ty: &str, k: usize, a: &[u16], b: &[u16], c: &[f32], mma: MmaRounding) -> Vec<f32> {
    let (na, nb) = (k / 4, k / 8);
    let list = |name: &str, n: usize| {
        let names: Vec<_> = (0..n).map(|i| format!("%{name}{i}")).collect();
        format!("{{{}}}", names.join(", "))
    };
    let load = |name: &str, p: usize, n: usize| -> String {
        (0..n).map(|i| format!("ld.global.b32 %{name}{i}, [%p{p}+{}];", 4 * i)).collect()
    };
    let body = format!(
        ".reg .b32 %a<4>, %b<2>, %c<4>, %d<4>, %r; .reg .b64 %o;
         mov.u32 %r, %tid.x;
         mul.wide.u32 %o, %r, {}; add.u64 %p0, %p0, %o; {}
         mul.wide.u32 %o, %r, {}; add.u64 %p1, %p1, %o; {}
         mul.wide.u32 %o, %r, 16; add.u64 %p2, %p2, %o; add.u64 %p3, %p3, %o; {}
         mma.sync.aligned.m16n8k{k}.row.col.f32.{ty}.{ty}.f32 {}, {}, {}, {};
         st.global.v4.f32 [%p3], {};",
        4 * na,
        load("a", 0, na),
        4 * nb,
        load("b", 1, nb),
        load("c", 2, 4),
        list("d", 4),
        list("a", na),
        list("b", nb),
        list("c", 4),
        list("d", 4),
    );
    let (mut la, mut lb, mut lc) = (vec![], vec![], vec![]);
    for lane in 0..32 {
        let (group, pair) = (lane / 4, lane % 4 * 2);
        for i in 0..na {
            let (row, column) = (group + i % 2 * 8, pair + i / 2 * 8);
            la.extend([a[row * k + column], a[row * k + column + 1]]);
        }
        for i in 0..nb {
            let row = pair + i * 8;
            lb.extend([b[row * 8 + group], b[(row + 1) * 8 + group]]);
        }
        lc.extend((0..4).map(|i| c[(group + i / 2 * 8) * 8 + pair + i % 2]));
    }
    let module = Module::parse(&kernel(4, &body)).unwrap();
    let mut memory = Memory::new();
    let out = memory.alloc_uninit(512);
    let args = [
        Arg::ptr(memory.alloc_read_only(&la)),
        Arg::ptr(memory.alloc_read_only(&lb)),
        Arg::ptr(memory.alloc_read_only(&lc)),
        Arg::ptr(out),
    ];
    let launch = Launch { grid: [1; 3], block: [32, 1, 1], shared: 0, args: &args };
    let options = Options { mma, ..Options::default() };
    let stats = module.kernel("t").unwrap().launch(&memory, &launch, &options).unwrap();
    assert_eq!(stats.mma, 1);
    let lanes: Vec<f32> = memory.read(out).unwrap();
    let mut d = vec![0.0; 128];
    for (lane, values) in lanes.chunks(4).enumerate() {
        for (i, &value) in values.iter().enumerate() {
            d[(lane / 4 + i / 2 * 8) * 8 + lane % 4 * 2 + i % 2] = value;
        }
    }
    d
}

#[test]
fn products_of_matrices() {
    let mut random = rng(5);
    let mut uniform = || random.next_u32() as f32 / 2f32.powi(31) - 1.0;
    for (ty, k) in [("bf16", 16), ("f16", 16), ("bf16", 8), ("f16", 8)] {
        let narrow = |x: f32| match ty {
            "f16" => f16::from_f32(x).to_bits(),
            _ => bf16::from_f32(x).to_bits(),
        };
        let widen = |x: u16| match ty {
            "f16" => f16::from_bits(x).to_f64(),
            _ => bf16::from_bits(x).to_f64(),
        };
        let a: Vec<u16> = (0..16 * k).map(|_| narrow(uniform())).collect();
        let b: Vec<u16> = (0..k * 8).map(|_| narrow(uniform())).collect();
        let c: Vec<f32> = (0..128).map(|_| uniform()).collect();
        // Sums of 17 terms below 1: exact to half a unit of the last place, sequential to one for each
        // addition, truncated to one for each term, all of numbers below 16.
        let unit = f64::from(f32::EPSILON);
        for (mma, tolerance) in [
            (MmaRounding::Exact, unit * 4.0),
            (MmaRounding::Sequential, unit * 4.0 * 17.0),
            (MmaRounding::Truncated, unit * 8.0 * 18.0),
        ] {
            let d = product(ty, k, &a, &b, &c, mma);
            let mut largest = 0f64;
            for (i, &d) in d.iter().enumerate() {
                let (row, column) = (i / 8, i % 8);
                let terms = (0..k).map(|j| widen(a[row * k + j]) * widen(b[j * 8 + column]));
                let expected = f64::from(c[i]) + terms.sum::<f64>();
                if mma == MmaRounding::Exact {
                    assert_eq!(d, expected as f32);
                }
                largest = largest.max((f64::from(d) - expected).abs());
            }
            assert!(largest <= tolerance, "{ty} {k} {mma:?}: {largest:e}");
        }
    }
}

#[test]
fn truncation_loses_what_sticks_out() {
    let one = bf16::ONE.to_bits();
    let small = bf16::from_f32(2f32.powi(-12)).to_bits();
    let mut a = vec![0; 256];
    let mut b = vec![0; 128];
    // 1 + 2^-24 + 2^-24: exactly 1 + 2^-23, but each small term alone is below the last bit of 1.
    (a[0], a[1], a[2]) = (one, small, small);
    (b[0], b[8], b[16]) = (one, small, small);
    let c = vec![0.0; 128];
    let exact = product("bf16", 16, &a, &b, &c, MmaRounding::Exact);
    let cut = product("bf16", 16, &a, &b, &c, MmaRounding::Truncated);
    assert_eq!((exact[0], cut[0]), (1.0 + f32::EPSILON, 1.0));
}
