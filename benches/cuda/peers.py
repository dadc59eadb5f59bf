"""Times PyTorch's scaled_dot_product_attention and FlashAttention on the shapes of shapes.json.

    python benches/cuda/peers.py --json peers.json

Needs PyTorch with CUDA; FlashAttention (`flash_attn`) is timed if it is installed. Each is called in
the ways that could be fastest for a shape; every one is kept in the JSON. `device` is the time that
the device works (CUDA events around many calls), `call` what a caller waits for (one call and the wait
for the device), as the Rust benchmark measures it. k and v of repeated heads are repeated beforehand."""

import argparse
import json
import re
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

from shapes import Shape, load

Call = Callable[[], Any]

DTYPES = ["bf16", "f16", "f32"]

# The most scores of which the slow, obvious attention is computed, to see whether a call is right.
CHECKED = 1 << 27


def sdpa(torch: Any, shape: Shape, q: Any, k: Any, v: Any) -> dict[str, Call]:
    """Ways to call it with q `[1, heads, queries, head_dim]`, k and v `[1, kv_heads, keys, head_dim]`,
    by name. Results are like q."""
    attend = torch.nn.functional.scaled_dot_product_attention
    options: dict[str, Any] = {}
    if shape.queries == shape.keys:
        options["is_causal"] = True
    elif shape.queries > 1:
        # `is_causal` would let query i see the first i keys.
        bias = torch.nn.attention.bias.causal_lower_right(shape.queries, shape.keys)
        options["attn_mask"] = bias
    group = shape.heads // shape.kv_heads
    wide_k, wide_v = (x.repeat_interleave(group, dim=1) for x in (k, v))
    calls = {
        "SDPA, enable_gqa": lambda: attend(q, k, v, enable_gqa=True, **options),
        "SDPA, repeated heads": lambda: attend(q, wide_k, wide_v, **options),
    }
    if shape.queries == 1:
        # The queries of a group are rows of one head.
        rows = q.reshape(1, shape.kv_heads, group, shape.head_dim)
        calls["SDPA, grouped rows"] = lambda: attend(rows, k, v).reshape(q.shape)
    return calls


def flash(functions: Any, q: Any, k: Any, v: Any) -> dict[str, Call]:
    """The same of FlashAttention, which takes heads behind tokens and no f32."""
    q, k, v = (x.transpose(1, 2).contiguous() for x in (q, k, v))
    return {
        "flash_attn_func": lambda: functions.flash_attn_func(q, k, v, causal=True).transpose(1, 2),
        "flash_attn_with_kvcache": lambda: functions.flash_attn_with_kvcache(
            q, k, v, causal=True
        ).transpose(1, 2),
    }


def obvious(torch: Any, shape: Shape, q: Any, k: Any, v: Any) -> Any:
    """In f32, with all scores in memory."""
    group = shape.heads // shape.kv_heads
    k, v = (x.float().repeat_interleave(group, dim=1) for x in (k, v))
    scores = q.float() @ k.transpose(2, 3) * shape.head_dim**-0.5
    seen = torch.ones(shape.queries, shape.keys, dtype=torch.bool, device=q.device)
    hidden = ~seen.tril(shape.keys - shape.queries)
    return scores.masked_fill(hidden, float("-inf")).softmax(-1) @ v


def difference(found: Any, right: Any) -> float:
    """Relative RMS."""
    return float((found.float() - right).norm() / right.norm())


def device_seconds(torch: Any, call: Call) -> float:
    """Median over runs of many calls, of one call."""
    start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))

    def run(calls: int) -> float:
        start.record()
        for _ in range(calls):
            call()
        end.record()
        end.synchronize()
        return start.elapsed_time(end) / 1e3

    run(3)
    calls = max(1, min(1000, round(0.02 / max(run(3) / 3, 1e-7))))
    return median(run(calls) / calls for _ in range(15))


def call_seconds(torch: Any, call: Call, least: float = 0.5) -> float:
    """Median of calls, each waited for."""
    times: list[float] = []
    begin = time.perf_counter()
    while len(times) < 20 or time.perf_counter() - begin < least:
        before = time.perf_counter()
        call()
        torch.cuda.synchronize()
        times.append(time.perf_counter() - before)
    return median(times)


def measure(torch: Any, functions: Any, shape: Shape, dtype: str) -> list[dict[str, Any]]:
    types = {"bf16": torch.bfloat16, "f16": torch.float16, "f32": torch.float32}

    def random(heads: int, tokens: int) -> Any:
        values = torch.rand(1, heads, tokens, shape.head_dim, device="cuda") * 2 - 1
        return values.to(types[dtype])

    q = random(shape.heads, shape.queries)
    k, v = (random(shape.kv_heads, shape.keys) for _ in range(2))
    calls = sdpa(torch, shape, q, k, v)
    if functions is not None and dtype != "f32":
        calls |= flash(functions, q, k, v)
    right = None
    if shape.heads * shape.queries * shape.keys <= CHECKED:
        right = obvious(torch, shape, q, k, v)
    rows: list[dict[str, Any]] = []
    for name, call in calls.items():
        row: dict[str, Any] = {"shape": shape.name, "dtype": dtype, "call": name}
        try:
            off = None if right is None else difference(call(), right)
            if off is not None and not off < 0.05:
                row["error"] = f"wrong result: off by {off:.2g}"
            else:
                row["device_seconds"] = device_seconds(torch, call)
                row["call_seconds"] = call_seconds(torch, call)
        except (RuntimeError, ValueError, TypeError) as error:
            row["error"] = str(error).strip().splitlines()[0]
        rows.append(row)
        print(describe(row), flush=True)
    return rows


def describe(row: dict[str, Any]) -> str:
    head = f"{row['shape']:>26} {row['dtype']:>5} {row['call']:<24}"
    if "error" in row:
        return f"{head} {row['error']}"
    device, call = row["device_seconds"] * 1e6, row["call_seconds"] * 1e6
    return f"{head} device {device:10.1f} µs, call {call:10.1f} µs"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", type=Path, help="file for every figure")
    parser.add_argument("--filter", default="", help="regular expression that shapes' names match")
    parser.add_argument("--dtypes", nargs="+", choices=DTYPES, default=DTYPES)
    options = parser.parse_args()
    try:
        import torch
        import torch.nn.attention.bias  # type: ignore[import-not-found]
    except ImportError as error:
        sys.exit(f"peers.py: {error}: PyTorch 2.5 or above is needed")
    if not torch.cuda.is_available():
        sys.exit(f"peers.py: PyTorch {torch.__version__} finds no CUDA device")
    about = {"torch": torch.__version__, "device": torch.cuda.get_device_name()}
    functions = None
    try:
        import flash_attn  # type: ignore[import-not-found]

        functions, about["flash_attn"] = flash_attn, flash_attn.__version__
    except ImportError as error:
        about["flash_attn"] = f"not timed: {error}"
    for name, value in about.items():
        print(f"{name}: {value}")
    rows: list[dict[str, Any]] = []
    with torch.inference_mode():
        for shape in load():
            if re.search(options.filter, shape.name):
                for dtype in options.dtypes:
                    rows += measure(torch, functions, shape, dtype)
    if options.json:
        options.json.write_text(json.dumps({"about": about, "rows": rows}, indent=1))


if __name__ == "__main__":
    main()
