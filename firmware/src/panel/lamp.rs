//! One thing that is on or off at the end of a wire.

use embedded_hal::digital::OutputPin;

/// Its pin is set only where the level changes, and a failure is said once.
pub(crate) struct Lamp<P> {
    name: String,
    pin: P,
    /// As last set.
    on: Option<bool>,
    failed: bool,
}

impl<P: OutputPin> Lamp<P> {
    /// `name` is what messages call it.
    pub(crate) fn new(name: String, pin: P) -> Self {
        Self {
            name,
            pin,
            on: None,
            failed: false,
        }
    }

    /// A warning where the pin fails for the first time. A level that could not be set is tried
    /// again the next time.
    pub(crate) fn set(&mut self, on: bool) -> Option<String> {
        if self.on.replace(on) == Some(on) {
            return None;
        }
        let set = match on {
            true => self.pin.set_high(),
            false => self.pin.set_low(),
        };
        let error = set.err()?;
        self.on = None;
        (!std::mem::replace(&mut self.failed, true)).then(|| {
            format!(
                "{} cannot be set: {error:?}; all else goes on without it",
                self.name
            )
        })
    }
}
