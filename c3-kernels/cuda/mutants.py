#!/usr/bin/env python3
"""Makes mutants.xz: the PTX of kernels with one bug each, which the tests must notice.

Each mutant replaces a piece of a source that stands there exactly once. Of attention only heads of 64
in one type are compiled. The file is xz of, for each mutant, a line `// mutant: NAME MODULE` and its
PTX. Needs nvcc, as build.sh does (toolchain.sh installs it); running the tests doesn't.

    mutants.py            writes mutants.xz
    mutants.py --check    fails if mutants.xz isn't what the sources give
"""

import concurrent.futures
import lzma
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
COMMON, MMA, FMA = "attention.cuh", "attention_mma.cuh", "attention_fma.cuh"
COMBINE, REST = "combine.cu", "elementwise.cu"

# Each source: module, what is compiled.
SOURCES = {
    MMA: ("attention_bf16", '#include "attention_mma.cuh"\nC3_ATTENTION_MMA(attention_bf16_64, c3::bf16, 64)\n'),
    FMA: ("attention_f32", '#include "attention_fma.cuh"\nC3_ATTENTION_FMA(attention_f32_64, 64)\n'),
    COMBINE: ("combine", None),
    REST: ("elementwise", None),
}

LOOP_BARRIER = "            __syncthreads(); // These keys are there, and nobody uses the other stage any more.\n"
KEYS_BARRIER = "            __syncthreads(); // The keys are there, and nobody uses the last values any more.\n"
VALUES_BARRIER = "            __syncthreads(); // The values are there, and nobody uses these keys any more.\n"
FETCH_NEXT = """            if (key + KEYS < block.end)
                fetch(stage ^ 1, key + KEYS);
"""
SHRINK = """                out[n][2 * x] *= shrink;
                out[n][2 * x + 1] *= shrink;
"""
MASKED = "if (key + KEYS > min(visible_end(a, block, first_row), block.end))"

# Name, kernel that shows it, source with the bug, what stands there, what stands there instead.
MUTANTS = [
    ("loop_barrier_missing", MMA, MMA, LOOP_BARRIER, ""),
    ("query_barrier_missing", MMA, MMA, "        copy_async_wait<1>();\n        __syncthreads();\n", "        copy_async_wait<1>();\n"),
    ("loop_wait_missing", MMA, MMA, "            copy_async_wait<0>();\n", ""),
    ("loop_wait_too_weak", MMA, MMA, "            copy_async_wait<0>();\n", "            copy_async_wait<1>();\n"),
    ("query_wait_missing", MMA, MMA, "        copy_async_wait<1>();\n", ""),
    ("fetch_before_barrier", MMA, MMA, LOOP_BARRIER + FETCH_NEXT, FETCH_NEXT + LOOP_BARRIER),
    ("fetch_into_same_stage", MMA, MMA, "fetch(stage ^ 1, key + KEYS)", "fetch(stage, key + KEYS)"),
    ("barrier_of_busy_warps_only", MMA, MMA, LOOP_BARRIER, "            if (first_row < block.rows) __syncthreads();\n"),
    ("barrier_of_half_a_warp", MMA, MMA, LOOP_BARRIER, "            if (lane < 16) __syncthreads();\n"),
    ("barrier_in_a_warp_only", MMA, MMA, LOOP_BARRIER, "            __syncwarp();\n"),
    ("last_tile_skipped", MMA, MMA, "key < block.end; key += KEYS", "key + KEYS <= block.end; key += KEYS"),
    ("last_tile_not_fetched", MMA, MMA, "            if (key + KEYS < block.end)\n", "            if (key + 2 * KEYS < block.end)\n"),
    ("wrong_query_head", MMA, COMMON, "        const int head = block.kv_head * block.group + row % block.group;\n        return a.q", "        const int head = block.kv_head + row % block.group * a.kv_heads;\n        return a.q"),
    ("wrong_result_head", MMA, COMMON, "    const int head = block.kv_head * block.group + row % block.group;\n    return (batch", "    const int head = block.kv_head + row % block.group * a.kv_heads;\n    return (batch"),
    ("tail_unmasked", MMA, MMA, MASKED, "if (key + KEYS > visible_end(a, block, first_row) && a.causal)"),
    ("nothing_masked", MMA, MMA, MASKED, "if (false)"),
    ("mask_one_too_far", MMA, MMA, "e % 2 >= limit", "e % 2 > limit"),
    ("mask_by_first_row", MMA, MMA, "limit[x] = min(visible_end(a, block, row(x)), block.end)", "limit[x] = min(visible_end(a, block, first_row), block.end)"),
    ("causal_one_too_few", MMA, COMMON, "row / block.group + 1", "row / block.group"),
    ("causal_from_the_start", MMA, COMMON, "a.keys - a.queries + row", "row"),
    ("first_key_ignored", MMA, COMMON, "a.first_key ? a.first_key[block.batch] : 0", "0"),
    ("first_key_of_first_row", MMA, COMMON, "a.first_key[block.batch] : 0", "a.first_key[0] : 0"),
    ("splits_overlap", MMA, COMMON, "first_key + block.split * part", "first_key + block.split * each"),
    ("sums_not_rescaled", MMA, MMA, "            sum[x] *= shrink;\n", ""),
    ("result_not_rescaled", MMA, MMA, SHRINK, ""),
    ("minus_infinity_unguarded", MMA, MMA, "base[x] = most == minus_infinity() ? 0.0f : most;", "base[x] = most;"),
    ("largest_of_two_lanes", MMA, MMA, "largest_of_lanes<4>(most)", "largest_of_lanes<2>(most)"),
    ("sum_of_two_lanes", MMA, MMA, "sum_of_lanes<4>(sum[x])", "sum_of_lanes<2>(sum[x])"),
    ("values_not_transposed", MMA, MMA, "load_matrices_transposed(b, from", "load_matrices(b, from"),
    ("probabilities_swapped", MMA, MMA, "pack<T>(left[0], left[1]), pack<T>(left[2], left[3])", "pack<T>(left[2], left[3]), pack<T>(left[0], left[1])"),
    ("rows_misaligned", MMA, MMA, "STRIDE = HEAD_DIM + 8;", "STRIDE = HEAD_DIM + 4;"),
    ("alignment_ignored", MMA, COMMON, "    if (!aligned) {", "    if (false) {"),
    ("key_offset_of_32_bits", MMA, COMMON, "head + (first + mine.row) * stride", "head + (first + mine.row) * static_cast<int>(stride)"),
    ("key_bound_missing", MMA, COMMON, "first + mine.row + i < block.end", "true"),
    ("query_bound_missing", MMA, COMMON, "        if (row >= block.rows)\n            return nullptr;\n", ""),
    ("result_bound_missing", MMA, MMA, "            if (row(x) >= block.rows)\n                continue;\n", ""),
    ("values_with_strides_of_keys", MMA, MMA, "v_head = a.v + block.batch * a.v_strides[0] + block.kv_head * a.v_strides[1]", "v_head = a.v + block.batch * a.k_strides[0] + block.kv_head * a.k_strides[1]"),
    ("log_sum_exp_of_base_2", MMA, COMMON, "(largest + log2f(sum)) * LN_2", "largest + log2f(sum)"),
    ("split_sums_in_one_place", MMA, COMMON, "(a.splits > 1 ? block.split * batches : 0) + block.batch", "block.batch"),
    ("f32_keys_barrier_missing", FMA, FMA, KEYS_BARRIER, ""),
    ("f32_values_barrier_missing", FMA, FMA, VALUES_BARRIER, ""),
    ("f32_values_wait_missing", FMA, FMA, "            copy_async_wait<0>();\n" + VALUES_BARRIER, VALUES_BARRIER),
    ("f32_fetch_before_barrier", FMA, FMA, VALUES_BARRIER + "            fetch(k, k_head, a.k_strides[2], key + KEYS);\n", "            fetch(k, k_head, a.k_strides[2], key + KEYS);\n" + VALUES_BARRIER),
    ("f32_probabilities_share_rows", FMA, FMA, "p[(my_row + x) * P_STRIDE + j * 8 + column] = weight", "p[my_row * P_STRIDE + j * 8 + column] = weight"),
    ("f32_result_not_rescaled", FMA, FMA, "out[x][n].x * shrink", "out[x][n].x"),
    ("f32_tail_unmasked", FMA, FMA, "key + j * 8 + column < limit[x] ? scores[x][j] * a.scale", "true ? scores[x][j] * a.scale"),
    ("combine_not_normalised", COMBINE, COMBINE, "* LOG2_E) * inverse;", "* LOG2_E);"),
    ("combine_last_part_missing", COMBINE, COMBINE, "for (int s = 0; s < parts; s++)", "for (int s = 0; s + 1 < parts; s++)"),
    ("combine_equal_weights", COMBINE, COMBINE, "const float weight = exp2_fast((lse[s * rows + row] - base) * LOG2_E) * inverse", "const float weight = 1.0f / parts"),
    ("combine_of_32_parts", COMBINE, COMBINE, "    for (int s = lane; s < parts; s += 32)\n        sum +=", "    for (int s = lane; s < min(parts, 32); s += 32)\n        sum +="),
    ("combine_row_bound_missing", COMBINE, COMBINE, "    if (row >= rows)\n        return;\n", ""),
    ("combine_minus_infinity_unguarded", COMBINE, COMBINE, "largest == minus_infinity() ? 0.0f : largest", "largest"),
    ("arg_max_last_of_equals", REST, REST, "values[j] > most", "values[j] >= most"),
    ("arg_max_without_atomic", REST, REST, "atomicMax(largest + blockIdx.y, best)", "largest[blockIdx.y] = best"),
    ("arg_max_zeros_differ", REST, REST, "__float_as_uint(value + 0.0f)", "__float_as_uint(value)"),
    ("rope_wrong_sign", REST, REST, "a[j] * cos[j] - b[j] * sin[j]", "a[j] * cos[j] + b[j] * sin[j]"),
    ("rope_ignores_head_stride", REST, REST, "load(b, x + head * r.head_stride + r.half + i)", "load(b, x + head * 2 * r.half + r.half + i)"),
    ("swiglu_unclamped", REST, REST, "exp2_fast(fminf(126.0f, -gate[j] * LOG2_E))", "exp2_fast(-gate[j] * LOG2_E)"),
    ("swiglu_halves_swapped", REST, REST, "result[j] = gate[j] * up[j] / (1.0f + e)", "result[j] = up[j] / (1.0f + e)"),
]


def compiled(name, source, patched, old, new):
    with tempfile.TemporaryDirectory(prefix="c3.", dir="/tmp") as work:
        return compiled_in(pathlib.Path(work), name, source, patched, old, new)


def compiled_in(work, name, source, patched, old, new):
    for file in HERE.glob("*.cu*"):
        shutil.copy(file, work)
    text = (work / patched).read_text()
    if text.count(old) != 1:
        sys.exit(f"{name}: what it replaces stands {text.count(old)} times in {patched}")
    (work / patched).write_text(text.replace(old, new))
    module, unit = SOURCES[source]
    if unit is None:
        unit = (work / source).read_text()
        unit = re.sub(r"C3_COMBINE\(combine_(?!f32_64)\w+, .*\)\n", "", unit)
        unit = re.sub(r"C3_KERNELS\((?!f32)\w+, .*\)\n", "", unit)
    (work / "mutant.cu").write_text(unit)
    # The compiler through a path of one length, on which its output can depend: see build.sh.
    home = os.environ.get("CUDA_HOME") or pathlib.Path(shutil.which("nvcc") or sys.exit("no nvcc here")).parents[1]
    (work / "c").symlink_to(home)
    command = [f"{work}/c/bin/nvcc", "--ptx", "--gpu-architecture=compute_80", "-std=c++17", "-O3", "mutant.cu", "-o", "mutant.ptx"]
    subprocess.run(command, cwd=work, check=True, stderr=subprocess.DEVNULL)
    lines = (work / "mutant.ptx").read_text().splitlines()
    lines = [line for line in lines if line and not line.startswith("//")]
    return f"// mutant: {name} {module}\n" + "\n".join(lines) + "\n"


def differing(mutant, text):
    """The mutant's name if its PTX isn't `text`. The compiler has several texts for some sources: see build.sh."""
    return None if any(compiled(*mutant) == text for _ in range(10)) else mutant[0]


def check(target, pool):
    texts = re.split(r"(?m)^(?=// mutant: )", lzma.decompress(target.read_bytes()).decode())[1:]
    if [text.split(maxsplit=3)[2] for text in texts] != [mutant[0] for mutant in MUTANTS]:
        sys.exit("mutants.xz holds other mutants than mutants.py: run mutants.py")
    names = [name for name in pool.map(differing, MUTANTS, texts) if name]
    sys.exit(f"mutants.xz is not what the sources give: {', '.join(names)}" if names else None)


def main():
    target = HERE / "mutants.xz"
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        if sys.argv[1:] == ["--check"]:
            check(target, pool)
        texts = list(pool.map(lambda mutant: compiled(*mutant), MUTANTS))
    packed = lzma.compress("".join(texts).encode(), check=lzma.CHECK_CRC32, preset=9)
    target.write_bytes(packed)
    print(f"{len(MUTANTS)} mutants, {len(packed)} bytes")


if __name__ == "__main__":
    main()
