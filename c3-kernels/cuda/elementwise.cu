// What stands between products, each in one pass over memory: the rotation of positions, the gate of
// the feed-forward network, the largest of each row. Vectors of 16 bytes where all addresses allow
// (the host says so), single values otherwise; arithmetic in f32.
#include "device.cuh"

namespace c3 {

constexpr int THREADS = 256;

template <typename T> constexpr int WIDE = 16 / sizeof(T);

// Values of T as f32.
template <typename T, int COUNT>
__device__ __forceinline__ void load(float (&to)[COUNT], const T *from) {
    const auto values = *reinterpret_cast<const Vector<T, COUNT> *>(from);
#pragma unroll
    for (int i = 0; i < COUNT; i++)
        to[i] = widen(values.values[i]);
}

template <typename T, int COUNT>
__device__ __forceinline__ void store(T *to, const float (&from)[COUNT]) {
    Vector<T, COUNT> values;
#pragma unroll
    for (int i = 0; i < COUNT; i++)
        values.values[i] = narrow<T>(from[i]);
    *reinterpret_cast<Vector<T, COUNT> *>(to) = values;
}

template <typename T> struct Rope {
    const T *x;             // [batch, tokens, heads, 2 · half], with strides
    const float *cos, *sin; // [batch, tokens, half]
    T *out;                 // as x, contiguous
    long long batch_stride, token_stride, head_stride;
    int tokens, heads, half;
};

// (a, b) → (a cos − b sin, a sin + b cos), of a head's halves. A block has a token.
template <int COUNT, typename T> __device__ __forceinline__ void rope(const Rope<T> &r) {
    const long long at = blockIdx.x;
    const T *x = r.x + at / r.tokens * r.batch_stride + at % r.tokens * r.token_stride;
    T *out = r.out + at * r.heads * 2 * r.half;
    const int each = r.half / COUNT;
    for (int task = threadIdx.x; task < r.heads * each; task += THREADS) {
        const int head = task / each, i = task % each * COUNT;
        float a[COUNT], b[COUNT], cos[COUNT], sin[COUNT], to_a[COUNT], to_b[COUNT];
        load(a, x + head * r.head_stride + i);
        load(b, x + head * r.head_stride + r.half + i);
        load(cos, r.cos + at * r.half + i);
        load(sin, r.sin + at * r.half + i);
#pragma unroll
        for (int j = 0; j < COUNT; j++) {
            to_a[j] = a[j] * cos[j] - b[j] * sin[j];
            to_b[j] = a[j] * sin[j] + b[j] * cos[j];
        }
        T *to = out + static_cast<long long>(head) * 2 * r.half + i;
        store(to, to_a);
        store(to + r.half, to_b);
    }
}

// silu(gate) · up, where x is [rows, 2, width].
template <int COUNT, typename T>
__device__ __forceinline__ void swiglu(const T *x, T *out, long long rows, int width) {
    const int each = width / COUNT;
    const long long step = static_cast<long long>(gridDim.x) * THREADS;
    for (long long task = static_cast<long long>(blockIdx.x) * THREADS + threadIdx.x;
         task < rows * each; task += step) {
        const long long row = task / each;
        const int i = static_cast<int>(task % each) * COUNT;
        float gate[COUNT], up[COUNT], result[COUNT];
        load(gate, x + row * 2 * width + i);
        load(up, x + (row * 2 + 1) * width + i);
#pragma unroll
        for (int j = 0; j < COUNT; j++) {
            // Beyond 126 the exponential would leave the range of f32; the product is next to zero.
            const float e = exp2_fast(fminf(126.0f, -gate[j] * LOG2_E));
            result[j] = gate[j] * up[j] / (1.0f + e);
        }
        store(out + row * width + i, result);
    }
}

// A value and where it stands as a number that is larger if the value is, or it is the same and
// stands further to the front.
__device__ __forceinline__ unsigned long long key(float value, unsigned at) {
    const unsigned bits = __float_as_uint(value + 0.0f); // −0 becomes 0.
    const unsigned order = bits & 0x80000000u ? ~bits : bits | 0x80000000u;
    return static_cast<unsigned long long>(order) << 32 | ~at;
}

// The key of the largest of each row of [rows, n]; stays 0 for a row of nothing but −∞ and NaN.
// Blocks [parts, rows] share the rows; `largest` is zeros before.
template <int COUNT, typename T>
__device__ __forceinline__ void arg_max(const T *x, unsigned long long *largest, int n) {
    const T *row = x + static_cast<long long>(blockIdx.y) * n;
    float most = minus_infinity();
    int at = -1;
    for (int i = (blockIdx.x * THREADS + threadIdx.x) * COUNT; i < n;
         i += gridDim.x * THREADS * COUNT) {
        float values[COUNT];
        load(values, row + i);
#pragma unroll
        for (int j = 0; j < COUNT; j++) {
            if (values[j] > most) {
                most = values[j];
                at = i + j;
            }
        }
    }
    unsigned long long best = at < 0 ? 0 : key(most, at);
#pragma unroll
    for (int step = 16; step > 0; step /= 2)
        best = max(best, __shfl_xor_sync(ALL_LANES, best, step));
    if (threadIdx.x % 32 == 0 && best != 0)
        atomicMax(largest + blockIdx.y, best);
}

} // namespace c3

#define C3_KERNELS(NAME, T)                                                                        \
    extern "C" __global__ void __launch_bounds__(c3::THREADS)                                      \
        rope_##NAME(const T *x, const float *cos, const float *sin, T *out,                        \
                    long long batch_stride, long long token_stride, long long head_stride,         \
                    int tokens, int heads, int half, int aligned) {                                \
        const c3::Rope<T> r = {x,           cos,    sin,   out, batch_stride, token_stride,        \
                               head_stride, tokens, heads, half};                                  \
        if (aligned)                                                                               \
            c3::rope<4>(r);                                                                        \
        else                                                                                       \
            c3::rope<1>(r);                                                                        \
    }                                                                                              \
    extern "C" __global__ void __launch_bounds__(c3::THREADS)                                      \
        swiglu_##NAME(const T *x, T *out, long long rows, int width, int aligned) {                \
        if (aligned)                                                                               \
            c3::swiglu<c3::WIDE<T>>(x, out, rows, width);                                          \
        else                                                                                       \
            c3::swiglu<1>(x, out, rows, width);                                                    \
    }                                                                                              \
    extern "C" __global__ void __launch_bounds__(c3::THREADS)                                      \
        arg_max_##NAME(const T *x, unsigned long long *largest, int n, int aligned) {              \
        if (aligned)                                                                               \
            c3::arg_max<c3::WIDE<T>>(x, largest, n);                                               \
        else                                                                                       \
            c3::arg_max<1>(x, largest, n);                                                         \
    }

C3_KERNELS(f32, float)
C3_KERNELS(f16, c3::f16)
C3_KERNELS(bf16, c3::bf16)
