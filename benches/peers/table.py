"""Pairs of times as a Markdown table."""

from dataclasses import dataclass
from statistics import median

UNITS = {"tokens": "tokens/s", "operations": "FLOP/s", "bytes": "B/s"}


@dataclass(frozen=True)
class Result:
    """One work's rates, pair by pair."""

    name: str
    what: str
    against: str
    goal: str
    measure: str
    ours: list[float]
    theirs: list[float]
    note: str

    @property
    def ratios(self) -> list[float]:
        """How many times as fast ours is, of each pair."""
        return [ours / theirs for ours, theirs in zip(self.ours, self.theirs)]


def rate(value: float, measure: str) -> str:
    """Three digits with a prefix."""
    for prefix, size in [("T", 1e12), ("G", 1e9), ("M", 1e6), ("k", 1e3)]:
        if value >= size:
            return f"{_digits(value / size)} {prefix}{UNITS[measure]}"
    return f"{_digits(value)} {UNITS[measure]}"


def _digits(value: float) -> str:
    """Three that count."""
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def header() -> str:
    return (
        "| work | against | ours | theirs | ratio (min–max) | goal | note |\n|---|---|---|---|---|---|---|"
    )


def row(result: Result) -> str:
    """Medians of the rates; median and range of the pairs' ratios."""
    ratios = sorted(result.ratios)
    cells = [
        result.what,
        result.against,
        rate(median(result.ours), result.measure),
        rate(median(result.theirs), result.measure),
        f"{median(ratios):.2f} ({ratios[0]:.2f}–{ratios[-1]:.2f})",
        result.goal,
        result.note,
    ]
    return f"| {' | '.join(cells)} |"
