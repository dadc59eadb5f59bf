"""What the figures were measured on."""

import os
import platform
from pathlib import Path

# What decides how fast matrices can be multiplied here.
FEATURES = ["avx2", "avx512f", "avx512_vnni", "avx512_bf16", "amx_bf16", "amx_int8"]


def describe() -> dict[str, str]:
    """Processor, memory, system and how busy it was."""
    cpu, flags = platform.processor() or platform.machine(), set[str]()
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            name, _, value = line.partition(":")
            if name.strip() == "model name":
                cpu = value.strip()
            if name.strip() == "flags":
                flags = set(value.split())
    except OSError:
        pass  # Not Linux: the name alone must do.
    about = {
        "processor": cpu,
        "cores": str(os.cpu_count()),
        "features": " ".join(feature for feature in FEATURES if feature in flags),
        "system": platform.platform(),
    }
    about["load at the start"] = load()
    return about


def load() -> str:
    """How many threads wanted to run in the last minute; beyond the benchmark's own they spoil
    it."""
    return f"{os.getloadavg()[0]:.2f}" if hasattr(os, "getloadavg") else "unknown"
