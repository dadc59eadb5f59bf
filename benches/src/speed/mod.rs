//! A worker that is asked for one piece of work after another and says how long each took.
//!
//! It loads what a piece needs once, so that a script can alternate it with another program that
//! has loaded the same: A, B, A, B, … in one run, where slow drifts of the machine meet both.
//! A [`Request`] is a line of JSON such as `{"work": "encode", "tokens": 1280}`, an [`Answer`] is
//! one such as `{"seconds": 1.5, "tokens": 1280}`.

mod bandwidth;
mod kernels;
mod request;
mod stages;
mod text;
mod worker;

pub use request::{Answer, Request, StageName};
pub use worker::Worker;
