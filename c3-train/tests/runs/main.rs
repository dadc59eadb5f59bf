//! Runs of very small models.

mod checkpoints;
mod evaluated;
mod pair;
mod refusals;
mod sources;
mod support;
mod whole;
mod workers;
