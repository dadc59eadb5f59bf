use half::{bf16, f16};

use crate::support::{cut, floats, map};

/// All pairs of some floats, with a third.
fn triples() -> Vec<[f32; 3]> {
    let values = floats();
    let count = values.len();
    let special = &values[..21];
    let mut found: Vec<_> = (0..count)
        .map(|i| [values[i], values[(i * 7 + 3) % count], values[(i * 13 + 5) % count]])
        .collect();
    for (i, &a) in special.iter().enumerate() {
        found.extend(special.iter().map(|&b| [a, b, values[(i * 5) % count]]));
    }
    found
}

fn same(found: f64, expected: f64) -> bool {
    found.to_bits() == expected.to_bits() || found.is_nan() && expected.is_nan()
}

fn check32(body: &str, expected: impl Fn(f32, f32, f32) -> f32) {
    let triples = triples();
    let inputs: Vec<_> = triples.iter().map(|t| t.map(|x| u64::from(x.to_bits()))).collect();
    for ([a, b, c], found) in triples.iter().zip(map([32; 3], 32, body, &inputs)) {
        let (found, expected) = (f32::from_bits(found as u32), expected(*a, *b, *c));
        assert!(
            same(found.into(), expected.into()),
            "{body} of {a:e}, {b:e}, {c:e}: {found:e}, not {expected:e}"
        );
    }
}

#[test]
fn f32_rounds_to_the_nearest() {
    check32("add.rn.f32 %d, %a, %b;", |a, b, _| a + b);
    check32("sub.f32 %d, %a, %b;", |a, b, _| a - b);
    check32("mul.rn.f32 %d, %a, %b;", |a, b, _| a * b);
    check32("fma.rn.f32 %d, %a, %b, %c;", f32::mul_add);
    check32("div.rn.f32 %d, %a, %b;", |a, b, _| a / b);
    check32("rcp.rn.f32 %d, %a;", |a, _, _| 1.0 / a);
    check32("sqrt.rn.f32 %d, %a;", |a, _, _| a.sqrt());
    check32("neg.f32 %d, %a;", |a, _, _| -a);
    check32("abs.f32 %d, %a;", |a, _, _| a.abs());
    check32("copysign.f32 %d, %a, %b;", |a, b, _| b.copysign(a));
}

#[test]
fn f32_saturates_and_flushes() {
    let flush = |x: f32| if x.is_subnormal() { 0f32.copysign(x) } else { x };
    check32("add.ftz.f32 %d, %a, %b;", |a, b, _| flush(flush(a) + flush(b)));
    check32("mul.ftz.f32 %d, %a, %b;", |a, b, _| flush(flush(a) * flush(b)));
    check32("add.sat.f32 %d, %a, %b;", |a, b, _| {
        if (a + b).is_nan() { 0.0 } else { (a + b).clamp(0.0, 1.0) + 0.0 }
    });
}

#[test]
fn minimum_and_maximum_of_nan_and_zeros() {
    let pick = |a: f32, b: f32, less: bool| match (a.is_nan(), b.is_nan()) {
        (true, _) => b,
        (_, true) => a,
        _ if a == b => {
            if a.is_sign_negative() == less {
                a
            } else {
                b
            }
        }
        _ => {
            if (a < b) == less {
                a
            } else {
                b
            }
        }
    };
    check32("min.f32 %d, %a, %b;", |a, b, _| pick(a, b, true));
    check32("max.f32 %d, %a, %b;", |a, b, _| pick(a, b, false));
    check32("max.NaN.f32 %d, %a, %b;", |a, b, _| {
        if a.is_nan() || b.is_nan() { f32::NAN } else { pick(a, b, false) }
    });
}

/// The neighbour of a finite number.
fn next(x: f32, up: bool) -> f32 {
    if up { x.next_up() } else { x.next_down() }
}

/// The exact value is between `found` and its neighbour towards the other side.
fn directed(op: &str, exact: impl Fn(f64, f64, f64) -> f64) {
    // Exponents close together, so that f64 holds exact results.
    let mut values = floats();
    values.retain(|x| (0.1..10.0).contains(&x.abs()));
    let count = values.len();
    let triples: Vec<_> = (0..count)
        .map(|i| [values[i], values[(i * 7 + 3) % count], values[(i * 5 + 1) % count]])
        .collect();
    assert!(count > 100);
    let inputs: Vec<_> = triples.iter().map(|t| t.map(|x| u64::from(x.to_bits()))).collect();
    for (mode, down, up) in [("rm", true, false), ("rp", false, true), ("rz", false, false)] {
        let args = if op == "fma" { "%a, %b, %c" } else { "%a, %b" };
        let found = map([32; 3], 32, &format!("{op}.{mode}.f32 %d, {args};"), &inputs);
        for ([a, b, c], found) in triples.iter().zip(found) {
            let exact = exact((*a).into(), (*b).into(), (*c).into());
            let found = f32::from_bits(found as u32);
            let (down, up) = if mode == "rz" { (exact > 0.0, exact < 0.0) } else { (down, up) };
            let wide = f64::from(found);
            let right = match (down, up) {
                (true, _) => wide <= exact && f64::from(next(found, true)) > exact,
                (_, true) => wide >= exact && f64::from(next(found, false)) < exact,
                _ => wide == exact,
            };

            assert!(right, "{op}.{mode} of {a:e}, {b:e}, {c:e}: {found:e} for {exact:e}");
        }
    }
}

#[test]
fn f32_rounds_in_every_direction() {
    directed("add", |a, b, _| a + b);
    directed("mul", |a, b, _| a * b);
    directed("fma", |a, b, c| a * b + c);
    let found = map([32; 3], 32, "add.rm.f32 %d, %a, %b;", &[[0x3f80_0000, 0xbf80_0000, 0]]);
    assert_eq!(found, [0x8000_0000], "1 − 1 rounded down is −0");
    // The largest number is as far as rounding towards zero goes.
    let largest = u64::from(f32::MAX.to_bits());
    assert_eq!(map([32; 3], 32, "add.rz.f32 %d, %a, %a;", &[[largest, 0, 0]]), [largest]);
}

#[test]
fn approximations_are_close() {
    let close = |body: &str, f: fn(f64) -> f64, tolerance: f64| {
        let values: Vec<f32> = floats().into_iter().filter(|x| x.abs() < 50.0).collect();
        let inputs: Vec<_> = values.iter().map(|x| [u64::from(x.to_bits()), 0, 0]).collect();
        for (x, found) in values.iter().zip(map([32; 3], 32, body, &inputs)) {
            let (found, expected) = (f64::from(f32::from_bits(found as u32)), f(f64::from(*x)));
            let right = match expected.is_finite() {
                true => (found - expected).abs() <= tolerance * expected.abs() + 1e-45,
                false => same(found, expected) || expected.is_nan() && found.is_nan(),
            };
            assert!(right, "{body} of {x:e}: {found:e}, not {expected:e}");
        }
    };
    close("ex2.approx.f32 %d, %a;", f64::exp2, 1e-7);
    close("lg2.approx.f32 %d, %a;", f64::log2, 1e-7);
    close("sin.approx.f32 %d, %a;", f64::sin, 1e-7);
    close("cos.approx.f32 %d, %a;", f64::cos, 1e-7);
    close("tanh.approx.f32 %d, %a;", f64::tanh, 1e-7);
}

#[test]
fn comparisons_know_nan() {
    let check = |name: &str, f: fn(f32, f32) -> bool| {
        let body =
            format!("setp.{name}.f32 %q0, %a, %b; selp.f32 %d, 0f3F800000, 0f00000000, %q0;");
        check32(&body, |a, b, _| if f(a, b) { 1.0 } else { 0.0 });
    };
    check("eq", |a, b| a == b);
    check("ne", |a, b| a != b && !a.is_nan() && !b.is_nan());
    check("lt", |a, b| a < b);
    check("ge", |a, b| a >= b);
    check("neu", |a, b| a != b);
    check("leu", |a, b| a <= b || a.is_nan() || b.is_nan());
    check("gtu", |a, b| a > b || a.is_nan() || b.is_nan());
    check("num", |a, b| !a.is_nan() && !b.is_nan());
    check("nan", |a, b| a.is_nan() || b.is_nan());
    let class = |name: &str, f: fn(f32) -> bool| {
        let body = format!("testp.{name}.f32 %q0, %a; selp.f32 %d, 0f3F800000, 0f00000000, %q0;");
        check32(&body, |a, _, _| if f(a) { 1.0 } else { 0.0 });
    };
    class("finite", f32::is_finite);
    class("infinite", f32::is_infinite);
    class("notanumber", f32::is_nan);
    class("number", |a| !a.is_nan());
    class("normal", f32::is_normal);
    class("subnormal", f32::is_subnormal);
}

#[test]
fn f64_is_rust_s() {
    let values: Vec<f64> = floats().iter().map(|&x| f64::from(x) * 1.000_000_123).collect();
    let count = values.len();
    let triples: Vec<_> = (0..count)
        .map(|i| [values[i], values[(i * 7 + 1) % count], values[(i * 3) % count]])
        .collect();
    let inputs: Vec<_> = triples.iter().map(|t| t.map(f64::to_bits)).collect();
    let check = |body: &str, f: fn(f64, f64, f64) -> f64| {
        for ([a, b, c], found) in triples.iter().zip(map([64; 3], 64, body, &inputs)) {
            let (found, expected) = (f64::from_bits(found), f(*a, *b, *c));
            assert!(
                same(found, expected),
                "{body} of {a:e}, {b:e}, {c:e}: {found:e}, {expected:e}"
            );
        }
    };
    check("add.rn.f64 %d, %a, %b;", |a, b, _| a + b);
    check("sub.f64 %d, %a, %b;", |a, b, _| a - b);
    check("mul.f64 %d, %a, %b;", |a, b, _| a * b);
    check("fma.rn.f64 %d, %a, %b, %c;", f64::mul_add);
    check("div.rn.f64 %d, %a, %b;", |a, b, _| a / b);
    check("sqrt.rn.f64 %d, %a;", |a, _, _| a.sqrt());
    check("max.f64 %d, %a, %b;", |a, b, _| if a == b { a + b - b.min(a) } else { a.max(b) });
}

#[test]
fn f64_rounds_in_every_direction() {
    // What is added is far below the last bit.
    let (one, tiny) = (1f64.to_bits(), 1e-30f64.to_bits());
    let minus = |x: u64| x | 1 << 63;
    let run = |op: &str, a, b| {
        f64::from_bits(map([64; 3], 64, &format!("{op}.f64 %d, %a, %b;"), &[[a, b, 0]])[0])
    };
    assert_eq!(run("add.rp", one, tiny), 1f64.next_up());
    assert_eq!(run("add.rm", one, tiny), 1.0);
    assert_eq!(run("add.rz", one, minus(tiny)), 1f64.next_down());
    assert_eq!(run("add.rz", minus(one), tiny), -(1f64.next_down()));
    assert_eq!(run("sub.rm", one, tiny), 1f64.next_down());
    assert_eq!(run("sub.rp", one, tiny), 1.0);
    // A third lies above its nearest f64, a tenth below it; neither times its divisor is exact.
    let (three, ten) = (3f64.to_bits(), 10f64.to_bits());
    assert_eq!(run("div.rp", one, three), (1.0 / 3.0f64).next_up());
    assert_eq!(run("div.rm", one, three), 1.0 / 3.0);
    assert_eq!(run("div.rz", one, ten), 0.1f64.next_down());
    assert_eq!(run("mul.rm", 0.1f64.to_bits(), ten), 1.0);
    assert_eq!(run("mul.rp", 0.1f64.to_bits(), ten), 1f64.next_up());
}

/// The number of a 16-bit format nearest to `x`, ties to the even one, found by looking at all.
fn nearest(x: f64, value: impl Fn(u16) -> f64, infinity: u16) -> u16 {
    let sign = if x.is_sign_negative() { 0x8000 } else { 0 };
    let x = x.abs();
    // Magnitudes are ordered as their bits are.
    let (mut low, mut high) = (0, infinity);
    while high - low > 1 {
        let middle = low + (high - low) / 2;
        if value(middle) <= x { low = middle } else { high = middle }
    }
    // Beyond the largest number lies what would be next, for which infinity stands.
    let step = value(low) - value(low - u16::from(low > 0));
    let above = if high == infinity { value(low) + step } else { value(high) };
    let (below, above) = (x - value(low), above - x);
    sign | if below < above || below == above && low % 2 == 0 { low } else { high }
}

#[test]
fn sixteen_bits_round_once() {
    let f16_value = |bits: u16| f16::from_bits(bits).to_f64();
    let bf16_value = |bits: u16| bf16::from_bits(bits).to_f64();
    check16("f16", f16_value, 0x7c00);
    check16("bf16", bf16_value, 0x7f80);
}

fn check16(ty: &str, value: impl Fn(u16) -> f64 + Copy, infinity: u16) {
    use rand::RngCore;
    let mut random = crate::support::rng(3);
    // Magnitudes from 2^-4 to 2^4, so that f64 holds sums of products exactly.
    let one = f64::from(1);
    let ordinary: Vec<u16> =
        (0..=u16::MAX).filter(|&b| (one / 16.0..16.0).contains(&value(b).abs())).collect();
    let triples: Vec<[u16; 3]> = (0..2000)
        .map(|_| std::array::from_fn(|_| ordinary[random.next_u32() as usize % ordinary.len()]))
        .collect();
    let inputs: Vec<_> = triples.iter().map(|t| t.map(u64::from)).collect();
    let packed: Vec<_> =
        triples.iter().map(|t| t.map(|x| u64::from(x) << 16 | u64::from(x ^ 0x8000))).collect();
    let check = |op: &str, args: &str, f: fn(f64, f64, f64) -> f64| {
        let expected: Vec<_> = triples
            .iter()
            .map(|&[a, b, c]| nearest(f(value(a), value(b), value(c)), value, infinity))
            .collect();
        let found = map([16; 3], 16, &format!("{op}.{ty} %d, {args};"), &inputs);
        for ((t, &found), &expected) in triples.iter().zip(&found).zip(&expected) {
            let zeros = found as u16 & 0x7fff == 0 && expected & 0x7fff == 0;
            assert!(
                found as u16 == expected || zeros,
                "{op}.{ty} of {t:x?}: {found:x}, {expected:x}"
            );
        }
        let both = map([32; 3], 32, &format!("{op}.{ty}x2 %d, {args};"), &packed);
        let negated: Vec<_> = triples.iter().map(|t| t.map(|x| u64::from(x ^ 0x8000))).collect();
        let negated = map([16; 3], 16, &format!("{op}.{ty} %d, {args};"), &negated);
        for ((both, high), low) in both.iter().zip(found).zip(negated) {
            assert_eq!(*both, high << 16 | low, "{op}.{ty}x2");
        }
    };
    check("add", "%a, %b", |a, b, _| a + b);
    check("sub", "%a, %b", |a, b, _| a - b);
    check("mul", "%a, %b", |a, b, _| a * b);
    check("fma.rn", "%a, %b, %c", |a, b, c| a * b + c);
    check("min", "%a, %b", |a, b, _| a.min(b));
    check("max", "%a, %b", |a, b, _| a.max(b));
    check("neg", "%a", |a, _, _| -a);
    let found = map([16; 3], 16, &format!("abs.{ty} %d, %a;"), &inputs);
    for ([a, ..], found) in triples.iter().zip(found) {
        assert_eq!(found, cut((*a).into(), 15));
    }
}
