//! The frames of one press, and which of them are worth learning: blurred ones and near-copies of
//! the one before teach nothing, and a burst of them looks like more than it is.

use lastlayer_shared::frame::Frame;
use serde::Deserialize;
use std::time::Duration;

use crate::light::{Blocks, Light};

/// When a burst is over, and what counts in it: the `[burst]` table.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Accepted frames that make a burst full, 1..=1000.
    pub frames: u32,
    /// A burst ends after this many seconds, full or not, 0.01..=1000.
    pub seconds: f64,
    /// Fewer accepted frames than this are refused, 1..=`frames`.
    pub fewest: u32,
    /// Blurred: less than this share of the sharpness of the burst's sharpest frame, 0..1; 0 takes
    /// all. Sharpness goes by the square: at 0.25 edges are half as steep.
    pub sharpness: f32,
    /// A near-copy: no part of the picture changed by this much since the frame accepted before,
    /// 0..255; 0 takes all. A pixel of 224 is 5 and more, the noise of a poor camera below 4.
    pub change: f32,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            frames: 10,
            seconds: 2.0,
            fewest: 3,
            sharpness: 0.25,
            change: 4.0,
        }
    }
}

impl Settings {
    /// What is out of range, as a line that names it.
    pub fn check(&self) -> Result<(), String> {
        if !(1..=1000).contains(&self.frames) {
            return Err("burst.frames: give a number from 1 to 1000".into());
        }
        if !(0.01..=1000.0).contains(&self.seconds) {
            return Err("burst.seconds: give a number from 0.01 to 1000".into());
        }
        if !(1..=self.frames).contains(&self.fewest) {
            return Err(format!(
                "burst.fewest: give a number from 1 to {} (burst.frames)",
                self.frames
            ));
        }
        if !(0.0..1.0).contains(&self.sharpness) {
            return Err("burst.sharpness: give a number from 0 to below 1".into());
        }
        if !(0.0..=255.0).contains(&self.change) {
            return Err("burst.change: give a number from 0 to 255".into());
        }
        Ok(())
    }

    pub fn longest(&self) -> Duration {
        Duration::from_secs_f64(self.seconds)
    }
}

/// A frame that may be learned: what the network saw or would see, and what it said.
#[derive(Clone, Debug, PartialEq)]
pub struct Shot {
    pub crop: Frame,
    /// `None` where there was no time yet to look.
    pub embedding: Option<Vec<f32>>,
}

/// How many frames of a burst were passed over, and why.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Skipped {
    pub blurred: usize,
    pub still: usize,
}

#[derive(Default)]
pub struct Burst {
    /// With their sharpness.
    shots: Vec<(Shot, f32)>,
    /// The frame accepted last, in blocks.
    last: Option<Blocks>,
    skipped: Skipped,
}

impl Burst {
    /// Keeps this frame if it is worth it.
    pub fn offer(&mut self, settings: &Settings, shot: Shot) {
        if self.full(settings) {
            return;
        }
        let light = Light::of(&shot.crop);
        let blocks = light.blocks();
        let still = settings.change > 0.0
            && self
                .last
                .as_ref()
                .is_some_and(|last| blocks.change(last) < settings.change);
        if still {
            self.skipped.still += 1;
            return;
        }
        let sharpness = light.sharpness();
        let sharpest = self.shots.iter().map(|(_, s)| *s).fold(sharpness, f32::max);
        let least = settings.sharpness * sharpest;
        if sharpness < least {
            self.skipped.blurred += 1;
            return;
        }
        // The first frames may have been the blurred ones.
        let before = self.shots.len();
        self.shots.retain(|(_, sharpness)| *sharpness >= least);
        self.skipped.blurred += before - self.shots.len();
        self.shots.push((shot, sharpness));
        self.last = Some(blocks);
    }

    pub fn full(&self, settings: &Settings) -> bool {
        self.shots.len() >= settings.frames as usize
    }

    pub fn finish(self) -> (Vec<Shot>, Skipped) {
        let shots = self.shots.into_iter().map(|(shot, _)| shot).collect();
        (shots, self.skipped)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SIDE: u32 = 128;

    /// Stripes, moved to the left by `shift` pixels and blurred over `blur` of them.
    fn stripes(shift: u32, blur: u32) -> Shot {
        let value = |x: u32| match (x / 16).is_multiple_of(2) {
            true => 40,
            false => 200,
        };
        let row: Vec<u8> = (0..SIDE)
            .flat_map(|x| {
                let sum: u32 = (0..blur).map(|by| value(x + by + shift)).sum();
                [(sum / blur) as u8; 3]
            })
            .collect();
        Shot {
            crop: Frame::new(SIDE, SIDE, row.repeat(SIDE as usize)).unwrap(),
            embedding: None,
        }
    }

    fn taken(shots: impl IntoIterator<Item = Shot>) -> (usize, Skipped) {
        let mut burst = Burst::default();
        for shot in shots {
            burst.offer(&Settings::default(), shot);
        }
        let (shots, skipped) = burst.finish();
        (shots.len(), skipped)
    }

    #[test]
    fn a_still_scene_is_one_frame_whatever_the_noise() {
        let noisy = |seed: u32| {
            let shot = stripes(0, 3);
            let mut random = seed;
            let rgb = shot.crop.rgb().iter().map(|value| {
                random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                value.wrapping_add((random >> 28) as u8)
            });
            let crop = Frame::new(SIDE, SIDE, rgb.collect()).unwrap();
            Shot { crop, ..shot }
        };
        let (frames, skipped) = taken((0..8).map(noisy));
        assert_eq!((frames, skipped.still, skipped.blurred), (1, 7, 0));
        assert_eq!(taken((0..8).map(|shift| stripes(shift, 3))).0, 8);
    }

    #[test]
    fn blurred_frames_are_passed_over_wherever_they_come() {
        let blurred = Skipped {
            blurred: 2,
            still: 0,
        };
        // No lens draws an edge within one pixel.
        let sharp = |shift| stripes(shift, 3);
        let moved = |shift| stripes(shift, 13);
        let last = [sharp(0), sharp(2), moved(4), sharp(6), moved(9)];
        assert_eq!(taken(last), (3, blurred));
        let first = [moved(0), moved(3), sharp(5), sharp(7)];
        assert_eq!(taken(first), (2, blurred));
    }

    #[test]
    fn settings_out_of_range_are_named() {
        let wrong = |change: fn(&mut Settings)| {
            let mut settings = Settings::default();
            change(&mut settings);
            settings.check().unwrap_err()
        };
        assert!(wrong(|s| s.frames = 0).starts_with("burst.frames:"));
        assert!(wrong(|s| s.seconds = f64::NAN).starts_with("burst.seconds:"));
        assert!(wrong(|s| s.fewest = 11).starts_with("burst.fewest:"));
        assert!(wrong(|s| s.sharpness = 1.0).starts_with("burst.sharpness:"));
        assert!(wrong(|s| s.change = -1.0).starts_with("burst.change:"));
    }

    proptest! {
        #[test]
        fn frames_of_any_size_are_judged(width in 1u32..40, height in 1u32..40, seed: u8) {
            let rgb = (0..width * height * 3).map(|i| (i as u8).wrapping_mul(seed)).collect();
            let crop = Frame::new(width, height, rgb).unwrap();
            let (frames, _) = taken([Shot { crop, embedding: None }]);
            prop_assert_eq!(frames, 1);
        }
    }
}
