//! What is fuzzed (fuzz/README.md), as tests: the seeds of every target and a bounded number of
//! random inputs, and the networks that the validator must let through.

#[path = "../../fuzz/src/lib.rs"]
mod fuzz;

mod documents;
mod networks;
mod targets;
