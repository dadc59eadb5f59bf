#include "attention_mma.cuh"

C3_ATTENTION_MMA(attention_bf16_64, c3::bf16, 64)
C3_ATTENTION_MMA(attention_bf16_128, c3::bf16, 128)
