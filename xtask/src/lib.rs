//! Tasks of developers that are no test and no part of the product: `cargo xtask --help`.
//!
//! A crate of its own that links nothing of the product's, so that it builds in seconds; the
//! product's programs are started as processes.

pub mod agree;
pub mod bench;
pub mod board;
pub mod cross;
pub mod image;
pub mod machine;
pub mod tools;
