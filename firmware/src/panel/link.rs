//! The panel's other end: the panel itself goes to a thread that polls it, while the log stays with
//! the main loop.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// More than this would not be read by anybody.
const MOST_WARNINGS: usize = 32;

/// Clones share everything.
#[derive(Clone, Debug, Default)]
pub struct PanelLink {
    warnings: Arc<Mutex<Vec<String>>>,
}

impl PanelLink {
    /// What went wrong since the last call.
    pub fn warnings(&self) -> Vec<String> {
        std::mem::take(&mut self.lock())
    }

    pub(super) fn warn(&self, warning: String) {
        let mut warnings = self.lock();
        if warnings.len() < MOST_WARNINGS {
            warnings.push(warning);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<String>> {
        // Whoever panicked has left a whole list or the one before.
        self.warnings.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
