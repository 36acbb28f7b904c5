//! Pins of different origin as one type, and pins that are wired the other way round.

use std::fmt;

use embedded_hal::digital::{Error, ErrorKind, ErrorType, InputPin, OutputPin};
use linux_embedded_hal::{CdevPin, CdevPinError};

use super::SharedPin;

/// Turns a pin's levels over where `inverted`.
///
/// The kernel could do that too, but `CdevPin` undoes it: to the traits a level is what the wire
/// has, so lines are asked for as they are, and this is the one place where active low is decided.
#[derive(Debug)]
pub struct Wired<P> {
    pin: P,
    inverted: bool,
}

impl<P> Wired<P> {
    /// A button's pin: low where it is pressed.
    pub fn button(pin: P, active_low: bool) -> Self {
        Self {
            pin,
            inverted: !active_low,
        }
    }

    /// A light's or an output's pin: high where it is on.
    pub fn light(pin: P, active_low: bool) -> Self {
        Self {
            pin,
            inverted: active_low,
        }
    }
}

impl<P: ErrorType> ErrorType for Wired<P> {
    type Error = P::Error;
}

impl<P: InputPin> InputPin for Wired<P> {
    fn is_high(&mut self) -> Result<bool, Self::Error> {
        Ok(self.pin.is_high()? != self.inverted)
    }

    fn is_low(&mut self) -> Result<bool, Self::Error> {
        Ok(self.pin.is_low()? != self.inverted)
    }
}

impl<P: OutputPin> OutputPin for Wired<P> {
    fn set_low(&mut self) -> Result<(), Self::Error> {
        match self.inverted {
            true => self.pin.set_high(),
            false => self.pin.set_low(),
        }
    }

    fn set_high(&mut self) -> Result<(), Self::Error> {
        match self.inverted {
            true => self.pin.set_low(),
            false => self.pin.set_high(),
        }
    }
}

/// Why a pin could not be read or set, in the kernel's words.
#[derive(Clone, PartialEq, Eq)]
pub struct PinError(String);

/// As people read it: the traits know errors by nothing but this.
impl fmt::Debug for PinError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Error for PinError {
    fn kind(&self) -> ErrorKind {
        ErrorKind::Other
    }
}

impl From<CdevPinError> for PinError {
    fn from(error: CdevPinError) -> Self {
        Self(error.to_string())
    }
}

/// A button of whatever kind, so that wires and keys can be in one panel.
pub enum ButtonPin {
    Program(SharedPin),
    Gpio(Wired<CdevPin>),
}

impl From<SharedPin> for ButtonPin {
    fn from(pin: SharedPin) -> Self {
        Self::Program(pin)
    }
}

impl ErrorType for ButtonPin {
    type Error = PinError;
}

impl InputPin for ButtonPin {
    fn is_high(&mut self) -> Result<bool, PinError> {
        Ok(!self.is_low()?)
    }

    fn is_low(&mut self) -> Result<bool, PinError> {
        match self {
            Self::Program(pin) => {
                let Ok(low) = pin.is_low();
                Ok(low)
            }
            Self::Gpio(pin) => Ok(pin.is_low()?),
        }
    }
}

/// A light or an output line of the board.
pub struct LightPin(pub(super) Wired<CdevPin>);

impl ErrorType for LightPin {
    type Error = PinError;
}

impl OutputPin for LightPin {
    fn set_low(&mut self) -> Result<(), PinError> {
        Ok(self.0.set_low()?)
    }

    fn set_high(&mut self) -> Result<(), PinError> {
        Ok(self.0.set_high()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_button_to_ground_and_one_to_the_supply_are_pressed_alike() {
        let pin = SharedPin::released();
        for (pressed, active_low) in [(false, true), (true, true), (false, false), (true, false)] {
            // The wire of a pressed button is low where it is active low.
            pin.set(pressed == active_low);
            let mut wired = Wired::button(pin.clone(), active_low);
            assert_eq!(wired.is_low(), Ok(pressed));
            assert_eq!(wired.is_high(), Ok(!pressed));
        }
    }
}
