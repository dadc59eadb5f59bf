#include "attention_fma.cuh"

C3_ATTENTION_FMA(attention_f32_64, 64)
C3_ATTENTION_FMA(attention_f32_128, 128)
