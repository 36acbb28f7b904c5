//! Exposure, white balance, gain and focus of a V4L2 device, fixed or automatic as the
//! configuration says. A camera that goes on choosing by itself undoes what is fixed, so the
//! automatic control goes first. Nothing here knows a device: `plan` says what is to be set.

use std::collections::BTreeMap;

use super::super::settings::{Control, Controls};

const BRIGHTNESS: u32 = 0x0098_0900;
const WHITE_BALANCE_AUTO: u32 = 0x0098_090c;
const WHITE_BALANCE: u32 = 0x0098_091a;
const GAIN_AUTO: u32 = 0x0098_0912;
const GAIN: u32 = 0x0098_0913;
/// What sensors have that are no webcams.
const ANALOGUE_GAIN: u32 = 0x009e_0903;
const EXPOSURE_AUTO: u32 = 0x009a_0901;
const EXPOSURE: u32 = 0x009a_0902;
const FOCUS_AUTO: u32 = 0x009a_090c;
const FOCUS: u32 = 0x009a_090a;

/// Entries of the menu `EXPOSURE_AUTO`: everything automatic, nothing, the time fixed and the iris
/// automatic, the time automatic and the iris fixed. Webcams have the second and the last.
const ALL_AUTO: i64 = 0;
const MANUAL: i64 = 1;
const TIME_FIXED: i64 = 2;
const TIME_AUTO: i64 = 3;

/// What a device says of one of its controls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    pub min: i64,
    pub max: i64,
    /// The entries of a menu.
    pub items: Option<Vec<i64>>,
}

/// Controls of a device by their numbers.
pub type Device = BTreeMap<u32, Known>;

/// One step, in this order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Set {
    pub id: u32,
    pub value: i64,
    /// The key of the configuration that asks for it.
    pub key: String,
}

/// What is to be set, and what cannot be.
pub fn plan(wanted: &Controls, device: &Device) -> (Vec<Set>, Vec<String>) {
    let mut plan = Plan {
        device,
        steps: Vec::new(),
        warnings: Vec::new(),
    };
    let gain = match device.contains_key(&GAIN) {
        true => GAIN,
        false => ANALOGUE_GAIN,
    };
    let switch = |on: bool| vec![i64::from(on)];
    for (key, control, auto, auto_on, auto_off, id) in [
        (
            "exposure",
            wanted.exposure,
            EXPOSURE_AUTO,
            vec![TIME_AUTO, ALL_AUTO],
            vec![MANUAL, TIME_FIXED],
            EXPOSURE,
        ),
        (
            "white_balance",
            wanted.white_balance,
            WHITE_BALANCE_AUTO,
            switch(true),
            switch(false),
            WHITE_BALANCE,
        ),
        (
            "gain",
            wanted.gain,
            GAIN_AUTO,
            switch(true),
            switch(false),
            gain,
        ),
        (
            "focus",
            wanted.focus,
            FOCUS_AUTO,
            switch(true),
            switch(false),
            FOCUS,
        ),
    ] {
        match control {
            None => {}
            Some(Control::Auto) if plan.choose(key, auto, &auto_on) => {}
            Some(Control::Auto) => plan.lacks(key),
            Some(Control::Fixed(value)) => {
                // Not every device has the automatic control, and then there is nothing to undo.
                plan.choose(key, auto, &auto_off);
                plan.set(key, id, value);
            }
        }
    }
    if let Some(value) = wanted.brightness {
        plan.set("brightness", BRIGHTNESS, value);
    }
    for (id, value) in &wanted.raw {
        plan.set(&format!("raw.{:#010x}", id.0), id.0, *value);
    }
    (plan.steps, plan.warnings)
}

struct Plan<'a> {
    device: &'a Device,
    steps: Vec<Set>,
    warnings: Vec<String>,
}

impl Plan<'_> {
    /// The first of these values that the device has; whether there is one.
    fn choose(&mut self, key: &str, id: u32, values: &[i64]) -> bool {
        let Some(known) = self.device.get(&id) else {
            return false;
        };
        let has = |value: &&i64| match &known.items {
            Some(items) => items.contains(value),
            None => (known.min..=known.max).contains(value),
        };
        let value = values.iter().find(has);
        self.steps.extend(value.map(|value| Set {
            id,
            value: *value,
            key: key.into(),
        }));
        value.is_some()
    }

    fn set(&mut self, key: &str, id: u32, value: i32) {
        let Some(known) = self.device.get(&id) else {
            self.lacks(key);
            return;
        };
        let wanted = i64::from(value);
        let value = wanted.clamp(known.min, known.max.max(known.min));
        if value != wanted {
            self.warnings.push(format!(
                "camera.controls.{key}: this camera takes {} to {}; {value} is set",
                known.min, known.max
            ));
        }
        self.steps.push(Set {
            id,
            value,
            key: key.into(),
        });
    }

    fn lacks(&mut self, key: &str) {
        self.warnings.push(format!(
            "camera.controls.{key}: this camera has no such control (`v4l2-ctl -L` lists what it \
             has); it is left as it is"
        ));
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::settings::ControlId;
    use super::*;

    /// As a Logitech C920 says.
    fn c920() -> Device {
        let range = |min, max| Known {
            min,
            max,
            items: None,
        };
        [
            (BRIGHTNESS, range(0, 255)),
            (WHITE_BALANCE_AUTO, range(0, 1)),
            (GAIN, range(0, 255)),
            (WHITE_BALANCE, range(2000, 6500)),
            (
                EXPOSURE_AUTO,
                Known {
                    min: 0,
                    max: 3,
                    items: Some(vec![MANUAL, TIME_AUTO]),
                },
            ),
            (EXPOSURE, range(3, 2047)),
            (FOCUS, range(0, 250)),
            (FOCUS_AUTO, range(0, 1)),
        ]
        .into()
    }

    fn steps(controls: &Controls, device: &Device) -> Vec<(u32, i64)> {
        let (steps, _) = plan(controls, device);
        steps.iter().map(|step| (step.id, step.value)).collect()
    }

    #[test]
    fn what_is_fixed_is_taken_from_the_camera_first() {
        let controls = Controls {
            exposure: Some(Control::Fixed(156)),
            white_balance: Some(Control::Fixed(4600)),
            gain: Some(Control::Fixed(20)),
            focus: Some(Control::Fixed(0)),
            brightness: Some(128),
            raw: [(ControlId(GAIN), 7)].into(),
        };
        let expected = [
            (EXPOSURE_AUTO, MANUAL),
            (EXPOSURE, 156),
            (WHITE_BALANCE_AUTO, 0),
            (WHITE_BALANCE, 4600),
            (GAIN, 20),
            (FOCUS_AUTO, 0),
            (FOCUS, 0),
            (BRIGHTNESS, 128),
            (GAIN, 7),
        ];
        assert_eq!(steps(&controls, &c920()), expected);
        assert_eq!(plan(&controls, &c920()).1, [""; 0]);
        assert_eq!(steps(&Controls::default(), &c920()), []);
    }

    #[test]
    fn automatic_is_what_the_camera_calls_so() {
        let controls = Controls {
            exposure: Some(Control::Auto),
            focus: Some(Control::Auto),
            ..Controls::default()
        };
        let expected = [(EXPOSURE_AUTO, TIME_AUTO), (FOCUS_AUTO, 1)];
        assert_eq!(steps(&controls, &c920()), expected);
        // Another camera's menu.
        let mut device = c920();
        device.insert(
            EXPOSURE_AUTO,
            Known {
                min: 0,
                max: 3,
                items: Some(vec![ALL_AUTO, TIME_FIXED]),
            },
        );
        assert_eq!(steps(&controls, &device)[0], (EXPOSURE_AUTO, ALL_AUTO));
        let fixed = Controls {
            exposure: Some(Control::Fixed(9)),
            ..Controls::default()
        };
        assert_eq!(steps(&fixed, &device)[0], (EXPOSURE_AUTO, TIME_FIXED));
    }

    #[test]
    fn what_the_camera_lacks_is_said_and_passed_over() {
        let controls = Controls {
            exposure: Some(Control::Fixed(5000)),
            gain: Some(Control::Auto),
            focus: Some(Control::Fixed(1)),
            raw: [(ControlId(1), 7)].into(),
            ..Controls::default()
        };
        let mut device = c920();
        device.remove(&FOCUS);
        device.remove(&FOCUS_AUTO);
        let (steps, warnings) = plan(&controls, &device);
        assert_eq!(steps.last().unwrap().value, 2047);
        assert_eq!(warnings.len(), 4, "{warnings:?}");
        assert!(warnings[0].contains("exposure: this camera takes 3 to 2047; 2047 is set"));
        assert!(warnings[1].contains("gain: this camera has no such control"));
        assert!(warnings[2].contains("focus") && warnings[3].contains("raw.0x00000001"));
    }

    #[test]
    fn sensors_without_a_gain_have_an_analogue_one() {
        let range = Known {
            min: 0,
            max: 99,
            items: None,
        };
        let controls = Controls {
            gain: Some(Control::Fixed(3)),
            ..Controls::default()
        };
        let device = [(ANALOGUE_GAIN, range)].into();
        assert_eq!(steps(&controls, &device), [(ANALOGUE_GAIN, 3)]);
    }
}
