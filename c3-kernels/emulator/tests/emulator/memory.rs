use c3_emulator::{Arg, Launch, Memory, Module, Options};

use crate::support::{fine, kernel};

#[test]
fn vectors_and_small_types() {
    let found = fine(
        ".reg .b32 %r<9>; .reg .b16 %h<4>; .reg .b64 %d<4>;
         mov.u32 %r0, 1; mov.u32 %r1, 0xfffffffe; mov.u32 %r2, 3; mov.u32 %r3, 4;
         st.global.v4.u32 [%p0], {%r0, %r1, %r2, %r3};
         ld.global.v2.u32 {%r4, _}, [%p0+8];
         st.global.u32 [%p0+16], %r4;
         ld.global.s8 %r5, [%p0+4]; st.global.u32 [%p0+20], %r5;
         ld.global.u8 %r5, [%p0+4]; st.global.u32 [%p0+24], %r5;
         ld.global.u16 %h0, [%p0+6]; st.global.u16 [%p0+28], %h0;
         ld.global.v2.b64 {%d0, %d1}, [%p0]; st.global.v2.b64 [%p0+32], {%d1, %d0};",
        1,
    );
    let expected = [1, 0xffff_fffe, 3, 4, 3, 0xffff_fffe, 0xfe, 0xffff, 3, 4, 1, 0xffff_fffe];
    assert_eq!(found[..12], expected);
}

#[test]
fn generic_addresses_of_every_space() {
    let found = fine(
        ".shared .align 8 .b8 s[16]; .local .align 8 .b8 l[16]; .reg .b64 %d<9>; .reg .b32 %r<9>;
         .reg .pred %q<4>; mov.u32 %r0, %tid.x;
         mov.u64 %d0, s; cvta.shared.u64 %d1, %d0; mov.u64 %d2, l; cvta.local.u64 %d3, %d2;
         setp.eq.u32 %q0, %r0, 0; @%q0 st.u32 [%d1+4], 7;
         add.u32 %r1, %r0, 100; st.u32 [%d3+8], %r1; bar.sync 0;
         ld.shared.u32 %r2, [s+4]; ld.local.u32 %r3, [%d2+8]; ld.u32 %r4, [%d1+4];
         add.u32 %r2, %r2, %r3; add.u32 %r2, %r2, %r4;
         isspacep.shared %q1, %d1; @%q1 add.u32 %r2, %r2, 1000;
         isspacep.global %q1, %d3; @%q1 add.u32 %r2, %r2, 5000;
         mul.wide.u32 %d4, %r0, 4; add.u64 %d4, %p0, %d4; st.u32 [%d4], %r2;",
        64,
    );
    let expected: Vec<u32> = (0..64).map(|i| 1114 + i).collect();
    assert_eq!(found[..64], expected);
}

#[test]
fn variables_of_the_module() {
    let body = ".reg .b64 %d<4>; .reg .b32 %r<4>;
        mov.u64 %d0, table; ld.const.u32 %r0, [%d0+8]; st.global.u32 [%p0], %r0;
        ld.const.u32 %r0, [table+4]; st.global.u32 [%p0+4], %r0;
        ld.global.u64 %d1, [pointer]; ld.global.u8 %r1, [%d1]; st.global.u32 [%p0+8], %r1;
        atom.global.add.u32 %r2, [counter], 5; st.global.u32 [%p0+12], %r2;";
    let text = kernel(1, body).replace(
        ".visible",
        ".const .align 4 .u32 table[3] = {10, 0x14, 30};
         .global .align 1 .b8 text[4] = {1, 2, 3, 4};
         .global .u64 pointer = generic(text)+2;
         .global .align 4 .u32 counter = 1;
         .visible",
    );
    let module = Module::parse(&text).unwrap();
    let mut memory = Memory::new();
    let out = memory.alloc(&[0u32; 4]);
    let args = [Arg::ptr(out)];
    let launch = Launch { grid: [1; 3], block: [1; 3], shared: 0, args: &args };
    for counter in [1, 6] {
        module.kernel("t").unwrap().launch(&memory, &launch, &Options::default()).unwrap();
        assert_eq!(memory.read::<u32>(out).unwrap(), [30, 20, 3, counter]);
    }
}

#[test]
fn atomics_of_all_blocks() {
    let body = ".reg .b32 %r<9>; .reg .b64 %d<4>; .shared .b32 s; .reg .pred %q;
        mov.u32 %r0, %tid.x; setp.eq.u32 %q, %r0, 0; @%q st.shared.u32 [s], 0; bar.sync 0;
        atom.shared.add.u32 %r1, [s], 2; bar.sync 0; ld.shared.u32 %r2, [s];
        @%q red.global.add.u32 [%p0], %r2;
        red.global.max.s32 [%p0+4], %r0; red.global.min.u32 [%p0+8], %r0;
        red.global.add.f32 [%p0+12], 0f3F000000;
        atom.global.cas.b32 %r3, [%p0+16], 0, %r0; atom.global.exch.b32 %r4, [%p0+20], 9;
        atom.global.inc.u32 %r5, [%p0+24], 99; red.global.or.b32 [%p0+28], %r0;
        red.global.add.u64 [%p0+32], 4294967296; red.global.add.noftz.f16x2 [%p0+40], 0x3c003c00;";
    let module = Module::parse(&kernel(1, body)).unwrap();
    let mut memory = Memory::new();
    let out = memory.alloc(&[0u32, 0, 77, 0, 0, 0, 0, 0, 1, 0, 0]);
    let args = [Arg::ptr(out)];
    let launch = Launch { grid: [16, 1, 1], block: [64, 1, 1], shared: 0, args: &args };
    module.kernel("t").unwrap().launch(&memory, &launch, &Options::default()).unwrap();
    let found = memory.read::<u32>(out).unwrap();
    // 1,024 is as far as f16 counts in steps of one.
    let sum = 512f32.to_bits();
    assert_eq!(found[..4], [16 * 128, 63, 0, sum]);
    assert!((1..64).contains(&found[4]));
    assert_eq!(found[5..], [9, 1024 % 100, 63, 1, 1024, 0x6400_6400]);
}

#[test]
fn copies_arrive_when_waited_for() {
    // Each thread copies 16 bytes, of which the second half of threads has but 4, in two groups.
    let found = fine(
        ".shared .align 16 .b8 s[2048]; .reg .b32 %r<9>; .reg .b64 %d<4>; .reg .pred %q;
         mov.u32 %r0, %tid.x; mul.wide.u32 %d0, %r0, 4; add.u64 %d1, %p0, %d0;
         add.u32 %r1, %r0, 1; st.global.u32 [%d1], %r1; bar.sync 0;
         shl.b32 %r2, %r0, 4; mov.u32 %r3, s; add.u32 %r3, %r3, %r2;
         and.b32 %r4, %r0, 15; mul.wide.u32 %d2, %r4, 16; add.u64 %d2, %p0, %d2;
         setp.lt.u32 %q, %r0, 32; selp.u32 %r5, 16, 4, %q;
         @%q cp.async.cg.shared.global [%r3], [%d2], 16, %r5; cp.async.commit_group;
         @!%q cp.async.cg.shared.global [%r3], [%d2], 16, %r5; cp.async.commit_group;
         cp.async.wait_group 1; bar.sync 0;
         xor.b32 %r6, %r0, 1; and.b32 %r6, %r6, 31; shl.b32 %r6, %r6, 4;
         ld.shared.u32 %r7, [%r6+12]; bar.sync 0;
         cp.async.wait_all; bar.sync 0;
         ld.shared.u32 %r8, [%r6+524]; shl.b32 %r8, %r8, 16; add.u32 %r7, %r7, %r8;
         st.global.u32 [%d1+1024], %r7;",
        64,
    );
    for (i, &found) in found[256..320].iter().enumerate() {
        assert_eq!(found as usize, (i ^ 1) % 16 * 4 + 4);
    }
}

#[test]
fn traffic_is_counted() {
    let body = ".reg .b32 %r<4>; .reg .b64 %d<4>; .shared .align 16 .b8 s[512];
        mov.u32 %r0, %tid.x; mul.wide.u32 %d0, %r0, 4; add.u64 %d1, %p0, %d0;
        ld.global.u32 %r1, [%d1]; ld.global.u32 %r2, [%p0]; add.u32 %r1, %r1, %r2;
        shl.b32 %r3, %r0, 2; cp.async.ca.shared.global [%r3], [%d1], 4; cp.async.wait_all;
        add.u64 %d1, %p1, %d0; st.global.u32 [%d1], %r1; st.global.u32 [%d1], %r1;";
    let module = Module::parse(&kernel(2, body)).unwrap();
    let mut memory = Memory::new();
    let (x, y) = (memory.alloc_read_only(&[1u32; 100]), memory.alloc_uninit(400));
    let args = [Arg::ptr(x), Arg::ptr(y)];
    let launch = Launch { grid: [1; 3], block: [96, 1, 1], shared: 0, args: &args };
    let stats = module.kernel("t").unwrap().launch(&memory, &launch, &Options::default()).unwrap();
    let global = stats.global;
    assert_eq!((global.read, global.distinct_read), (3 * 96 * 4, 96 * 4));
    assert_eq!((global.written, global.distinct_written), (2 * 96 * 4, 96 * 4));
    assert_eq!(stats.mma, 0);
    assert!(memory.read::<u32>(y).is_err(), "the last four were never written");
}

#[test]
fn arguments_of_all_sizes() {
    let text = ".version 8.0\n.target sm_80\n.address_size 64
        .extern .shared .align 16 .b8 dynamic[];
        .visible .entry t(.param .u64 .ptr .global .align 16 p, .param .u8 small, .param .f64 wide,
                          .param .align 4 .b8 structure[12]) {
        .shared .align 4 .b8 fixed[20];
        .reg .b64 %d<4>; .reg .b32 %r<8>; .reg .b16 %h;
        ld.param.u64 %d0, [p]; ld.param.u8 %h, [small]; ld.param.f64 %d1, [wide];
        ld.param.u32 %r0, [structure+8]; mov.b64 %d2, structure; ld.param.u32 %r1, [%d2+4];
        cvt.u32.u8 %r2, %h; mov.u32 %r3, dynamic; mov.u32 %r4, %dynamic_smem_size;
        st.global.u32 [%d0], %r0; st.global.u32 [%d0+4], %r1; st.global.u32 [%d0+8], %r2;
        st.global.f64 [%d0+16], %d1; st.global.u32 [%d0+24], %r3; st.global.u32 [%d0+28], %r4;
        st.global.u32 [%d0+12], 0; ret; }";
    let module = Module::parse(text).unwrap();
    let mut memory = Memory::new();
    let out = memory.alloc_uninit(32);
    let mut bytes = [0; 12];
    (bytes[4], bytes[8]) = (44, 88);
    let args = [Arg::ptr(out), Arg::u8(200), Arg::f64(0.5), Arg::bytes(&bytes)];
    let launch = Launch { grid: [1; 3], block: [1; 3], shared: 64, args: &args };
    let kernel = module.kernel("t").unwrap();
    assert_eq!(kernel.param_sizes().collect::<Vec<_>>(), [8, 1, 8, 12]);
    assert_eq!(kernel.static_shared(), 32);
    kernel.launch(&memory, &launch, &Options::default()).unwrap();
    let high = (0.5f64.to_bits() >> 32) as u32;
    assert_eq!(memory.read::<u32>(out).unwrap(), [88, 44, 200, 0, 0, high, 32, 64]);
    let wrong = Launch { args: &args[..3], ..launch };
    assert!(kernel.launch(&memory, &wrong, &Options::default()).is_err());
}

#[test]
fn the_host_copies_and_frees() {
    let mut memory = Memory::new();
    let (a, b) = (memory.alloc(&[1u8, 2, 3, 4, 5, 6, 7, 8]), memory.alloc_uninit(8));
    assert!(memory.read::<u8>(b).is_err());
    memory.copy(b.offset(2), a, 3).unwrap();
    memory.write(b, &[9u8, 9]).unwrap();
    assert!(memory.read::<u8>(b).is_err());
    memory.write(b.offset(5), &[0u8, 0, 0]).unwrap();
    assert_eq!(memory.read::<u8>(b).unwrap(), [9, 9, 1, 2, 3, 0, 0, 0]);
    assert_eq!(memory.read::<u16>(a.offset(6)).unwrap(), [0x0807]);
    assert!(memory.write(a.offset(7), &[1u16]).is_err());
    memory.free(a).unwrap();
    assert!(memory.free(a).is_err() && memory.read::<u8>(a).is_err());
}
