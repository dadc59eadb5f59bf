#!/usr/bin/env bash
# The tables between marks in README.md, the built-in model's card and findings.md, and every plot in
# docs/findings, made anew from the texts in fixtures/samples, and, where target/corpus is (`corpus/README.md`
# makes it), from held-out documents (`measure-held-out.sh`):
#
#     docs/measure.sh [TEXTS]      TEXTS of each sample; without it all 200
#     MODEL=DIR docs/measure.sh    the page of another checkpoint; no document is changed
#
# Not made here: numbers in sentences, learning-curve.svg, scaling.svg and exactness.md. Two runs give the same numbers, the cost excepted. Results are kept by
# model and commit, so that a run that was stopped goes on and none goes on with another model's or
# program's; RESULTS=DIR names another folder.
set -euo pipefail
cd "$(dirname "$0")/.."
texts=${1:-200}
of=${MODEL:-models/c3-tiny}
if [ -d "$of" ]; then
  name=$(find -L "$of" -type f ! -name '*.md' -print0 | sort -z | xargs -0 cat | sha256sum | cut -c1-12)
else
  name=${of//[^A-Za-z0-9.-]/-}
fi
results=${RESULTS:-target/eval/$name-$(git rev-parse --short=12 HEAD 2>/dev/null || echo release)}
model=()
[ -z "${MODEL:-}" ] || model=(--model "$MODEL")
cargo build --release --locked -p c3-cli
PATH="${CARGO_TARGET_DIR:-$PWD/target}/release:$PATH"
mkdir -p "$results"
echo "results go to $results"

if [ -z "${MODEL:-}" ] && [ -f target/corpus/sources.tsv ]; then
  # First, before a table is written: a program built from a changed tree says so.
  RESULTS=$results/held-out docs/measure-held-out.sh
else
  echo "the card's table of held-out documents stays as it is"
fi

samples=fixtures/samples
card=("$samples"/{en-prose,en-shuffled,zh-classical,code}.jsonl)
plain=("$samples"/{en-prose,zh-classical,code}.jsonl)

# measure EXPERIMENT ARGUMENT…: its results, in a file of its name.
measure() {
  c3 eval "$1" "${@:2}" ${model[@]+"${model[@]}"} -o "$results/$1.jsonl"
}
measure sweep "${card[@]}" -n "$texts"
measure unguessable "$samples/en-prose.jsonl" -n "$texts"
measure ood "$samples/en-prose.jsonl" --ood "$samples/en-ood.jsonl" -n "$texts"
measure baselines "${plain[@]}" -n "$texts"
measure cost

# table NAME RESULTS FILE…: the table of results, between the marks of that name in each file.
table() {
  local of=$1 from=$2 into
  for into in "${@:3}"; do
    c3 eval table "$results/$from.jsonl" --of "$of" --into "$into" --mark "$from $of"
  done
}
figures=()
if [ -z "${MODEL:-}" ]; then
  table similarity sweep README.md
  table card sweep models/c3-tiny/README.md
  table gap unguessable docs/findings.md
  table gap ood docs/findings.md
  table decline sweep docs/findings.md
  table position sweep docs/findings.md
  table card baselines docs/findings.md
  table cost cost docs/findings.md
  figures=(--figures docs/findings)
fi
c3 eval report "$results"/{sweep,unguessable,ood,baselines,cost}.jsonl \
  -f -o "$results/report.html" ${figures[@]+"${figures[@]}"}
echo "the page is $results/report.html"
