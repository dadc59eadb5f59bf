#!/usr/bin/env python3
"""Draws what a model has learnt from the logs of its runs, one behind the other: the loss in training at
each ratio against the tokens of text that it was trained on, and below it the share of characters that come
back wrong (1 - char similarity, free-running) of the validation text that the run looked at now and then.

    docs/learning-curve.py target/builtin-{quick,dense}/log.jsonl target/builtin/log.jsonl \
        target/builtin-{long,sparse,last}/log.jsonl > docs/learning-curve.svg
"""
import json
import math
import sys

WIDTH, HEIGHT, LEFT, RIGHT, TOP, GAP, BOTTOM = 760, 700, 64, 90, 44, 52, 46
PANEL = (HEIGHT - TOP - GAP - BOTTOM) / 2
COLOURS = {4: ("#0072b2", "#56b4e9"), 8: ("#b45f00", "#e69f00"), 16: ("#00735a", "#2fc59b"), 32: ("#a1467c", "#e39ac4")}
LOSSES, WRONG = (1e-3, 10.0), (1e-3, 1.0)


def events(paths):
    """(tokens so far, ratio, loss) of each step once: a run that was cut off repeats some. The same with the
    share of wrong characters for each evaluation. And where each run ends."""
    done, ends, losses, wrong = 0, [], [], []
    for path in paths:
        steps, evaluated = {}, {}
        with open(path, encoding="utf-8") as file:
            for line in file:
                event = json.loads(line)
                kind = {"step": steps, "evaluated": evaluated}.get(event["event"])
                if kind is not None:
                    kind[event["step"]] = event
        for number, step in sorted(steps.items()):
            done += step["tokens"]
            for part in step["parts"]:
                if not part.get("continued"):
                    losses.append((done, part["ratio"], part["loss"]))
            for of in evaluated.get(number, {"ratios": []})["ratios"]:
                wrong.append((done, of["ratio"], 1 - of["similarity"]))
        ends.append(done)
    return losses, wrong, ends


def smoothed(points, most):
    """Medians of the losses in sixty stretches."""
    stretches = {}
    for tokens, loss in points:
        stretches.setdefault(int(60 * tokens / (most + 1)), []).append((tokens, loss))
    for _, stretch in sorted(stretches.items()):
        losses = sorted(loss for _, loss in stretch)
        yield sum(tokens for tokens, _ in stretch) / len(stretch), losses[len(losses) // 2]


def panel(title, lines, top, bounds, x, ends):
    """A logarithmic axis, and a line with its last value for each ratio."""
    low, high = bounds
    share = lambda value: math.log(min(max(value, low), high) / low) / math.log(high / low)
    y = lambda value: top + PANEL * (1 - share(value))
    yield f'<text x="{LEFT}" y="{top - 20}" font-size="14">{title}</text>'
    for power in range(round(math.log10(low)), round(math.log10(high)) + 1):
        value = 10.0**power
        yield f'<path class="g" d="M{LEFT} {y(value):.1f}H{WIDTH - RIGHT}"/>'
        yield f'<text x="{LEFT - 8}" y="{y(value) + 4:.1f}" text-anchor="end">{value:g}</text>'
    for end in ends[:-1]:
        yield f'<path class="e" stroke-dasharray="4 4" d="M{x(end):.1f} {top}V{top + PANEL:.1f}"/>'
    labels = []
    for ratio, line in sorted(lines.items()):
        path = "L".join(f"{x(tokens):.1f} {y(value):.1f}" for tokens, value in line)
        yield f'<path class="l r{ratio}" d="M{path}"/>'
        labels.append([y(line[-1][1]) + 4, ratio, line[-1][1]])
    labels.sort()
    for above, label in zip(labels, labels[1:]):
        label[0] = max(label[0], above[0] + 14)
    for at, ratio, value in labels:
        yield f'<text class="t r{ratio}" x="{WIDTH - RIGHT + 8}" y="{at:.1f}">{ratio}×  {value:.2g}</text>'


def by_ratio(points):
    lines = {}
    for tokens, ratio, value in points:
        lines.setdefault(ratio, []).append((tokens, value))
    return lines


def main():
    losses, wrong, ends = events(sys.argv[1:])
    most = ends[-1]
    x = lambda tokens: LEFT + (WIDTH - LEFT - RIGHT) * tokens / most
    losses = {ratio: list(smoothed(line, most)) for ratio, line in by_ratio(losses).items()}
    wrong = by_ratio(wrong)
    styles = "".join(f".r{r}{{--c:{light}}}" for r, (light, _) in COLOURS.items())
    dark = "".join(f".r{r}{{--c:{dark}}}" for r, (_, dark) in COLOURS.items())
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" font-size="12">',
        "<title>Loss and wrong characters of the built-in model at each ratio against tokens of text</title>",
        f"<style>svg{{background:#fff}}text{{fill:#333}}.g{{stroke:#ddd}}.e{{stroke:#999}}{styles}"
        f"@media(prefers-color-scheme:dark){{svg{{background:#111}}text{{fill:#ccc}}.g{{stroke:#333}}.e{{stroke:#777}}{dark}}}"
        ".l{fill:none;stroke:var(--c);stroke-width:2}.t{fill:var(--c);font-weight:bold}</style>",
        *panel("Loss in training, nats a token", losses, TOP, LOSSES, x, ends),
        *panel("Share of characters wrong on validation text, free-running", wrong, TOP + PANEL + GAP, WRONG, x, ends),
    ]
    every = max(1, round(most / 1e6 / 7))
    for millions in range(0, int(most / 1e6) + 1, every):
        at = x(millions * 1e6)
        out.append(f'<text x="{at:.1f}" y="{HEIGHT - BOTTOM + 18}" text-anchor="middle">{millions}</text>')
    middle = (LEFT + WIDTH - RIGHT) / 2
    out.append(f'<text x="{middle}" y="{HEIGHT - 8}" text-anchor="middle">million tokens of text</text>')
    print("\n".join([*out, "</svg>"]))


if __name__ == "__main__":
    main()
