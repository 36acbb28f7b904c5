//! What a V4L2 device is asked and told while it is opened; what is decided from its answers is
//! decided in `offers` and `controls`.

use lastlayer_shared::contain::caught;
use v4l::{
    Device, FourCC,
    control::{Control as Value, MenuItem, Value as Number},
    fraction::Fraction,
    frameinterval::FrameIntervalEnum,
    framesize::FrameSizeEnum,
    video::{Capture as _, capture::Parameters},
};

use super::{
    super::{Controls, PixelFormat},
    controls::{self, Set},
    offers::{Offer, Rates, Span, Wanted},
};

pub fn code(format: PixelFormat) -> FourCC {
    FourCC::new(format.fourcc())
}

/// All sizes of a format, or the nearest where they come in steps.
pub fn list(handle: &Device, format: PixelFormat, wanted: &Wanted) -> Vec<Offer> {
    let sizes = handle.enum_framesizes(code(format)).unwrap_or_default();
    let mut sizes: Vec<(u32, u32)> = sizes
        .iter()
        .map(|size| match &size.size {
            FrameSizeEnum::Discrete(size) => (size.width, size.height),
            FrameSizeEnum::Stepwise(size) => {
                let span = |min, max, step| Span { min, max, step };
                let width = span(size.min_width, size.max_width, size.step_width);
                let height = span(size.min_height, size.max_height, size.step_height);
                (width.nearest(wanted.width), height.nearest(wanted.height))
            }
        })
        .collect();
    if sizes.is_empty() {
        // The driver does not tell; it takes the nearest by itself.
        sizes.push((wanted.width, wanted.height));
    }
    let offer = |(width, height)| Offer {
        format,
        width,
        height,
        rates: rates(handle, format, width, height),
    };
    sizes.into_iter().map(offer).collect()
}

fn rates(handle: &Device, format: PixelFormat, width: u32, height: u32) -> Rates {
    let intervals = handle.enum_frameintervals(code(format), width, height);
    let mut list = Vec::new();
    for interval in intervals.unwrap_or_default() {
        match interval.interval {
            FrameIntervalEnum::Discrete(time) => list.extend(per_second(time)),
            FrameIntervalEnum::Stepwise(times) => {
                if let (Some(least), Some(most)) = (per_second(times.max), per_second(times.min)) {
                    return Rates::Between(least, most);
                }
            }
        }
    }
    match list.is_empty() {
        true => Rates::Unknown,
        false => Rates::These(list),
    }
}

fn per_second(time: Fraction) -> Option<f64> {
    let some = time.numerator > 0 && time.denominator > 0;
    some.then(|| f64::from(time.denominator) / f64::from(time.numerator))
}

/// What was really set; `None` where the device does not tell. A device that knows no rates gives
/// frames at its own.
pub fn set_rate(handle: &Device, fps: f64) -> Option<f64> {
    let interval = Fraction::new(1000, (fps * 1000.0).round() as u32);
    let set = handle.set_params(&Parameters::new(interval));
    set.ok().and_then(|set| per_second(set.interval))
}

/// What is to be set, and what cannot be: it is said, and the camera is used all the same.
pub fn plan_controls(handle: &Device, wanted: &Controls) -> (Vec<Set>, Vec<String>) {
    if *wanted == Controls::default() {
        return Default::default();
    }
    // The crate panics on a name that is not UTF-8 and on a control of a kind that it does not know.
    let Some(Ok(listed)) = caught(|| handle.query_controls()) else {
        let text = "the camera's controls cannot be listed; none of [camera.controls] is set";
        return (Vec::new(), vec![text.into()]);
    };
    let known = listed.into_iter().map(|control| {
        let items = control.items.map(|items: Vec<(u32, MenuItem)>| {
            items.iter().map(|(index, _)| i64::from(*index)).collect()
        });
        let known = controls::Known {
            min: control.minimum,
            max: control.maximum,
            items,
        };
        (control.id, known)
    });
    controls::plan(wanted, &known.collect())
}

/// Sets them in order; what the camera did not take.
pub fn set_controls(handle: &Device, steps: &[Set]) -> Vec<String> {
    let set = |step: &Set| {
        let value = Value {
            id: step.id,
            value: Number::Integer(step.value),
        };
        let error = handle.set_control(value).err()?;
        Some(format!(
            "camera.controls.{}: the camera did not take {}: {error}",
            step.key, step.value
        ))
    };
    steps.iter().filter_map(set).collect()
}
