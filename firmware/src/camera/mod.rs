//! Where frames come from. All sources give the same `Frame`.

mod convert;
mod folder;
mod v4l2;

use std::{
    ffi::{OsStr, OsString},
    io,
    os::unix::ffi::OsStrExt,
    path::PathBuf,
};

use lastlayer_shared::frame::Frame;

pub use convert::PixelFormat;
pub use folder::FolderCamera;
pub use v4l2::V4l2Camera;

/// A frame, and the photo that it was, where it was one.
#[derive(Clone, Debug)]
pub struct Capture {
    pub frame: Frame,
    pub photo: Option<String>,
}

/// A camera.
pub trait FrameSource: Send {
    /// Its next frame. Waits for a bounded time; every error ends the camera.
    fn next(&mut self) -> Result<Capture, CameraError>;

    /// What went wrong without an end to it since the last call, each once.
    fn warnings(&mut self) -> Vec<String> {
        Vec::new()
    }
}

#[derive(Debug, thiserror::Error)]
pub enum CameraError {
    #[error("there is no camera at {0}; `ls /dev/video*` lists what there is")]
    NotThere(PathBuf),
    #[error("the camera {0} is in use by another program; `fuser -v {0}` says by which")]
    Busy(PathBuf),
    #[error("the camera {0} may not be opened by this user; add the user to the group `video`")]
    Forbidden(PathBuf),
    #[error("{0} is not a camera that gives pictures; `v4l2-ctl --list-devices` says what it is")]
    NotACamera(PathBuf),
    #[error(
        "the camera {device} gives no format that is read here (RGB3, YUYV, UYVY, NV12, YU12, MJPG \
         or GREY), only: {formats}"
    )]
    NoFormat { device: PathBuf, formats: String },
    #[error("the camera {device} failed: {source}; was it unplugged?")]
    Device { device: PathBuf, source: io::Error },
    #[error("the camera {0} gave no frame for {1} seconds; is it connected well?")]
    Timeout(PathBuf, u64),
    #[error("the camera's thread has ended; start lastlayerd again")]
    Ended,
    #[error("the folder {folder} cannot be read: {source}")]
    Folder { folder: PathBuf, source: io::Error },
    #[error("the folder {0} has no photo that can be read (.jpg, .jpeg, .png)")]
    NoPhotos(PathBuf),
}

/// Names a camera on the command line.
#[derive(Clone, Debug, PartialEq)]
pub enum CameraAddress {
    Folder(PathBuf),
    V4l2(PathBuf),
}

impl CameraAddress {
    /// `folder:DIR`, `v4l2:DEVICE` or `DEVICE`, which begins with `/`. Paths need not be UTF-8.
    pub fn parse(text: &OsStr) -> Result<Self, &'static str> {
        let path = |bytes: &[u8]| PathBuf::from(OsStr::from_bytes(bytes));
        let text = text.as_bytes();
        match text.strip_prefix(b"folder:") {
            Some(b"") => return Err("name the folder: folder:DIR"),
            Some(folder) => return Ok(Self::Folder(path(folder))),
            None => {}
        }
        let device = text.strip_prefix(b"v4l2:").unwrap_or(text);
        match device.starts_with(b"/") {
            true => Ok(Self::V4l2(path(device))),
            false if path(device).is_dir() => Err("this is a folder: write folder: before it"),
            false => Err("give a device such as /dev/video0, or folder:DIR"),
        }
    }
}

/// For clap, which hands over text in the system's own form.
impl TryFrom<OsString> for CameraAddress {
    type Error = &'static str;

    fn try_from(text: OsString) -> Result<Self, Self::Error> {
        Self::parse(&text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_name_folders_and_devices() {
        let address = |text: &str| CameraAddress::parse(OsStr::new(text));
        assert_eq!(
            address("folder:a b"),
            Ok(CameraAddress::Folder("a b".into()))
        );
        assert_eq!(
            address("/dev/video2"),
            Ok(CameraAddress::V4l2("/dev/video2".into()))
        );
        assert_eq!(
            address("v4l2:/dev/cam"),
            Ok(CameraAddress::V4l2("/dev/cam".into()))
        );
        assert!(address("folder:").is_err() && address("webcam").is_err());
        let odd = CameraAddress::parse(OsStr::from_bytes(b"folder:\xff"));
        assert_eq!(
            odd,
            Ok(CameraAddress::Folder(OsStr::from_bytes(b"\xff").into()))
        );
    }
}
