//! What a start makes of the slots: the current package is loaded, or the one before comes back; a
//! package that is offered is installed, or refused.
//!
//! Whoever ends the program by surprise is found by counting: a start is written down before a
//! package is loaded, and struck out when the program ends as it should.

use lastlayer_shared::{contain::caught, file::sha256};

use super::{DAMAGED, Installed, PACKAGE, RECORD, STARTS, Slot, Slots, Trial};
use crate::{
    memory::{Carried, Carrier, Memory, MemoryError, writing},
    storage::{join, put},
};

/// A package's network, ready to run.
pub trait Network {
    /// What embeddings may be compared with.
    fn backbone(&self) -> &str;
    /// Numbers in an embedding.
    fn width(&self) -> usize;
    /// Of a crop: a JPEG, of whatever size.
    fn embed(&mut self, crop: &[u8]) -> Result<Vec<f32>, String>;
}

/// Where packages are tried. Errors are for a person, and a fragment: they follow what failed.
pub trait Examiner {
    type Package;
    type Network: Network;

    /// Whether it is a package at all, signed by somebody who is trusted, and no older than the one
    /// that it follows; with its version.
    fn verify(
        &mut self,
        bytes: &[u8],
        follows: Option<u64>,
    ) -> Result<(u64, Self::Package), String>;

    /// Loads its network, which passes its self-test.
    fn load(&mut self, package: Self::Package) -> Result<Self::Network, String>;

    /// Why another network does too badly on what was taught, where it does.
    fn cost(
        &mut self,
        before: (&Self::Network, &Memory),
        after: (&Self::Network, &Memory),
    ) -> Option<String>;

    /// So many samples of so many were moved; `false` ends it.
    fn moved(&mut self, samples: usize, of: usize) -> bool;

    fn tell(&mut self, news: News);
}

/// What became of a package.
#[derive(Clone, Debug, PartialEq)]
pub enum News {
    /// `samples` were moved to it; `proves`: the one before comes back where it does not do.
    Installed {
        version: u64,
        samples: usize,
        proves: bool,
    },
    /// The offered one; another runs.
    Refused { running: u64, why: String },
    /// `version` comes back in place of the other.
    Back {
        version: u64,
        of: u64,
        why: String,
        /// Bursts that could not come along, and why.
        left: Vec<(u32, String)>,
        /// Why nothing could.
        unread: Option<String>,
    },
    /// Something was put right, or cannot be.
    Note { text: String },
}

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

/// Why an offered package is not installed.
enum No {
    /// It will never do.
    Refused(String),
    /// Something else is in the way.
    NotNow(String),
    Failed(SettleError),
}

impl From<MemoryError> for No {
    fn from(error: MemoryError) -> Self {
        // The program goes on with what it has.
        Self::NotNow(error.to_string())
    }
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

/// A network that looks at what is moved to it.
struct Mover<'a, B: Examiner> {
    examiner: &'a mut B,
    network: &'a mut B::Network,
    /// Told before the first crop's embedding is used.
    looks: Option<&'a mut Slots>,
}

impl<B: Examiner> Carrier for Mover<'_, B> {
    fn embed(&mut self, crop: &[u8]) -> Result<Vec<f32>, String> {
        let embedding = self.network.embed(crop)?;
        if let Some(slots) = self.looks.take() {
            // What looks at crops does not end the program by being loaded: many cuts of the power
            // while many samples are moved are not its fault. Not written, this one counts.
            let _ = slots.gets_on();
        }
        Ok(embedding)
    }

    fn carried(&mut self, samples: usize, of: usize) -> bool {
        self.examiner.moved(samples, of)
    }
}

impl Slots {
    /// Makes the record again where it could not be read: the current slot is the one with a memory,
    /// or with the later package.
    fn mend<B: Examiner>(&mut self, examiner: &mut B) -> Result<(), SettleError> {
        let Some(reason) = self.lost.take() else {
            return Ok(());
        };
        let mut best = None;
        let mut next = self.record.clone();
        for slot in [Slot::A, Slot::B] {
            let taught = !self.memory_of(slot)?.is_untouched();
            let bytes = self.file(slot)?.unwrap_or_default();
            if bytes.is_empty() && !taught {
                continue;
            }
            // One that does not do has still what was taught to it.
            let version = examiner
                .verify(&bytes, None)
                .map_or(0, |(version, _)| version);
            let id = sha256(&bytes);
            next.put(slot, Some(Installed { id, version }));
            if best.is_none_or(|(other, _)| (taught, version) > other) {
                best = Some(((taught, version), slot));
            }
        }
        if let Some((_, slot)) = best {
            next.current = slot;
        }
        let aside = format!("{RECORD}{DAMAGED}");
        let renamed = self.storage.rename(RECORD, &aside);
        renamed.map_err(writing)?;
        self.commit(next)?;
        let text = format!(
            "{RECORD} in the state folder could not be read ({reason}), is kept as {aside}, and was \
             made again from the packages that are there"
        );
        examiner.tell(News::Note { text });
        Ok(())
    }

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
        if self.proving().is_some_and(|trial| trial.left == 0) {
            let why = match self.why_refused(&current.id) {
                Some(why) => why.to_owned(),
                None => format!("it ended the program {STARTS} times before it had proved itself"),
            };
            // Better this one than none.
            let slot = self.record.current;
            let text = match self.back(&why, examiner) {
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
            && self.file(self.record.current)?.as_deref() != Some(bytes)
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
            Err(why) if self.before().is_some() => Ok(Some(self.back(&why, examiner)?)),
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

    /// A package that is being installed got further than being loaded.
    fn gets_on(&mut self) -> Result<(), MemoryError> {
        let mut next = self.record.clone();
        if let Some(trial) = &mut next.trial {
            trial.left = STARTS;
        }
        self.commit(next)
    }

    /// The network of a slot's package; the inner error is why it does not do.
    fn network<B: Examiner>(
        &self,
        slot: Slot,
        examiner: &mut B,
    ) -> Result<Result<B::Network, String>, MemoryError> {
        let Some(bytes) = self.file(slot)? else {
            return Ok(Err("the package's file is gone".into()));
        };
        let known = self.record.package(slot);
        Ok(
            match known.is_some_and(|known| known.id != sha256(&bytes)) {
                true => Err("the package's file is damaged".into()),
                false => examiner
                    .verify(&bytes, None)
                    .and_then(|(_, package)| examiner.load(package)),
            },
        )
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
    fn spare_memory(&self, slot: Slot, network: &impl Network) -> Result<Memory, MemoryError> {
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

    fn put_package(&self, slot: Slot, bytes: &[u8]) -> Result<(), MemoryError> {
        let path = join(slot.name(), PACKAGE);
        put(&*self.storage, &path, bytes).map_err(writing)
    }

    /// Takes the package before again, with what was taught since. The inner error is why it does not
    /// do either.
    fn back<B: Examiner>(
        &mut self,
        why: &str,
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
            looks: None,
        };
        // Whatever is the matter with the package that goes, it must not keep the other from coming
        // back.
        let carried = caught(|| match self.memory_of(from) {
            Ok(taught) => memory.take_over(&taught, mover),
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
        next.refuse(of.clone(), why);
        next.put(from, None);
        (next.current, next.trial) = (to, None);
        self.commit(next)?;
        if left.is_empty() && unread.is_none() {
            // It is all here; what stays there is in nobody's way.
            let _ = self.clear(from);
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

    /// Puts an offered package into the spare slot, moves what was taught there, and makes it
    /// current. `before` is what runs now.
    fn install<B: Examiner>(
        &mut self,
        bytes: &[u8],
        id: &str,
        before: Option<&Running<B::Network>>,
        examiner: &mut B,
    ) -> Result<Running<B::Network>, No> {
        let running = self.running().cloned();
        if let Some(why) = self.why_refused(id) {
            let why = format!("it was refused: {why}; `lastlayerd packages retry` tries it again");
            return Err(No::NotNow(why));
        }
        let follows = running.as_ref().map(|running| running.version);
        let (version, package) = examiner.verify(bytes, follows).map_err(No::NotNow)?;
        if let (Some(trial), Some(_)) = (self.proving(), before) {
            return Err(No::NotNow(format!(
                "version {version} waits until version {} has proved itself; start again then",
                trial.package.version
            )));
        }
        let spare = self.record.current.other();
        let offered = Installed {
            id: id.into(),
            version,
        };
        let staged = self.record.package(spare) == Some(&offered);
        self.count_attempt(spare, &offered, staged)?;
        let mut network = match examiner.load(package) {
            Ok(network) => network,
            Err(why) => return Err(self.refuse(&offered, &why)),
        };
        if !staged {
            self.stage(spare, &offered, bytes)
                .map_err(|error| self.not_now(error.to_string()))?;
        }
        let mut memory = self.spare_memory(spare, &network)?;
        let taught = match running {
            None => None,
            Some(_) if before.is_some() => None,
            // Its own network is of no use, but what it was taught is there.
            Some(_) => Some(self.memory()?),
        };
        let taught = before.map(|before| &before.memory).or(taught.as_ref());
        if let Some(taught) = taught {
            let mover = &mut Mover {
                examiner: &mut *examiner,
                network: &mut network,
                looks: Some(&mut *self),
            };
            match memory.take_over(taught, mover) {
                Ok(Carried::All(left)) => {
                    if let Some((burst, why)) = left.first() {
                        return Err(self.not_now(format!(
                            "burst {burst} cannot be looked at by its network ({why}); remove that \
                             burst (`lastlayerd samples remove {burst}`) or keep this package"
                        )));
                    }
                }
                Ok(Carried::Part) => {
                    let _ = self.end_well();
                    return Err(No::Failed(SettleError::Stopped));
                }
                Err(error) => return Err(self.not_now(error.to_string())),
            }
        }
        if let Some(before) = before
            && let Some(why) = examiner.cost((&before.network, &before.memory), (&network, &memory))
        {
            return Err(self.refuse(&offered, &why));
        }
        // Where the one before does not run it cannot come back either.
        let proves = before.is_some();
        let mut next = self.record.clone();
        next.current = spare;
        next.trial = proves.then(|| Trial {
            slot: spare,
            package: offered,
            left: STARTS - 1,
        });
        self.counted = true;
        if let Err(error) = self.commit(next) {
            return Err(match self.record.current == spare {
                // It is not known which one it will be after a power cut.
                true => No::Failed(error.into()),
                false => self.not_now(error.to_string()),
            });
        }
        examiner.tell(News::Installed {
            version,
            samples: memory.all().map(|burst| burst.samples.len()).sum(),
            proves,
        });
        Ok(Running { network, memory })
    }

    /// Before an offered package is loaded. Where nothing else runs there is nothing to protect.
    fn count_attempt(&mut self, spare: Slot, offered: &Installed, staged: bool) -> Result<(), No> {
        if self.running().is_none() {
            return Ok(());
        }
        let mut next = self.record.clone();
        let trial = next.trial.take();
        let again = trial.filter(|trial| trial.slot == spare && trial.package == *offered);
        let left = again.map_or(STARTS, |trial| trial.left);
        if left == 0 {
            let why = format!("it ended the program {STARTS} times while it was installed");
            return Err(self.refuse(offered, &why));
        }
        next.trial = Some(Trial {
            slot: spare,
            package: offered.clone(),
            left: left - 1,
        });
        self.counted = true;
        if !staged {
            next.put(spare, None);
        }
        Ok(self.commit(next)?)
    }

    fn stage(&mut self, spare: Slot, offered: &Installed, bytes: &[u8]) -> Result<(), MemoryError> {
        self.clear(spare)?;
        self.put_package(spare, bytes)?;
        let mut next = self.record.clone();
        next.put(spare, Some(offered.clone()));
        self.commit(next)
    }

    /// It is tried again at the next start, which goes on where this one ends.
    fn not_now(&mut self, why: String) -> No {
        let _ = self.end_well();
        No::NotNow(why)
    }

    /// Remembers it, so that it is not tried again and again.
    fn refuse(&mut self, offered: &Installed, why: &str) -> No {
        let spare = self.record.current.other();
        let mut next = self.record.clone();
        next.refuse(offered.clone(), why);
        next.trial = None;
        next.put(spare, None);
        // Where that cannot be written it is tried again, and refused again.
        if self.commit(next).is_ok() {
            let _ = self.clear(spare);
        }
        No::Refused(why.into())
    }
}
