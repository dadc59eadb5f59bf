#!/bin/bash
# Stands in for nvcc when a program is built for the emulator: hands out PTX that nvcc made before, by
# the name of its source, and empty modules, objects and libraries for everything else.
set -euo pipefail
ptx_folder=@PTX@
output= folder= mode=link sources=()
while [ $# -gt 0 ]; do
    case $1 in
        --version | -V)
            echo "nvcc: a stand-in for the emulator"
            echo "Cuda compilation tools, release 13.0, V13.0.88"
            exit ;;
        --list-gpu-code) echo sm_80; exit ;;
        -o | --output-file) output=$2; shift ;;
        --output-directory | -odir) folder=$2; shift ;;
        --ptx | -ptx) mode=ptx ;;
        --lib | -lib) mode=library ;;
        -c | --compile) mode=object ;;
        *.cu) sources+=("$1") ;;
    esac
    shift
done
case $mode in
    ptx)
        for source in "${sources[@]}"; do
            name=$(basename "${source%.cu}")
            target=${output:-${folder:-.}/$name.ptx}
            if [ -f "$ptx_folder/$name.ptx.xz" ]; then
                xz --decompress --stdout "$ptx_folder/$name.ptx.xz" > "$target"
            else
                printf '.version 8.0\n.target sm_80\n.address_size 64\n' > "$target"
            fi
        done ;;
    object) cc -x c -c -o "$output" - < /dev/null ;;
    library)
        rm -f "$output"
        ar crs "$output" ;;
    link) echo "the stand-in for nvcc links nothing" >&2; exit 1 ;;
esac
