#!/usr/bin/env bash
# Installs the CUDA compiler that build.sh and mutants.py need: nvcc and ptxas 13.0, from PyPI's wheels,
# in a folder of their own. Prints what CUDA_HOME then is. No GPU, no driver, no root; about 270 MB.
#
#   toolchain.sh [FOLDER]      target/cuda-toolchain of the workspace by default
#   CUDA_HOME=$(c3-kernels/cuda/toolchain.sh) c3-kernels/cuda/build.sh
#
# A folder that has these versions already is left as it is. Needs python3 with pip, and gcc with C++,
# through which nvcc reads its headers.
set -euo pipefail
wheels=(
    nvidia-cuda-nvcc==13.0.88
    nvidia-nvvm==13.0.88
    nvidia-cuda-crt==13.0.88
    nvidia-cuda-runtime==13.0.96
    nvidia-cuda-cccl==13.0.85
)

fail() {
    echo "toolchain.sh: $1" >&2
    exit 1
}

workspace=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
folder=${1:-${CARGO_TARGET_DIR:-$workspace/target}/cuda-toolchain}
echo '#include <cmath>' | gcc -x c++ -E - >/dev/null 2>&1 || fail "needs gcc with C++ and its headers"
if [ "$(cat "$folder/wheels" 2>/dev/null)" != "${wheels[*]}" ]; then
    python3 -m pip --version >/dev/null 2>&1 || fail "needs python3 with pip"
    [ -e "$folder" ] && [ ! -e "$folder/wheels" ] && fail "$folder exists and isn't this script's"
    mkdir -p "$(dirname "$folder")"
    new=$(mktemp -d "$folder.XXXXXX")
    trap 'rm -rf "$new"' EXIT
    # The registry is asked twice, not for minutes.
    python3 -m pip install --quiet --no-deps --no-input --disable-pip-version-check \
        --root-user-action=ignore --retries 1 --timeout 20 --target "$new" "${wheels[@]}" >&2 ||
        fail "could not install ${wheels[*]}"
    echo "${wheels[*]}" >"$new/wheels"
    rm -rf "$folder"
    mv "$new" "$folder"
fi
cd "$folder/nvidia/cu13"
bin/nvcc --version >/dev/null
pwd
