#!/usr/bin/env python3
"""Writes the sources of a corpus, their licences and sizes into a model's card.

    corpus/licences.py target/corpus/sources.tsv models/c3-tiny/README.md

The table stands between the lines `<!-- sources -->` and `<!-- /sources -->`. Sources that were only
tested on come last.
"""

import csv
import os
import sys

BEGIN, END = "<!-- sources -->\n", "<!-- /sources -->"
KINDS = {"prose": "English prose", "docs": "English manuals", "zh-docs": "Chinese manuals",
         "zh-classical": "classical Chinese", "code": "code"}


def table(rows):
    trained = [row for row in rows if float(row["train_MB"]) > 0]
    tested = [row for row in rows if float(row["train_MB"]) == 0]
    lines = ["| source | text | licence | trained on, MB |", "|---|---|---|---|"]
    for row in sorted(trained, key=lambda row: list(KINDS).index(row["kind"])):
        size = f'{float(row["train_MB"]):.1f}'
        lines.append(f'| {row["source"]} | {KINDS[row["kind"]]} | {row["licence"]} | {size} |')
    for row in tested:
        lines.append(f'| {row["source"]} | {KINDS[row["kind"]]} | {row["licence"]} | tested on only |')
    return "\n".join(lines) + "\n"


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    tsv, card = sys.argv[1:]
    with open(tsv, encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    with open(card, encoding="utf-8") as file:
        text = file.read()
    if not rows:
        sys.exit(f"{tsv}: no source")
    if text.count(BEGIN) != 1 or text.count(END) != 1:
        sys.exit(f"{card}: expected the lines {BEGIN.strip()} and {END} once each")
    before, rest = text.split(BEGIN)
    after = rest.split(END)[1]
    partial = card + ".partial"
    with open(partial, "w", encoding="utf-8") as file:
        file.write(before + BEGIN + "\n" + table(rows) + "\n" + END + after)
    os.replace(partial, card)


if __name__ == "__main__":
    main()
