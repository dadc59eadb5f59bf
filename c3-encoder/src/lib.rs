//! c3-encoder
