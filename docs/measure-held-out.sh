#!/usr/bin/env bash
# How much of held-out text the built-in model returns: two tables, of the documents that no model was
# trained on (`corpus/README.md` makes them; most can't be in the repository):
#
#     docs/measure-held-out.sh [CORPUS [TEXTS]]     target/corpus, 500 passages of each kind
#
# Passages of 64 to 256 tokens, several from each document. A run that was stopped goes on.
set -euo pipefail
cd "$(dirname "$0")/.."
corpus=${1:-target/corpus}
texts=${2:-500}
results=${RESULTS:-target/eval-held-out}
cargo build --release --locked -p c3-cli
PATH="${CARGO_TARGET_DIR:-$PWD/target}/release:$PATH"
mkdir -p "$results"

python3 corpus/kinds.py "$corpus"
kinds=$corpus/kinds
cut=(--passages 64..256 --per-text 40 -n "$texts")
c3 eval sweep "$kinds"/{en-prose,ood-en-prose,en-docs,zh-classical,zh-docs,code}.jsonl "${cut[@]}" \
  -o "$results/held-out.jsonl"
c3 eval unguessable "$kinds/en-prose.jsonl" --kinds word_shuffle,random_letters "${cut[@]}" \
  -o "$results/unguessable.jsonl"
c3 eval table "$results/held-out.jsonl" --of card
c3 eval table "$results/unguessable.jsonl" --of gap
