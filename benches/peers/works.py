"""What is compared with what."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

Request = dict[str, Any]

# The latents of a full segment and the authors' prompt around them take about so many positions.
PROMPT = 64


@dataclass(frozen=True)
class Side:
    """A worker and what it is asked. Works whose sides have the same worker share it."""

    kind: str  # ours, torch or llama
    model: Path
    dtype: str
    request: tuple[tuple[str, Any], ...]

    @property
    def worker(self) -> tuple[str, Path, str]:
        return (self.kind, self.model, self.dtype)


@dataclass(frozen=True)
class Work:
    """One row of the table. `measure` is the field of both answers that counts the work."""

    name: str
    what: str
    against: str
    goal: str
    measure: str  # tokens, operations or bytes
    ours: Side
    theirs: Side


@dataclass(frozen=True)
class Models:
    """What the works run on."""

    real: Path  # the checkpoint of the authors' sizes
    builtin: Path
    text: Path  # for the round trip
    tokens: int  # of a full segment
    steps: int  # of decoding
    batch: int


def works(models: Models, builtin_dtype: str) -> list[Work]:
    """All of them, those that share workers next to each other."""
    real, tokens, steps, batch = models.real, models.tokens, models.steps, models.batch

    def ours(dtype: str, **request: Any) -> Side:
        return Side("ours", real, dtype, tuple(request.items()))

    def torch(dtype: str, **request: Any) -> Side:
        return Side("torch", real, dtype, tuple(request.items()))

    def llama(dtype: str, **request: Any) -> Side:
        file = real.with_name(f"{real.name}-{dtype}.gguf")
        return Side("llama", file, dtype, tuple(request.items()))

    attention = {
        "work": "attention",
        "queries": 32,
        "keys": 32768,
        "heads": 12,
        "kv_heads": 2,
        "head_dim": 128,
    }
    encode = {"work": "encode", "tokens": tokens}
    decode = {"work": "decode", "batch": 1, "prompt": PROMPT, "tokens": steps}
    decode_batch = decode | {"batch": batch}
    verify = {"work": "verify", "tokens": tokens}
    gemm = {"work": "gemm", "rows": 512}
    read = {"work": "bandwidth", "bytes": 2 << 30}
    text = {"work": "roundtrip", "file": str(models.text), "ratio": 4}

    def row(name: str, what: str, against: str, goal: str, measure: str, *sides: Side) -> Work:
        return Work(name, what, against, goal, measure, *sides)

    def torch_row(name: str, what: str, goal: str, measure: str, request: Request) -> Work:
        sides = ours("bf16", **request), torch("bf16", **request)
        return row(name, what, "PyTorch bf16", goal, measure, *sides)

    def load_row(stage: str) -> Work:
        request = {"work": "load", "stage": stage}
        return torch_row(f"load-{stage}", f"load the {stage}, files cached", "", "bytes", request)

    def llama_row(dtype: str) -> Work:
        sides = ours(dtype, **decode), llama(dtype, **decode)
        what = f"decode, batch 1, {dtype}"
        return row(f"decode-{dtype}", what, "llama.cpp", "≥ 1.0", "tokens", *sides)

    return [
        torch_row("gemm", "512 rows × the encoder's gate_proj", "≥ 1.0", "operations", gemm),
        row(
            "attention-f32",
            "context-query attention, 32 × 32,768",
            "PyTorch f32",
            "≥ 2",
            "operations",
            ours("bf16", **attention),
            torch("f32", **attention),
        ),
        row(
            "attention-bf16",
            "context-query attention, 32 × 32,768",
            "PyTorch bf16",
            "≥ 2",
            "operations",
            ours("bf16", **attention, bf16=True),
            torch("bf16", **attention),
        ),
        torch_row("encode", f"encode {tokens:,} tokens", "≥ 1.5", "tokens", encode),
        torch_row("verify", f"verify {tokens:,} tokens", "≥ 1.3", "tokens", verify),
        torch_row("decode", "decode, batch 1", "≥ 1.3", "tokens", decode),
        torch_row("decode-batch", f"decode, batch {batch}", "", "tokens", decode_batch),
        row(
            "decode-bandwidth",
            "bytes of weights read, batch 1",
            "streaming read",
            "≥ 0.8",
            "bytes",
            ours("bf16", **decode),
            ours("bf16", **read),
        ),
        row(
            "batching",
            f"decode, batch {batch}",
            "ours at batch 1",
            "≥ 8",
            "tokens",
            ours("bf16", **decode_batch),
            ours("bf16", **decode),
        ),
        load_row("encoder"),
        load_row("decoder"),
        llama_row("q8_0"),
        llama_row("q4_k"),
        row(
            "roundtrip",
            "built-in model, round trip of English at 4×",
            f"PyTorch {builtin_dtype}, batch 16",
            "≥ 5",
            "bytes",
            Side("ours", models.builtin, "f32", tuple((text | {"batch": None}).items())),
            Side("torch", models.builtin, builtin_dtype, tuple((text | {"batch": 16}).items())),
        ),
    ]
