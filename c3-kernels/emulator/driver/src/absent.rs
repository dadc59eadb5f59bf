//! Functions that programs are linked with but that aren't emulated.

use std::ffi::c_int;

use crate::error::NOT_SUPPORTED;

/// Functions that do nothing but return a status. Their arguments aren't looked at, so none are
/// declared: the caller clears them away.
macro_rules! absent {
    ($status:expr; $($name:ident)*) => {$(
        #[unsafe(no_mangle)]
        extern "C" fn $name() -> c_int {
            $status
        }
    )*};
}

// The driver.
absent! { NOT_SUPPORTED;
    cuCtxCreate_v3
    cuCtxCreate_v4
    cuCtxDestroy_v2
    cuCtxGetCacheConfig
    cuCtxGetLimit
    cuCtxGetStreamPriorityRange
    cuCtxSetCacheConfig
    cuCtxSetFlags
    cuCtxSetLimit
    cuDestroyExternalMemory
    cuDeviceGetDefaultMemPool
    cuDeviceGetMemPool
    cuDeviceGetUuid
    cuDeviceGetUuid_v2
    cuDeviceSetMemPool
    cuEventElapsedTime
    cuExternalMemoryGetMappedBuffer
    cuFuncSetCacheConfig
    cuGraphDestroy
    cuGraphExecDestroy
    cuGraphInstantiateWithFlags
    cuGraphLaunch
    cuGraphUpload
    cuImportExternalMemory
    cuLaunchCooperativeKernel
    cuLaunchHostFunc
    cuMemAdvise_v2
    cuMemAllocFromPoolAsync
    cuMemAllocManaged
    cuMemPoolCreate
    cuMemPoolDestroy
    cuMemPoolGetAttribute
    cuMemPoolSetAttribute
    cuMemPoolTrimTo
    cuMemPrefetchAsync_v2
    cuMemcpyPeerAsync
    cuModuleGetGlobal_v2
    cuModuleLoad
    cuOccupancyAvailableDynamicSMemPerBlock
    cuOccupancyMaxActiveBlocksPerMultiprocessorWithFlags
    cuOccupancyMaxActiveClusters
    cuOccupancyMaxPotentialBlockSize
    cuOccupancyMaxPotentialBlockSizeWithFlags
    cuOccupancyMaxPotentialClusterSize
    cuProfilerStart
    cuProfilerStop
    cuStreamAttachMemAsync
    cuStreamBeginCapture_v2
    cuStreamEndCapture
}

// cuBLAS: `CUBLAS_STATUS_NOT_SUPPORTED`.
absent! { 15;
    cublasDasum_v2
    cublasDgemv_v2
    cublasSasum_v2
    cublasSgemv_v2
}

// The same.
absent! { 15;
    cublasLtCreate
    cublasLtDestroy
    cublasLtLoggerOpenFile
    cublasLtLoggerSetLevel
    cublasLtMatmul
    cublasLtMatmulAlgoGetHeuristic
    cublasLtMatmulDescCreate
    cublasLtMatmulDescDestroy
    cublasLtMatmulDescSetAttribute
    cublasLtMatmulPreferenceCreate
    cublasLtMatmulPreferenceDestroy
    cublasLtMatmulPreferenceSetAttribute
    cublasLtMatrixLayoutCreate
    cublasLtMatrixLayoutDestroy
    cublasLtMatrixLayoutSetAttribute
}

// cuRAND: `CURAND_STATUS_INTERNAL_ERROR`.
absent! { 999;
    curandGenerate
    curandGenerateLogNormal
    curandGenerateLogNormalDouble
    curandGenerateLongLong
    curandGenerateNormal
    curandGenerateNormalDouble
    curandGeneratePoisson
    curandGenerateUniform
    curandGenerateUniformDouble
}

// NVRTC: `NVRTC_ERROR_INTERNAL_ERROR`.
absent! { 11;
    nvrtcCompileProgram
    nvrtcCreateProgram
    nvrtcDestroyProgram
    nvrtcGetPTX
    nvrtcGetPTXSize
    nvrtcGetProgramLog
    nvrtcGetProgramLogSize
}

// Kernels of candle's that are compiled to machine code; they return nothing.
absent! { NOT_SUPPORTED;
    candle_launch_moe_align
    launch_mmq_gguf_q2_k
    launch_mmq_gguf_q3_k
    launch_mmq_gguf_q4_0
    launch_mmq_gguf_q4_1
    launch_mmq_gguf_q4_k
    launch_mmq_gguf_q5_0
    launch_mmq_gguf_q5_1
    launch_mmq_gguf_q5_k
    launch_mmq_gguf_q6_k
    launch_mmq_gguf_q8_0
    launch_mmq_quantize_q8_1_D2S6
    launch_mmq_quantize_q8_1_D4
    launch_mmq_quantize_q8_1_DS4
    launch_mmvq_gguf_q2_k_bf16_plain
    launch_mmvq_gguf_q2_k_f16_plain
    launch_mmvq_gguf_q2_k_f32_plain
    launch_mmvq_gguf_q3_k_bf16_plain
    launch_mmvq_gguf_q3_k_f16_plain
    launch_mmvq_gguf_q3_k_f32_plain
    launch_mmvq_gguf_q4_0_bf16_plain
    launch_mmvq_gguf_q4_0_f16_plain
    launch_mmvq_gguf_q4_0_f32_plain
    launch_mmvq_gguf_q4_1_bf16_plain
    launch_mmvq_gguf_q4_1_f16_plain
    launch_mmvq_gguf_q4_1_f32_plain
    launch_mmvq_gguf_q4_k_bf16_plain
    launch_mmvq_gguf_q4_k_f16_plain
    launch_mmvq_gguf_q4_k_f32_plain
    launch_mmvq_gguf_q5_0_bf16_plain
    launch_mmvq_gguf_q5_0_f16_plain
    launch_mmvq_gguf_q5_0_f32_plain
    launch_mmvq_gguf_q5_1_bf16_plain
    launch_mmvq_gguf_q5_1_f16_plain
    launch_mmvq_gguf_q5_1_f32_plain
    launch_mmvq_gguf_q5_k_bf16_plain
    launch_mmvq_gguf_q5_k_f16_plain
    launch_mmvq_gguf_q5_k_f32_plain
    launch_mmvq_gguf_q6_k_bf16_plain
    launch_mmvq_gguf_q6_k_f16_plain
    launch_mmvq_gguf_q6_k_f32_plain
    launch_mmvq_gguf_q8_0_bf16_plain
    launch_mmvq_gguf_q8_0_f16_plain
    launch_mmvq_gguf_q8_0_f32_plain
    launch_mmvq_gguf_quantize_q8_1_bf16
    launch_mmvq_gguf_quantize_q8_1_f16
    launch_mmvq_gguf_quantize_q8_1_f32
    moe_gemm_gguf
    moe_gemm_gguf_prefill
    moe_gemm_wmma
}
