//! A V4L2 camera (USB webcams and the like), read through the `v4l` crate.

use std::{
    io,
    path::{Path, PathBuf},
    time::Duration,
};

use v4l::{
    Device, FourCC, buffer::Type, capability::Flags, io::mmap::Stream, io::traits::CaptureStream,
    video::Capture as _,
};

use super::{CameraError, Capture, FrameSource, PixelFormat};

/// What is asked for; the device gives the nearest that it has.
const WANTED: (u32, u32) = (640, 480);
/// Enough that the driver always has one to fill; the newest frame wins anyway.
const BUFFERS: u32 = 4;
const TIMEOUT: Duration = Duration::from_secs(5);
/// Frames that cannot be read are skipped, but not for ever.
const MOST_BROKEN: u32 = 50;

const ENODEV: i32 = 19;
const EBUSY: i32 = 16;
const ENOTTY: i32 = 25;
const EINVAL: i32 = 22;
const EISDIR: i32 = 21;

pub struct V4l2Camera {
    device: PathBuf,
    stream: Stream<'static>,
    pixels: PixelFormat,
    /// As the device has set it.
    format: v4l::Format,
}

impl V4l2Camera {
    pub fn open(device: &Path) -> Result<Self, CameraError> {
        let failed = |error: io::Error| explain(device, error);
        let handle = Device::with_path(device).map_err(failed)?;
        // Asked first: what is no video device answers this with an error, and lists no formats.
        let abilities = handle.query_caps().map_err(failed)?.capabilities;
        if !abilities.contains(Flags::VIDEO_CAPTURE) {
            return Err(CameraError::NotACamera(device.into()));
        }
        let offered = handle.enum_formats().map_err(failed)?;
        let wanted = PixelFormat::ALL
            .into_iter()
            .find(|wanted| {
                let code = FourCC::new(wanted.fourcc());
                offered.iter().any(|format| format.fourcc == code)
            })
            .ok_or_else(|| CameraError::NoFormat {
                device: device.into(),
                formats: offered
                    .iter()
                    .map(|format| format.fourcc.to_string())
                    .collect::<Vec<_>>()
                    .join(", "),
            })?;
        let code = FourCC::new(wanted.fourcc());
        let asked = v4l::Format::new(WANTED.0, WANTED.1, code);
        let format = handle.set_format(&asked).map_err(failed)?;
        if format.fourcc != code {
            return Err(CameraError::NoFormat {
                device: device.into(),
                formats: format.fourcc.to_string(),
            });
        }
        let mut stream =
            Stream::with_buffers(&handle, Type::VideoCapture, BUFFERS).map_err(failed)?;
        stream.set_timeout(TIMEOUT);
        Ok(Self {
            device: device.into(),
            stream,
            pixels: wanted,
            format,
        })
    }
}

impl FrameSource for V4l2Camera {
    fn next(&mut self) -> Result<Capture, CameraError> {
        let mut broken = 0;
        loop {
            let (bytes, meta) = self
                .stream
                .next()
                .map_err(|error| explain(&self.device, error))?;
            let bytes = bytes.get(..meta.bytesused as usize).unwrap_or(bytes);
            let (width, height) = (self.format.width, self.format.height);
            // Some drivers leave the length of a row out.
            let stride = self.format.stride.max(self.pixels.shortest_row(width));
            match self.pixels.decode(width, height, stride, bytes) {
                Ok(frame) => return Ok(Capture { frame, photo: None }),
                Err(error) if broken >= MOST_BROKEN => {
                    return Err(CameraError::Device {
                        device: self.device.clone(),
                        source: io::Error::new(io::ErrorKind::InvalidData, error),
                    });
                }
                Err(_) => broken += 1,
            }
        }
    }
}

fn explain(device: &Path, error: io::Error) -> CameraError {
    match (error.kind(), error.raw_os_error()) {
        (io::ErrorKind::NotFound, _) | (_, Some(ENODEV)) => CameraError::NotThere(device.into()),
        (io::ErrorKind::PermissionDenied, _) => CameraError::Forbidden(device.into()),
        (io::ErrorKind::TimedOut, _) => CameraError::Timeout(device.into(), TIMEOUT.as_secs()),
        (_, Some(EBUSY)) => CameraError::Busy(device.into()),
        (_, Some(ENOTTY | EINVAL | EISDIR)) => CameraError::NotACamera(device.into()),
        _ => CameraError::Device {
            device: device.into(),
            source: error,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_there_and_what_is_no_camera_say_so() {
        let open = |path: &str| V4l2Camera::open(Path::new(path)).err().unwrap();
        assert!(matches!(open("/dev/video250"), CameraError::NotThere(_)));
        for other in ["/dev/null", "/dev"] {
            assert!(matches!(open(other), CameraError::NotACamera(_)), "{other}");
        }
    }

    #[test]
    fn a_busy_device_says_how_to_find_who_holds_it() {
        let error = explain(
            Path::new("/dev/video0"),
            io::Error::from_raw_os_error(EBUSY),
        );
        assert!(error.to_string().contains("fuser -v /dev/video0"));
    }
}
