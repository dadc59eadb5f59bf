#!/usr/bin/env python3
"""Draws what a model has learnt from the logs of its runs, one behind the other: the loss at each ratio
against the tokens of text that it was trained on.

    docs/learning-curve.py target/builtin-quick/log.jsonl target/builtin/log.jsonl > docs/learning-curve.svg
"""
import json
import math
import sys

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 760, 400, 64, 90, 44, 46
COLOURS = {4: ("#0072b2", "#56b4e9"), 8: ("#b45f00", "#e69f00"), 16: ("#00735a", "#2fc59b"), 32: ("#a1467c", "#e39ac4")}
LOW, HIGH = 1e-3, 10.0


def steps(paths):
    """(tokens so far, ratio, loss), each step once: a run that was cut off repeats some. And where each run ends."""
    done, ends = 0, []
    points = []
    for path in paths:
        of_run = {}
        with open(path, encoding="utf-8") as file:
            for line in file:
                event = json.loads(line)
                if event["event"] == "step" and not event.get("continued"):
                    of_run[event["step"]] = event
        for _, event in sorted(of_run.items()):
            done += event["tokens"]
            for part in event["parts"]:
                if not part.get("continued"):
                    points.append((done, part["ratio"], part["loss"]))
        ends.append(done)
    return points, ends


def smoothed(points, most):
    """Medians of the losses in sixty stretches."""
    stretches = {}
    for tokens, loss in points:
        stretches.setdefault(int(60 * tokens / (most + 1)), []).append((tokens, loss))
    for _, stretch in sorted(stretches.items()):
        losses = sorted(loss for _, loss in stretch)
        yield sum(tokens for tokens, _ in stretch) / len(stretch), losses[len(losses) // 2]


def main():
    points, ends = steps(sys.argv[1:])
    most = ends[-1]
    x = lambda tokens: LEFT + (WIDTH - LEFT - RIGHT) * tokens / most
    share = lambda loss: math.log(min(max(loss, LOW), HIGH) / LOW) / math.log(HIGH / LOW)
    y = lambda loss: HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * share(loss)
    styles = "".join(f".r{r}{{--c:{light}}}" for r, (light, _) in COLOURS.items())
    dark = "".join(f".r{r}{{--c:{dark}}}" for r, (_, dark) in COLOURS.items())
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" font-size="12">',
        "<title>Training loss of the built-in model at each ratio against tokens of text</title>",
        f"<style>svg{{background:#fff}}text{{fill:#333}}.g{{stroke:#ddd}}.e{{stroke:#999}}{styles}"
        f"@media(prefers-color-scheme:dark){{svg{{background:#111}}text{{fill:#ccc}}.g{{stroke:#333}}.e{{stroke:#777}}{dark}}}"
        ".l{fill:none;stroke:var(--c);stroke-width:2}.t{fill:var(--c);font-weight:bold}</style>",
        f'<text x="{LEFT}" y="24" font-size="14">Loss at each ratio, in nats a token, while the built-in model learns</text>',
    ]
    for power in range(-3, 2):
        loss = 10.0**power
        out.append(f'<path class="g" d="M{LEFT} {y(loss):.1f}H{WIDTH - RIGHT}"/>')
        out.append(f'<text x="{LEFT - 8}" y="{y(loss) + 4:.1f}" text-anchor="end">{loss:g}</text>')
    every = max(1, round(most / 1e6 / 7))
    for millions in range(0, int(most / 1e6) + 1, every):
        at = x(millions * 1e6)
        out.append(f'<text x="{at:.1f}" y="{HEIGHT - BOTTOM + 18}" text-anchor="middle">{millions}</text>')
    middle = (LEFT + WIDTH - RIGHT) / 2
    out.append(f'<text x="{middle}" y="{HEIGHT - 8}" text-anchor="middle">million tokens of text</text>')
    for end in ends[:-1]:
        out.append(f'<path class="e" stroke-dasharray="4 4" d="M{x(end):.1f} {TOP}V{HEIGHT - BOTTOM}"/>')
    labels = []
    for ratio in sorted({ratio for _, ratio, _ in points}):
        line = list(smoothed([(t, loss) for t, r, loss in points if r == ratio], most))
        path = "L".join(f"{x(tokens):.1f} {y(loss):.1f}" for tokens, loss in line)
        out.append(f'<path class="l r{ratio}" d="M{path}"/>')
        labels.append([y(line[-1][1]) + 4, ratio, line[-1][1]])
    labels.sort()
    for above, label in zip(labels, labels[1:]):
        label[0] = max(label[0], above[0] + 14)
    for at, ratio, loss in labels:
        out.append(f'<text class="t r{ratio}" x="{WIDTH - RIGHT + 8}" y="{at:.1f}">{ratio}×  {loss:.2g}</text>')
    print("\n".join([*out, "</svg>"]))


if __name__ == "__main__":
    main()
