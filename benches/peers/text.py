"""English text of a given length."""

import json
from itertools import cycle
from pathlib import Path


def english(fixtures: Path, size: int) -> str:
    """`size` bytes of held-out prose, repeated where there isn't so much: speed doesn't depend on
    having seen a text before, since no segment knows of another."""
    passages = [(fixtures / "moby-dick.txt").read_text(encoding="utf-8")]
    for line in (fixtures / "samples" / "en-prose.jsonl").read_text(encoding="utf-8").splitlines():
        passages.append(json.loads(line)["text"])
    text = bytearray()
    for passage in cycle(passages):
        text += f"{passage}\n\n".encode()
        if len(text) >= size:
            return text[:size].decode(errors="ignore")
    raise AssertionError("cycle has no end")
