//! Where frames come from. All sources give the same `Frame`; `Keeper` opens them as `Settings`
//! say, and opens them again when they are lost.

mod address;
mod backoff;
mod broken;
mod child;
mod convert;
mod error;
mod folder;
mod keeper;
mod settings;
mod v4l2;

use std::time::Duration;

use lastlayer_shared::frame::Frame;

pub use address::CameraAddress;
pub use backoff::Backoff;
pub use child::{ChildCamera, Mjpeg, TooMuch};
pub use convert::PixelFormat;
pub use error::CameraError;
pub use folder::FolderCamera;
pub use keeper::{CameraNews, Keeper, Policy, Source, Step};
pub use settings::{Control, Controls, SettingError, Settings};
pub use v4l2::V4l2Camera;

/// The longest that a source waits within one call, so that whoever asks can be told to stop.
const SLICE: Duration = Duration::from_millis(100);

/// A frame, and the photo that it was, where it was one.
#[derive(Clone, Debug)]
pub struct Capture {
    pub frame: Frame,
    pub photo: Option<String>,
}

/// A camera.
pub trait FrameSource: Send {
    /// Its newest frame; `None` where there is none yet. Waits a fraction of a second and counts
    /// by itself how long there was none: every error ends the source.
    fn next(&mut self) -> Result<Option<Capture>, CameraError>;

    /// Which camera, and what it gives: size, format and pace as they really are.
    fn describe(&self) -> String;

    /// What went wrong without an end to it since the last call, each once.
    fn warnings(&mut self) -> Vec<String> {
        Vec::new()
    }

    /// Frames that came and could not be read.
    fn broken(&self) -> u64 {
        0
    }
}
