//! Benchmarks of the whole workspace (`benches/`) and the measurement behind the model card
//! (`examples/fidelity.rs`). There is no library here.
