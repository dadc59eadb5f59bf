#include "attention_mma.cuh"

C3_ATTENTION_MMA(attention_f16_64, c3::f16, 64)
C3_ATTENTION_MMA(attention_f16_128, c3::f16, 128)
