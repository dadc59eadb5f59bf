"""The shapes that are timed: `shapes.json`, which the criterion benchmark reads too."""

import json
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent


@dataclass(frozen=True)
class Shape:
    """One sequence whose last keys are the queries' own: a query sees no key after its own."""

    name: str
    queries: int
    heads: int
    kv_heads: int
    keys: int
    head_dim: int

    @property
    def operations(self) -> int:
        """Two for each multiply-add; keys that aren't seen don't count."""
        hidden = self.queries * (self.queries - 1) // 2
        return 4 * self.head_dim * self.heads * (self.queries * self.keys - hidden)


def load() -> list[Shape]:
    return [Shape(**shape) for shape in json.loads((HERE / "shapes.json").read_text())]
