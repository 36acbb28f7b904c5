//! Pretrained networks: what a recipe says, where its file comes from, and how weight files are
//! read. Nothing here runs code that came with a download.

pub mod cache;
pub mod fetch;
mod pickle;
pub mod recipe;
mod safetensors;
pub mod state_dict;
mod torch;
