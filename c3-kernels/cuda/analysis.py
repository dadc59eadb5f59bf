#!/usr/bin/env python3
"""Makes ANALYSIS.md: what each kernel takes of each device, and the least time that its work takes there.

No kernel has been timed: this is arithmetic on what the compiler reports (resources.txt, written by
`build.sh --report`), on the devices' published limits, and on bytes and operations counted from the
shapes as src/cuda/attention.rs plans them. The tests hold those counts to what the kernels ask for.

    analysis.py            writes ANALYSIS.md
    analysis.py --check    fails if ANALYSIS.md is not up to date, a kernel spills registers, or a shape
                           moves more than 5% above q, k, v and the result between memory and L2 cache
"""

import dataclasses
import math
import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent
KEY_TILE, BLOCKS_EACH, THREADS = 32, 2, {"attention": 128, "combine": 128}


@dataclasses.dataclass
class Device:
    name: str
    architecture: str
    multiprocessors: int
    memory: float  # bytes/s
    l2: float  # bytes/s: published for the A100, the same bytes per clock assumed for the others
    l2_bytes: float
    tensor: float  # 16-bit multiply and add with f32 sums, dense, 1/s
    plain: float  # f32, 1/s
    shared: int  # bytes of a multiprocessor
    warps: int  # of a multiprocessor
    blocks: int  # of a multiprocessor


DEVICES = [
    Device("A100 80 GB", "sm_80", 108, 2.039e12, 7.2e12, 40e6, 312e12, 19.5e12, 164 << 10, 64, 32),
    Device("H100 SXM", "sm_90", 132, 3.35e12, 8.7e12, 50e6, 989e12, 66.9e12, 228 << 10, 64, 32),
    Device("RTX 4090", "sm_89", 128, 1.008e12, 5.0e12, 72e6, 165e12, 82.6e12, 100 << 10, 48, 24),
]


def resources():
    rows = [line.split() for line in (HERE / "resources.txt").read_text().splitlines()]
    return {(name, architecture): tuple(map(int, rest)) for name, architecture, *rest in rows}


def shared_bytes(kernel):
    """Dynamic shared memory, as the plan has it."""
    if not kernel.startswith("attention"):
        return 0
    head = int(kernel.rsplit("_", 1)[1])
    if "_f32_" in kernel:
        return (3 * KEY_TILE * (head + 4) + KEY_TILE * (KEY_TILE + 4)) * 4
    return 4 * KEY_TILE * (head + 8) * 2


def resident(device, kernel, registers):
    """Blocks that a multiprocessor holds at once, and what keeps it from holding more."""
    warps = THREADS.get(kernel.split("_")[0], 256) // 32
    # Registers are given to warps in units of 256; a block's shared memory has 1 KiB of the system's.
    of_registers = (65536 // (math.ceil(registers * 32 / 256) * 256)) // warps
    shared = shared_bytes(kernel)
    limits = {
        "registers": of_registers,
        "shared memory": device.shared // (shared + 1024),
        "warps": device.warps // warps,
        "blocks": device.blocks,
    }
    least = min(limits, key=limits.get)
    return limits[least], least, limits[least] * warps / device.warps


@dataclasses.dataclass
class Shape:
    name: str
    queries: int
    heads: int
    kv_heads: int
    keys: int
    head: int = 128
    element: int = 2

    def counts(self, device):
        """Of the launches that the plan has: splits, blocks, bytes, operations."""
        rows = self.queries * self.heads // self.kv_heads
        tile = 64 if self.element == 2 else 32
        tiles = math.ceil(rows / tile)
        blocks = tiles * self.kv_heads
        shortest = max(2 * KEY_TILE, 4 * rows)
        splits = max(1, min(BLOCKS_EACH * device.multiprocessors // blocks, self.keys // shortest))
        width = self.head * self.element
        q = self.queries * self.heads * width
        kv = 2 * self.kv_heads * self.keys * width
        parts = splits * self.queries * self.heads * (self.head + 1) * 4 if splits > 1 else 0
        # Tiles of rows that stop at the diagonal ask for fewer keys; what is computed is whole tiles.
        asked, computed = 0, 0
        for t in range(tiles):
            last = min((t + 1) * tile, rows) - 1
            seen = self.keys - self.queries + last * self.kv_heads // self.heads + 1
            asked += 2 * seen * width * self.kv_heads
            warp = 16 if self.element == 2 else 8
            busy = math.ceil((last + 1 - t * tile) / warp) * warp
            computed += math.ceil(seen / KEY_TILE) * KEY_TILE * busy * self.kv_heads
        pairs = self.heads * sum(self.keys - self.queries + i + 1 for i in range(self.queries))
        return {
            "splits": splits,
            "blocks": blocks * splits,
            "least": 2 * q + kv,
            "tiles": tiles,
            "q": q,
            "kv": kv,
            "parts": 2 * parts,
            "l2": splits * q + asked + q + 2 * parts,
            "useful": 4 * self.head * pairs,
            "computed": 4 * self.head * computed,
        }


SHAPES = [
    Shape("32 queries × 32,768 keys, 12 heads on 2", 32, 12, 2, 32768),
    Shape("the same in f32", 32, 12, 2, 32768, element=4),
    Shape("32 queries × 1,048,576 keys, 12 heads on 2", 32, 12, 2, 1 << 20),
    Shape("decoding, 1 query × 1,344 keys, 16 heads on 2", 1, 16, 2, 1344),
    Shape("decoding in f32", 1, 16, 2, 1344, element=4),
    Shape("prefill, 1,312 queries × 1,312 keys, 12 heads on 2", 1312, 12, 2, 1312),
    Shape("prefill in f32", 1312, 12, 2, 1312, element=4),
]


def size(count):
    for unit, one in [("GB", 1e9), ("MB", 1e6), ("KB", 1e3)]:
        if count >= one:
            return f"{count / one:.3g} {unit}"
    return f"{count:.0f} B"


def table(head, rows):
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return "\n".join(lines + ["| " + " | ".join(map(str, row)) + " |" for row in rows]) + "\n"


def kernel_of(shape):
    return f"attention_{'bf16' if shape.element == 2 else 'f32'}_{shape.head}"


def slots(shape, device, found):
    """Blocks that the device holds at once."""
    kernel = kernel_of(shape)
    return device.multiprocessors * resident(device, kernel, found[kernel, device.architecture][0])[0]


def moved(shape, device, found):
    """Bytes between memory and the L2 cache."""
    counts = shape.counts(device)
    # Sums of parts stay in the cache if they are small beside it. Tiles of rows find keys there that
    # others read, if they run side by side or all keys fit.
    beyond = counts["parts"] if counts["parts"] / 2 > device.l2_bytes / 2 else 0
    passes = 1 if counts["kv"] < device.l2_bytes / 2 else math.ceil(counts["tiles"] / slots(shape, device, found))
    return 2 * counts["q"] + passes * counts["kv"] + beyond


def predicted(shape, device, found):
    counts = shape.counts(device)
    peak = device.tensor if shape.element == 2 else device.plain
    times = {
        "memory": moved(shape, device, found) / device.memory,
        "L2": counts["l2"] / device.l2,
        "arithmetic": counts["computed"] / peak,
    }
    bound = max(times, key=times.get)
    return counts, times, bound


def text():
    found = resources()
    kernels = sorted({name for name, _ in found})
    architectures = ["sm_80", "sm_86", "sm_89", "sm_90", "sm_100", "sm_120"]
    parts = [
        "# What the kernels take\n",
        "Made by `analysis.py`; nothing here was measured on a device. Registers are what ptxas reports for each",
        "architecture. No kernel spills registers to memory.\n",
        "## Registers of a thread\n",
        table(
            ["kernel", "shared memory", *architectures],
            [[f"`{k}`", size(shared_bytes(k)) if shared_bytes(k) else "", *(found[k, a][0] for a in architectures)] for k in kernels],
        ),
        "## Blocks that a multiprocessor holds\n",
        "Blocks, the share of its warps that they are, and what keeps it from holding more.\n",
        table(
            ["kernel", *(d.name for d in DEVICES)],
            [
                [f"`{k}`"] + ["{} ({:.0%}, {})".format(b, share, least) for b, least, share in (resident(d, k, found[k, d.architecture][0]) for d in DEVICES)]
                for k in kernels
            ],
        ),
        "## The least time of real shapes\n",
        "Attention with heads of 128, in bf16 unless it says f32. *Memory* is q, k, v and the result, and again what the L2 cache can't keep; *parts* are",
        "sums of split keys, written and read again, in the L2 cache where they are below half of it; *L2* is what",
        "all blocks ask for together. *Operations* count all rows of a warp that has any, and masked scores. The least time is the longest of",
        "memory, L2 and arithmetic at their published peaks (the L2 caches of H100 and RTX 4090 are assumed, and an H100 reaches about 60%",
        "of its tensor peak with `mma.sync`): a kernel takes longer, by what it waits for, and each launch by some microseconds.\n",
    ]
    for shape in SHAPES:
        rows = []
        for device in DEVICES:
            counts, times, bound = predicted(shape, device, found)
            micro = lambda t: f"{t * 1e6:.3g} µs"
            rows.append([
                device.name, counts["splits"], f"{counts['blocks']} of {slots(shape, device, found)}", size(moved(shape, device, found)), size(counts["parts"]) if counts["parts"] else "none",
                size(counts["l2"]), f"{counts['computed'] / 1e9:.3g} G ({counts['useful'] / counts['computed']:.0%} useful)",
                micro(times["memory"]), micro(times["L2"]), micro(times["arithmetic"]), f"**{micro(times[bound])}**, {bound}",
            ])
        parts += [f"### {shape.name[0].upper()}{shape.name[1:]}\n", table(["device", "splits", "blocks of those held", "memory", "parts", "L2", "operations", "memory", "L2", "arithmetic", "least"], rows)]
    parts += [
        "## Not built\n",
        "**Projector and splice in one kernel.** 32 latents of 1,536 values times a projector of 1,536 × 2,048 in bf16",
        "read 6.3 MB of weights and write 131 KB; copying those into the prompt's embeddings moves 262 KB more, 4%: 0.13 µs of",
        "an A100's memory, and one launch, once for each segment, whose decoding then takes hundreds of steps of a millisecond or more.\n",
        "**Attention of one query in a kernel of its own.** With 8 rows of a key-value head a tile of 64 has one warp of four",
        "with rows; the others only fetch. That warp's 64 products of 16 × 8 × 16 for each 32 keys take 512 clocks of its quarter of an A100's",
        "multiprocessor, which gets the 16 KB of those keys and values from memory in 1,200 clocks: the tile waits for memory all the same.\n",
        "**A variant for Hopper** with TMA and wgmma, which alone reach that card's tensor peak. The emulator has neither, so it could not be",
        "verified as the others are; until it can be, or a card is at hand, an H100 runs the kernels of sm_80.\n",
        "**RMS norm.** `candle-nn` has a kernel for all three types, which the model uses.\n",
    ]
    return "\n".join(parts)


def main():
    if sys.argv[1:] != ["--check"]:
        (HERE / "ANALYSIS.md").write_text(text())
        return
    problems = [f"{kernel} spills {spills} bytes on {architecture}" for (kernel, architecture), (_, spills, _) in resources().items() if spills]
    for shape in SHAPES:
        for device in DEVICES:
            least, most = shape.counts(device)["least"], moved(shape, device, resources())
            if most > 1.05 * least:
                problems.append(f"{shape.name} on {device.name}: {most} bytes, at least {least}")
    if (HERE / "ANALYSIS.md").read_text() != text():
        problems.append("ANALYSIS.md is not what analysis.py makes")
    sys.exit("\n".join(problems) or None)


if __name__ == "__main__":
    main()
