#!/usr/bin/env bash
# Verifies and times the CUDA kernels on this machine's NVIDIA card, and writes one Markdown file.
set -euo pipefail

usage() {
    cat <<'END'
Usage: benches/cuda/run.sh [OPTIONS]

Verifies the CUDA kernels on a card of compute capability 8.0 or above, times them beside candle,
PyTorch and FlashAttention, and writes what it found to one Markdown file.

  --out FILE       the Markdown file [default: cuda-report.md]
  --gpu N          the card, as nvidia-smi counts them [default: 0]
  --python PYTHON  a Python of 3.9 or above; with PyTorch, for the peers [default: python3]
  --filter REGEX   only shapes whose names match, of benches/cuda/shapes.json
  --quick          criterion's --quick: fewer samples
  --check          look for what is needed, then stop
  --help           this text

Needs cargo, nvcc, an NVIDIA driver and a card; PyTorch, flash_attn and compute-sanitizer are used
where they are found. The largest shape is estimated to take 14 GB of the card's memory. Exits with 1
if something that ran has failed, with 2 if something is missing that is needed.
END
}

missing() {
    echo "run.sh: $*" >&2
    exit 2
}

out=cuda-report.md gpu=0 python=python3 filter='' quick='' check=''
while (($#)); do
    case $1 in
    --out | --gpu | --python | --filter)
        (($# > 1)) || missing "$1 needs a value (see --help)"
        printf -v "${1#--}" '%s' "$2"
        shift 2
        ;;
    --quick) quick=--quick && shift ;;
    --check) check=yes && shift ;;
    --help | -h) usage && exit ;;
    *) missing "unknown option $1 (see --help)" ;;
    esac
done
[[ $gpu =~ ^[0-9]+$ ]] || missing "--gpu takes a number, not '$gpu'"

# What is needed, before anything is compiled.
PATH="${CUDA_HOME:+$CUDA_HOME/bin:}$PATH:/usr/local/cuda/bin"
command -v cargo >/dev/null || missing "no cargo in the path: see https://rustup.rs"
command -v "$python" >/dev/null || missing "no $python: name one with --python"
command -v nvcc >/dev/null || missing "no nvcc in the path, in CUDA_HOME/bin or /usr/local/cuda/bin: install the CUDA toolkit"
command -v nvidia-smi >/dev/null || missing "no nvidia-smi in the path: there is no NVIDIA driver here"
cards=$(nvidia-smi -L 2>&1) || missing "nvidia-smi fails, so the driver doesn't run: $cards"
grep -q '^GPU ' <<<"$cards" || missing "the driver finds no card: ${cards:-nvidia-smi -L says nothing}"
grep -q "^GPU $gpu:" <<<"$cards" || missing "there is no card $gpu, only:"$'\n'"$cards"

ask() {
    nvidia-smi -i "$gpu" --query-gpu="$1" --format=csv,noheader
}

capability=$(ask compute_cap) || missing "this driver's nvidia-smi doesn't know compute_cap: update the driver"
[[ $capability =~ ^[0-9]+\.[0-9]+$ ]] || missing "compute capability '$capability' of card $gpu is no number"
((${capability%.*} >= 8)) || missing "card $gpu has compute capability $capability, the kernels need 8.0 or above"
if [[ $check ]]; then
    echo "nvcc, driver and card $gpu ($(ask name), $capability) are there"
    exit
fi
: >>"$out" || missing "can't write $out"
out=$(realpath "$out")

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cd "$here/../.."
work=$(mktemp -d)
watcher=''
clean() {
    [[ -z $watcher ]] || kill "$watcher" 2>/dev/null || true
    rm -rf "$work"
}
trap clean EXIT
export CUDA_DEVICE_ORDER=PCI_BUS_ID CUDA_VISIBLE_DEVICES=$gpu CRITERION_HOME=$work/criterion

# Runs a command, keeps what it says, and goes on if it fails.
step() {
    local name=$1 begin=$SECONDS code=0
    shift
    echo "== $name: $*"
    "$@" 2>&1 | tee "$work/$name.log" || code=$?
    printf '%s\t%s\t%s\t%s\n' "$name" "$code" "$((SECONDS - begin))" "$*" >>"$work/steps.tsv"
    return 0
}

skip() {
    echo "== $1: skipped, $2"
    printf '%s\tskipped\t0\t%s\n' "$1" "$2" >>"$work/steps.tsv"
}

machine() {
    local field
    for field in name driver_version compute_cap memory.total power.limit clocks.max.sm clocks.max.mem \
        persistence_mode ecc.mode.current; do
        printf '%s\t%s\n' "$field" "$(ask "$field" 2>/dev/null || echo unknown)"
    done
    printf 'nvcc\t%s\n' "$(nvcc --version | grep release || echo unknown)"
    printf 'rustc\t%s\n' "$(rustc --version)"
    printf 'commit\t%s\n' "$(git describe --always --dirty 2>/dev/null || echo unknown)"
}
machine >"$work/machine.tsv"

step kernels cargo test -p c3-kernels --features cuda --test on_cuda
step program cargo test -p c3-cli --features cuda --test cuda

# The path of the test's binary.
binary() {
    cargo test -p c3-kernels --features cuda --test on_cuda --no-run --message-format=json 2>/dev/null |
        "$python" -c 'import json, sys
found = [json.loads(line).get("executable") for line in sys.stdin if line.startswith("{")]
print(next((path for path in reversed(found) if path), ""))'
}

if ! command -v compute-sanitizer >/dev/null; then
    skip sanitizer "no compute-sanitizer in the path"
elif ! tests=$(binary) || [[ -z $tests ]]; then
    skip sanitizer "the tests don't compile"
else
    for tool in memcheck racecheck synccheck; do
        # One test makes the driver refuse memory: that error of its interface is meant.
        options=(--tool "$tool" --error-exitcode 9)
        [[ $tool != memcheck ]] || options+=(--report-api-errors no)
        step "$tool" compute-sanitizer "${options[@]}" "$tests" --test-threads=1
    done
fi

nvidia-smi -i "$gpu" --query-gpu=clocks.sm,clocks.mem,temperature.gpu,power.draw \
    --format=csv,noheader,nounits -l 1 >"$work/clocks.csv" 2>/dev/null &
watcher=$!
step criterion cargo bench -p c3-bench --features cuda --bench cuda -- ${quick:+"$quick"} ${filter:+"$filter"}
if "$python" -c 'import torch' 2>/dev/null; then
    step peers "$python" "$here/peers.py" --json "$work/peers.json" --filter "$filter"
else
    skip peers "$python has no PyTorch"
fi
kill "$watcher" 2>/dev/null || true
watcher=''

"$python" "$here/report.py" "$work" "$out"
echo "== written to $out"
! awk -F'\t' '$2 != "0" && $2 != "skipped" { found = 1 } END { exit !found }' "$work/steps.tsv"
