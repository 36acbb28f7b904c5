//! An offered package goes to the spare slot, takes over what was taught, and becomes current; or it is
//! refused, and remembered.

use super::{Examiner, Installed, Network, News, Running, STARTS, SettleError, Slot, Slots, Trial};
use crate::memory::{Carried, Carrier, Crops, MemoryError};

/// Why an offered package is not installed.
pub enum No {
    /// It will never do.
    Refused(String),
    /// Something else is in the way.
    NotNow(String),
    Disk(MemoryError),
    Failed(SettleError),
}

impl From<MemoryError> for No {
    fn from(error: MemoryError) -> Self {
        Self::Disk(error)
    }
}

/// A network that looks at what is moved to it.
pub struct Mover<'a, B: Examiner> {
    pub examiner: &'a mut B,
    pub network: &'a mut B::Network,
    /// Told that it gets on.
    pub slots: Option<&'a mut Slots>,
    /// At a crop since the last burst that came over.
    pub looked: bool,
}

impl<B: Examiner> Carrier for Mover<'_, B> {
    fn embed(&mut self, crop: &[u8]) -> Result<Vec<f32>, String> {
        self.looked = true;
        self.network.embed(crop)
    }

    fn carried(&mut self, samples: usize, of: usize) -> bool {
        if std::mem::take(&mut self.looked)
            && let Some(slots) = self.slots.take()
        {
            // A start that gets on does not count: many cuts of the power while many samples are moved
            // are nobody's fault. Not written, it counts.
            let _ = slots.gets_on();
        }
        self.examiner.moved(samples, of)
    }
}

impl Slots {
    /// A package that is being installed got further than being loaded.
    fn gets_on(&mut self) -> Result<(), MemoryError> {
        let mut next = self.record.clone();
        if let Some(trial) = &mut next.trial {
            trial.left = STARTS;
        }
        self.commit(next)
    }

    /// Puts an offered package into the spare slot, moves what was taught there, and makes it
    /// current. `before` is what runs now. Where that cannot be done now the next start goes on
    /// where this one ends.
    pub(super) fn install<B: Examiner>(
        &mut self,
        bytes: &[u8],
        id: &str,
        before: Option<&Running<B::Network>>,
        examiner: &mut B,
    ) -> Result<Running<B::Network>, No> {
        let installed = self.try_to_install(bytes, id, before, examiner);
        let no = match installed {
            Err(No::Disk(error)) => {
                if error.disk_is_full() {
                    // What is there so far would only take the room of what is taught.
                    self.leave_spare();
                }
                No::NotNow(error.to_string())
            }
            Err(No::Refused(why)) => return Err(No::Refused(why)),
            Err(no) => no,
            Ok(running) => return Ok(running),
        };
        // Not written it counts once more.
        let _ = self.end_well();
        Err(no)
    }

    fn try_to_install<B: Examiner>(
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
        let staged = self.record.package(spare) == Some(&offered)
            && self.file(spare)?.as_deref() == Some(bytes);
        self.count_attempt(spare, &offered, staged)?;
        let mut network = match examiner.load(package) {
            Ok(network) => network,
            Err(why) => return Err(self.refuse(&offered, &why)),
        };
        if !staged {
            self.stage(spare, &offered, bytes)?;
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
                slots: Some(&mut *self),
                looked: false,
            };
            match memory.take_over(taught, mover, Crops::All) {
                Ok(Carried::All(left)) => {
                    if let Some((burst, why)) = left.first() {
                        return Err(No::NotNow(format!(
                            "burst {burst} cannot be looked at by its network ({why}); remove that \
                             burst (`lastlayerd samples remove {burst}`) or keep this package"
                        )));
                    }
                }
                Ok(Carried::Part) => return Err(No::Failed(SettleError::Stopped)),
                Err(error) => return Err(error.into()),
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
        next.trial = proves.then(|| Trial::new(spare, offered));
        self.counted = true;
        if let Err(error) = self.commit(next) {
            return Err(match self.record.current == spare {
                // It is not known which one it will be after a power cut.
                true => No::Failed(error.into()),
                false => error.into(),
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
            left: left - 1,
            ..Trial::new(spare, offered.clone())
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

    /// Nothing is being installed any more.
    fn leave_spare(&mut self) {
        let spare = self.record.current.other();
        let mut next = self.record.clone();
        next.trial = None;
        next.put(spare, None);
        // There is room for the record only when the spare slot is empty.
        let _ = self.clear(spare);
        let _ = self.commit(next);
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
