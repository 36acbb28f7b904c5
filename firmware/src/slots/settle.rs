//! What a start makes of the slots: the current package is loaded, or the one before comes back; a
//! package that is offered is installed, or refused.
//!
//! Whoever ends the program by surprise is found by counting: a start is written down before a
//! package is loaded, and struck out when the program ends as it should.

use lastlayer_shared::{contain::caught, file::sha256};

use super::{
    Examiner, Network, News, PACKAGE, STARTS, Slot, Slots,
    install::{Mover, No},
};
use crate::{
    memory::{Carried, Crops, Memory, MemoryError, writing},
    storage::{join, put},
};

#[derive(Debug, thiserror::Error)]
pub enum SettleError {
    #[error(transparent)]
    Memory(#[from] MemoryError),
    #[error(
        "which package? None is installed here; give --package FILE, or a configuration with \
         --config FILE"
    )]
    Nothing,
    #[error("{0}")]
    Unusable(String),
    #[error("it was ended while what was taught was moved; the next start goes on with it")]
    Stopped,
}

/// What runs from now on.
pub struct Running<N> {
    pub network: N,
    pub memory: Memory,
}

/// A package that is offered.
pub struct Offer {
    /// What it is called in messages: its path.
    pub name: String,
    /// Or why it cannot be read, with its name.
    pub file: Result<Vec<u8>, String>,
}

/// What is thought of a package that goes.
#[derive(Clone, Copy, PartialEq)]
enum Parting {
    /// It does not do, and is not taken again.
    Refused,
    Replaced,
}

/// Decides what runs, and leaves it installed.
pub fn settle<B: Examiner>(
    slots: &mut Slots,
    offer: Option<Offer>,
    examiner: &mut B,
) -> Result<Running<B::Network>, SettleError> {
    slots.mend(examiner)?;
    let bytes = offer.as_ref().and_then(|offer| offer.file.as_ref().ok());
    let id = bytes.map_or_else(String::new, |bytes| sha256(bytes));
    let first = slots.running().cloned();
    let booted = slots.boot(bytes.map(|bytes| (id.as_str(), bytes.as_slice())), examiner)?;
    // Where it has just gone, that was said.
    let ran = [first.as_ref(), slots.running()];
    let ran = ran.into_iter().flatten().any(|package| package.id == id);
    let no = match offer {
        None => None,
        Some(_) if ran => None,
        Some(Offer { file: Err(why), .. }) => Some(why),
        Some(Offer {
            name,
            file: Ok(bytes),
        }) => {
            let before = booted.as_ref().and_then(|booted| booted.as_ref().ok());
            match slots.install(&bytes, &id, before, examiner) {
                Ok(running) => return Ok(running),
                Err(No::Failed(error)) => return Err(error),
                Err(No::Refused(why) | No::NotNow(why)) => Some(format!("{name}: {why}")),
                Err(No::Disk(error)) => Some(format!("{name}: {error}")),
            }
        }
    };
    match (booted, no) {
        (Some(Ok(running)), None) => Ok(running),
        (Some(Ok(running)), Some(why)) => {
            let version = slots.running().map_or(0, |running| running.version);
            examiner.tell(News::Refused {
                running: version,
                why,
            });
            Ok(running)
        }
        (None, None) => Err(SettleError::Nothing),
        (None, Some(why)) | (Some(Err(why)), None) => Err(SettleError::Unusable(why)),
        (Some(Err(installed)), Some(offered)) => Err(SettleError::Unusable(format!(
            "the installed package: {installed}; the offered one: {offered}"
        ))),
    }
}

impl Slots {
    /// Loads the current package, or the one before; the inner error is why none does. `None` where
    /// nothing is installed.
    #[expect(clippy::type_complexity)]
    fn boot<B: Examiner>(
        &mut self,
        offer: Option<(&str, &[u8])>,
        examiner: &mut B,
    ) -> Result<Option<Result<Running<B::Network>, String>>, SettleError> {
        let Some(current) = self.running().cloned() else {
            return Ok(None);
        };
        let ended = self.proving().and_then(|trial| match &trial.sent_back {
            Some(why) => Some(why.clone()),
            None if trial.left == 0 => Some(format!(
                "it ended the program {STARTS} times before it had proved itself"
            )),
            None => None,
        });
        // Another one follows it already: that goes to the other slot, where the one before is.
        let mut follows = |(id, bytes): (&str, &[u8])| {
            id != current.id
                && self.why_refused(id).is_none()
                && examiner.verify(bytes, Some(current.version)).is_ok()
        };
        let proving = self.proving().is_some();
        let why = match (ended, offer) {
            (Some(why), _) => Some((why, Parting::Refused)),
            (None, Some(offer)) if proving && follows(offer) => {
                let why = "another one is offered, and it had not proved itself yet".into();
                Some((why, Parting::Replaced))
            }
            _ => None,
        };
        if let Some((why, verdict)) = why {
            // Better this one than none.
            let slot = self.record.current;
            let text = match self.back(&why, verdict, examiner) {
                Ok(Ok(running)) => return Ok(Some(Ok(running))),
                Ok(Err(text)) => text,
                Err(SettleError::Memory(error)) if self.record.current == slot => error.to_string(),
                Err(error) => return Err(error),
            };
            let text = format!("the package before cannot come back: {text}");
            examiner.tell(News::Note { text });
        }
        if let Err(error) = self.count_start() {
            // A full disk does not keep a board from watching.
            let text = format!("this start is not counted: {error}");
            examiner.tell(News::Note { text });
        }
        let mut network = self.network(self.record.current, examiner)?;
        if let (Err(_), Some((id, bytes))) = (&network, offer)
            && current.id == id
            && self.file(self.record.current).ok().flatten().as_deref() != Some(bytes)
        {
            self.put_package(self.record.current, bytes)?;
            let text = "the installed package was damaged, and is copied again from the one that is \
                        offered";
            examiner.tell(News::Note { text: text.into() });
            network = self.network(self.record.current, examiner)?;
        }
        match network {
            Ok(network) => {
                let memory = self.open_memory(self.record.current, &network)?;
                Ok(Some(Ok(Running { network, memory })))
            }
            Err(why) if self.before().is_some() => {
                Ok(Some(self.back(&why, Parting::Refused, examiner)?))
            }
            Err(why) => Ok(Some(Err(why))),
        }
    }

    /// Before anything is loaded that may end the program.
    fn count_start(&mut self) -> Result<(), MemoryError> {
        let mut next = self.record.clone();
        let current = next.current;
        match &mut next.trial {
            Some(trial) if trial.slot == current => trial.left = trial.left.saturating_sub(1),
            _ => return Ok(()),
        }
        self.counted = true;
        self.commit(next)
    }

    /// The network of a slot's package; the inner error is why it does not do.
    fn network<B: Examiner>(
        &self,
        slot: Slot,
        examiner: &mut B,
    ) -> Result<Result<B::Network, String>, MemoryError> {
        let bytes = match self.file(slot) {
            Ok(Some(bytes)) => bytes,
            Ok(None) => return Ok(Err("the package's file is gone".into())),
            // A card that has gone bad there may be well elsewhere.
            Err(error) => return Ok(Err(format!("the package's file: {error}"))),
        };
        let known = self.record.package(slot);
        if known.is_some_and(|known| known.id != sha256(&bytes)) {
            return Ok(Err("the package's file is damaged".into()));
        }
        let verified = examiner.verify(&bytes, None);
        // Loading takes memory enough.
        drop(bytes);
        Ok(verified.and_then(|(_, package)| examiner.load(package)))
    }

    fn open_memory(&self, slot: Slot, network: &impl Network) -> Result<Memory, MemoryError> {
        self.make(slot)?;
        Memory::open(
            self.storage.clone(),
            slot.name(),
            network.backbone(),
            network.width(),
            self.limits,
        )
    }

    /// The memory of a slot that is not current: what cannot be read of it is of no use.
    pub(super) fn spare_memory(
        &self,
        slot: Slot,
        network: &impl Network,
    ) -> Result<Memory, MemoryError> {
        match self.open_memory(slot, network) {
            Err(error @ MemoryError::Disk { .. }) => Err(error),
            Err(_) => {
                self.make(slot)?;
                Memory::clear(&*self.storage, slot.name())?;
                self.open_memory(slot, network)
            }
            memory => memory,
        }
    }

    pub(super) fn put_package(&self, slot: Slot, bytes: &[u8]) -> Result<(), MemoryError> {
        let path = join(slot.name(), PACKAGE);
        put(&*self.storage, &path, bytes).map_err(writing)
    }

    /// Takes the package before again, with what was taught since. The inner error is why it does not
    /// do either.
    fn back<B: Examiner>(
        &mut self,
        why: &str,
        verdict: Parting,
        examiner: &mut B,
    ) -> Result<Result<Running<B::Network>, String>, SettleError> {
        let (from, to) = (self.record.current, self.record.current.other());
        let (Some(of), Some(before)) = (self.running().cloned(), self.before().cloned()) else {
            return Ok(Err(why.into()));
        };
        let mut network = match self.network(to, examiner)? {
            Ok(network) => network,
            Err(other) => return Ok(Err(format!("{why}; the one before: {other}"))),
        };
        let mut memory = self.spare_memory(to, &network)?;
        let mover = &mut Mover {
            examiner: &mut *examiner,
            network: &mut network,
            slots: None,
            looked: false,
        };
        let (mut notes, mut damaged) = (Vec::new(), false);
        // Whatever is the matter with the package that goes, it must not keep the other from coming
        // back.
        let carried = caught(|| match self.memory_of(from) {
            Ok(mut taught) => {
                notes = taught.warnings();
                damaged = taught.has_damage();
                memory.take_over(&taught, mover, Crops::ThoseThatAreWell)
            }
            Err(error) => Err(error),
        });
        let (left, unread) = match carried {
            Some(Ok(Carried::All(left))) => (left, None),
            Some(Ok(Carried::Part)) => return Err(SettleError::Stopped),
            Some(Err(error @ MemoryError::Disk { .. })) => return Err(error.into()),
            Some(Err(error)) => (Vec::new(), Some(error.to_string())),
            None => (Vec::new(), Some("reading it failed".to_owned())),
        };
        if unread.is_some() {
            // As far as it came it may be half.
            memory = self.spare_memory(to, &network)?;
        }
        let mut next = self.record.clone();
        if verdict == Parting::Refused {
            next.refuse(of.clone(), why);
        }
        next.put(from, None);
        (next.current, next.trial) = (to, None);
        self.commit(next)?;
        if left.is_empty() && unread.is_none() && !damaged {
            // It is all here; what stays there is in nobody's way.
            let _ = self.clear(from);
        }
        for text in notes {
            examiner.tell(News::Note { text });
        }
        examiner.tell(News::Back {
            version: before.version,
            of: of.version,
            why: why.into(),
            left,
            unread,
        });
        Ok(Ok(Running { network, memory }))
    }
}
