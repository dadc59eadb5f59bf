//! c3-decoder
