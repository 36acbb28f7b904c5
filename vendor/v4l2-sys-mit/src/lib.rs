//! Stands in for crates.io's `v4l2-sys-mit`, which runs bindgen (and so wants libclang) in every
//! build. README.md says how `bindings.rs` is made.
#![allow(clippy::all, non_camel_case_types, non_snake_case, non_upper_case_globals, dead_code)]

include!("bindings.rs");
