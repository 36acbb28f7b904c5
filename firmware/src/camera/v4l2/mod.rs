//! A V4L2 camera (USB webcams and the like), read through the `v4l` crate: asks for the nearest to
//! what is wanted (`offers`), fixes what is to be fixed (`controls`), and skips broken frames.
//!
//! The crate panics where a driver does what it does not expect; `Keeper` contains that, and `Drop`
//! here keeps the one panic away that could not be contained.

mod controls;
mod device;
mod offers;

use std::{
    io,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use lastlayer_shared::contain::caught;
use v4l::{
    Device,
    buffer::{Flags as BufferFlags, Type},
    capability::Flags,
    io::mmap::Stream,
    io::traits::{CaptureStream, Stream as _},
    video::Capture as _,
};

use super::{CameraError, Capture, FrameSource, PixelFormat, SLICE, Settings, broken::Broken};
use controls::Set;
use device::{code, list, plan_controls, set_controls, set_rate};
use offers::{Offer, Wanted};

/// Enough that the driver always has one to fill; the newest frame wins anyway.
const BUFFERS: u32 = 4;
/// Frames a second where nobody says how many.
const FPS: f64 = 30.0;

const POLLIN: i16 = 1;
const ENODEV: i32 = 19;
const ENXIO: i32 = 6;
const EBUSY: i32 = 16;
const ENOTTY: i32 = 25;
const EINVAL: i32 = 22;
const EISDIR: i32 = 21;
const ENOSPC: i32 = 28;

pub struct V4l2Camera {
    device: PathBuf,
    /// There until it is dropped.
    stream: Option<Stream<'static>>,
    /// The driver fills buffers.
    streaming: bool,
    pixels: PixelFormat,
    /// As the device has set it.
    format: v4l::Format,
    fps: Option<f64>,
    timeout: Duration,
    /// When the last good frame came.
    last: Instant,
    broken: Broken,
    warnings: Vec<String>,
    handle: Device,
    controls: Vec<Set>,
}

impl V4l2Camera {
    pub fn open(device: &Path, settings: &Settings) -> Result<Self, CameraError> {
        let timeout = settings.timeout();
        let failed = |error: io::Error| explain(device, error, timeout);
        let no_camera = |error: io::Error| match error.raw_os_error() {
            Some(ENOTTY | EINVAL | EISDIR) => CameraError::NotACamera(device.into()),
            _ => failed(error),
        };
        let handle = Device::with_path(device).map_err(no_camera)?;
        // Asked first: what is no video device answers this with an error, and lists no formats.
        let abilities = handle.query_caps().map_err(no_camera)?.capabilities;
        if !abilities.contains(Flags::VIDEO_CAPTURE) {
            return Err(CameraError::NotACamera(device.into()));
        }
        let wanted = Wanted {
            width: settings.width,
            height: settings.height,
            fps: settings.fps.unwrap_or(FPS),
            format: settings.format,
        };
        let listed = handle.enum_formats().map_err(failed)?;
        let codes: Vec<String> = listed.iter().map(|f| f.fourcc.to_string()).collect();
        let none = |formats: String| match wanted.format {
            Some(format) => CameraError::NotThisFormat {
                device: device.into(),
                wanted: format.name(),
                formats,
            },
            None => CameraError::NoFormat {
                device: device.into(),
                formats,
            },
        };
        let offers: Vec<Offer> = PixelFormat::ALL
            .into_iter()
            .filter(|format| listed.iter().any(|f| f.fourcc == code(*format)))
            .flat_map(|format| list(&handle, format, &wanted))
            .collect();
        let choice = offers::choose(&offers, &wanted).ok_or_else(|| none(codes.join(", ")))?;
        let asked = v4l::Format::new(choice.width, choice.height, code(choice.format));
        let format = handle.set_format(&asked).map_err(failed)?;
        if format.fourcc != asked.fourcc {
            return Err(none(format.fourcc.to_string()));
        }
        let fps = set_rate(&handle, choice.fps.unwrap_or(wanted.fps));
        let (controls, mut warnings) = plan_controls(&handle, &settings.controls);
        warnings.extend(set_controls(&handle, &controls));
        let mut stream =
            Stream::with_buffers(&handle, Type::VideoCapture, BUFFERS).map_err(failed)?;
        stream.set_timeout(timeout);
        Ok(Self {
            device: device.into(),
            stream: Some(stream),
            streaming: false,
            pixels: choice.format,
            format,
            fps,
            timeout,
            last: Instant::now(),
            broken: Broken::default(),
            warnings,
            handle,
            controls,
        })
    }

    fn waited_too_long(&self) -> Result<(), CameraError> {
        match (self.last.elapsed() < self.timeout, self.broken.reason()) {
            (true, _) => Ok(()),
            (false, None) => Err(CameraError::Timeout(
                self.device.clone(),
                self.timeout.as_secs_f64(),
            )),
            (false, Some(reason)) => Err(CameraError::OnlyBroken {
                camera: format!("the camera {}", self.device.display()),
                seconds: self.timeout.as_secs_f64(),
                reason: reason.into(),
            }),
        }
    }
}

impl FrameSource for V4l2Camera {
    fn next(&mut self) -> Result<Option<Capture>, CameraError> {
        self.waited_too_long()?;
        let failed = |error| explain(&self.device, error, self.timeout);
        let Some(stream) = &mut self.stream else {
            return Err(CameraError::Ended);
        };
        // Before the first frame nothing streams yet, and the kernel calls this an error.
        if self.streaming {
            match stream.handle().poll(POLLIN, SLICE.as_millis() as i32) {
                Ok(0) => return Ok(None),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(None),
                Err(error) => return Err(failed(error)),
            }
        }
        let (bytes, meta) = CaptureStream::next(stream).map_err(failed)?;
        if !self.streaming {
            self.streaming = true;
            // Some webcams forget them when they begin to stream, or take them only then. What is
            // refused was told of at the first time.
            let _ = set_controls(&self.handle, &self.controls);
        }
        if meta.flags.contains(BufferFlags::ERROR) {
            self.broken.note("the driver says that it is damaged");
            return Ok(None);
        }
        let bytes = bytes.get(..meta.bytesused as usize).unwrap_or(bytes);
        let (width, height) = (self.format.width, self.format.height);
        // Some drivers leave the length of a row out.
        let stride = self.format.stride.max(self.pixels.shortest_row(width));
        match self.pixels.decode(width, height, stride, bytes) {
            Ok(frame) => {
                self.broken.good();
                self.last = Instant::now();
                Ok(Some(Capture { frame, photo: None }))
            }
            Err(error) => {
                self.broken.note(error);
                Ok(None)
            }
        }
    }

    fn describe(&self) -> String {
        let pace = match self.fps {
            // Two digits at most, and none where there are none: 30, 7.5, 29.97.
            Some(fps) => format!(" at {} frames a second", (fps * 100.0).round() / 100.0),
            None => String::new(),
        };
        format!(
            "{}: {}x{} {}{pace}",
            self.device.display(),
            self.format.width,
            self.format.height,
            self.pixels.name()
        )
    }

    fn warnings(&mut self) -> Vec<String> {
        let mut warnings = std::mem::take(&mut self.warnings);
        warnings.extend(self.broken.warnings());
        warnings
    }

    fn broken(&self) -> u64 {
        self.broken.count()
    }
}

impl Drop for V4l2Camera {
    fn drop(&mut self) {
        let Some(mut stream) = self.stream.take() else {
            return;
        };
        match stream.stop() {
            Err(error) if error.raw_os_error() != Some(ENODEV) => {
                // The stream's own drop would stop it again and panic, and then its buffers' drop
                // would, which ends the program. Leaked, it ends with the program.
                std::mem::forget(stream);
            }
            _ => {
                // Its buffers' drop may panic.
                let _ = caught(|| drop(stream));
            }
        }
    }
}

fn explain(device: &Path, error: io::Error, timeout: Duration) -> CameraError {
    match (error.kind(), error.raw_os_error()) {
        (io::ErrorKind::NotFound, _) | (_, Some(ENODEV | ENXIO)) => {
            CameraError::NotThere(device.into())
        }
        (io::ErrorKind::PermissionDenied, _) => CameraError::Forbidden(device.into()),
        (io::ErrorKind::TimedOut, _) => CameraError::Timeout(device.into(), timeout.as_secs_f64()),
        (_, Some(EBUSY)) => CameraError::Busy(device.into()),
        (_, Some(ENOSPC)) => CameraError::NoBandwidth(device.into()),
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
        let settings = Settings::default();
        let open = |path: &str| V4l2Camera::open(Path::new(path), &settings).err().unwrap();
        assert!(matches!(open("/dev/video250"), CameraError::NotThere(_)));
        for other in ["/dev/null", "/dev"] {
            assert!(matches!(open(other), CameraError::NotACamera(_)), "{other}");
        }
    }

    #[test]
    fn errors_say_what_to_do() {
        for (code, expected) in [
            (EBUSY, "fuser -v /dev/video0"),
            (ENOSPC, "MJPG"),
            (ENODEV, "no camera at /dev/video0"),
            (13, "group `video`"),
        ] {
            let error = io::Error::from_raw_os_error(code);
            let error = explain(Path::new("/dev/video0"), error, Duration::from_secs(5));
            assert!(error.to_string().contains(expected), "{error}");
        }
    }
}
