//! The kernel's GPIO chips: which are there, and lines asked for as buttons and lights.
//!
//! Which line is meant (`find`) is decided on a list of what is there, so tests give it a list of
//! their own; only `list` and the two requests of `Opener` touch the machine.
//!
//! The kernel's interface is the first version of the character device (`gpio-cdev`). It knows bias
//! flags since Linux 5.5; the crate does not, so their bits are given as they are. A chip that has
//! no resistors to switch says nothing about it, and so nothing can be said here.

mod find;
mod list;

use linux_embedded_hal::{
    CdevPin,
    gpio_cdev::{self, Chip, LineRequestFlags},
};

use super::{
    ButtonPin, LightPin, Wired,
    settings::{Bias, LineId},
};
pub use find::{Found, find};
pub use list::{ChipInfo, LineInfo, Listing, list};

/// By whom our lines are used, as `gpioinfo` shows it.
pub const CONSUMER: &str = "lastlayerd";

// linux/gpio.h: GPIOHANDLE_REQUEST_BIAS_PULL_UP, _PULL_DOWN and _BIAS_DISABLE.
const PULL_UP: u32 = 1 << 5;
const PULL_DOWN: u32 = 1 << 6;
const BIAS_DISABLE: u32 = 1 << 7;

#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum GpioError {
    #[error("there is no GPIO chip (/dev/gpiochip0 and so on); a panel needs a board that has one")]
    NoChips,
    #[error(
        "{0} may not be opened; add the user to the group that owns it (`sudo usermod -aG gpio \
         USER`, then log in again)"
    )]
    Denied(String),
    #[error("there is no GPIO chip {asked:?}; there is {there}")]
    NoChip { asked: String, there: String },
    #[error("{asked:?} is the label of {there}; give one of their names")]
    ManyChips { asked: String, there: String },
    #[error("line {line} could be on any chip; say which with `chip`: there is {there}")]
    WhichChip { line: u32, there: String },
    #[error("{chip} has no line {asked}; its lines are 0 to {last}")]
    NoNumber { chip: String, asked: u32, last: u32 },
    #[error("{chip} has no line named {asked:?}{near}; `gpioinfo` lists all")]
    NoName {
        chip: String,
        asked: String,
        near: String,
    },
    #[error("{asked:?} names more than one line: {places}; give `chip` and the line's number")]
    ManyLines { asked: String, places: String },
    #[error("line {line} is in use by {by}; end that, or choose another line")]
    Used { line: String, by: String },
    #[error("line {line} is {key}'s already; give each a line of its own")]
    Twice { line: String, key: String },
    #[error(
        "line {line} cannot have its pull-up or pull-down set: Linux before 5.5 cannot, nor can \
         some chips; put a resistor of 1 kOhm there (docs/wiring.md) and give `bias = \"as-is\"`"
    )]
    Bias { line: String },
    #[error("line {line}: {error}")]
    Kernel { line: String, error: String },
}

/// Asks for lines, and knows what it has asked for.
pub struct Opener<'a> {
    listing: &'a Listing,
    /// Chip, line and key of what was asked for.
    taken: Vec<(String, u32, String)>,
}

impl<'a> Opener<'a> {
    pub fn new(listing: &'a Listing) -> Self {
        let taken = Vec::new();
        Self { listing, taken }
    }

    /// Where the line is, if it is there, free, and not another key's of ours. Without `ours` a line
    /// that another `lastlayerd` has is in use as well.
    pub fn place(
        &mut self,
        key: &str,
        chip: Option<&str>,
        line: &LineId,
        ours: bool,
    ) -> Result<Found, GpioError> {
        let found = find(self.listing, chip, line)?;
        let same = |(c, l, _): &&(String, u32, String)| *c == found.chip && *l == found.line;
        if let Some((_, _, key)) = self.taken.iter().find(same) {
            return Err(GpioError::Twice {
                line: found.text(),
                key: key.clone(),
            });
        }
        if let Some(by) = &found.used_by
            && !(ours && by == CONSUMER)
        {
            return Err(GpioError::Used {
                line: found.text(),
                by: by.clone(),
            });
        }
        self.taken
            .push((found.chip.clone(), found.line, key.into()));
        Ok(found)
    }

    /// A line to read, pressed where `ButtonPin` is low.
    pub fn button(
        &mut self,
        key: &str,
        chip: Option<&str>,
        line: &LineId,
        active_low: bool,
        bias: Bias,
    ) -> Result<ButtonPin, GpioError> {
        let found = self.place(key, chip, line, false)?;
        let bits = match bias {
            Bias::PullUp => PULL_UP,
            Bias::PullDown => PULL_DOWN,
            Bias::Disabled => BIAS_DISABLE,
            Bias::AsIs => 0,
        };
        let flags = LineRequestFlags::INPUT | LineRequestFlags::from_bits_retain(bits);
        let pin = request(&found, flags, 0).map_err(|error| found.error(&error, bits != 0))?;
        Ok(ButtonPin::Gpio(Wired::button(pin, active_low)))
    }

    /// A line to set, off at first.
    pub fn light(
        &mut self,
        key: &str,
        chip: Option<&str>,
        line: &LineId,
        active_low: bool,
    ) -> Result<LightPin, GpioError> {
        let found = self.place(key, chip, line, false)?;
        let off = u8::from(active_low);
        let pin = request(&found, LineRequestFlags::OUTPUT, off)
            .map_err(|error| found.error(&error, false))?;
        Ok(LightPin(Wired::light(pin, active_low)))
    }
}

fn request(found: &Found, flags: LineRequestFlags, level: u8) -> Result<CdevPin, gpio_cdev::Error> {
    let mut chip = Chip::new(&found.path)?;
    CdevPin::new(chip.get_line(found.line)?.request(flags, level, CONSUMER)?)
}

impl Found {
    /// `error` is what the kernel said. Its number is all there is to go by, and the crate gives it
    /// as text only.
    fn error(&self, error: &dyn std::error::Error, with_bias: bool) -> GpioError {
        let cause = error.source().map(ToString::to_string);
        let cause = cause.as_deref().unwrap_or_default();
        let line = self.text();
        if cause.starts_with("EBUSY") {
            let by = "another program".into();
            return GpioError::Used { line, by };
        }
        if with_bias && (cause.starts_with("EINVAL") || cause.starts_with("ENOTSUP")) {
            return GpioError::Bias { line };
        }
        GpioError::Kernel {
            line,
            error: error.to_string(),
        }
    }
}

#[cfg(test)]
mod tests;
