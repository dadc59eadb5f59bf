// Attention in f32 throughout: no tensor cores, whose f32 is rounded to ten bits of fraction.
//
// Each of four warps has eight rows, of which a thread has two: of the scores those with every
// eighth key, of the result every eighth group of four columns. Values come to shared memory while
// scores are computed, and the next keys while values are added up.
#pragma once
#include "attention.cuh"

namespace c3 {

template <int HEAD_DIM> struct AttentionFma {
    static constexpr int ROWS = 32, KEYS = 32, MINE = KEYS / 8, COLUMNS = HEAD_DIM / 32;
    // Four values more than a row: eight rows read side by side then lie in different banks.
    static constexpr int STRIDE = HEAD_DIM + 4, P_STRIDE = KEYS + 4;

    const Attention<float> &a;
    const Block block;
    float *const q, *const k, *const v; // [ROWS, STRIDE], [KEYS, STRIDE] twice
    float *const p;                     // [ROWS, P_STRIDE]: probabilities
    const float *k_head, *v_head;
    const int column = threadIdx.x % 8, my_row = threadIdx.x / 8 * 2;
    float4 out[2][COLUMNS] = {};
    float largest[2] = {minus_infinity(), minus_infinity()}, sum[2] = {0.0f, 0.0f};
    int limit[2];

    __device__ __forceinline__ AttentionFma(const Attention<float> &a, float *shared)
        : a(a), block(this_block<ROWS, KEYS>(a)), q(shared), k(q + ROWS * STRIDE),
          v(k + KEYS * STRIDE), p(v + KEYS * STRIDE) {
        k_head = a.k + block.batch * a.k_strides[0] + block.kv_head * a.k_strides[1];
        v_head = a.v + block.batch * a.v_strides[0] + block.kv_head * a.v_strides[1];
        for (int x = 0; x < 2; x++)
            limit[x] = min(visible_end(a, block, row(x)), block.end);
    }

    __device__ __forceinline__ int row(int x) const { return block.first_row + my_row + x; }

    // Whether the warp has any row.
    __device__ __forceinline__ bool busy() const {
        return block.first_row + my_row / 8 * 8 < block.rows;
    }

    __device__ __forceinline__ void run() {
        copy_queries<ROWS, HEAD_DIM, STRIDE>(q, a, block);
        fetch(k, k_head, a.k_strides[2], block.begin);
        for (int key = block.begin; key < block.end; key += KEYS) {
            copy_async_wait<0>();
            __syncthreads(); // The keys are there, and nobody uses the last values any more.
            fetch(v, v_head, a.v_strides[2], key);
            if (busy())
                weigh(key);
            copy_async_wait<0>();
            __syncthreads(); // The values are there, and nobody uses these keys any more.
            fetch(k, k_head, a.k_strides[2], key + KEYS);
            if (busy())
                multiply_values();
        }
        copy_async_wait<0>();
        finish();
    }

    __device__ __forceinline__ void fetch(float *to, const float *head, long long stride, int key) {
        copy_keys<KEYS, HEAD_DIM, STRIDE>(to, head, stride, a.aligned, block, key);
        copy_async_commit();
    }

    // Probabilities of the keys, not yet divided by their sum.
    __device__ __forceinline__ void weigh(int key) {
        float scores[2][MINE] = {};
        multiply_keys(scores);
#pragma unroll
        for (int x = 0; x < 2; x++) {
            float most = minus_infinity();
#pragma unroll
            for (int j = 0; j < MINE; j++) {
                scores[x][j] = key + j * 8 + column < limit[x] ? scores[x][j] * a.scale
                                                               : minus_infinity();
                most = fmaxf(most, scores[x][j]);
            }
            most = fmaxf(largest[x], largest_of_lanes<8>(most));
            // With no key seen yet, −∞ − −∞ would be no number.
            const float base = most == minus_infinity() ? 0.0f : most;
            const float shrink = exp2_fast(largest[x] - base);
            largest[x] = most;
            sum[x] *= shrink;
#pragma unroll
            for (int j = 0; j < MINE; j++) {
                const float weight = exp2_fast(scores[x][j] - base);
                sum[x] += weight;
                p[(my_row + x) * P_STRIDE + j * 8 + column] = weight;
            }
#pragma unroll
            for (int n = 0; n < COLUMNS; n++)
                out[x][n] = make_float4(out[x][n].x * shrink, out[x][n].y * shrink,
                                        out[x][n].z * shrink, out[x][n].w * shrink);
        }
    }

    // scores = q kᵀ: [2, MINE] of the thread
    __device__ __forceinline__ void multiply_keys(float (&scores)[2][MINE]) const {
#pragma unroll 4
        for (int d = 0; d < HEAD_DIM; d += 4) {
            float4 qs[2];
#pragma unroll
            for (int x = 0; x < 2; x++)
                qs[x] = four(q + (my_row + x) * STRIDE + d);
#pragma unroll
            for (int j = 0; j < MINE; j++) {
                const float4 ks = four(k + (j * 8 + column) * STRIDE + d);
#pragma unroll
                for (int x = 0; x < 2; x++) {
                    scores[x][j] = fmaf(qs[x].x, ks.x, scores[x][j]);
                    scores[x][j] = fmaf(qs[x].y, ks.y, scores[x][j]);
                    scores[x][j] = fmaf(qs[x].z, ks.z, scores[x][j]);
                    scores[x][j] = fmaf(qs[x].w, ks.w, scores[x][j]);
                }
            }
        }
    }

    // out += probabilities · v
    __device__ __forceinline__ void multiply_values() {
#pragma unroll 2
        for (int j = 0; j < KEYS; j++) {
            const float weight[2] = {p[my_row * P_STRIDE + j], p[(my_row + 1) * P_STRIDE + j]};
#pragma unroll
            for (int n = 0; n < COLUMNS; n++) {
                const float4 vs = four(v + j * STRIDE + n * 32 + column * 4);
#pragma unroll
                for (int x = 0; x < 2; x++) {
                    out[x][n].x = fmaf(weight[x], vs.x, out[x][n].x);
                    out[x][n].y = fmaf(weight[x], vs.y, out[x][n].y);
                    out[x][n].z = fmaf(weight[x], vs.z, out[x][n].z);
                    out[x][n].w = fmaf(weight[x], vs.w, out[x][n].w);
                }
            }
        }
    }

    static __device__ __forceinline__ float4 four(const float *from) {
        return *reinterpret_cast<const float4 *>(from);
    }

    __device__ __forceinline__ void finish() {
#pragma unroll
        for (int x = 0; x < 2; x++) {
            const float total = sum_of_lanes<8>(sum[x]);
            if (row(x) >= block.rows)
                continue;
            const long long at = place(a, block, row(x));
            if (a.log_sum_exp && column == 0)
                a.log_sum_exp[at] = log_sum_exp(largest[x], total);
            const float inverse = total == 0.0f ? 0.0f : 1.0f / total;
            float *to = static_cast<float *>(a.values) + at * HEAD_DIM + column * 4;
#pragma unroll
            for (int n = 0; n < COLUMNS; n++)
                *reinterpret_cast<float4 *>(to + n * 32) =
                    make_float4(out[x][n].x * inverse, out[x][n].y * inverse,
                                out[x][n].z * inverse, out[x][n].w * inverse);
        }
    }
};

} // namespace c3

#define C3_ATTENTION_FMA(NAME, HEAD_DIM)                                                           \
    extern "C" __global__ void __launch_bounds__(c3::THREADS, 3)                                   \
        NAME(C3_ATTENTION_ARGUMENTS(float)) {                                                      \
        extern __shared__ __align__(16) float shared[];                                            \
        const auto problem = C3_ATTENTION(float);                                                  \
        c3::AttentionFma<HEAD_DIM>(problem, shared).run();                                         \
    }
