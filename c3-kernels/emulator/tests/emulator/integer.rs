use crate::support::{check, check_wide, cut, map};

fn s32(x: u64) -> i32 {
    x as u32 as i32
}

#[test]
fn sums_and_products_wrap() {
    for bits in [16, 32, 64] {
        check(bits, &format!("add.s{bits} %d, %a, %b;"), |a, b, _| a.wrapping_add(b));
        check(bits, &format!("sub.u{bits} %d, %a, %b;"), |a, b, _| a.wrapping_sub(b));
        check(bits, &format!("mul.lo.s{bits} %d, %a, %b;"), |a, b, _| a.wrapping_mul(b));
        check(bits, &format!("mad.lo.u{bits} %d, %a, %b, %c;"), |a, b, c| {
            a.wrapping_mul(b).wrapping_add(c)
        });
        check(bits, &format!("neg.s{bits} %d, %a;"), |a, _, _| a.wrapping_neg());
        check(bits, &format!("not.b{bits} %d, %a;"), |a, _, _| !a);
        check(bits, &format!("and.b{bits} %d, %a, %b;"), |a, b, _| a & b);
        check(bits, &format!("or.b{bits} %d, %a, %b;"), |a, b, _| a | b);
        check(bits, &format!("xor.b{bits} %d, %a, %b;"), |a, b, _| a ^ b);
        check(bits, &format!("cnot.b{bits} %d, %a;"), |a, _, _| u64::from(a == 0));
    }
}

#[test]
fn upper_halves_and_wide_products() {
    check(32, "mul.hi.s32 %d, %a, %b;", |a, b, _| {
        ((i64::from(s32(a)) * i64::from(s32(b))) >> 32) as u64
    });
    check(32, "mul.hi.u32 %d, %a, %b;", |a, b, _| (a * b) >> 32);
    check(64, "mul.hi.u64 %d, %a, %b;", |a, b, _| ((u128::from(a) * u128::from(b)) >> 64) as u64);
    check(64, "mul.hi.s64 %d, %a, %b;", |a, b, _| {
        ((i128::from(a as i64) * i128::from(b as i64)) >> 64) as u64
    });
    check(32, "mad.hi.u32 %d, %a, %b, %c;", |a, b, c| ((a * b) >> 32) + c);
    check_wide([32; 3], 64, "mul.wide.s32 %d, %a, %b;", |a, b, _| {
        (i64::from(s32(a)) * i64::from(s32(b))) as u64
    });
    check_wide([32; 3], 64, "mul.wide.u32 %d, %a, %b;", |a, b, _| a * b);
    check_wide([16; 3], 32, "mul.wide.s16 %d, %a, %b;", |a, b, _| {
        (i32::from(a as i16) * i32::from(b as i16)) as u64
    });
    check_wide([32, 32, 64], 64, "mad.wide.s32 %d, %a, %b, %c;", |a, b, c| {
        ((i64::from(s32(a)) * i64::from(s32(b))) as u64).wrapping_add(c)
    });
    check(32, "mul24.lo.u32 %d, %a, %b;", |a, b, _| (a & 0xff_ffff) * (b & 0xff_ffff));
    check(32, "mul24.hi.s32 %d, %a, %b;", |a, b, _| {
        let cut = |x: u64| i64::from(s32(x) << 8 >> 8);
        ((cut(a) * cut(b)) >> 16) as u64
    });
    check(32, "mad24.lo.s32 %d, %a, %b, %c;", |a, b, c| {
        let cut = |x: u64| i64::from(s32(x) << 8 >> 8);
        ((cut(a) * cut(b)) as u64).wrapping_add(c)
    });
}

#[test]
fn quotients_extremes_and_distances() {
    // b | 1 is never zero.
    check(32, "or.b32 %b, %b, 1; div.s32 %d, %a, %b;", |a, b, _| {
        s32(a).wrapping_div(s32(b | 1)) as u64
    });
    check(32, "or.b32 %b, %b, 1; rem.s32 %d, %a, %b;", |a, b, _| {
        s32(a).wrapping_rem(s32(b | 1)) as u64
    });
    check(64, "or.b64 %b, %b, 1; div.u64 %d, %a, %b;", |a, b, _| a / (b | 1));
    check(16, "or.b16 %b, %b, 1; rem.u16 %d, %a, %b;", |a, b, _| a % (b | 1));
    check(32, "min.s32 %d, %a, %b;", |a, b, _| s32(a).min(s32(b)) as u64);
    check(32, "max.u32 %d, %a, %b;", |a, b, _| a.max(b));
    check(64, "max.s64 %d, %a, %b;", |a, b, _| (a as i64).max(b as i64) as u64);
    check(16, "min.u16 %d, %a, %b;", |a, b, _| a.min(b));
    check(32, "abs.s32 %d, %a;", |a, _, _| s32(a).wrapping_abs() as u64);
    check(32, "sad.s32 %d, %a, %b, %c;", |a, b, c| {
        u64::from(s32(a).abs_diff(s32(b))).wrapping_add(c)
    });
    check(32, "add.sat.s32 %d, %a, %b;", |a, b, _| s32(a).saturating_add(s32(b)) as u64);
    check(32, "sub.sat.s32 %d, %a, %b;", |a, b, _| s32(a).saturating_sub(s32(b)) as u64);
}

#[test]
fn shifts_clamp_their_distance() {
    check_wide([32; 3], 32, "shl.b32 %d, %a, %b;", |a, b, _| if b < 32 { a << b } else { 0 });
    check_wide([64, 32, 32], 64, "shl.b64 %d, %a, %b;", |a, b, _| if b < 64 { a << b } else { 0 });
    check_wide([32; 3], 32, "shr.u32 %d, %a, %b;", |a, b, _| if b < 32 { a >> b } else { 0 });
    check_wide([32; 3], 32, "shr.s32 %d, %a, %b;", |a, b, _| (s32(a) >> b.min(31)) as u64);
    check_wide([16, 32, 32], 16, "shr.s16 %d, %a, %b;", |a, b, _| {
        (a as u16 as i16 >> b.min(15)) as u64
    });
    check_wide([64, 32, 32], 64, "shr.s64 %d, %a, %b;", |a, b, _| (a as i64 >> b.min(63)) as u64);
    let joined = |a: u64, b: u64| b << 32 | a;
    check(32, "shf.l.wrap.b32 %d, %a, %b, %c;", |a, b, c| joined(a, b) << (c & 31) >> 32);
    check(32, "shf.r.wrap.b32 %d, %a, %b, %c;", |a, b, c| joined(a, b) >> (c & 31));
    check(32, "shf.l.clamp.b32 %d, %a, %b, %c;", |a, b, c| joined(a, b) << c.min(32) >> 32);
    check(32, "shf.r.clamp.b32 %d, %a, %b, %c;", |a, b, c| joined(a, b) >> c.min(32));
}

#[test]
fn counting_and_finding_bits() {
    for bits in [32, 64] {
        let wide = [bits; 3];
        check_wide(wide, 32, &format!("popc.b{bits} %d, %a;"), |a, _, _| a.count_ones().into());
        check_wide(wide, 32, &format!("clz.b{bits} %d, %a;"), |a, _, _| {
            (a.leading_zeros() - (64 - bits)).into()
        });
        check(bits, &format!("brev.b{bits} %d, %a;"), |a, _, _| a.reverse_bits() >> (64 - bits));
        check_wide(wide, 32, &format!("bfind.u{bits} %d, %a;"), |a, _, _| {
            a.checked_ilog2().map_or(u64::MAX, u64::from)
        });
    }
    check(32, "bfind.s32 %d, %a;", |a, _, _| {
        let bits = if s32(a) < 0 { !(a as u32) } else { a as u32 };
        bits.checked_ilog2().map_or(u64::MAX, u64::from)
    });
    check(32, "bfind.shiftamt.u32 %d, %a;", |a, _, _| {
        a.checked_ilog2().map_or(u64::MAX, |n| u64::from(31 - n))
    });
}

/// The definition in the PTX manual, bit by bit.
fn bfe(x: u64, start: u64, length: u64, bits: u64, signed: bool) -> u64 {
    let (start, length) = (start & 255, length & 255);
    let bit = |at: u64| x >> at & 1;
    let sign = match signed && length > 0 {
        true => bit((start + length - 1).min(bits - 1)),
        false => 0,
    };
    (0..bits).fold(0, |d, i| {
        let value = if i < length && start + i < bits { bit(start + i) } else { sign };
        d | value << i
    })
}

#[test]
fn fields_of_bits() {
    for (bits, ty) in [(32, "u32"), (32, "s32"), (64, "u64"), (64, "s64")] {
        let signed = ty.starts_with('s');
        let body = format!("bfe.{ty} %d, %a, %b, %c;");
        check_wide([bits, 32, 32], bits, &body, |a, b, c| bfe(a, b, c, bits.into(), signed));
    }
    check(32, "bfi.b32 %d, %a, %b, %c, 5;", |a, b, c| {
        let start = c & 255;
        (0..5).filter(|i| start + i < 32).fold(b, |d, i| {
            let at = start + i;
            d & !(1 << at) | (a >> i & 1) << at
        })
    });
}

#[test]
fn bytes_and_truth_tables() {
    check(32, "prmt.b32 %d, %a, %b, %c;", |a, b, c| {
        let bytes = (b << 32 | a).to_le_bytes();
        (0..4).fold(0, |d, i| {
            let choice = c >> (4 * i) & 15;
            let byte = bytes[(choice & 7) as usize];
            let byte = if choice > 7 { if byte > 127 { 255 } else { 0 } } else { byte };
            d | u64::from(byte) << (8 * i)
        })
    });
    for table in [0x80u8, 0xfe, 0x96, 0xe8, 0x1d, 0x00, 0xff] {
        check(32, &format!("lop3.b32 %d, %a, %b, %c, {table};"), |a, b, c| {
            (0..32).fold(0, |d, i| {
                let index = (a >> i & 1) << 2 | (b >> i & 1) << 1 | c >> i & 1;
                d | u64::from(table >> index & 1) << i
            })
        });
    }
    check(32, "dp4a.s32.u32 %d, %a, %b, %c;", |a, b, c| {
        let dot = (0..4).map(|i| i64::from((a >> (8 * i)) as i8) * i64::from((b >> (8 * i)) as u8));
        (dot.sum::<i64>() as u64).wrapping_add(c)
    });
}

#[test]
fn carries_make_longer_numbers() {
    // 64-bit arithmetic from 32-bit halves.
    let halves = |body: &str| {
        format!(
            ".reg .b32 %x<2>, %y<2>, %z<2>;
             mov.b64 {{%x0, %x1}}, %a; mov.b64 {{%y0, %y1}}, %b;
             {body} mov.b64 %d, {{%z0, %z1}};"
        )
    };
    check(64, &halves("add.cc.u32 %z0, %x0, %y0; addc.u32 %z1, %x1, %y1;"), |a, b, _| {
        a.wrapping_add(b)
    });
    check(64, &halves("sub.cc.u32 %z0, %x0, %y0; subc.u32 %z1, %x1, %y1;"), |a, b, _| {
        a.wrapping_sub(b)
    });
    // a · (low half of b)
    let product = "mul.lo.u32 %z0, %x0, %y0; mul.hi.u32 %z1, %x0, %y0;
                   mad.lo.cc.u32 %z1, %x1, %y0, %z1;";
    check(64, &halves(product), |a, b, _| a.wrapping_mul(cut(b, 32)));
}

#[test]
fn comparisons_and_selections() {
    let body = |c: &str| format!("setp.{c} %q0, %a, %b; selp.b32 %d, 1, 0, %q0;");
    let bool = u64::from;
    check(32, &body("lt.s32"), |a, b, _| bool(s32(a) < s32(b)));
    check(32, &body("lo.u32"), |a, b, _| bool(a < b));
    check(32, &body("ge.s32"), |a, b, _| bool(s32(a) >= s32(b)));
    check(32, &body("hi.u32"), |a, b, _| bool(a > b));
    check(32, &body("eq.b32"), |a, b, _| bool(a == b));
    check(32, &body("ne.u32"), |a, b, _| bool(a != b));
    let body = "setp.gt.u32 %q0, %c, 100;
                setp.lt.and.s32 %q1|%q2, %a, %b, !%q0;
                selp.u32 %d, 1, 0, %q1; @%q2 add.u32 %d, %d, 2;";
    check(32, body, |a, b, c| {
        let (less, small) = (s32(a) < s32(b), c <= 100);
        bool(less && small) + 2 * bool(!less && small)
    });
    check(
        32,
        "set.lt.u32.s32 %d, %a, %b;",
        |a, b, _| {
            if s32(a) < s32(b) { 0xffff_ffff } else { 0 }
        },
    );
    check(32, "slct.u32.s32 %d, %a, %b, %c;", |a, b, c| if s32(c) >= 0 { a } else { b });
    let body = "setp.lt.u32 %q0, %a, %b; setp.gt.u32 %q1, %c, 7; xor.pred %q2, %q0, %q1;
                not.pred %q2, %q2; mov.pred %q3, %q2; selp.b32 %d, %a, %c, %q3;";
    check(32, body, |a, b, c| if (a < b) == (c > 7) { a } else { c });
}

#[test]
fn registers_of_different_sizes() {
    let found = map(
        [32; 3],
        64,
        ".reg .b16 %h<4>; mov.b32 {%h0, %h1}, %a; mov.b32 {%h2, _}, %b;
         mov.b64 %d, {%h1, %h0, %h2, %h1};",
        &[[0x1111_2222, 0x3333_4444, 0]],
    );
    assert_eq!(found, [0x1111_4444_2222_1111]);
}
