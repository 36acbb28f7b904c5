//! What the host and the board must agree on. This crate knows neither of them: no command line,
//! no camera, no clock, no network.

#![deny(unsafe_code)]

pub mod backbone;
pub mod contain;
pub mod error;
pub mod file;
pub mod frame;
pub mod framed;
pub mod guard;
pub mod head;
pub mod network;
pub mod operators;
pub mod package;
pub mod photos;
pub mod preprocess;
pub mod sample;
pub mod taps;
pub mod trust;
pub mod tuning;
pub mod verdict;
pub mod view;
