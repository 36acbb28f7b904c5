//! A pin whose level is set by the program itself: by a key, by a scene, by a test.

use std::{
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use embedded_hal::digital::{ErrorType, InputPin};

/// Clones share the level.
#[derive(Clone, Debug)]
pub struct SharedPin {
    pressed: Arc<AtomicBool>,
    /// Whether anybody looked since the level was set.
    looked: Arc<AtomicBool>,
}

impl SharedPin {
    pub fn released() -> Self {
        Self {
            pressed: Arc::new(AtomicBool::new(false)),
            looked: Arc::new(AtomicBool::new(false)),
        }
    }

    /// A pressed button pulls the pin low.
    pub fn set(&self, pressed: bool) {
        self.pressed.store(pressed, Ordering::SeqCst);
        self.looked.store(false, Ordering::SeqCst);
    }

    /// Whether anybody looked since the last call, or since the level was set.
    pub fn was_looked_at(&self) -> bool {
        self.looked.swap(false, Ordering::SeqCst)
    }
}

impl ErrorType for SharedPin {
    type Error = Infallible;
}

impl InputPin for SharedPin {
    fn is_high(&mut self) -> Result<bool, Infallible> {
        self.is_low().map(|low| !low)
    }

    fn is_low(&mut self) -> Result<bool, Infallible> {
        self.looked.store(true, Ordering::SeqCst);
        Ok(self.pressed.load(Ordering::SeqCst))
    }
}
