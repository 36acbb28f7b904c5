//! From verdicts that jump to one that stays: what lights and outputs show.
//!
//! A frame says how sure the head is of each class. Those confidences are averaged over time, and
//! what is shown changes only when something else leads the average clearly, and has done so for a
//! while. So a single odd frame, or two classes that a camera cannot tell apart, never make a light
//! flicker, and a real change is shown after a bounded time, whatever the frame rate:
//! `average * ln(2 / (1 - margin)) + lead`, and two frames.
//!
//! No clock here: every call says what time it is, and times between frames may vary.

use std::time::Duration;

use lastlayer_shared::{
    head::Answer,
    verdict::{UNFAMILIAR_BELOW, UNKNOWN, Verdict},
};
use serde::Deserialize;

/// `[verdict]` of the settings.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Seconds over which confidences are averaged: after this time an old frame counts for about a
    /// third (1/e). 0: every frame speaks for itself. At most 60.
    pub average_seconds: f32,
    /// How clearly another class must lead to be shown: the difference of the two averages, divided
    /// by their sum. From 0 to 0.9.
    pub margin: f32,
    /// Seconds for which another class must have led by the margin to be shown. At most 60; 0: the
    /// first frame decides.
    pub lead_seconds: f32,
    /// Where the best class's average is below this, `unknown` is shown. 0: never for this reason.
    /// At most 0.95.
    pub unknown_below: f32,
    /// A frame that looks stranger than this share of what was taught says `unknown`. 0: no frame
    /// does. At most 0.5.
    pub unfamiliar_below: f32,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            average_seconds: 0.4,
            margin: 0.1,
            lead_seconds: 0.2,
            unknown_below: 0.0,
            unfamiliar_below: UNFAMILIAR_BELOW,
        }
    }
}

#[derive(Debug, PartialEq, thiserror::Error)]
#[error("verdict.{key} is {value}; give a number from 0 to {most}")]
pub struct SettingsError {
    key: &'static str,
    value: f32,
    most: f32,
}

impl Settings {
    /// Whether every number is in its range.
    pub fn check(&self) -> Result<(), SettingsError> {
        for (key, value, most) in [
            ("average_seconds", self.average_seconds, 60.0),
            ("margin", self.margin, 0.9),
            ("lead_seconds", self.lead_seconds, 60.0),
            ("unknown_below", self.unknown_below, 0.95),
            ("unfamiliar_below", self.unfamiliar_below, 0.5),
        ] {
            // Not a number is in no range.
            if !(0.0..=most).contains(&value) {
                return Err(SettingsError { key, value, most });
            }
        }
        Ok(())
    }

    /// The average at which a class is shown again after `unknown_below` had hidden it.
    fn known_from(&self) -> f32 {
        if self.unknown_below > 0.0 {
            (self.unknown_below * (1.0 + self.margin)).min(0.98)
        } else {
            0.0
        }
    }
}

/// What is shown now.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Steady {
    /// Index into the board's classes; `None`: unknown.
    pub class: Option<usize>,
    /// The class's average, 0..=1; 0 for unknown.
    pub confidence: f32,
    /// Whether this frame changed what is shown; also true of the first frame.
    pub changed: bool,
}

impl Steady {
    /// By name. A class that `classes` does not have is unknown.
    pub fn verdict(&self, classes: &[String]) -> Verdict {
        match self.class.and_then(|class| classes.get(class)) {
            Some(class) => Verdict {
                class: class.clone(),
                confidence: self.confidence,
            },
            None => Verdict {
                class: UNKNOWN.into(),
                confidence: 0.0,
            },
        }
    }
}

/// `None` is unknown; it takes part like a class.
type Shown = Option<usize>;

pub struct Smoothing {
    settings: Settings,
    /// Class and average, by class. Together with `unknown` they add up to about 1.
    averages: Vec<(usize, f32)>,
    /// How much of the time nothing was known.
    unknown: f32,
    /// When the last frame was; `None` before the first one.
    last: Option<Duration>,
    shown: Shown,
    /// Since when something else has led without a break.
    led_since: Option<Duration>,
}

impl Smoothing {
    pub fn new(settings: Settings) -> Self {
        Self {
            settings,
            averages: Vec::new(),
            unknown: 0.0,
            last: None,
            shown: None,
            led_since: None,
        }
    }

    /// Forgets the frames before: call it when the head or the class list changed. The next frame
    /// decides at once, so that what was just taught is seen at once.
    pub fn reset(&mut self) {
        *self = Self::new(self.settings.clone());
    }

    /// A frame's confidences, as `Head::judge` gives them; `None` where the frame says unknown (no head
    /// yet, an embedding that fits none, or one that looks like nothing that was taught).
    pub fn frame(&mut self, now: Duration, confidences: Option<&[Answer]>) -> Steady {
        self.average(now, confidences);
        let first = self.last.replace(now).is_none();
        let candidate = self.candidate(first);
        let before = self.shown;
        if first {
            self.shown = candidate;
        } else if candidate == self.shown {
            self.led_since = None;
        } else {
            let since = *self.led_since.get_or_insert(now);
            if now.saturating_sub(since).as_secs_f32() >= self.settings.lead_seconds {
                self.shown = candidate;
                self.led_since = None;
            }
        }
        Steady {
            class: self.shown,
            confidence: self.shown.map_or(0.0, |class| self.of(class)),
            changed: first || self.shown != before,
        }
    }

    fn average(&mut self, now: Duration, confidences: Option<&[Answer]>) {
        let weight = self.weight(now);
        let keep = 1.0 - weight;
        self.unknown *= keep;
        self.averages.iter_mut().for_each(|(_, p)| *p *= keep);
        let Some(confidences) = confidences else {
            self.unknown += weight;
            return;
        };
        for answer in confidences {
            let value = weight * answer.confidence.clamp(0.0, 1.0);
            match self.averages.iter_mut().find(|(c, _)| *c == answer.class) {
                Some((_, p)) => *p = (*p + value).min(1.0),
                None => self.averages.push((answer.class, value)),
            }
        }
    }

    /// Of a frame at this time: `1 - exp(-dt / average)`, the exponential average for frames that do
    /// not come evenly.
    fn weight(&self, now: Duration) -> f32 {
        match self.last {
            Some(last) if self.settings.average_seconds > 0.0 => {
                let passed = now.saturating_sub(last).as_secs_f32();
                1.0 - (-passed / self.settings.average_seconds).exp()
            }
            _ => 1.0,
        }
    }

    fn of(&self, class: usize) -> f32 {
        let found = self.averages.iter().find(|(c, _)| *c == class);
        found.map_or(0.0, |(_, p)| p.clamp(0.0, 1.0))
    }

    /// What would be shown if it did not have to lead for a while. `free`: nothing is shown yet that
    /// would have to be led by the margin.
    fn candidate(&self, free: bool) -> Shown {
        let margin = if free { 0.0 } else { self.settings.margin };
        let leads = |a: f32, b: f32| a > b && a - b >= margin * (a + b);
        let best = self
            .averages
            .iter()
            .copied()
            .max_by(|a, b| a.1.total_cmp(&b.1));
        let (best, highest) = best?;
        let known = 1.0 - self.unknown;
        let Some(shown) = self.shown else {
            let enough = match free {
                true => self.settings.unknown_below,
                false => self.settings.known_from(),
            };
            let sure = highest >= enough && leads(known, self.unknown);
            return sure.then_some(best);
        };
        if leads(self.unknown, known) || highest < self.settings.unknown_below {
            return None;
        }
        Some(match leads(highest, self.of(shown)) {
            true => best,
            false => shown,
        })
    }
}

#[cfg(test)]
mod tests;
