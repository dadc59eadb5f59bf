#!/usr/bin/env bash
# Makes the PTX that the crate embeds, from the sources beside this script.
#
#   build.sh            writes ptx/*.ptx, and in ptx/sources.sha256 what they were made of
#   build.sh --check    fails if ptx/*.ptx are not what the sources give
#   build.sh --report   prints registers, spills and shared memory of each kernel for each
#                       architecture: `KERNEL ARCHITECTURE REGISTERS SPILL_BYTES SHARED_BYTES`
#
# One compiler gives one of two texts of attention_f32.cu: it joins loads in an order that depends on
# addresses in its memory, which differ between runs and shift with the length of its path. The other one
# has a hint that PTX 7.0 doesn't know, and ptxas refuses it. So nvcc runs through a link of one length,
# and what fails all the same is compiled again, up to ten times in all.
#
# Needs CUDA 13.0's nvcc and ptxas, in CUDA_HOME/bin or in the path: toolchain.sh installs them.
# No GPU, no driver.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
architectures=(80 86 89 90 100 120)

work=$(mktemp -d /tmp/c3.XXXXXX)
trap 'rm -rf "$work"' EXIT
compiler=${CUDA_HOME:-$(dirname "$(dirname "$(command -v nvcc)")")}
ln -s "$compiler" "$work/c"
PATH="$work/c/bin:$PATH"

# Old drivers refuse PTX that is newer than they are, whatever it uses. ptxas then checks that it
# uses nothing newer than it says.
ptx() {
    nvcc --ptx --gpu-architecture=compute_80 -std=c++17 -O3 "$1" -o "$work/raw.ptx" || exit
    sed -e '/^\/\//d' -e '/^$/d' -e 's/^\.version .*/.version 7.0/' "$work/raw.ptx" >"$work/new.ptx"
    ptxas --gpu-name=sm_80 "$work/new.ptx" -o "$work/cubin"
}

same() { ptx "$1" && cmp -s "$work/new.ptx" "ptx/${1%.cu}.ptx"; }

up_to_ten_times() {
    for _ in {1..10}; do
        if "$@"; then return; fi
    done
    return 1
}

report() {
    for source in *.cu; do
        for architecture in "${architectures[@]}"; do
            ptxas --gpu-name="sm_$architecture" -v "ptx/${source%.cu}.ptx" -o "$work/cubin" 2>&1 |
                awk -v architecture="sm_$architecture" '
                    /Compiling entry function/ { split($0, part, "\x27"); name = part[2] }
                    /bytes spill/ { spills = $5 + $9 }
                    /Used .* registers/ {
                        shared = 0
                        for (i = 1; i < NF; i++) if ($(i + 2) ~ /^smem/) shared = $i
                        for (i = 1; i < NF; i++) if ($i == "Used") print name, architecture, $(i + 1), spills, shared
                    }'
        done
    done
}

case "${1:-}" in
"")
    mkdir -p ptx
    for source in *.cu; do
        up_to_ten_times ptx "$source"
        mv "$work/new.ptx" "ptx/${source%.cu}.ptx"
    done
    sha256sum -- *.cu *.cuh ptx/*.ptx >ptx/sources.sha256
    ;;
--check)
    for source in *.cu; do
        up_to_ten_times same "$source" || { echo "ptx/${source%.cu}.ptx is not what $source gives" >&2; exit 1; }
    done
    ;;
--report) report ;;
*)
    echo "usage: build.sh [--check | --report]" >&2
    exit 2
    ;;
esac
