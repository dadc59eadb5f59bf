use c3_emulator::{Arg, Error, FaultKind, Launch, Memory, Module, Options, RaceKind, Space};

use crate::support::{fault, fine, kernel, one_block};

const REGS: &str = ".reg .b32 %r<9>; .reg .b64 %d<9>; .reg .pred %q<9>; .reg .b16 %h<4>;
    .shared .align 16 .b8 s[1024];
    mov.u32 %r0, %tid.x; shl.b32 %r1, %r0, 2; mov.u32 %r2, s; add.u32 %r1, %r1, %r2;
    setp.eq.u32 %q0, %r0, 0; setp.eq.u32 %q1, %r0, 32; setp.lt.u32 %q2, %r0, 16;";

fn broken(body: &str, threads: u32) -> FaultKind {
    fault(&format!("{REGS} {body}"), threads)
}

fn legal(body: &str, threads: u32) {
    fine(&format!("{REGS} {body}"), threads);
}

#[test]
fn outside_of_memory() {
    let kind = broken("ld.global.u32 %r3, [%p0+4096];", 1);
    let (space, size) = (Space::Global, 4096);
    assert_eq!(kind, FaultKind::OutOfBounds { space, offset: 4096, bytes: 4, size });
    let kind = broken("st.global.v2.u32 [%p0+-8], {%r0, %r0};", 1);
    assert!(matches!(kind, FaultKind::OutOfBounds { offset: -8, bytes: 8, .. }));
    let kind = broken("ld.shared.u32 %r3, [s+1024];", 1);
    assert!(matches!(kind, FaultKind::OutOfBounds { space: Space::Shared, offset: 1024, .. }));
    let kind = broken(".local .b32 l; st.local.u32 [l+16], %r0;", 1);
    assert!(matches!(kind, FaultKind::OutOfBounds { space: Space::Local, .. }));
    let kind = broken("mov.u64 %d0, 64; st.global.u32 [%d0], %r0;", 1);
    assert_eq!(kind, FaultKind::Unmapped { address: 64, bytes: 4 });
    legal("ld.global.u32 %r3, [%p0+4092]; st.shared.u32 [s+1020], %r3;", 1);
}

#[test]
fn not_aligned() {
    let kind = broken("ld.global.u32 %r3, [%p0+2];", 1);
    assert!(matches!(kind, FaultKind::Misaligned { space: Space::Global, bytes: 4, .. }));
    let kind = broken("ld.global.v4.u32 {%r3, %r4, %r5, %r6}, [%p0+8];", 1);
    assert!(matches!(kind, FaultKind::Misaligned { bytes: 16, .. }));
    let kind = broken("st.shared.u64 [s+4], %p0;", 1);
    assert!(matches!(kind, FaultKind::Misaligned { space: Space::Shared, bytes: 8, .. }));
    let kind = broken("add.u64 %d0, %p0, 8; cp.async.cg.shared.global [s], [%d0], 16;", 1);
    assert!(matches!(kind, FaultKind::Misaligned { bytes: 16, .. }));
}

/// Runs a kernel of two pointers and says what it does wrong.
fn two(body: &str, x: impl FnOnce(&mut Memory) -> [c3_emulator::DevicePtr; 2]) -> FaultKind {
    let body = format!(".reg .b32 %r<9>; .reg .b64 %d<9>; {body}");
    let module = Module::parse(&kernel(2, &body)).unwrap();
    let mut memory = Memory::new();
    let args = x(&mut memory).map(Arg::ptr);
    let launch = Launch { grid: [1; 3], block: [1; 3], shared: 0, args: &args };
    match module.kernel("t").unwrap().launch(&memory, &launch, &Options::default()) {
        Err(Error::Fault(fault)) => fault.kind,
        other => panic!("{other:?}"),
    }
}

#[test]
fn buffers_that_are_not_to_be_used_so() {
    let kind = two("st.global.u32 [%p0], 1;", |m| [m.alloc_read_only(&[1u32]), m.alloc(&[1u32])]);
    assert!(matches!(kind, FaultKind::ReadOnly { .. }));
    let kind = two("ld.global.u32 %r0, [%p0];", |m| {
        let freed = m.alloc(&[1u32]);
        m.free(freed).unwrap();
        [freed, m.alloc(&[1u32])]
    });
    assert!(matches!(kind, FaultKind::Freed { .. }));
    let kind = two("st.global.u32 [%p0], 1; ld.global.u64 %d0, [%p0];", |m| {
        [m.alloc_uninit(8), m.alloc(&[1u32])]
    });
    assert_eq!(kind, FaultKind::Uninitialised { space: Space::Global, offset: 4 });
    let kind = two("red.global.add.u32 [%p0], 1;", |m| [m.alloc_uninit(8), m.alloc(&[1u32])]);
    assert_eq!(kind, FaultKind::Uninitialised { space: Space::Global, offset: 0 });
}

#[test]
fn shared_memory_nobody_wrote() {
    let kind = broken("ld.shared.u32 %r3, [%r1];", 32);
    assert_eq!(kind, FaultKind::Uninitialised { space: Space::Shared, offset: 0 });
    legal("st.shared.u32 [%r1], %r0; ld.shared.u32 %r3, [%r1];", 32);
}

fn race(body: &str, threads: u32) -> RaceKind {
    match broken(body, threads) {
        FaultKind::Race { race, .. } => race,
        kind => panic!("{kind}"),
    }
}

#[test]
fn races_between_warps() {
    let write = "st.shared.u32 [%r1], %r0;";
    // Warps take turns in the order of their numbers, so the second one finds what the first wrote.
    let read = "setp.ge.u32 %q3, %r0, 32; xor.b32 %r3, %r1, 128; @%q3 ld.shared.u32 %r4, [%r3];";
    assert_eq!(race(&format!("{write} {read}"), 64), RaceKind::ReadAfterWrite);
    let read = "xor.b32 %r3, %r1, 128; ld.shared.u32 %r4, [%r3];";
    legal(&format!("{write} bar.sync 0; {read}"), 64);
    let again = format!(
        "setp.ge.u32 %q3, %r0, 32; {write} bar.sync 0;
        xor.b32 %r3, %r1, 128; @!%q3 ld.shared.u32 %r4, [%r3]; @%q3 {write}"
    );
    assert_eq!(race(&again, 64), RaceKind::WriteAfterRead);
    legal(&format!("{write} bar.sync 0; {read} bar.sync 0; {write}"), 64);
    let same_place = "st.shared.u32 [s], %r0;";
    assert_eq!(
        race(&format!("@%q0 {same_place} @%q1 {same_place}"), 64),
        RaceKind::WriteAfterWrite
    );
    // Whoever writes last, the same value stays.
    legal("st.shared.u32 [s], 7;", 64);
    legal("@%q0 st.shared.u32 [s], 0; bar.sync 0; red.shared.add.u32 [s], %r0;", 64);
    let mixed = "@%q0 st.shared.u32 [s], 0; bar.sync 0; red.shared.add.u32 [s], 1;
                 @%q1 ld.shared.u32 %r3, [s];";
    assert_eq!(race(mixed, 64), RaceKind::ReadAfterWrite);
}

#[test]
fn races_within_a_warp() {
    let write = "st.shared.u32 [%r1], %r0;";
    let read = "xor.b32 %r3, %r1, 4; ld.shared.u32 %r4, [%r3];";
    assert_eq!(race(&format!("{write} {read}"), 32), RaceKind::ReadAfterWrite);
    legal(&format!("{write} bar.warp.sync -1; {read} bar.warp.sync -1; {write}"), 32);
    assert_eq!(race("st.shared.u32 [s], %r0;", 32), RaceKind::WriteAfterWrite);
    let matrix = "mov.u32 %r3, 0; shl.b32 %r4, %r0, 4; add.u32 %r4, %r2, %r4;
        st.shared.v4.u32 [%r4], {%r3, %r3, %r3, %r3};";
    let load = "and.b32 %r5, %r0, 7; shl.b32 %r5, %r5, 4; add.u32 %r5, %r5, %r2;
        ldmatrix.sync.aligned.m8n8.x1.shared.b16 {%r6}, [%r5];";
    assert_eq!(race(&format!("{matrix} {load}"), 32), RaceKind::ReadAfterWrite);
    legal(&format!("{matrix} bar.warp.sync -1; {load}"), 32);
    // Bytes side by side are no race.
    legal("add.u32 %r3, %r2, %r0; cvt.u16.u32 %h0, %r0; st.shared.u8 [%r3], %h0;", 32);
}

#[test]
fn races_are_only_looked_for_if_wanted() {
    let body = format!("{REGS} st.shared.u32 [s], %r0;");
    let options = Options { races: false, ..Options::default() };
    assert!(one_block(&body, 64, 1024, &options).is_ok());
    assert!(one_block(&body, 64, 1024, &Options::default()).is_err());
    let body = format!("{REGS} ld.shared.u32 %r3, [s];");
    let options = Options { uninitialised: false, ..Options::default() };
    assert!(one_block(&body, 64, 1024, &options).is_ok());
}

#[test]
fn copies_under_way() {
    let copy = "mul.wide.u32 %d0, %r0, 4; add.u64 %d0, %p0, %d0;
        cp.async.ca.shared.global [%r1], [%d0], 4;";
    let read = "ld.shared.u32 %r3, [%r1];";
    let pending = |body: &str| {
        let kind = broken(body, 32);
        assert!(matches!(kind, FaultKind::PendingCopy { .. }), "{kind}");
    };
    pending(&format!("{copy} {read}"));
    pending(&format!("{copy} st.shared.u32 [%r1], 1;"));
    pending(&format!("{copy} {copy}"));
    pending(&format!("{copy} cp.async.commit_group; cp.async.wait_group 1; {read}"));
    // Without a commit there is no group to wait for.
    pending(&format!("{copy} cp.async.wait_group 0; {read}"));
    legal(&format!("{copy} cp.async.commit_group; cp.async.wait_group 0; {read}"), 32);
    legal(&format!("{copy} cp.async.wait_all; {read}"), 32);
    // Having waited tells only the thread itself that its copy is there.
    let other = "xor.b32 %r3, %r1, 4; ld.shared.u32 %r4, [%r3];";
    let kind = broken(&format!("{copy} cp.async.wait_all; {other}"), 32);
    assert!(matches!(kind, FaultKind::Race { race: RaceKind::ReadAfterWrite, .. }));
    legal(&format!("{copy} cp.async.wait_all; bar.sync 0; {other}"), 32);
    let used = format!("st.shared.u32 [%r1], 1; bar.sync 0; {other} {copy}");
    let kind = broken(&used, 32);
    assert!(matches!(kind, FaultKind::Race { race: RaceKind::WriteAfterRead, .. }));
    let kind = broken("mov.u32 %r3, 8; cp.async.ca.shared.global [%r1], [%p0], 4, %r3;", 1);
    assert!(matches!(kind, FaultKind::Operand { .. }));
}

#[test]
fn barriers_not_all_can_reach() {
    let kind = broken("@%q2 bar.sync 0;", 32);
    assert_eq!(kind, FaultKind::DivergentBarrier { arrived: 0xffff, live: u32::MAX });
    let kind = broken("@%q2 bra other; bar.sync 0; bra end; other: bar.sync 1; end:", 32);
    assert!(matches!(kind, FaultKind::DivergentBarrier { .. }));
    // Warps that have ended are not waited for, nor are lanes.
    legal("setp.ge.u32 %q3, %r0, 32; @%q3 exit; bar.sync 0;", 64);
    legal("@!%q2 exit; bar.sync 0;", 32);
}

#[test]
fn deadlock_and_endless_loops() {
    let kind = broken(
        "setp.lt.u32 %q3, %r0, 32; @%q3 bra a; bar.sync 1; bra end; a: bar.sync 2; end:",
        64,
    );
    assert_eq!(kind, FaultKind::Deadlock { waiting: 2, live: 2 });
    let kind = broken("bar.sync 1, 96;", 64);
    assert_eq!(kind, FaultKind::Deadlock { waiting: 2, live: 2 });
    assert_eq!(broken("loop: bra loop;", 32), FaultKind::Budget { budget: 1 << 20 });
    let kind = broken("bar.sync 1, 33;", 64);
    assert!(matches!(kind, FaultKind::Operand { .. }));
}

#[test]
fn lanes_that_are_missing() {
    let kind = broken("@%q2 shfl.sync.bfly.b32 %r3, %r0, 1, 31, -1;", 32);
    assert_eq!(kind, FaultKind::MissingLanes { present: 0xffff, wanted: u32::MAX });
    let kind = broken("shfl.sync.bfly.b32 %r3, %r0, 16, 31, -1;", 16);
    assert!(matches!(kind, FaultKind::InactiveLane { source_lane: 16 }));
    let kind = broken("@%q2 bar.warp.sync -1;", 32);
    assert!(matches!(kind, FaultKind::MissingLanes { .. }));
    let kind = broken(
        "mma.sync.aligned.m16n8k8.row.col.f32.f16.f16.f32 {%r3,%r4,%r5,%r6}, {%r3,%r4}, {%r5}, {%r3,%r4,%r5,%r6};",
        16,
    );
    assert_eq!(kind, FaultKind::MissingLanes { present: 0xffff, wanted: u32::MAX });
    let kind = broken("@%q2 bra a; vote.sync.any.pred %q3, %q0, -1; a: bar.sync 0;", 32);
    assert!(matches!(kind, FaultKind::MissingLanes { .. } | FaultKind::DivergentBarrier { .. }));
}

#[test]
fn division_trap_and_assertion() {
    assert_eq!(broken("div.u32 %r3, %r0, %r0;", 32), FaultKind::DivisionByZero);
    assert_eq!(broken("@%q1 trap;", 64), FaultKind::Trap);
    assert_eq!(broken("@!%q1 bra end; call.uni __assertfail, (); end:", 64), FaultKind::Assertion);
}

#[test]
fn faults_say_where() {
    let body = format!("{REGS}\nsetp.eq.u32 %q3, %r0, 37;\n@%q3 trap;");
    let module = Module::parse(&kernel(1, &body)).unwrap();
    let mut memory = Memory::new();
    let args = [Arg::ptr(memory.alloc(&[0u32]))];
    let launch = Launch { grid: [2, 3, 1], block: [8, 8, 1], shared: 0, args: &args };
    let options = Options::default();
    // Thread (5, 4) is number 37, but its x alone is never 37.
    module.kernel("t").unwrap().launch(&memory, &launch, &options).unwrap();
    let text = kernel(
        1,
        &format!(
            "{REGS}\nmov.u32 %r3, %tid.y; mad.lo.u32 %r0, %r3, 8, %r0; setp.eq.u32 %q3, %r0, 37;\n@%q3 trap;"
        ),
    );
    let module = Module::parse(&text).unwrap();
    let Err(Error::Fault(fault)) = module.kernel("t").unwrap().launch(&memory, &launch, &options)
    else {
        panic!("no fault");
    };
    assert_eq!((fault.block, fault.thread), ([0, 0, 0], [5, 4, 0]));
    assert_eq!(fault.instruction, "@%q3 trap;");
    assert_eq!(text.lines().nth(fault.line as usize - 1), Some("@%q3 trap;"));
    assert!(fault.to_string().contains("kernel t, block [0, 0, 0], thread [5, 4, 0]: trap"));
}

#[test]
fn launches_that_a_driver_would_refuse() {
    let text = kernel(0, "").replace(") {", ") .maxntid 64, 1, 1 {");
    let module = Module::parse(&text).unwrap();
    let memory = Memory::new();
    let refused = |grid, block, shared| {
        let launch = Launch { grid, block, shared, args: &[] };
        let found = module.kernel("t").unwrap().launch(&memory, &launch, &Options::default());
        matches!(found, Err(Error::Launch { .. }))
    };
    assert!(!refused([1; 3], [64, 1, 1], 0));
    assert!(refused([1; 3], [65, 1, 1], 0));
    assert!(refused([1, 0, 1], [1; 3], 0));
    assert!(refused([1; 3], [0, 1, 1], 0));
    assert!(refused([1; 3], [u32::MAX; 3], 0));
    assert!(refused([1, 70_000, 1], [1; 3], 0));
    assert!(refused([1; 3], [1; 3], 200 << 10));
}
