#!/usr/bin/env bash
# Makes the PTX that the crate embeds, from the sources beside this script.
#
#   build.sh            writes ptx/*.ptx, and in ptx/sources.sha256 what they were made of
#   build.sh --check    fails if ptx/*.ptx are not what the sources give
#   build.sh --report   prints registers, spills and shared memory of each kernel for each
#                       architecture: `KERNEL ARCHITECTURE REGISTERS SPILL_BYTES SHARED_BYTES`
#
# The same compiler in the same place gives the same bytes. In another place attention_f32.ptx has been
# seen with other register numbers and a hint for ptxas (.pragma "used_bytes_mask", which version 7.0
# doesn't know); so CI compares hashes of sources and PTX, and --check is for whoever changes them.
#
# Needs CUDA 13.0's nvcc and ptxas, in CUDA_HOME/bin or in the path. No GPU, no driver. These wheels
# of PyPI are enough, installed with --no-deps (then CUDA_HOME is site-packages/nvidia/cu13):
# nvidia-cuda-nvcc==13.0.88 nvidia-nvvm==13.0.88 nvidia-cuda-crt==13.0.88
# nvidia-cuda-runtime==13.0.96 nvidia-cuda-cccl==13.0.85
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
PATH="${CUDA_HOME:+$CUDA_HOME/bin:}$PATH"
architectures=(80 86 89 90 100 120)

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# Old drivers refuse PTX that is newer than they are, whatever it uses. ptxas then checks that it
# uses nothing newer than it says.
ptx() {
    nvcc --ptx --gpu-architecture=compute_80 -std=c++17 -O3 "$1" -o "$work/raw.ptx"
    sed -e '/^\/\//d' -e '/^$/d' -e 's/^\.version .*/.version 7.0/' "$work/raw.ptx" >"$2"
    ptxas --gpu-name=sm_80 "$2" -o "$work/cubin"
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
    for source in *.cu; do ptx "$source" "ptx/${source%.cu}.ptx"; done
    sha256sum -- *.cu *.cuh ptx/*.ptx >ptx/sources.sha256
    ;;
--check)
    for source in *.cu; do
        ptx "$source" "$work/new.ptx"
        cmp "$work/new.ptx" "ptx/${source%.cu}.ptx"
    done
    ;;
--report) report ;;
*)
    echo "usage: build.sh [--check | --report]" >&2
    exit 2
    ;;
esac
