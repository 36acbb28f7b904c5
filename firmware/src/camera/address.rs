//! How a camera is named, on the command line and in the configuration.

use std::{
    ffi::{OsStr, OsString},
    os::unix::ffi::OsStrExt,
    path::PathBuf,
};

use serde::Deserialize;

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum CameraAddress {
    /// A folder of photos, shown in turn.
    Folder(PathBuf),
    /// A video device.
    V4l2(PathBuf),
    /// A command for `sh -c` that writes frames to its standard output.
    Pipe(OsString),
    /// A Raspberry Pi's CSI camera, counted from 0.
    Rpicam(u32),
    /// A Jetson's CSI camera, counted from 0.
    Argus(u32),
}

const WANTED: &str = "give a device such as /dev/video0, folder:DIR, rpicam, argus or pipe:COMMAND";

impl CameraAddress {
    /// `folder:DIR`; `v4l2:DEVICE` or `DEVICE`, which begins with `/`; `pipe:COMMAND`; `rpicam` and
    /// `argus`, with `:1` for the second camera. Paths and commands need not be UTF-8.
    pub fn parse(text: &OsStr) -> Result<Self, &'static str> {
        let own = |bytes: &[u8]| OsStr::from_bytes(bytes).to_owned();
        let bytes = text.as_bytes();
        if let Some(folder) = bytes.strip_prefix(b"folder:") {
            return match folder {
                b"" => Err("name the folder: folder:DIR"),
                _ => Ok(Self::Folder(own(folder).into())),
            };
        }
        if let Some(command) = bytes.strip_prefix(b"pipe:") {
            return match command.trim_ascii() {
                b"" => Err("name the command that writes frames: pipe:COMMAND"),
                _ => Ok(Self::Pipe(own(command))),
            };
        }
        if let Some(rest) = bytes.strip_prefix(b"rpicam") {
            return number(rest).map(Self::Rpicam);
        }
        if let Some(rest) = bytes.strip_prefix(b"argus") {
            return number(rest).map(Self::Argus);
        }
        if bytes.windows(3).any(|part| part == b"://") {
            return Err(
                "a camera in the network is read by another program: pipe:ffmpeg ..., as docs/cameras.md \
                 shows for rtsp://",
            );
        }
        let device = bytes.strip_prefix(b"v4l2:").unwrap_or(bytes);
        match device.starts_with(b"/") {
            true => Ok(Self::V4l2(own(device).into())),
            false if PathBuf::from(own(device)).is_dir() => {
                Err("this is a folder: write folder: before it")
            }
            false => Err(WANTED),
        }
    }
}

/// Nothing, or `:` and which camera.
fn number(rest: &[u8]) -> Result<u32, &'static str> {
    let number = match rest {
        b"" => Some(0),
        [b':', digits @ ..] => str::from_utf8(digits).ok().and_then(|d| d.parse().ok()),
        _ => return Err(WANTED),
    };
    number.ok_or("name the camera by its number, counted from 0: rpicam:1")
}

/// For clap, which hands over text in the system's own form.
impl TryFrom<OsString> for CameraAddress {
    type Error = &'static str;

    fn try_from(text: OsString) -> Result<Self, Self::Error> {
        Self::parse(&text)
    }
}

/// For configuration files.
impl TryFrom<String> for CameraAddress {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(OsStr::new(&text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_name_every_kind_of_camera() {
        let address = |text: &str| CameraAddress::parse(OsStr::new(text));
        for (text, expected) in [
            ("folder:a b", CameraAddress::Folder("a b".into())),
            ("/dev/video2", CameraAddress::V4l2("/dev/video2".into())),
            ("v4l2:/dev/cam", CameraAddress::V4l2("/dev/cam".into())),
            ("pipe:cat a | b", CameraAddress::Pipe("cat a | b".into())),
            ("rpicam", CameraAddress::Rpicam(0)),
            ("argus:1", CameraAddress::Argus(1)),
        ] {
            assert_eq!(address(text), Ok(expected));
        }
        for wrong in [
            "folder:", "pipe: ", "webcam", "rpicam:", "argus:x", "rpicams",
        ] {
            assert!(address(wrong).is_err(), "{wrong}");
        }
        let network = address("rtsp://10.0.0.7/stream").unwrap_err();
        assert!(network.contains("pipe:ffmpeg"), "{network}");
        let document = include_str!("../../../docs/cameras.md");
        assert!(document.contains("pipe:ffmpeg") && document.contains("rtsp://"));
        let odd = CameraAddress::parse(OsStr::from_bytes(b"folder:\xff"));
        assert_eq!(
            odd,
            Ok(CameraAddress::Folder(OsStr::from_bytes(b"\xff").into()))
        );
    }
}
