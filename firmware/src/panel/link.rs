//! The panel's other end: the panel itself goes to a thread that polls it, while the class list and
//! the log stay with the main loop.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// More than this would not be read by anybody.
const MOST_WARNINGS: usize = 32;

/// Clones share everything.
#[derive(Clone, Debug, Default)]
pub struct PanelLink {
    shared: Arc<Mutex<Shared>>,
}

#[derive(Debug, Default)]
struct Shared {
    classes: Arc<Vec<String>>,
    warnings: Vec<String>,
}

impl PanelLink {
    /// The board's classes, in order; tell it whenever they change.
    pub fn set_classes(&self, classes: Arc<Vec<String>>) {
        self.lock().classes = classes;
    }

    /// What went wrong since the last call.
    pub fn warnings(&self) -> Vec<String> {
        std::mem::take(&mut self.lock().warnings)
    }

    pub(super) fn class(&self, name: &str) -> Option<usize> {
        self.lock().classes.iter().position(|class| class == name)
    }

    pub(super) fn warn(&self, warning: String) {
        let warnings = &mut self.lock().warnings;
        if warnings.len() < MOST_WARNINGS {
            warnings.push(warning);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Shared> {
        // Whoever panicked has left a whole list or the one before.
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
