"""Kernels that Triton compiles: PTX by another compiler, to test the emulator with.

Usage: python make.py [kernel...] (`pip install triton==3.5.1`; no GPU is needed)
Each file begins with what its launch takes: bytes of shared memory and warps of a block.
"""

import sys
from pathlib import Path

import triton
import triton.language as tl
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource


@triton.jit
def matmul(a, b, c, K, M: tl.constexpr, N: tl.constexpr, BK: tl.constexpr):
    """c = a · b of [M, K] and [K, N], summed in f32."""
    m, n, k = tl.arange(0, M), tl.arange(0, N), tl.arange(0, BK)
    total = tl.zeros((M, N), tl.float32)
    for i in range(0, K, BK):
        x = tl.load(a + m[:, None] * K + (i + k)[None, :])
        y = tl.load(b + (i + k)[:, None] * N + n[None, :])
        total = tl.dot(x, y, total)
    tl.store(c + m[:, None] * N + n[None, :], total)


@triton.jit
def softmax(x, y, columns, BLOCK: tl.constexpr):
    """The softmax of each row, one row for each program."""
    row, i = tl.program_id(0), tl.arange(0, BLOCK)
    value = tl.load(x + row * columns + i, mask=i < columns, other=-float("inf"))
    power = tl.exp(value - tl.max(value, axis=0))
    tl.store(y + row * columns + i, power / tl.sum(power, axis=0), mask=i < columns)


@triton.jit
def layer_norm(x, weight, bias, y, columns, eps, BLOCK: tl.constexpr):
    """Each row with mean 0 and variance 1, scaled and shifted."""
    row, i = tl.program_id(0), tl.arange(0, BLOCK)
    inside = i < columns
    value = tl.load(x + row * columns + i, mask=inside, other=0.0).to(tl.float32)
    mean = tl.sum(value, axis=0) / columns
    centred = tl.where(inside, value - mean, 0.0)
    variance = tl.sum(centred * centred, axis=0) / columns
    scaled = centred * tl.rsqrt(variance + eps)
    scaled = scaled * tl.load(weight + i, mask=inside) + tl.load(bias + i, mask=inside)
    tl.store(y + row * columns + i, scaled, mask=inside)


@triton.jit
def attention(q, k, v, out, keys, scale, M: tl.constexpr, D: tl.constexpr, BN: tl.constexpr):
    """M causal queries, the last of `keys` tokens, over all of them: one head of size D."""
    m, d, n = tl.arange(0, M), tl.arange(0, D), tl.arange(0, BN)
    head = tl.program_id(0)
    query = tl.load(q + head * M * D + m[:, None] * D + d[None, :])
    largest = tl.full((M,), -float("inf"), tl.float32)
    total = tl.zeros((M,), tl.float32)
    sums = tl.zeros((M, D), tl.float32)
    for start in range(0, keys, BN):
        at = start + n
        inside = at < keys
        rows = head * keys * D + at[:, None] * D + d[None, :]
        key = tl.load(k + rows, mask=inside[:, None], other=0.0)
        score = tl.dot(query, tl.trans(key)) * scale
        visible = at[None, :] <= keys - M + m[:, None]
        score = tl.where(visible, score, -float("inf"))
        new = tl.maximum(largest, tl.max(score, axis=1))
        power = tl.exp2(score - new[:, None])
        shrink = tl.exp2(largest - new)
        total = total * shrink + tl.sum(power, axis=1)
        value = tl.load(v + rows, mask=inside[:, None], other=0.0)
        sums = tl.dot(power.to(value.dtype), value, sums * shrink[:, None])
        largest = new
    tl.store(out + head * M * D + m[:, None] * D + d[None, :], sums / total[:, None])


KERNELS = {}
for half in ("bf16", "fp16"):
    name = half.replace("fp", "f")
    KERNELS[f"matmul_{name}"] = (
        matmul,
        {"a": f"*{half}", "b": f"*{half}", "c": "*fp32", "K": "i32"},
        {"M": 64, "N": 64, "BK": 32},
    )
    KERNELS[f"attention_{name}"] = (
        attention,
        {
            **{"q": f"*{half}", "k": f"*{half}", "v": f"*{half}", "out": "*fp32"},
            **{"keys": "i32", "scale": "fp32"},
        },
        {"M": 64, "D": 64, "BN": 32},
    )
KERNELS["softmax_f32"] = (softmax, {"x": "*fp32", "y": "*fp32", "columns": "i32"}, {"BLOCK": 1024})
KERNELS["layer_norm_bf16"] = (
    layer_norm,
    {
        **{"x": "*bf16", "weight": "*fp32", "bias": "*fp32", "y": "*fp32"},
        **{"columns": "i32", "eps": "fp32"},
    },
    {"BLOCK": 512},
)

for name in sys.argv[1:] or KERNELS:
    function, types, constants = KERNELS[name]
    names = list(types) + list(constants)
    # Pointers and row lengths are multiples of 16, so that Triton loads vectors.
    aligned = [i for i, kind in enumerate(types.values()) if kind.startswith("*")]
    if function in (matmul, attention):
        aligned += [names.index("K")] if "K" in names else []
    source = ASTSource(
        fn=function,
        signature=types | {key: "constexpr" for key in constants},
        constexprs={(names.index(key),): value for key, value in constants.items()},
        attrs={(i,): [["tt.divisibility", 16]] for i in aligned},
    )
    options = {"num_warps": 4, "num_stages": 3}
    built = triton.compile(source, target=GPUTarget("cuda", 80, 32), options=options)
    text = built.asm["ptx"]
    # Without what is for debuggers, which names the folder of this file.
    text = text.split("\t.section\t.debug")[0].replace(str(Path(__file__).parent), "")
    lines = [line for line in text.splitlines() if not line.lstrip().startswith((".loc", ".file"))]
    header = f"// shared {built.metadata.shared} warps {built.metadata.num_warps}, Triton {triton.__version__}"
    Path(__file__).with_name(f"{name}.ptx").write_text("\n".join([header, *lines]) + "\n")
    print(name, header)
