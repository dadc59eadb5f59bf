"""How the time and the memory of `c3 compress` grow with the text: a Markdown table, and a picture.

    python benches/peers/scaling.py docs/scaling.svg

Needs nothing but Python and the binary `c3` in target/release."""

import argparse
import json
import subprocess
import tempfile
from pathlib import Path

from text import english

ROOT = Path(__file__).resolve().parents[2]

# Bytes of English: about a thousand tokens of the built-in model to more than a million.
SIZES = [3_000, 10_000, 30_000, 100_000, 300_000, 1_000_000, 3_600_000]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("picture", type=Path, help="SVG file to write")
    parser.add_argument("--c3", type=Path, default=ROOT / "target/release/c3")
    parser.add_argument("--ratio", default="8")
    parser.add_argument("--threads", default="2")
    options = parser.parse_args()
    print("| text tokens | segments | seconds | tokens/s | peak memory |\n|---|---|---|---|---|")
    points: list[tuple[int, float, float]] = []
    with tempfile.TemporaryDirectory() as folder:
        text, out = Path(folder) / "text", Path(folder) / "out.c3"
        for size in SIZES:
            text.write_text(english(ROOT / "fixtures", size), encoding="utf-8")
            command = [str(options.c3), "compress", str(text), "-f", "-o", str(out), "--json"]
            command += ["--quiet", "--ratio", options.ratio, "--threads", options.threads]
            done = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
            tokens, seconds = done["text_tokens"], done["encode_seconds"]
            peak = done["peak_memory_bytes"] / 2**20
            points.append((tokens, seconds, peak))
            rate = tokens / seconds
            print(f"| {tokens:,} | {done['segments']:,} | {seconds:.3f} | {rate:,.0f} | {peak:.0f} MiB |")
    options.picture.parent.mkdir(parents=True, exist_ok=True)
    options.picture.write_text(draw(points), encoding="utf-8")


def draw(points: list[tuple[int, float, float]]) -> str:
    """Both curves over the tokens, all axes logarithmic but that of memory."""
    from math import log10

    width, height, left, top, right, bottom = 640, 360, 60, 30, 60, 50
    x0, x1 = log10(points[0][0]), log10(points[-1][0])
    y0, y1 = log10(min(p[1] for p in points)), log10(max(p[1] for p in points))
    most = 1.25 * max(p[2] for p in points)

    def x(tokens: float) -> float:
        return left + (log10(tokens) - x0) / (x1 - x0) * (width - left - right)

    def y(share: float) -> float:
        return top + (1 - share) * (height - top - bottom)

    time = [(x(t), y((log10(s) - y0) / (y1 - y0))) for t, s, _ in points]
    memory = [(x(t), y(m / most)) for t, _, m in points]
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        'font-family="sans-serif" font-size="12">',
        f'<rect width="{width}" height="{height}" fill="white"/>',
    ]
    for points_of, color in [(time, "#1f5fa8"), (memory, "#b4511e")]:
        path = " ".join(f"{px:.1f},{py:.1f}" for px, py in points_of)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{color}" stroke-width="2"/>')
        parts += [f'<circle cx="{px:.1f}" cy="{py:.1f}" r="3" fill="{color}"/>' for px, py in points_of]
    for (px, py), (_, seconds, _) in zip(time, points):
        parts.append(f'<text x="{px - 4:.0f}" y="{py - 8:.0f}" text-anchor="end" fill="#1f5fa8">{seconds:.2g} s</text>')
    for (px, py), (_, _, peak) in zip(memory, points):
        parts.append(f'<text x="{px:.0f}" y="{py + 18:.0f}" text-anchor="middle" fill="#b4511e">{peak:.0f} MiB</text>')
    for px, (tokens, _, _) in zip((p[0] for p in time), points):
        parts.append(f'<text x="{px:.0f}" y="{height - 28}" text-anchor="middle">{tokens:,}</text>')
    parts.append(
        f'<text x="{width / 2:.0f}" y="{height - 8}" text-anchor="middle">'
        "tokens of text (logarithmic): time to compress, and peak memory</text></svg>"
    )
    return "\n".join(parts) + "\n"


if __name__ == "__main__":
    main()
