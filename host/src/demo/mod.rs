//! The demo's parts: its photos, its story, the board that lives it, and the sheet that shows what came of it.

pub mod board;
pub mod cast;
pub mod cifar;
pub mod sheet;
pub mod story;
