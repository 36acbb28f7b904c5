//! Example photos, small and within the page.

use std::path::Path;

use base64::{Engine, engine::general_purpose::STANDARD};
use lastlayer_shared::{frame::Frame, preprocess::Preprocess, view::View};

/// Pixels: sharp on a phone at the size that the page shows.
const SIDE: u32 = 128;

/// A `data:` address of what the network sees of a photo, smaller; `None` where it cannot be read (any
/// more).
pub fn data(photo: &Path, preprocess: &Preprocess) -> Option<String> {
    let small = Preprocess {
        input_size: SIDE,
        ..preprocess.clone()
    };
    let frame = Frame::open(photo).ok()?;
    let jpeg = small.crop(&frame, &View::default()).ok()?.to_jpeg().ok()?;
    Some(format!("data:image/jpeg;base64,{}", STANDARD.encode(jpeg)))
}
