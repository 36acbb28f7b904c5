//! An offered package goes to the spare slot, takes over what was taught, and becomes current; or it is
//! refused, and remembered.

use super::{Examiner, Installed, Network, News, Running, STARTS, SettleError, Slot, Slots, Trial};
use crate::memory::{Carried, Carrier, MemoryError};

/// Why an offered package is not installed.
pub enum No {
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

/// A network that looks at what is moved to it.
pub struct Mover<'a, B: Examiner> {
    pub examiner: &'a mut B,
    pub network: &'a mut B::Network,
    /// Told before the first crop's embedding is used.
    pub looks: Option<&'a mut Slots>,
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
    /// A package that is being installed got further than being loaded.
    fn gets_on(&mut self) -> Result<(), MemoryError> {
        let mut next = self.record.clone();
        if let Some(trial) = &mut next.trial {
            trial.left = STARTS;
        }
        self.commit(next)
    }

    /// Puts an offered package into the spare slot, moves what was taught there, and makes it
    /// current. `before` is what runs now.
    pub(super) fn install<B: Examiner>(
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
        next.trial = proves.then_some(Trial {
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
