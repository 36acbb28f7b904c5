//! A package's trial while the program runs: having watched for a while proves that it does.

use std::time::Duration;

use super::Slots;
use crate::memory::MemoryError;

pub struct Proof {
    /// `None` without a state folder: nothing is installed there.
    pub slots: Option<Slots>,
    enough: Duration,
    /// The first frame that was looked at.
    since: Option<Duration>,
}

impl Proof {
    /// `seconds`: of watching that are enough.
    pub fn new(slots: Option<Slots>, seconds: f64) -> Self {
        Self {
            slots,
            enough: Duration::from_secs_f64(seconds),
            since: None,
        }
    }

    /// Ending now counts against no package.
    pub fn is_innocent(&mut self) {
        if let Some(slots) = &mut self.slots {
            // Not written it counts once more.
            let _ = slots.end_well();
        }
    }

    /// A frame was looked at: the version that has proved itself just now, or that it has and this
    /// cannot be remembered.
    pub fn watched(&mut self, now: Duration) -> Option<(u64, Result<(), MemoryError>)> {
        let slots = self.slots.as_mut()?;
        let trial = slots.proving();
        let trial = trial.filter(|trial| trial.sent_back.is_none())?;
        let version = trial.package.version;
        let since = *self.since.get_or_insert(now);
        if now.saturating_sub(since) < self.enough {
            return None;
        }
        let proved = slots.prove();
        // Where it failed not again with every frame.
        self.since = Some(now);
        Some((version, proved))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::{
        super::fake::{Board, open},
        *,
    };
    use crate::storage::Ram;

    #[test]
    fn a_package_proves_itself_by_watching_long_enough() {
        let storage = Arc::new(Ram::default());
        drop(open(&storage, 0));
        let Board { slots, .. } = open(&storage, 1).unwrap();
        let mut proof = Proof::new(Some(slots), 10.0);
        let mut watched = |seconds| {
            let proved = proof.watched(Duration::from_secs(seconds));
            proved.map(|(version, proved)| (version, proved.is_ok()))
        };
        // Waiting for a camera is not watching.
        assert_eq!(watched(100), None);
        assert_eq!(watched(109), None);
        assert_eq!(watched(110), Some((2, true)));
        assert_eq!(watched(200), None);
        // Its last start is as good as its first.
        drop(proof);
        for _ in 0..2 {
            drop(open(&storage, 2));
        }
        let Board { slots, .. } = open(&storage, 2).unwrap();
        assert_eq!(slots.proving().unwrap().left, 0);
        let mut proof = Proof::new(Some(slots), 0.0);
        let (version, proved) = proof.watched(Duration::ZERO).unwrap();
        assert!(version == 3 && proved.is_ok());
        assert!(Proof::new(None, 0.0).watched(Duration::ZERO).is_none());
    }
}
