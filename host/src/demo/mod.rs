//! The demo's parts: its photos, its story, and the sheet that shows what came of it.

pub mod cast;
pub mod cifar;
pub mod sheet;
pub mod story;
