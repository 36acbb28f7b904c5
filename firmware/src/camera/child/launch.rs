//! Which command gives frames, and in which form. CSI cameras of both boards are reached through
//! the maker's own program: through plain V4L2 they give raw sensor data.

use std::ffi::OsString;

use super::super::{Controls, PixelFormat, Settings, settings::Control};

/// A command, and the frames that it writes.
#[derive(Clone, Debug, PartialEq)]
pub struct Launch {
    /// What messages call it.
    pub name: String,
    /// The first of these that is there is started.
    pub programs: Vec<&'static str>,
    pub arguments: Vec<OsString>,
    pub format: PixelFormat,
    pub width: u32,
    pub height: u32,
    /// What to do where none of `programs` is there.
    pub advice: &'static str,
}

/// A width for which rpicam-vid writes rows without padding. The Pi 4's image processor pads the
/// rows of YUV420 to 64 bytes, the Pi 5's to 64 in its colour planes, which have half the width;
/// nothing in the stream tells of it.
const RPICAM_WIDTHS: u32 = 128;
/// The same for GStreamer, which pads rows of every plane to 4 bytes.
const GSTREAMER_WIDTHS: u32 = 8;

/// The source prints messages of its own to the standard output, where frames belong: these go
/// through another descriptor, and the messages to those who look for errors.
const ARGUS: &str = "command -v gst-launch-1.0 >/dev/null || {
    echo 'gst-launch-1.0 is not there: sudo apt install gstreamer1.0-tools' >&2; exit 127; }
exec 3>&1 1>&2
exec gst-launch-1.0 \"$@\"";

/// The nearest width in such steps.
fn stepped(width: u32, step: u32) -> u32 {
    ((width + step / 2) / step).max(1) * step
}

impl Launch {
    pub fn pipe(command: &OsString, settings: &Settings) -> Self {
        Self {
            name: "the command after `pipe:`".into(),
            programs: vec!["sh"],
            arguments: vec!["-c".into(), command.clone()],
            format: settings.format.unwrap_or(PixelFormat::Mjpeg),
            width: settings.width,
            height: settings.height,
            advice: "a shell is needed for `pipe:`",
        }
    }

    pub fn rpicam(camera: u32, settings: &Settings) -> Self {
        let width = stepped(settings.width, RPICAM_WIDTHS);
        let height = settings.height;
        let fps = settings.fps.unwrap_or(30.0);
        let mut arguments = words(&format!(
            "--nopreview --timeout 0 --camera {camera} --codec yuv420 --width {width} \
             --height {height} --framerate {fps} --flush"
        ));
        arguments.extend(words(&rpicam_controls(&settings.controls)));
        arguments.extend(words("--output -"));
        Self {
            name: "rpicam-vid".into(),
            programs: vec!["rpicam-vid", "libcamera-vid"],
            arguments,
            format: PixelFormat::Yu12,
            width,
            height,
            advice: "`sudo apt install rpicam-apps-lite` brings it to a Raspberry Pi",
        }
    }

    pub fn argus(camera: u32, settings: &Settings) -> Self {
        let width = stepped(settings.width, GSTREAMER_WIDTHS);
        let height = settings.height;
        let fps = settings.fps.unwrap_or(30.0);
        // GStreamer wants a fraction of whole numbers.
        let rate = format!("{}/1000", (fps * 1000.0).round());
        let mut arguments: Vec<OsString> = ["-c", ARGUS, "sh"].map(OsString::from).into();
        arguments.extend(words(&format!(
            "--quiet nvarguscamerasrc sensor-id={camera}"
        )));
        arguments.extend(argus_controls(&settings.controls));
        // Each word is one argument: no shell reads the parentheses. The driver chooses the sensor's
        // mode, and the converter makes the size.
        arguments.extend(words(&format!(
            "! video/x-raw(memory:NVMM),framerate={rate} ! nvvidconv ! \
             video/x-raw,format=I420,width={width},height={height} ! fdsink fd=3 sync=false"
        )));
        Self {
            name: "the GStreamer pipeline of the CSI camera".into(),
            programs: vec!["sh"],
            arguments,
            format: PixelFormat::Yu12,
            width,
            height,
            advice: "`sudo apt install gstreamer1.0-tools` brings it to a Jetson",
        }
    }
}

fn words(text: &str) -> Vec<OsString> {
    text.split_whitespace().map(OsString::from).collect()
}

fn rpicam_controls(controls: &Controls) -> String {
    let mut text = String::new();
    if let Some(Control::Fixed(time)) = controls.exposure {
        text += &format!("--shutter {} ", u64::from(time.unsigned_abs()) * 100);
    }
    if let Some(Control::Fixed(gain)) = controls.gain {
        text += &format!("--gain {gain} ");
    }
    if controls.white_balance == Some(Control::Auto) {
        text += "--awb auto ";
    }
    match controls.focus {
        Some(Control::Fixed(dioptres)) => {
            text += &format!("--autofocus-mode manual --lens-position {dioptres} ");
        }
        Some(Control::Auto) => text += "--autofocus-mode continuous ",
        None => {}
    }
    text
}

fn argus_controls(controls: &Controls) -> Vec<OsString> {
    // Ranges from a number to itself. The space belongs to the argument.
    let range = |name: &str, value: u64| format!("{name}={value} {value}").into();
    let mut arguments = Vec::new();
    if let Some(Control::Fixed(time)) = controls.exposure {
        let nanoseconds = u64::from(time.unsigned_abs()) * 100_000;
        arguments.push(range("exposuretimerange", nanoseconds));
    }
    if let Some(Control::Fixed(gain)) = controls.gain {
        arguments.push(range("gainrange", gain.unsigned_abs().into()));
    }
    if controls.white_balance == Some(Control::Auto) {
        arguments.push("wbmode=1".into());
    }
    arguments
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(launch: &Launch) -> String {
        let words: Vec<_> = launch
            .arguments
            .iter()
            .map(|w| w.to_string_lossy())
            .collect();
        words.join(" ")
    }

    #[test]
    fn rpicam_is_asked_for_rows_without_padding() {
        let mut settings = Settings::default();
        let launch = Launch::rpicam(0, &settings);
        assert_eq!((launch.width, launch.height), (640, 480));
        assert_eq!(
            line(&launch),
            "--nopreview --timeout 0 --camera 0 --codec yuv420 --width 640 --height 480 \
             --framerate 30 --flush --output -"
        );
        for (wanted, given) in [(16, 128), (800, 768), (1000, 1024), (1920, 1920)] {
            settings.width = wanted;
            assert_eq!(Launch::rpicam(0, &settings).width, given);
        }
        settings.controls = Controls {
            exposure: Some(Control::Fixed(50)),
            gain: Some(Control::Fixed(2)),
            focus: Some(Control::Fixed(3)),
            ..Controls::default()
        };
        let text = line(&Launch::rpicam(1, &settings));
        assert!(
            text.contains("--camera 1")
                && text.contains("--shutter 5000 --gain 2")
                && text.contains("--lens-position 3 --output -"),
            "{text}"
        );
    }

    #[test]
    fn argus_is_one_pipeline() {
        let mut settings = Settings {
            fps: Some(15.0),
            ..Settings::default()
        };
        settings.controls.exposure = Some(Control::Fixed(50));
        let launch = Launch::argus(0, &settings);
        assert_eq!(launch.arguments[6], "exposuretimerange=5000000 5000000");
        let text = line(&launch);
        let (_, pipeline) = text.split_once(" sh ").unwrap();
        assert_eq!(
            pipeline,
            "--quiet nvarguscamerasrc sensor-id=0 exposuretimerange=5000000 5000000 ! \
             video/x-raw(memory:NVMM),framerate=15000/1000 ! nvvidconv ! \
             video/x-raw,format=I420,width=640,height=480 ! fdsink fd=3 sync=false"
        );
    }
}
