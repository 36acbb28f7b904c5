//! The configuration of a camera: the `[camera]` table of a TOML file, or what the command line
//! says. Read with serde, then checked with `check`; a camera is only opened with what passed.

use std::{collections::BTreeMap, fmt, time::Duration};

use lastlayer_shared::view::View;
use serde::{Deserialize, Deserializer, de};

use super::{CameraAddress, PixelFormat};

#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Which camera: `/dev/video0`, `rpicam` (a Raspberry Pi's CSI camera; `rpicam:1` is the second
    /// one), `argus` (a Jetson's), `pipe:COMMAND` for a command that writes frames to its standard
    /// output, or `folder:DIR` for a folder of photos.
    pub source: CameraAddress,
    /// Pixels of a row: even, 16 to 8192. A device gives the nearest that it has.
    pub width: u32,
    /// Rows: even, 16 to 8192.
    pub height: u32,
    /// Frames a second, 0.01 to 1000. Left out: 30 from a camera or the nearest that it has, 10 from
    /// a folder.
    pub fps: Option<f64>,
    /// Only this pixel format: MJPG, YUYV, UYVY, NV12, YU12, RGB3 or GREY. Left out: the best that a
    /// device has, and MJPG from `pipe:`.
    pub format: Option<PixelFormat>,
    /// The longest that a camera may give no frame, in seconds, 0.5 to 120; then it is opened again.
    pub timeout_seconds: f64,
    /// Whether the program starts though the camera is not there yet, and waits for it.
    pub wait: bool,
    /// What the camera must not choose by itself.
    pub controls: Controls,
    /// Which way up the camera is mounted, and which part of its picture is looked at.
    pub view: View,
    /// How much a folder camera shakes, 0 (not at all) to 1.
    pub shake: f32,
    /// Seed of the shake.
    pub seed: u64,
}

/// Left out: as the camera has it.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Controls {
    /// Exposure time in steps of 100 microseconds, or "auto".
    pub exposure: Option<Control>,
    /// White balance in kelvin, or "auto".
    pub white_balance: Option<Control>,
    /// Gain in steps of the device, or "auto"; for CSI cameras how many times.
    pub gain: Option<Control>,
    /// Focus in steps of the device, or "auto"; for `rpicam` in dioptres, 0 is infinity.
    pub focus: Option<Control>,
    /// Brightness in steps of the device.
    pub brightness: Option<i32>,
    /// Other controls of a V4L2 device by their numbers, as `v4l2-ctl -L` lists them:
    /// `0x00980918 = 1`.
    pub raw: BTreeMap<ControlId, i32>,
}

/// Fixed, or left to the camera.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Control {
    Auto,
    Fixed(i32),
}

/// V4L2's number of a control.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "String")]
pub struct ControlId(pub u32);

/// One key and what it may be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("camera.{key}: {rule}")]
pub struct SettingError {
    pub key: &'static str,
    pub rule: String,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            source: CameraAddress::V4l2("/dev/video0".into()),
            width: 640,
            height: 480,
            fps: None,
            format: None,
            timeout_seconds: 5.0,
            wait: false,
            controls: Controls::default(),
            view: View::default(),
            shake: 0.0,
            seed: 0,
        }
    }
}

impl Settings {
    /// Frames a second that a folder of photos gives.
    pub fn folder_fps(&self) -> f64 {
        self.fps.unwrap_or(10.0)
    }

    pub fn timeout(&self) -> Duration {
        Duration::from_secs_f64(self.timeout_seconds.clamp(0.5, 120.0))
    }

    pub fn check(&self) -> Result<(), SettingError> {
        let wrong = |key, rule: &str| {
            let rule = rule.to_owned();
            Err(SettingError { key, rule })
        };
        let side = |side: u32| (16..=8192).contains(&side) && side.is_multiple_of(2);
        if !side(self.width) {
            return wrong("width", "give an even number from 16 to 8192");
        }
        if !side(self.height) {
            return wrong("height", "give an even number from 16 to 8192");
        }
        if self.fps.is_some_and(|fps| !(0.01..=1000.0).contains(&fps)) {
            return wrong("fps", "give a number from 0.01 to 1000");
        }
        if !(0.5..=120.0).contains(&self.timeout_seconds) {
            return wrong("timeout_seconds", "give a number from 0.5 to 120");
        }
        if !(0.0..=1.0).contains(&self.shake) {
            return wrong("shake", "give a number from 0 to 1");
        }
        let chosen = self.format.is_some();
        match &self.source {
            CameraAddress::Rpicam(_) | CameraAddress::Argus(_) if chosen => wrong(
                "format",
                "a CSI camera always gives YU12 here; leave `format` out",
            ),
            CameraAddress::Folder(_) if chosen => {
                wrong("format", "photos have their own; leave `format` out")
            }
            _ => self.controls.check(&self.source),
        }
    }
}

impl Controls {
    fn check(&self, source: &CameraAddress) -> Result<(), SettingError> {
        if matches!(source, CameraAddress::V4l2(_)) {
            return Ok(());
        }
        let wrong = |key, rule: &str| {
            let rule = rule.to_owned();
            Err(SettingError { key, rule })
        };
        if matches!(source, CameraAddress::Pipe(_) | CameraAddress::Folder(_)) {
            return match *self == Self::default() {
                true => Ok(()),
                false => wrong(
                    "controls",
                    "only cameras have them; a command after `pipe:` takes them as its arguments",
                ),
            };
        }
        const OWN: &str = "this CSI camera has no such number; use \"auto\", leave it out, or write \
                           the whole command after `pipe:`";
        let fixed = |control| matches!(control, Some(Control::Fixed(_)));
        let out = |control, least: i32, most: i32| match control {
            Some(Control::Fixed(value)) => !(least..=most).contains(&value),
            _ => false,
        };
        if out(self.exposure, 1, 100_000) {
            return wrong("controls.exposure", "give \"auto\" or 1 to 100000");
        }
        if out(self.gain, 1, 256) {
            return wrong("controls.gain", "give \"auto\" or 1 to 256");
        }
        if fixed(self.white_balance) {
            return wrong("controls.white_balance", OWN);
        }
        match source {
            CameraAddress::Argus(_) if self.focus.is_some() => wrong("controls.focus", OWN),
            _ if out(self.focus, 0, 32) => {
                wrong("controls.focus", "give \"auto\" or 0 to 32 dioptres")
            }
            _ if self.brightness.is_some() => wrong("controls.brightness", OWN),
            _ if !self.raw.is_empty() => wrong("controls.raw", OWN),
            _ => Ok(()),
        }
    }
}

impl TryFrom<String> for ControlId {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let number = match text.strip_prefix("0x") {
            Some(digits) => u32::from_str_radix(digits, 16),
            None => text.parse(),
        };
        number
            .map(Self)
            .map_err(|_| "give the number of a control, such as 0x00980918")
    }
}

impl<'de> Deserialize<'de> for Control {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl de::Visitor<'_> for Visitor {
            type Value = Control;

            fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str("\"auto\" or a whole number")
            }

            fn visit_i64<E: de::Error>(self, value: i64) -> Result<Control, E> {
                let value = i32::try_from(value);
                value
                    .map(Control::Fixed)
                    .map_err(|_| E::custom("this number is too large"))
            }

            fn visit_u64<E: de::Error>(self, value: u64) -> Result<Control, E> {
                self.visit_i64(i64::try_from(value).unwrap_or(i64::MAX))
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Control, E> {
                match text {
                    "auto" => Ok(Control::Auto),
                    _ => Err(E::invalid_value(de::Unexpected::Str(text), &self)),
                }
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

#[cfg(test)]
mod tests;
