#!/bin/bash
# Makes a folder that stands in for a CUDA installation with a device, on a machine without any NVIDIA
# software. Then
#     . FOLDER/env && cargo test --features cuda
# builds CUDA programs and runs them on the emulator. Needs cargo, a C compiler, ar and xz.
# Usage: install.sh [FOLDER]; target/emulated-cuda of the workspace by default.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
workspace=$(cd "$here/../../.." && pwd)
built=${CARGO_TARGET_DIR:-$workspace/target}
folder=${1:-$built/emulated-cuda}
cargo build --quiet --manifest-path "$workspace/Cargo.toml" -p c3-emulator-driver
mkdir -p "$folder/bin" "$folder/lib64" "$folder/include"
folder=$(cd "$folder" && pwd)
# One library under all names: they share the device's memory.
cp -f "$built/debug/libc3_emulator_driver.so" "$folder/lib64/libcuda.so.new"
mv "$folder/lib64/libcuda.so.new" "$folder/lib64/libcuda.so"
for name in cublas cublasLt curand nvrtc cudart; do
    ln -sf libcuda.so "$folder/lib64/lib$name.so"
done
ln -sf libcuda.so "$folder/lib64/libcuda.so.1"
sed "s|@PTX@|'$here/candle-ptx'|" "$here/nvcc.sh" > "$folder/bin/nvcc"
chmod +x "$folder/bin/nvcc"
cat > "$folder/env" <<END
export CUDA_HOME='$folder' NVCC='$folder/bin/nvcc'
export CUDARC_CUDA_VERSION=13000 CUDA_COMPUTE_CAP=80
export LD_LIBRARY_PATH='$folder/lib64'\${LD_LIBRARY_PATH:+:\$LD_LIBRARY_PATH}
END
echo "$folder/env"
