#!/usr/bin/env python3
"""Sorts the held-out documents that prepare.py has written by what they are, for `c3 eval`.

    corpus/kinds.py target/corpus     # writes target/corpus/kinds/{en-prose,en-docs,zh-classical,…}.jsonl

Each line has a document's id, source, licence and text. Documents of sources that no model trained on
(test_ood) go into ood-*.jsonl.
"""
import csv
import json
import sys
from pathlib import Path


def main():
    folder = Path(sys.argv[1])
    with open(folder / "sources.tsv", encoding="utf-8", newline="") as file:
        sources = {row["source"]: row for row in csv.DictReader(file, delimiter="\t")}
    kinds = {}
    for name, prefix in [("test", ""), ("test_ood", "ood-")]:
        text = (folder / f"{name}.txt").read_bytes()
        with open(folder / f"{name}.idx.tsv", encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE):
                source = sources[row["source"]]
                kind = source["kind"] if row["lang"] != "en" else f"en-{source['kind']}"
                start = int(row["offset"])
                line = {
                    "id": f"{row['source']}/{row['id']}",
                    "source": row["source"],
                    "licence": source["licence"],
                    "text": text[start : start + int(row["bytes"])].decode("utf-8"),
                }
                kinds.setdefault(prefix + kind, []).append(json.dumps(line, ensure_ascii=False))
    if not kinds:
        sys.exit(f"{folder} has no held-out documents: run corpus/prepare.py first")
    to = folder / "kinds"
    to.mkdir(exist_ok=True)
    for kind, lines in sorted(kinds.items()):
        path = to / f"{kind}.jsonl"
        partial = path.with_suffix(".partial")
        partial.write_text("\n".join(lines) + "\n", encoding="utf-8")
        partial.rename(path)
        print(f"{len(lines):5} documents  {path}")


if __name__ == "__main__":
    main()
