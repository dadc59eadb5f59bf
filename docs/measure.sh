#!/usr/bin/env bash
# Every number, table and plot of README.md, the built-in model's card and findings.md, made anew from
# the texts in fixtures/samples:
#
#     docs/measure.sh [TEXTS]       TEXTS of each sample; without it all 200
#
# Two runs give the same numbers, the cost excepted. A run that was stopped goes on; results of another
# model or program have to be removed first, or other ones named: RESULTS=DIR docs/measure.sh
set -euo pipefail
cd "$(dirname "$0")/.."
texts=${1:-200}
results=${RESULTS:-target/eval}
cargo build --release --locked -p c3-cli
PATH="${CARGO_TARGET_DIR:-$PWD/target}/release:$PATH"
mkdir -p "$results"

samples=fixtures/samples
card=("$samples"/{en-prose,en-shuffled,zh-classical,code}.jsonl)
plain=("$samples"/{en-prose,zh-classical,code}.jsonl)
c3 eval sweep "${card[@]}" -n "$texts" -o "$results/sweep.jsonl"
c3 eval unguessable "$samples/en-prose.jsonl" -n "$texts" -o "$results/unguessable.jsonl"
c3 eval ood "$samples/en-prose.jsonl" --ood "$samples/en-ood.jsonl" -n "$texts" -o "$results/ood.jsonl"
c3 eval baselines "${plain[@]}" -n "$texts" -o "$results/baselines.jsonl"
c3 eval cost -o "$results/cost.jsonl"

# table NAME RESULTS FILE…: the table of results, between the marks of that name in each file.
table() {
  local of=$1 from=$2 into
  for into in "${@:3}"; do
    c3 eval table "$results/$from.jsonl" --of "$of" --into "$into" --mark "$from $of"
  done
}
table similarity sweep README.md
table card sweep models/c3-tiny/README.md
table gap unguessable docs/findings.md
table gap ood docs/findings.md
table decline sweep docs/findings.md
table position sweep docs/findings.md
table card baselines docs/findings.md
c3 eval report "$results"/{sweep,unguessable,ood,baselines,cost}.jsonl \
  -f -o "$results/report.html" --figures docs/findings
echo "the page is $results/report.html"
