//! What goes wrong with cameras, and what to do about it.

use std::{io, path::PathBuf};

use super::SettingError;

#[derive(Debug, thiserror::Error)]
pub enum CameraError {
    #[error(transparent)]
    Setting(#[from] SettingError),
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
         or GREY), only: {formats}; a CSI camera is reached with `rpicam` or `argus` instead"
    )]
    NoFormat { device: PathBuf, formats: String },
    #[error(
        "the camera {device} does not give {wanted}, only: {formats}; change `format`, or leave it \
         out"
    )]
    NotThisFormat {
        device: PathBuf,
        wanted: &'static str,
        formats: String,
    },
    #[error(
        "the USB bus has no room left for the camera {0}; choose a smaller size, a lower `fps` or \
         `format = \"MJPG\"`, or plug it in elsewhere"
    )]
    NoBandwidth(PathBuf),
    #[error("the camera {device} failed: {source}; was it unplugged?")]
    Device { device: PathBuf, source: io::Error },
    #[error("the camera {0} gave no frame for {1} seconds; is it connected well?")]
    Timeout(PathBuf, f64),
    #[error("{camera} gave only frames that cannot be read for {seconds} seconds: {reason}")]
    OnlyBroken {
        camera: String,
        seconds: f64,
        reason: String,
    },
    #[error("the camera's driver did something unforeseen; plug the camera in again")]
    Panicked,
    #[error("{program} cannot be started: {source}; {advice}")]
    Start {
        program: String,
        source: io::Error,
        advice: &'static str,
    },
    #[error("{camera} ended ({status}){said}")]
    ChildEnded {
        camera: String,
        status: String,
        /// Empty, or what it said last.
        said: String,
    },
    #[error("{camera} gave no frame for {seconds} seconds{said}")]
    ChildStalled {
        camera: String,
        seconds: f64,
        said: String,
    },
    #[error(
        "{camera} wrote {megabytes} MB without one whole JPEG; let it write MJPEG, or set `format`, \
         `width` and `height` to what it writes"
    )]
    Rubbish { camera: String, megabytes: usize },
    #[error("the camera's thread has ended; start lastlayerd again")]
    Ended,
    #[error("the folder {folder} cannot be read: {source}")]
    Folder { folder: PathBuf, source: io::Error },
    #[error("the folder {0} has no photo that can be read (.jpg, .jpeg, .png)")]
    NoPhotos(PathBuf),
}
