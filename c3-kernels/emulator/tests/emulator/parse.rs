use c3_emulator::{Error, Module};

use crate::support::kernel;

#[test]
fn what_is_not_ptx() {
    for text in [
        ".visible .entry t( {",
        ".visible .entry t() { ret;",
        "nonsense",
        ".global .u32 x = {1, 2};",
        ".global .weird x;",
        ".global .u64 p = nowhere;",
        "/* no end",
        ".file 1 \"no end",
    ] {
        let found = Module::parse(text);
        let fine = text.starts_with("/*") || matches!(found, Err(Error::Syntax { .. }));
        assert!(fine, "{text}: {found:?}");
    }
}

#[test]
fn what_is_not_supported() {
    let unsupported = |body: &str| {
        let text = kernel(0, &format!(".reg .b32 %r<4>; .reg .pred %p;\n{body}"));
        let module = Module::parse(&text).unwrap();
        match module.kernel("t") {
            Err(Error::Unsupported { line, instruction, kernel, .. }) => {
                assert_eq!((kernel.as_str(), instruction.as_str()), ("t", body));
                assert_eq!(text.lines().nth(line as usize - 1), Some(body));
            }
            other => panic!("{body}: {other:?}"),
        }
    };
    unsupported("frobnicate.u32 %r0, %r1;");
    unsupported("add.frob.u32 %r0, %r1, %r2;");
    unsupported("add.u32 %r0, %r1, %r9;");
    unsupported("add.u32 %r0, %p, %r1;");
    unsupported("wgmma.fence.sync.aligned;");
    unsupported("cp.async.bulk.commit_group;");
    unsupported("ld.global.v4.u64 %r0, [%r1];");
    unsupported("call nowhere, ();");
    unsupported("and.pred;");
    unsupported("mov.b32;");
    unsupported("add.u32 %r0;");
    unsupported("setp.lt.u32 %p;");
    unsupported("ld.global.u32;");
    unsupported(".local .b8 x[2000000000];");
    unsupported(".reg .b32 %x<2000000000>;");
}

#[test]
fn other_kernels_stay_usable() {
    let text = kernel(0, "frobnicate;").replace("t(", "broken(")
        + &kernel(0, "").lines().skip(3).collect::<Vec<_>>().join("\n");
    let module = Module::parse(&text).unwrap();
    assert!(module.kernel("broken").is_err());
    assert!(module.kernel("t").is_ok());
    assert!(matches!(module.kernel("none"), Err(Error::NoKernel { .. })));
    assert_eq!(module.kernels().count(), 2);
}

#[test]
fn branches_to_nowhere_and_recursion() {
    let module = Module::parse(&kernel(0, "bra nowhere;")).unwrap();
    assert!(module.kernel("t").unwrap_err().to_string().contains("there is no label nowhere"));
    let text =
        kernel(0, "call f, ();").replace(".visible", ".func f() { call f, (); ret; }\n.visible");
    let module = Module::parse(&text).unwrap();
    assert!(module.kernel("t").unwrap_err().to_string().contains("recursion"));
}
