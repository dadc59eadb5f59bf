// Attention in 16 bits on tensor cores, summed in f32.
//
// Each of four warps has 16 rows; 32 keys and values at a time come to shared memory while the
// 32 before are used: one barrier for each. q passes through the memory of the second 32, so that
// a block takes 34 KiB with heads of 128, and two or more share a multiprocessor everywhere.
// Probabilities go from the sums of q kᵀ to factors of v without leaving registers: lane l holds
// the same places of both.
#pragma once
#include "attention.cuh"

namespace c3 {

template <typename T, int HEAD_DIM> struct AttentionMma {
    static constexpr int ROWS = 64, KEYS = 32;
    // Eight values more than a head: rows of ldmatrix then lie in different banks.
    static constexpr int STRIDE = HEAD_DIM + 8;
    static constexpr int TILE = KEYS * STRIDE;
    static_assert(ROWS == 2 * KEYS, "q takes the place of one tile of k and of v");

    const Attention<T> &a;
    const Block block;
    T *const shared; // [2, k or v, KEYS, STRIDE]
    const T *k_head, *v_head;
    const int warp = threadIdx.x / 32, lane = threadIdx.x % 32;
    const int first_row; // of the warp
    uint32_t q[HEAD_DIM / 16][4];
    float out[HEAD_DIM / 8][4] = {};
    // Of rows lane / 4 and lane / 4 + 8.
    float largest[2] = {minus_infinity(), minus_infinity()}, sum[2] = {0.0f, 0.0f};
    int limit[2];

    __device__ __forceinline__ AttentionMma(const Attention<T> &a, T *shared)
        : a(a), block(this_block<ROWS, KEYS>(a)), shared(shared),
          first_row(block.first_row + warp * 16) {
        k_head = a.k + block.batch * a.k_strides[0] + block.kv_head * a.k_strides[1];
        v_head = a.v + block.batch * a.v_strides[0] + block.kv_head * a.v_strides[1];
        for (int x = 0; x < 2; x++)
            limit[x] = min(visible_end(a, block, row(x)), block.end);
    }

    __device__ __forceinline__ int row(int x) const { return first_row + lane / 4 + 8 * x; }

    __device__ __forceinline__ void run() {
        copy_queries<ROWS, HEAD_DIM, STRIDE>(shared + 2 * TILE, a, block);
        copy_async_commit();
        fetch(0, block.begin);
        copy_async_wait<1>();
        __syncthreads();
        load_queries();
        for (int key = block.begin, stage = 0; key < block.end; key += KEYS, stage ^= 1) {
            copy_async_wait<0>();
            __syncthreads(); // These keys are there, and nobody uses the other stage any more.
            if (key + KEYS < block.end)
                fetch(stage ^ 1, key + KEYS);
            if (first_row < block.rows)
                tile(shared + 2 * stage * TILE, key);
        }
        finish();
    }

    __device__ __forceinline__ void fetch(int stage, int key) {
        T *to = shared + 2 * stage * TILE;
        copy_keys<KEYS, HEAD_DIM, STRIDE>(to, k_head, a.k_strides[2], a.aligned, block, key);
        copy_keys<KEYS, HEAD_DIM, STRIDE>(to + TILE, v_head, a.v_strides[2], a.aligned, block, key);
        copy_async_commit();
    }

    __device__ __forceinline__ void load_queries() {
        const T *from = shared + 2 * TILE + (warp * 16 + lane % 16) * STRIDE + lane / 16 * 8;
#pragma unroll
        for (int d = 0; d < HEAD_DIM / 16; d++)
            load_matrices(q[d], from + d * 16);
    }

    __device__ __forceinline__ void tile(const T *k, int key) {
        float scores[KEYS / 8][4] = {};
        multiply_keys(scores, k);
#pragma unroll
        for (int n = 0; n < KEYS / 8; n++) {
#pragma unroll
            for (int e = 0; e < 4; e++)
                scores[n][e] *= a.scale;
        }
        if (key + KEYS > min(visible_end(a, block, first_row), block.end))
            mask(scores, key);
        soften(scores);
        multiply_values(scores, k + TILE);
    }

    // scores = q kᵀ: [16, KEYS]
    __device__ __forceinline__ void multiply_keys(float (&scores)[KEYS / 8][4], const T *k) const {
        const T *from = k + (lane / 16 * 8 + lane % 8) * STRIDE + lane / 8 % 2 * 8;
#pragma unroll
        for (int d = 0; d < HEAD_DIM / 16; d++) {
#pragma unroll
            for (int n = 0; n < KEYS / 8; n += 2) {
                uint32_t b[4];
                load_matrices(b, from + n * 8 * STRIDE + d * 16);
                multiply_add<T>(scores[n], q[d], b[0], b[1]);
                multiply_add<T>(scores[n + 1], q[d], b[2], b[3]);
            }
        }
    }

    __device__ __forceinline__ void mask(float (&scores)[KEYS / 8][4], int key) const {
#pragma unroll
        for (int n = 0; n < KEYS / 8; n++) {
#pragma unroll
            for (int e = 0; e < 4; e++) {
                if (key + n * 8 + lane % 4 * 2 + e % 2 >= limit[e / 2])
                    scores[n][e] = minus_infinity();
            }
        }
    }

    // Scores become probabilities, not yet divided by their sum; what was summed so far is scaled
    // to the new maximum.
    __device__ __forceinline__ void soften(float (&scores)[KEYS / 8][4]) {
        float base[2];
#pragma unroll
        for (int x = 0; x < 2; x++) {
            float most = minus_infinity();
#pragma unroll
            for (int n = 0; n < KEYS / 8; n++)
                most = fmaxf(most, fmaxf(scores[n][2 * x], scores[n][2 * x + 1]));
            most = fmaxf(largest[x], largest_of_lanes<4>(most));
            // With no key seen yet, −∞ − −∞ would be no number.
            base[x] = most == minus_infinity() ? 0.0f : most;
            const float shrink = exp2_fast(largest[x] - base[x]);
            largest[x] = most;
            sum[x] *= shrink;
#pragma unroll
            for (int n = 0; n < HEAD_DIM / 8; n++) {
                out[n][2 * x] *= shrink;
                out[n][2 * x + 1] *= shrink;
            }
        }
#pragma unroll
        for (int n = 0; n < KEYS / 8; n++) {
#pragma unroll
            for (int e = 0; e < 4; e++) {
                scores[n][e] = exp2_fast(scores[n][e] - base[e / 2]);
                sum[e / 2] += scores[n][e];
            }
        }
    }

    // out += probabilities · v: [16, HEAD_DIM]
    __device__ __forceinline__ void multiply_values(const float (&p)[KEYS / 8][4], const T *v) {
        const T *from = v + lane % 16 * STRIDE + lane / 16 * 8;
#pragma unroll
        for (int k = 0; k < KEYS / 16; k++) {
            const float(&left)[4] = p[2 * k], (&right)[4] = p[2 * k + 1];
            const uint32_t both[4] = {pack<T>(left[0], left[1]), pack<T>(left[2], left[3]),
                                      pack<T>(right[0], right[1]), pack<T>(right[2], right[3])};
#pragma unroll
            for (int n = 0; n < HEAD_DIM / 8; n += 2) {
                uint32_t b[4];
                load_matrices_transposed(b, from + k * 16 * STRIDE + n * 8);
                multiply_add<T>(out[n], both, b[0], b[1]);
                multiply_add<T>(out[n + 1], both, b[2], b[3]);
            }
        }
    }

    __device__ __forceinline__ void finish() {
#pragma unroll
        for (int x = 0; x < 2; x++) {
            const float total = sum_of_lanes<4>(sum[x]);
            if (row(x) >= block.rows)
                continue;
            const long long at = place(a, block, row(x));
            if (a.log_sum_exp && lane % 4 == 0)
                a.log_sum_exp[at] = log_sum_exp(largest[x], total);
            const float inverse = total == 0.0f ? 0.0f : 1.0f / total;
#pragma unroll
            for (int n = 0; n < HEAD_DIM / 8; n++)
                store(at * HEAD_DIM + n * 8 + lane % 4 * 2, out[n][2 * x] * inverse,
                      out[n][2 * x + 1] * inverse);
        }
    }

    __device__ __forceinline__ void store(long long at, float first, float second) {
        if (a.splits == 1)
            *reinterpret_cast<uint32_t *>(static_cast<T *>(a.values) + at) = pack<T>(first, second);
        else
            *reinterpret_cast<float2 *>(static_cast<float *>(a.values) + at) =
                make_float2(first, second);
    }
};

} // namespace c3

#define C3_ATTENTION_MMA(NAME, T, HEAD_DIM)                                                        \
    extern "C" __global__ void __launch_bounds__(c3::THREADS) NAME(C3_ATTENTION_ARGUMENTS(T)) {    \
        extern __shared__ __align__(16) unsigned char shared[];                                    \
        const auto problem = C3_ATTENTION(T);                                                      \
        c3::AttentionMma<T, HEAD_DIM>(problem, reinterpret_cast<T *>(shared)).run();               \
    }
