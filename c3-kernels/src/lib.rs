//! c3-kernels
