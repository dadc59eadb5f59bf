//! cuBLAS: products of matrices.

use std::ffi::{c_int, c_void};

use half::f16;

use crate::error::fail;
use crate::product::{Element, Matrix, Product};
use crate::state::{self, memory};

/// `cublasStatus_t`.
type Status = c_int;

const SUCCESS: Status = 0;
const INVALID_VALUE: Status = 7;
const EXECUTION_FAILED: Status = 13;
const NOT_SUPPORTED: Status = 15;

#[unsafe(no_mangle)]
unsafe extern "C" fn cublasCreate_v2(handle: *mut usize) -> Status {
    unsafe { *handle = state::handle() };
    SUCCESS
}

#[unsafe(no_mangle)]
extern "C" fn cublasDestroy_v2(_handle: usize) -> Status {
    SUCCESS
}

#[unsafe(no_mangle)]
extern "C" fn cublasSetStream_v2(_handle: usize, _stream: usize) -> Status {
    SUCCESS
}

/// Factors are on the host.
#[unsafe(no_mangle)]
unsafe extern "C" fn cublasGetPointerMode_v2(_handle: usize, mode: *mut c_int) -> Status {
    unsafe { *mode = 0 };
    SUCCESS
}

#[unsafe(no_mangle)]
extern "C" fn cublasSetPointerMode_v2(_handle: usize, mode: c_int) -> Status {
    if mode == 0 { SUCCESS } else { NOT_SUPPORTED }
}

/// Computes, unless an argument makes no sense.
fn run(product: Option<Product>) -> Status {
    let Some(product) = product else { return INVALID_VALUE };
    match product.compute(&memory()) {
        Ok(()) => SUCCESS,
        Err(error) => fail(EXECUTION_FAILED, &error.to_string()),
    }
}

fn matrix(ptr: u64, element: Option<Element>, column: c_int, stride: i64) -> Option<Matrix> {
    let column = usize::try_from(column).ok()?;
    Some(Matrix { ptr, element: element?, column, stride })
}

fn sizes(m: c_int, n: c_int, k: c_int) -> Option<[usize; 3]> {
    let size = |n: c_int| usize::try_from(n).ok();
    Some([size(m)?, size(n)?, size(k)?])
}

/// A factor, whose type depends on that of the sums.
unsafe fn factor(ptr: *const c_void, compute: c_int) -> f64 {
    unsafe {
        match compute {
            64 | 65 => (*ptr.cast::<f16>()).to_f64(),
            70 | 71 => *ptr.cast::<f64>(),
            _ => f64::from(*ptr.cast::<f32>()),
        }
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn cublasGemmStridedBatchedEx(
    _handle: usize,
    transa: c_int,
    transb: c_int,
    m: c_int,
    n: c_int,
    k: c_int,
    alpha: *const c_void,
    a: u64,
    a_type: c_int,
    lda: c_int,
    stride_a: i64,
    b: u64,
    b_type: c_int,
    ldb: c_int,
    stride_b: i64,
    beta: *const c_void,
    c: u64,
    c_type: c_int,
    ldc: c_int,
    stride_c: i64,
    batch: c_int,
    compute: c_int,
    _algo: c_int,
) -> Status {
    let (alpha, beta) = unsafe { (factor(alpha, compute), factor(beta, compute)) };
    let product = || {
        Some(Product {
            transposed: [transa != 0, transb != 0],
            sizes: sizes(m, n, k)?,
            a: matrix(a, Element::of(a_type), lda, stride_a)?,
            b: matrix(b, Element::of(b_type), ldb, stride_b)?,
            c: matrix(c, Element::of(c_type), ldc, stride_c)?,
            alpha,
            beta,
            batch: usize::try_from(batch).ok()?,
        })
    };
    run(product())
}

#[unsafe(no_mangle)]
unsafe extern "C" fn cublasGemmEx(
    handle: usize,
    transa: c_int,
    transb: c_int,
    m: c_int,
    n: c_int,
    k: c_int,
    alpha: *const c_void,
    a: u64,
    a_type: c_int,
    lda: c_int,
    b: u64,
    b_type: c_int,
    ldb: c_int,
    beta: *const c_void,
    c: u64,
    c_type: c_int,
    ldc: c_int,
    compute: c_int,
    algo: c_int,
) -> Status {
    unsafe {
        cublasGemmStridedBatchedEx(
            handle, transa, transb, m, n, k, alpha, a, a_type, lda, 0, b, b_type, ldb, 0, beta, c,
            c_type, ldc, 0, 1, compute, algo,
        )
    }
}

/// The functions whose matrices all have one type: its `cudaDataType` and that of its sums.
macro_rules! one_type {
    ($($single:ident, $batched:ident: $ty:ty, $element:literal, $compute:literal;)*) => {$(
        #[unsafe(no_mangle)]
        unsafe extern "C" fn $batched(
            handle: usize,
            transa: c_int,
            transb: c_int,
            m: c_int,
            n: c_int,
            k: c_int,
            alpha: *const $ty,
            a: u64,
            lda: c_int,
            stride_a: i64,
            b: u64,
            ldb: c_int,
            stride_b: i64,
            beta: *const $ty,
            c: u64,
            ldc: c_int,
            stride_c: i64,
            batch: c_int,
        ) -> Status {
            unsafe {
                cublasGemmStridedBatchedEx(
                    handle, transa, transb, m, n, k, alpha.cast(), a, $element, lda, stride_a, b,
                    $element, ldb, stride_b, beta.cast(), c, $element, ldc, stride_c, batch,
                    $compute, 0,
                )
            }
        }

        #[unsafe(no_mangle)]
        unsafe extern "C" fn $single(
            handle: usize,
            transa: c_int,
            transb: c_int,
            m: c_int,
            n: c_int,
            k: c_int,
            alpha: *const $ty,
            a: u64,
            lda: c_int,
            b: u64,
            ldb: c_int,
            beta: *const $ty,
            c: u64,
            ldc: c_int,
        ) -> Status {
            unsafe {
                $batched(
                    handle, transa, transb, m, n, k, alpha, a, lda, 0, b, ldb, 0, beta, c, ldc, 0, 1,
                )
            }
        }
    )*};
}

one_type! {
    cublasSgemm_v2, cublasSgemmStridedBatched: f32, 0, 68;
    cublasDgemm_v2, cublasDgemmStridedBatched: f64, 1, 70;
}
