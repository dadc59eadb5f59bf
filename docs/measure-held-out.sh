#!/usr/bin/env bash
# How much of held-out text the built-in model returns: the table of its card, of the documents that no
# model was trained on (`corpus/README.md` makes them; most can't be in the repository), and of English
# prose with its words shuffled and with random letters:
#
#     docs/measure-held-out.sh [CORPUS [TEXTS]]     target/corpus, 500 passages of each kind
#
# Passages of 64 to 256 tokens, up to 40 from each document; intervals are over documents. Results are
# kept by model and commit: a run that was stopped goes on. RESULTS=DIR names another folder.
set -euo pipefail
cd "$(dirname "$0")/.."
corpus=${1:-target/corpus}
texts=${2:-500}
name=$(find models/c3-tiny -type f ! -name '*.md' -print0 | sort -z | xargs -0 cat | sha256sum | cut -c1-12)
results=${RESULTS:-target/eval-held-out/$name-$(git rev-parse --short=12 HEAD 2>/dev/null || echo release)}
cargo build --release --locked -p c3-cli
PATH="${CARGO_TARGET_DIR:-$PWD/target}/release:$PATH"
mkdir -p "$results"
echo "results go to $results"

python3 corpus/kinds.py "$corpus"
kinds=$corpus/kinds
cut=(--passages 64..256 --per-text 40 -n "$texts")
c3 eval sweep "$kinds"/{en-prose,ood-en-prose,en-docs,zh-classical,zh-docs,code}.jsonl "${cut[@]}" \
  -o "$results/held-out.jsonl"
c3 eval unguessable "$kinds/en-prose.jsonl" --kinds word_shuffle,random_letters "${cut[@]}" \
  -o "$results/unguessable.jsonl"
both=("$results"/{held-out,unguessable}.jsonl)
c3 eval table "${both[@]}" --of card --into models/c3-tiny/README.md --mark "held-out card"
c3 eval table "${both[@]}" --of gap
