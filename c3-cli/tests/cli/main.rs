//! The binary from outside. Every test has a temporary folder and commands of its own; none asks
//! a server that it didn't start itself.

mod checkpoints;
mod compress;
mod damage;
mod decompress;
mod eval;
mod eval_resume;
mod eval_tables;
mod exact;
mod files;
mod hub_server;
mod inspect;
mod interrupt;
mod memory;
mod models;
mod output;
mod parts;
mod promises;
mod pull;
mod quantized;
mod roundtrip;
mod support;
mod train;
mod usage;
