#!/bin/bash
# Makes the PTX of candle's kernels that inference needs, from the sources of the candle-kernels crate.
# Needs nvcc: `pip install --no-deps nvidia-cuda-nvcc==13.0.88 nvidia-nvvm==13.0.88
# nvidia-cuda-crt==13.0.88 nvidia-cuda-runtime==13.0.96 nvidia-cuda-cccl==13.0.85`.
# Usage: CUDA_HOME=<site-packages>/nvidia/cu13 make.sh <sources of candle-kernels> [kernel...]
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
sources=$1
shift
kernels=("$@")
[ ${#kernels[@]} -gt 0 ] || kernels=(affine binary cast fill indexing reduce sort ternary unary)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
for kernel in "${kernels[@]}"; do
    # The arguments that candle-kernels' own build passes.
    "$CUDA_HOME/bin/nvcc" -gencode=arch=compute_80,code=compute_80 --ptx -o "$work/$kernel.ptx" \
        --default-stream per-thread --expt-relaxed-constexpr -std=c++17 -O3 "$sources/src/$kernel.cu"
    xz -9e --stdout "$work/$kernel.ptx" > "$here/$kernel.ptx.xz"
done
