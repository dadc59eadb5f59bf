// What both attention kernels share: the arguments, which rows and keys a block has, and where
// results go.
//
// The rows of a key-value head are its queries × the heads that share it: row r is query r / group,
// head kv_head · group + r % group. A block takes some of them against a part of the keys, so
// that each key and value is read once for all heads of the group. With one part of the keys it
// writes the result itself; of several, each writes sums of its own and their log-sum-exp, which
// the combine kernel joins.
#pragma once
#include "device.cuh"

namespace c3 {

// Threads of a block.
constexpr int THREADS = 128;

template <typename T> struct Attention {
    const T *q;                 // [batch, queries, heads, HEAD_DIM]
    const T *k;                 // [batch, kv_heads, keys, HEAD_DIM]
    const T *v;                 // as k
    void *values;               // one split: T [batch, queries, heads, HEAD_DIM];
                                // several: float [splits, batch, queries, heads, HEAD_DIM]
    float *log_sum_exp;         // [splits, batch, queries, heads], or null: not wanted
    const int *first_key;       // [batch], or null: all 0
    long long q_strides[3];     // in elements, of batch, query, head
    long long k_strides[3];     // of batch, head, key
    long long v_strides[3];     // as k
    int queries, heads, kv_heads, keys, splits;
    int causal;                 // whether query i sees no key after keys − queries + i
    int aligned;                // whether each row of q, k and v begins at a multiple of 16 bytes
    float scale;                // scores are scale · q · k, times log2(e), for exponents of 2
};

// The arguments of a kernel in order, and the structure of them.
#define C3_ATTENTION_ARGUMENTS(T)                                                                  \
    const T *q, const T *k, const T *v, void *values, float *log_sum_exp, const int *first_key,    \
        long long q_batch, long long q_query, long long q_head, long long k_batch,                 \
        long long k_head, long long k_key, long long v_batch, long long v_head, long long v_key,   \
        int queries, int heads, int kv_heads, int keys, int splits, int causal, int aligned,       \
        float scale
#define C3_ATTENTION(T)                                                                            \
    c3::Attention<T> {                                                                             \
        q, k, v, values, log_sum_exp, first_key, {q_batch, q_query, q_head},                       \
            {k_batch, k_head, k_key}, {v_batch, v_head, v_key}, queries, heads, kv_heads, keys,    \
            splits, causal, aligned, scale                                                         \
    }

// What a block computes: rows `first_row..` of a key-value head against keys `begin..end`.
struct Block {
    int batch, kv_head, split, group, rows, first_row, begin, end;
};

// The key after the last that a row sees; below 1 if it sees none.
template <typename T>
__device__ __forceinline__ int visible_end(const Attention<T> &a, const Block &block, int row) {
    return a.causal ? a.keys - a.queries + row / block.group + 1 : a.keys;
}

// The grid is [tiles of rows, splits, batch · kv_heads]: tiles that read the same keys run side by
// side, so that all but the first find them in the L2 cache. The last tile of rows, which sees
// most keys, starts first. Parts are cut of the keys that the row of the batch has, padding apart.
template <int ROWS, int KEYS, typename T>
__device__ __forceinline__ Block this_block(const Attention<T> &a) {
    Block block;
    block.batch = blockIdx.z / a.kv_heads;
    block.kv_head = blockIdx.z % a.kv_heads;
    block.split = blockIdx.y;
    block.group = a.heads / a.kv_heads;
    block.rows = a.queries * block.group;
    block.first_row = (gridDim.x - 1 - blockIdx.x) * ROWS;
    const int first_key = a.first_key ? a.first_key[block.batch] : 0;
    const int each = (a.keys - first_key + a.splits - 1) / a.splits;
    const int part = (each + KEYS - 1) / KEYS * KEYS;
    block.begin = first_key + block.split * part;
    const int last_row = min(block.first_row + ROWS, block.rows) - 1;
    block.end = min(min(block.begin + part, a.keys), visible_end(a, block, last_row));
    return block;
}

// Copies ROWS rows of HEAD_DIM values, one by one, to rows of STRIDE values in shared memory. `row(r)` is
// where row r lies, or null: then zeros are written.
template <int ROWS, int HEAD_DIM, int STRIDE, typename T, typename Row>
__device__ __forceinline__ void copy_values(T *to, Row row) {
    for (int i = threadIdx.x; i < ROWS * HEAD_DIM; i += THREADS) {
        const T *from = row(i / HEAD_DIM);
        to[i / HEAD_DIM * STRIDE + i % HEAD_DIM] = from ? from[i % HEAD_DIM] : narrow<T>(0.0f);
    }
}

// The part of aligned rows that a thread copies in the background: 16 bytes of every STEP-th row.
template <int HEAD_DIM, typename T> struct Part {
    static constexpr int EACH = 16 / sizeof(T), CHUNKS = HEAD_DIM / EACH, STEP = THREADS / CHUNKS;
    const int row = threadIdx.x / CHUNKS, column = threadIdx.x % CHUNKS * EACH;
};

// Copies the block's rows of q.
template <int ROWS, int HEAD_DIM, int STRIDE, typename T>
__device__ __forceinline__ void copy_queries(T *to, const Attention<T> &a, const Block &block) {
    const auto row = [&](int r) -> const T * {
        const int row = block.first_row + r;
        if (row >= block.rows)
            return nullptr;
        const int head = block.kv_head * block.group + row % block.group;
        return a.q + block.batch * a.q_strides[0] + row / block.group * a.q_strides[1] +
               head * a.q_strides[2];
    };
    if (!a.aligned)
        return copy_values<ROWS, HEAD_DIM, STRIDE>(to, row);
    const Part<HEAD_DIM, T> mine;
    static_assert(ROWS % mine.STEP == 0, "every thread copies as much");
#pragma unroll
    for (int r = mine.row; r < ROWS; r += mine.STEP) {
        const T *from = row(r);
        copy_async(to + r * STRIDE + mine.column, from ? from + mine.column : a.q, from);
    }
}

// Copies KEYS rows of k or v from key `first` on, zeros after the block's last key. `head` is where
// the key-value head begins.
template <int KEYS, int HEAD_DIM, int STRIDE, typename T>
__device__ __forceinline__ void copy_keys(T *to, const T *head, long long stride, int aligned,
                                          const Block &block, int first) {
    if (!aligned) {
        return copy_values<KEYS, HEAD_DIM, STRIDE>(to, [&](int r) -> const T * {
            return first + r < block.end ? head + (first + r) * stride : nullptr;
        });
    }
    const Part<HEAD_DIM, T> mine;
    static_assert(KEYS % mine.STEP == 0, "every thread copies as much");
    to += mine.row * STRIDE + mine.column;
    const T *from = head + (first + mine.row) * stride + mine.column;
#pragma unroll
    for (int i = 0; i < KEYS; i += mine.STEP) {
        copy_async(to + i * STRIDE, from, first + mine.row + i < block.end);
        from += mine.STEP * stride;
    }
}

// Where row `row` stands among [batch, queries, heads], or [splits, batch, queries, heads].
template <typename T>
__device__ __forceinline__ long long place(const Attention<T> &a, const Block &block, int row) {
    const long long batches = gridDim.z / a.kv_heads;
    const long long batch = (a.splits > 1 ? block.split * batches : 0) + block.batch;
    const int head = block.kv_head * block.group + row % block.group;
    return (batch * a.queries + row / block.group) * a.heads + head;
}

// `ln Σ exp`, of scores whose exponents are of 2.
__device__ __forceinline__ float log_sum_exp(float largest, float sum) {
    return sum == 0.0f ? minus_infinity() : (largest + log2f(sum)) * LN_2;
}

} // namespace c3
