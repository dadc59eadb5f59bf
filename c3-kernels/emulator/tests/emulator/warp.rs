use crate::support::fine;

/// A body that stores `%d` of each of 32 or more threads.
fn each(body: &str, threads: u32) -> Vec<u32> {
    let found = fine(
        &format!(
            ".reg .b32 %t, %l, %d, %r<9>; .reg .b64 %o; .reg .pred %q<9>;
             mov.u32 %t, %tid.x; mov.u32 %l, %laneid; mov.u32 %d, 0;
             {body}
             mul.wide.u32 %o, %t, 4; add.u64 %o, %p0, %o; st.global.u32 [%o], %d;"
        ),
        threads,
    );
    found[..threads as usize].to_vec()
}

fn expect(body: &str, expected: impl Fn(u32) -> u32) {
    let expected: Vec<_> = (0..32).map(expected).collect();
    assert_eq!(each(body, 32), expected, "{body}");
}

#[test]
fn shuffles_stay_within_their_segments() {
    let shuffle = |what: &str| {
        format!(
            "add.u32 %r0, %l, 100; shfl.sync.{what}, 0xffffffff;
             selp.u32 %r1, 1000, 0, %q0; add.u32 %d, %d, %r1;"
        )
    };
    expect(&shuffle("bfly.b32 %d|%q0, %r0, 5, 31"), |l| 1100 + (l ^ 5));
    expect(
        &shuffle("down.b32 %d|%q0, %r0, 3, 31"),
        |l| if l + 3 < 32 { 1103 + l } else { 100 + l },
    );
    expect(&shuffle("up.b32 %d|%q0, %r0, 3, 0"), |l| if l >= 3 { 1097 + l } else { 100 + l });
    expect(&shuffle("idx.b32 %d|%q0, %r0, 9, 31"), |_| 1109);
    // Segments of eight lanes: 0x18 in the upper byte.
    expect(&shuffle("idx.b32 %d|%q0, %r0, 2, 6175"), |l| 1102 + (l & 24));
    expect(
        &shuffle("down.b32 %d|%q0, %r0, 1, 6175"),
        |l| {
            if l % 8 < 7 { 1101 + l } else { 100 + l }
        },
    );
    expect(&shuffle("up.b32 %d|%q0, %r0, 1, 6144"), |l| if l % 8 > 0 { 1099 + l } else { 100 + l });
}

#[test]
fn votes_and_matches() {
    let set = "setp.lt.u32 %q0, %l, 5;";
    expect(&format!("{set} vote.sync.ballot.b32 %d, %q0, -1;"), |_| 31);
    expect(&format!("{set} vote.sync.ballot.b32 %d, !%q0, -1;"), |_| !31);
    let vote =
        |kind: &str| format!("{set} vote.sync.{kind}.pred %q1, %q0, -1; selp.u32 %d, 1, 0, %q1;");
    expect(&vote("any"), |_| 1);
    expect(&vote("all"), |_| 0);
    expect(&vote("uni"), |_| 0);
    expect("and.b32 %r0, %l, 3; match.any.sync.b32 %d, %r0, -1;", |l| 0x1111_1111 << (l & 3));
    expect("match.all.sync.b32 %d|%q0, 7, -1; @!%q0 mov.u32 %d, 1;", |_| u32::MAX);
}

#[test]
fn reductions() {
    let values: Vec<i32> = (0..32).map(|l| l * 7 % 13 - 6).collect();
    let reduce = |op: &str| {
        format!(
            "mul.lo.u32 %r0, %l, 7; rem.u32 %r0, %r0, 13; sub.s32 %r0, %r0, 6;
             redux.sync.{op} %d, %r0, -1;"
        )
    };
    let sum: i32 = values.iter().sum();
    expect(&reduce("add.s32"), |_| sum as u32);
    expect(&reduce("min.s32"), |_| -6i32 as u32);
    expect(&reduce("max.s32"), |_| 6);
    expect(&reduce("max.u32"), |_| u32::MAX);
    expect(&reduce("xor.b32"), |_| values.iter().fold(0, |x, &y| x ^ y as u32));
}

#[test]
fn lanes_part_and_meet_again() {
    // Each lane loops as often as its number says; all meet at the shuffle.
    let body = "mov.u32 %r0, 0;
        again: setp.ge.u32 %q0, %r0, %l; @%q0 bra done;
        add.u32 %d, %d, 2; add.u32 %r0, %r0, 1; bra again;
        done: shfl.sync.bfly.b32 %d, %d, 1, 31, -1;";
    expect(body, |l| 2 * (l ^ 1));
    let body = "setp.lt.u32 %q0, %l, 16; @%q0 bra low;
        activemask.b32 %d; bra end;
        low: activemask.b32 %d; add.u32 %d, %d, 1;
        end:";
    expect(body, |l| if l < 16 { 0x1_0000 } else { 0xffff_0000 });
    // A mask of half the warp needs no others.
    let body = "setp.lt.u32 %q0, %l, 16; @!%q0 bra end;
        shfl.sync.bfly.b32 %d, %l, 1, 31, 0xffff;
        end:";
    expect(body, |l| if l < 16 { l ^ 1 } else { 0 });
}

#[test]
fn branches_by_number() {
    let body = "and.b32 %r0, %l, 3;
        list: .branchtargets a, b, c, a;
        brx.idx %r0, list;
        a: mov.u32 %d, 10; bra.uni end;
        b: mov.u32 %d, 20; bra.uni end;
        c: mov.u32 %d, 30;
        end:";
    expect(body, |l| [10, 20, 30, 10][l as usize % 4]);
}

#[test]
fn labels_belong_to_their_braces() {
    let body = "{ .reg .b32 %x; mov.u32 %x, 1; bra skip; mov.u32 %x, 5; skip: add.u32 %d, %d, %x; }
                {.reg.b32 %x;mov.u32 %x, 2; bra skip; mov.u32 %x, 5; skip: add.u32 %d, %d, %x; }";
    expect(body, |_| 3);
}

#[test]
fn barriers_reduce() {
    let body = "setp.lt.u32 %q0, %t, 70;
        barrier.sync 0; bar.red.popc.u32 %d, 0, %q0;
        bar.red.and.pred %q1, 0, %q0; @%q1 add.u32 %d, %d, 1000;
        bar.red.or.pred %q1, 0, %q0; @%q1 add.u32 %d, %d, 2000;";
    assert_eq!(each(body, 128), [2070; 128]);
}

#[test]
fn named_barriers_order_producers_and_consumers() {
    // Warp 0 writes and arrives, warp 1 waits for it; warps 2 and 3 have their own barrier.
    let body = ".shared .b32 s[64]; shr.u32 %r0, %t, 5; shl.b32 %r1, %l, 2; mov.u32 %r2, s;
        add.u32 %r1, %r1, %r2;
        setp.eq.u32 %q0, %r0, 0; setp.eq.u32 %q1, %r0, 1; setp.gt.u32 %q2, %r0, 1;
        @%q0 st.shared.u32 [%r1], %t; @%q0 bar.arrive 1, 64;
        @!%q1 bra other; bar.sync 1, 64; xor.b32 %r3, %r1, 4; ld.shared.u32 %d, [%r3];
        other: @!%q2 bra end; bar.sync 2, 64; mov.u32 %d, 5;
        end:";
    let found = each(body, 128);
    for (i, &found) in found.iter().enumerate() {
        let expected = [0, (i as u32 % 32) ^ 1, 5, 5][i / 32];
        assert_eq!(found, expected);
    }
}

#[test]
fn warps_that_wait_for_each_other_without_a_barrier() {
    let body =
        ".shared .b32 flag; setp.eq.u32 %q0, %t, 0; @%q0 st.shared.u32 [flag], 0; bar.sync 0;
        setp.eq.u32 %q1, %t, 32; @!%q1 bra wait; atom.shared.exch.b32 %r0, [flag], 1; bra end;
        wait: atom.shared.add.u32 %d, [flag], 0; setp.eq.u32 %q2, %d, 0; @%q2 bra wait;
        end:";
    assert_eq!(each(body, 64).iter().filter(|&&d| d == 1).count(), 63);
}

#[test]
fn special_registers() {
    let expected = |t: u32| t % 32 + 100 * (t / 32) + (1 << (t % 32)) - 1;
    let body = "mov.u32 %r0, %warpid; mad.lo.u32 %d, %r0, 100, %l; mov.u32 %r1, %lanemask_lt;
        add.u32 %d, %d, %r1; mov.u32 %r2, %clock; mov.u32 %r3, %clock;
        setp.gt.u32 %q0, %r3, %r2; @!%q0 mov.u32 %d, 0;";
    let found = each(body, 64);
    assert_eq!(found, (0..64).map(expected).collect::<Vec<_>>());
}

#[test]
fn functions_are_called() {
    use c3_emulator::{Arg, Launch, Memory, Module, Options};
    let functions = "
        .func (.param .b32 result) power(.param .b32 base, .param .b32 times) {
          .reg .b32 %r<4>; .reg .pred %p;
          ld.param.u32 %r0, [base]; ld.param.u32 %r1, [times]; mov.u32 %r2, 1;
          loop: setp.eq.u32 %p, %r1, 0; @%p bra end; mul.lo.u32 %r2, %r2, %r0;
          sub.u32 %r1, %r1, 1; bra loop;
          end: st.param.b32 [result], %r2; ret; }
        .func (.reg .b32 %sum) add(.reg .b32 %x, .reg .b32 %y) { add.u32 %sum, %x, %y; ret; }
        .visible";
    let body = ".reg .b32 %t, %d; .reg .b64 %o; mov.u32 %t, %tid.x;
        { .param .b32 base; .param .b32 times; .param .b32 result;
          st.param.b32 [base], 3; st.param.b32 [times], %t;
          call.uni (result), power, (base, times);
          ld.param.b32 %d, [result]; }
        call (%d), add, (%d, %t);
        mul.wide.u32 %o, %t, 4; add.u64 %o, %p0, %o; st.global.u32 [%o], %d;";
    let text = crate::support::kernel(1, body).replace(".visible", functions);
    let module = Module::parse(&text).unwrap();
    let mut memory = Memory::new();
    let out = memory.alloc(&[0u32; 16]);
    let args = [Arg::ptr(out)];
    let launch = Launch { grid: [1; 3], block: [16, 1, 1], shared: 0, args: &args };
    module.kernel("t").unwrap().launch(&memory, &launch, &Options::default()).unwrap();
    let expected: Vec<u32> = (0..16).map(|t| 3u32.pow(t) + t).collect();
    assert_eq!(memory.read::<u32>(out).unwrap(), expected);
}
