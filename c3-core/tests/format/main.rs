//! The `.c3` file from outside: what is written, what is refused, what is read of it.

mod atomic;
mod attacks;
mod damage;
mod fuzz;
mod golden;
mod large;
mod roundtrip;
mod support;
mod writer;
