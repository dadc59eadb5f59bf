use half::{bf16, f16};

use crate::support::{check_wide, cut, floats, map};

fn s32(x: u64) -> i32 {
    x as u32 as i32
}

#[test]
fn integers_to_integers() {
    check_wide([32; 3], 64, "cvt.s64.s32 %d, %a;", |a, _, _| s32(a) as i64 as u64);
    check_wide([32; 3], 64, "cvt.u64.u32 %d, %a;", |a, _, _| a);
    check_wide([64; 3], 32, "cvt.u32.u64 %d, %a;", |a, _, _| a);
    check_wide([32; 3], 32, "cvt.s32.s8 %d, %a;", |a, _, _| a as i8 as i32 as u64);
    check_wide([32; 3], 32, "cvt.u32.u8 %d, %a;", |a, _, _| u64::from(a as u8));
    check_wide([16; 3], 32, "cvt.s32.s16 %d, %a;", |a, _, _| a as i16 as i32 as u64);
    check_wide([32; 3], 16, "cvt.u16.u32 %d, %a;", |a, _, _| a);
    check_wide([32; 3], 32, "cvt.sat.s8.s32 %d, %a;", |a, _, _| s32(a).clamp(-128, 127) as u64);
    check_wide([32; 3], 32, "cvt.sat.u8.s32 %d, %a;", |a, _, _| s32(a).clamp(0, 255) as u64);
    check_wide([64; 3], 32, "cvt.sat.s32.s64 %d, %a;", |a, _, _| {
        (a as i64).clamp(i32::MIN.into(), i32::MAX.into()) as u64
    });
}

#[test]
fn integers_to_floats() {
    let f32_bits = |x: f32| u64::from(x.to_bits());
    check_wide([32; 3], 32, "cvt.rn.f32.s32 %d, %a;", |a, _, _| f32_bits(s32(a) as f32));
    check_wide([32; 3], 32, "cvt.rn.f32.u32 %d, %a;", |a, _, _| f32_bits(a as f32));
    check_wide([64; 3], 32, "cvt.rn.f32.s64 %d, %a;", |a, _, _| f32_bits(a as i64 as f32));
    check_wide([64; 3], 32, "cvt.rn.f32.u64 %d, %a;", |a, _, _| f32_bits(a as f32));
    check_wide([64; 3], 64, "cvt.rn.f64.u64 %d, %a;", |a, _, _| (a as f64).to_bits());
    check_wide([32; 3], 32, "cvt.rz.f32.u32 %d, %a;", |a, _, _| {
        let nearest = a as f32;
        f32_bits(if f64::from(nearest) > a as f64 { nearest.next_down() } else { nearest })
    });
    check_wide([32; 3], 32, "cvt.rp.f32.s32 %d, %a;", |a, _, _| {
        let nearest = s32(a) as f32;
        let below = f64::from(nearest) < f64::from(s32(a));
        f32_bits(if below { nearest.next_up() } else { nearest })
    });
}

/// Runs a conversion of f32 and compares bits, all NaN being the same.
fn check_f32(out: u32, body: &str, expected: impl Fn(f32) -> u64) {
    let values = floats();
    let inputs: Vec<_> = values.iter().map(|x| [u64::from(x.to_bits()), 0, 0]).collect();
    for (x, found) in values.iter().zip(map([32; 3], out, body, &inputs)) {
        let expected = cut(expected(*x), out);
        assert_eq!(found, expected, "{body} of {x:e}: {found:#x}, not {expected:#x}");
    }
}

#[test]
fn floats_to_integers_clamp() {
    check_f32(32, "cvt.rzi.s32.f32 %d, %a;", |x| x as i32 as u64);
    check_f32(32, "cvt.rni.s32.f32 %d, %a;", |x| x.round_ties_even() as i32 as u64);
    check_f32(32, "cvt.rmi.s32.f32 %d, %a;", |x| x.floor() as i32 as u64);
    check_f32(32, "cvt.rpi.s32.f32 %d, %a;", |x| x.ceil() as i32 as u64);
    check_f32(32, "cvt.rzi.u32.f32 %d, %a;", |x| u64::from(x as u32));
    check_f32(32, "cvt.rzi.u8.f32 %d, %a;", |x| u64::from(x as u8));
    let nan = |x: f32, value: u64| if x.is_nan() { 1 << 63 } else { value };
    check_f32(64, "cvt.rzi.s64.f32 %d, %a;", |x| nan(x, x as i64 as u64));
    check_f32(64, "cvt.rzi.u64.f32 %d, %a;", |x| nan(x, x as u64));
}

#[test]
fn floats_to_whole_floats() {
    let bits = |x: f32| u64::from(if x.is_nan() { 0x7fff_ffff } else { x.to_bits() });
    check_f32(32, "cvt.rni.f32.f32 %d, %a;", |x| bits(x.round_ties_even()));
    check_f32(32, "cvt.rmi.f32.f32 %d, %a;", |x| bits(x.floor()));
    check_f32(32, "cvt.rpi.f32.f32 %d, %a;", |x| bits(x.ceil()));
    check_f32(32, "cvt.rzi.f32.f32 %d, %a;", |x| bits(x.trunc()));
    check_f32(32, "cvt.sat.f32.f32 %d, %a;", |x| {
        bits(if x.is_nan() { 0.0 } else { x.clamp(0.0, 1.0) + 0.0 })
    });
}

fn f16_bits(x: f32) -> u64 {
    u64::from(if x.is_nan() { 0x7fff } else { f16::from_f32(x).to_bits() })
}

fn bf16_bits(x: f32) -> u64 {
    u64::from(if x.is_nan() { 0x7fff } else { bf16::from_f32(x).to_bits() })
}

#[test]
fn floats_to_sixteen_bits() {
    check_f32(16, "cvt.rn.f16.f32 %d, %a;", f16_bits);
    check_f32(16, "cvt.rn.bf16.f32 %d, %a;", bf16_bits);
    check_f32(16, "cvt.rz.bf16.f32 %d, %a;", |x| {
        if x.is_nan() { 0x7fff } else { u64::from(x.to_bits() >> 16) }
    });
    check_f32(16, "cvt.rz.f16.f32 %d, %a;", |x| {
        let nearest = f16::from_f32(x);
        let too_large = nearest.to_f32().abs() > x.abs();
        if x.is_nan() { 0x7fff } else { u64::from(nearest.to_bits() - u16::from(too_large)) }
    });
    check_f32(32, "cvt.rn.bf16x2.f32 %d, %a, 0f3FC00000;", |x| {
        bf16_bits(x) << 16 | u64::from(bf16::from_f32(1.5).to_bits())
    });
    check_f32(32, "cvt.rn.f16x2.f32 %d, 0f3FC00000, %a;", |x| {
        f16_bits(x) | u64::from(f16::from_f32(1.5).to_bits()) << 16
    });
    check_f32(32, "cvt.rn.relu.f16x2.f32 %d, %a, %a;", |x| {
        let bits = if x < 0.0 { 0 } else { f16_bits(x) };
        bits << 16 | bits
    });
    check_f32(32, "cvt.rna.tf32.f32 %d, %a;", |x| match x.is_nan() {
        true => 0x7fff_ffff,
        false => u64::from(x.to_bits() & !0x1fff) + u64::from(x.to_bits() & 0x1000) * 2,
    });
}

#[test]
fn sixteen_bits_to_floats_and_back() {
    let all: Vec<_> = (0..=u16::MAX).map(|bits| [u64::from(bits), 0, 0]).collect();
    for (ty, value) in [
        ("f16", (|b| f16::from_bits(b).to_f32()) as fn(u16) -> f32),
        ("bf16", |b| bf16::from_bits(b).to_f32()),
    ] {
        let found = map([16; 3], 32, &format!("cvt.f32.{ty} %d, %a;"), &all);
        for ([bits, ..], found) in all.iter().zip(found) {
            let (found, expected) = (f32::from_bits(found as u32), value(*bits as u16));
            assert!(found.to_bits() == expected.to_bits() || found.is_nan() && expected.is_nan());
        }
        let body = format!(".reg .b32 %x; cvt.f32.{ty} %x, %a; cvt.rn.{ty}.f32 %d, %x;");
        for ([bits, ..], found) in all.iter().zip(map([16; 3], 16, &body, &all)) {
            assert!(found == *bits || value(*bits as u16).is_nan() && found == 0x7fff);
        }
    }
}

#[test]
fn doubles_round_once() {
    // Rounding to f32 first would lose that these are just above a tie.
    let tie = |half: f64, least: f64| (1.0 + half + least).to_bits();
    let inputs = [[tie(2f64.powi(-11), 2f64.powi(-40)), 0, 0]];
    assert_eq!(map([64; 3], 16, "cvt.rn.f16.f64 %d, %a;", &inputs), [0x3c01]);
    let inputs = [[tie(2f64.powi(-8), 2f64.powi(-40)), 0, 0]];
    assert_eq!(map([64; 3], 16, "cvt.rn.bf16.f64 %d, %a;", &inputs), [0x3f81]);
    let values: Vec<f64> = floats().iter().map(|&x| f64::from(x) * 1.000_000_123).collect();
    let inputs: Vec<_> = values.iter().map(|x| [x.to_bits(), 0, 0]).collect();
    for (x, found) in values.iter().zip(map([64; 3], 32, "cvt.rn.f32.f64 %d, %a;", &inputs)) {
        assert!(f32::from_bits(found as u32) == *x as f32 || x.is_nan() && found == 0x7fff_ffff);
    }
}
