// Joins attentions over different keys: of the parts of split keys, or of segments and devices.
//
// Part s of a row weighs exp(lse_s − lse), where lse = ln Σ exp(lse_s) is the whole's own. A warp
// has one row.
#include "device.cuh"

namespace c3 {

constexpr int THREADS = 128, ROWS = THREADS / 32;

template <typename T, int HEAD_DIM>
__device__ __forceinline__ void combine(const float *values,  // [parts, rows, HEAD_DIM]
                                        const float *lse,     // [parts, rows]
                                        T *out,               // [rows, HEAD_DIM]
                                        float *out_lse,       // [rows], or null: not wanted
                                        int parts, long long rows) {
    constexpr int MINE = HEAD_DIM / 32;
    const int lane = threadIdx.x % 32;
    const long long row = static_cast<long long>(blockIdx.x) * ROWS + threadIdx.x / 32;
    if (row >= rows)
        return;
    float largest = minus_infinity();
    for (int s = lane; s < parts; s += 32)
        largest = fmaxf(largest, lse[s * rows + row]);
    largest = largest_of_lanes<32>(largest);
    const float base = largest == minus_infinity() ? 0.0f : largest;
    float sum = 0.0f;
    for (int s = lane; s < parts; s += 32)
        sum += exp2_fast((lse[s * rows + row] - base) * LOG2_E);
    sum = sum_of_lanes<32>(sum);
    const float inverse = sum == 0.0f ? 0.0f : 1.0f / sum;

    float total[MINE] = {};
#pragma unroll 4
    for (int s = 0; s < parts; s++) {
        const float weight = exp2_fast((lse[s * rows + row] - base) * LOG2_E) * inverse;
        const auto part = *reinterpret_cast<const Vector<float, MINE> *>(
            values + (s * rows + row) * HEAD_DIM + lane * MINE);
#pragma unroll
        for (int i = 0; i < MINE; i++)
            total[i] = fmaf(weight, part.values[i], total[i]);
    }
    Vector<T, MINE> result;
#pragma unroll
    for (int i = 0; i < MINE; i++)
        result.values[i] = narrow<T>(total[i]);
    *reinterpret_cast<Vector<T, MINE> *>(out + row * HEAD_DIM + lane * MINE) = result;
    if (out_lse && lane == 0)
        out_lse[row] = sum == 0.0f ? minus_infinity() : base + log2f(sum) * LN_2;
}

} // namespace c3

#define C3_COMBINE(NAME, T, HEAD_DIM)                                                              \
    extern "C" __global__ void __launch_bounds__(c3::THREADS)                                      \
        NAME(const float *values, const float *lse, T *out, float *out_lse, int parts,             \
             long long rows) {                                                                     \
        c3::combine<T, HEAD_DIM>(values, lse, out, out_lse, parts, rows);                          \
    }

C3_COMBINE(combine_f32_64, float, 64)
C3_COMBINE(combine_f32_128, float, 128)
C3_COMBINE(combine_f16_64, c3::f16, 64)
C3_COMBINE(combine_f16_128, c3::f16, 128)
C3_COMBINE(combine_bf16_64, c3::bf16, 64)
C3_COMBINE(combine_bf16_128, c3::bf16, 128)
