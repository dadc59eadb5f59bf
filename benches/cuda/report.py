"""Makes one Markdown file of what run.sh has collected: `report.py FOLDER OUT.md`."""

import json
import re
import sys
from pathlib import Path
from statistics import median
from typing import Any, Optional

from shapes import Shape, load

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "c3-kernels/cuda"))
import analysis  # noqa: E402

# Cards whose limits the analysis has, by the names that the driver gives them.
CARDS = {
    r"A100.*80GB": "A100 80 GB",
    r"H100 80GB HBM3": "H100 SXM",
    r"RTX 4090$": "RTX 4090",
}

DTYPES = ["bf16", "f16", "f32"]

# The shape whose time is that of launching and waiting.
TINY = "tiny"

Seconds = dict[tuple[str, str], float]


def tsv(path: Path) -> list[list[str]]:
    return [line.split("\t") for line in path.read_text().splitlines()]


def criterion(folder: Path) -> dict[str, Seconds]:
    """Seconds of an iteration, by who computes, then by shape and dtype."""
    found: dict[str, Seconds] = {}
    for path in sorted(folder.glob("criterion/**/new/benchmark.json")):
        name = json.loads(path.read_text())
        who, dtype = name["function_id"].split()
        estimates = json.loads((path.parent / "estimates.json").read_text())
        seconds = estimates["median"]["point_estimate"] / 1e9
        found.setdefault(who, {})[name["value_str"], dtype] = seconds
    return found


def fastest(rows: list[dict[str, Any]], prefix: str, shape: str, dtype: str) -> Optional[dict[str, Any]]:
    """The call that waits least, of those whose names begin so."""
    fit = [
        row
        for row in rows
        if (row["shape"], row["dtype"]) == (shape, dtype)
        and row["call"].startswith(prefix)
        and "call_seconds" in row
    ]
    return min(fit, key=lambda row: row["call_seconds"], default=None)


def predicted(card: Optional[analysis.Device], shape: Shape, dtype: str) -> Optional[tuple[float, str]]:
    """The analysis' least time, and what bounds it."""
    if card is None:
        return None
    element = 4 if dtype == "f32" else 2
    work = analysis.Shape(
        shape.name, shape.queries, shape.heads, shape.kv_heads, shape.keys, shape.head_dim, element
    )
    _, times, bound = analysis.predicted(work, card, analysis.resources())
    return times[bound], bound


def micro(seconds: Optional[float]) -> str:
    """Three digits that count."""
    if seconds is None:
        return "–"
    value = seconds * 1e6
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def times(other: Optional[float], ours: float) -> str:
    return "–" if other is None else f"{other / ours:.2f}"


def machine(folder: Path) -> str:
    lines = ["| | |", "|---|---|", *(f"| {name} | {value} |" for name, value in tsv(folder / "machine.tsv"))]
    clocks = [line.split(", ") for line in (folder / "clocks.csv").read_text().splitlines()]
    for i, name in enumerate(["SM clock, MHz", "memory clock, MHz", "temperature, °C", "power, W"]):
        values = [float(row[i]) for row in clocks if len(row) == 4 and re.fullmatch(r"[\d.]+", row[i])]
        if values:
            lines.append(f"| {name} while timed: median (range) | {median(values):g} ({min(values):g}–{max(values):g}) |")
    return "\n".join(lines)


def cell(text: str) -> str:
    """A bar would end the cell."""
    return text.replace("|", "\\|")


def verification(folder: Path) -> str:
    lines = ["| step | result | seconds | command |", "|---|---|---|---|"]
    logs: list[str] = []
    for name, code, seconds, what in tsv(folder / "steps.tsv"):
        result = {"0": "passed", "skipped": "skipped"}.get(code, f"**failed** ({code})")
        lines.append(f"| {name} | {result} | {seconds} | {cell(what)} |")
        if "failed" in result:
            tail = (folder / f"{name}.log").read_text(errors="replace").splitlines()[-60:]
            logs += [f"\n### The end of {name}\n", "````text", *tail, "````"]
    return "\n".join(lines + logs)


def speeds(folder: Path, card: Optional[analysis.Device]) -> str:
    found = criterion(folder)
    path = folder / "peers.json"
    rows = json.loads(path.read_text())["rows"] if path.exists() else []
    lines = [
        "| shape | dtype | ours, µs | TFLOP/s | predicted, µs | bound | ours ÷ predicted | candle ÷ ours "
        "| SDPA, µs | ÷ ours | on the device, µs | by | FlashAttention, µs | ÷ ours | on the device, µs | by |",
        "|---" * 16 + "|",
    ]
    for shape in load():
        for dtype in DTYPES:
            ours = found.get("c3", {}).get((shape.name, dtype))
            if ours is None:
                continue
            least = predicted(card, shape, dtype)
            cells = [shape.name, dtype, micro(ours), f"{shape.operations / ours / 1e12:.2f}"]
            cells += ["–"] * 3 if least is None else [micro(least[0]), least[1], f"{ours / least[0]:.2f}"]
            cells.append(times(found.get("candle", {}).get((shape.name, dtype)), ours))
            for prefix in ["SDPA", "flash"]:
                best = fastest(rows, prefix, shape.name, dtype) or {}
                waited = best.get("call_seconds")
                cells += [micro(waited), times(waited, ours)]
                cells += [micro(best.get("device_seconds")), best.get("call", "–")]
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    folder, out = map(Path, sys.argv[1:])
    about = dict(tsv(folder / "machine.tsv"))
    named = next((name for mark, name in CARDS.items() if re.search(mark, about["name"])), None)
    card = next((device for device in analysis.DEVICES if device.name == named), None)
    tiny = [f"{micro(s)} µs in {dtype}" for (name, dtype), s in criterion(folder).get("c3", {}).items() if name == TINY]
    peers = folder / "peers.json"
    parts = [
        f"# CUDA kernels on {about['name']}",
        machine(folder),
        "## Verification and steps",
        verification(folder),
        "## Attention",
        "Medians of what a caller waits for, a call and the wait for the device, ours and others' alike. "
        f"Of that, launching and waiting: {', '.join(tiny) or 'not timed'} (shape `{TINY}`). "
        "“On the device” are calls one behind the other between CUDA events.",
        f"Predicted is the least time that `c3-kernels/cuda/analysis.py` gives {card.name}, of the kernels alone."
        if card
        else "`c3-kernels/cuda/analysis.py` doesn't know this card's limits, so nothing is predicted.",
        *(f"{name}: {value}." for name, value in (json.loads(peers.read_text())["about"] if peers.exists() else {}).items()),
        speeds(folder, card),
    ]
    out.write_text("\n\n".join(parts) + "\n")


if __name__ == "__main__":
    main()
