//! A record that is lost or cannot be read is made again from what is in the slots.

use lastlayer_shared::file::sha256;

use super::{DAMAGED, Examiner, Installed, MOST, News, RECORD, SettleError, Slot, Slots};
use crate::{
    memory::writing,
    storage::{get, put},
};

impl Slots {
    /// Makes the record again where it could not be read: the current slot is the one that was taught
    /// last, or has the later package.
    pub(super) fn mend<B: Examiner>(&mut self, examiner: &mut B) -> Result<(), SettleError> {
        let Some(reason) = self.lost.take() else {
            return Ok(());
        };
        let mut best = None;
        let mut next = self.record.clone();
        for slot in [Slot::A, Slot::B] {
            let memory = self.memory_of(slot)?;
            let bytes = self.file(slot)?.unwrap_or_default();
            if bytes.is_empty() && memory.all().next().is_none() {
                continue;
            }
            // One that does not do has still what was taught to it.
            let version = examiner
                .verify(&bytes, None)
                .map_or(0, |(version, _)| version);
            let id = sha256(&bytes);
            next.put(slot, Some(Installed { id, version }));
            // Moving to the spare slot may have been under way: it has no more than the current one.
            let worth = (memory.next_sequence(), memory.all().count(), version);
            if best.is_none_or(|(other, _)| worth > other) {
                best = Some((worth, slot));
            }
        }
        if let Some((_, slot)) = best {
            next.current = slot;
        }
        let aside = format!("{RECORD}{DAMAGED}");
        // Copied: where the new one cannot be written, the next start is here again.
        if let Ok(Some(bytes)) = get(&*self.storage, RECORD, MOST) {
            put(&*self.storage, &aside, &bytes).map_err(writing)?;
        }
        if let Err(error) = self.commit(next) {
            self.lost = Some(reason);
            return Err(error.into());
        }
        let text = format!(
            "{RECORD} in the state folder could not be read ({reason}), is kept as {aside}, and was \
             made again from what is there"
        );
        examiner.tell(News::Note { text });
        Ok(())
    }
}
