//! Looking after what was taught: listing, naming and forgetting classes and samples, and going
//! back to the factory state. The same requests are answered by a program that runs, through its
//! socket, and without one on the state folder itself.

mod command;
mod socket;

use lastlayer_shared::verdict::{ClassNameError, check_classes};
use serde::{Deserialize, Serialize};

pub use command::{reset, run};
pub use socket::{SOCKET, Server, SocketError, ask};

use crate::{
    memory::{Burst, MemoryError},
    slots::{Installed, Slots},
    teachings::Teachings,
};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Request {
    Classes,
    RenameClass {
        from: String,
        to: String,
    },
    RemoveClass {
        name: String,
    },
    Samples,
    RemoveSamples {
        bursts: Vec<u32>,
    },
    /// Keep them, and no longer learn from them.
    SetAside {
        bursts: Vec<u32>,
    },
    /// Learn from them again.
    UseSamples {
        bursts: Vec<u32>,
    },
    /// To the head before.
    RollBack,
    Reset,
    Packages,
    /// To the package before, at the next start.
    PackageBack,
    /// Refused packages are taken again.
    PackageRetry,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reply {
    Classes(Vec<ClassLine>),
    Samples(Vec<BurstLine>),
    Packages(Vec<PackageLine>),
    /// It was done; for the person who asked.
    Done(String),
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ClassLine {
    pub class: String,
    /// Samples that came with the package, and that were taught here.
    pub of_package: usize,
    pub taught: usize,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BurstLine {
    pub burst: u32,
    pub class: String,
    pub samples: usize,
    /// Why it is not learned from.
    pub aside: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PackageLine {
    pub version: u64,
    /// SHA-256 of the file, hexadecimal.
    pub package: String,
    /// What it does here.
    pub state: String,
}

#[derive(Debug, thiserror::Error)]
pub enum UpkeepError {
    #[error("there is no class {0:?}; `lastlayerd classes list` shows those there are")]
    NoClass(String),
    #[error("there is a class {0:?} already; choose another name")]
    Exists(String),
    #[error("there is no burst {0}; `lastlayerd samples list` shows those there are")]
    NoBurst(u32),
    #[error("there is no package before this one")]
    NoPackageBefore,
    #[error("no package is installed here: start lastlayerd with a state folder")]
    NoSlots,
    #[error(transparent)]
    Name(#[from] ClassNameError),
    #[error(transparent)]
    Memory(#[from] MemoryError),
}

impl Slots {
    /// Does what is asked, where it is about packages.
    pub fn answer(&mut self, request: &Request) -> Option<Result<Reply, UpkeepError>> {
        match request {
            Request::Packages => Some(Ok(Reply::Packages(self.packages()))),
            Request::PackageBack => Some(match self.go_back("sent back by hand") {
                Ok(Some(before)) => Ok(Reply::Done(format!(
                    "version {} comes back at the next start, with what was taught here; start \
                     lastlayerd again",
                    before.version
                ))),
                Ok(None) => Err(UpkeepError::NoPackageBefore),
                Err(error) => Err(error.into()),
            }),
            Request::PackageRetry => Some(self.pardon().map_err(Into::into).map(|count| {
                Reply::Done(match count {
                    0 => "no package was refused here".into(),
                    _ => "the next start tries the package again that is offered".into(),
                })
            })),
            _ => None,
        }
    }

    fn packages(&self) -> Vec<PackageLine> {
        let line = |package: &Installed, state: String| PackageLine {
            version: package.version,
            package: package.id.clone(),
            state,
        };
        let running = self.running().map(|running| {
            let state = match self.proving() {
                None => "runs".into(),
                Some(trial) if trial.sent_back.is_some() => "runs until the next start".into(),
                Some(_) => "runs, and has not proved itself yet".into(),
            };
            line(running, state)
        });
        let before = self
            .before()
            .map(|b| line(b, "the one before; can come back".into()));
        let refused = self.refused().iter().map(|refused| PackageLine {
            version: refused.version,
            package: refused.id.clone(),
            state: format!("refused: {}", refused.why),
        });
        running.into_iter().chain(before).chain(refused).collect()
    }
}

impl Teachings {
    /// What is asked, where nothing is to change for it; else `None`.
    pub fn look_up(&self, request: &Request) -> Option<Reply> {
        match request {
            Request::Classes => Some(Reply::Classes(self.class_lines())),
            Request::Samples => Some(Reply::Samples(self.bursts())),
            _ => None,
        }
    }

    /// Does what is asked: on disk before it is said to be done.
    pub fn answer(&mut self, request: &Request) -> Result<Reply, UpkeepError> {
        let classes = self.classes();
        match request {
            Request::Classes => Ok(Reply::Classes(self.class_lines())),
            Request::Samples => Ok(Reply::Samples(self.bursts())),
            Request::RenameClass { from, to } => {
                if !classes.contains(from) {
                    return Err(UpkeepError::NoClass(from.clone()));
                }
                if classes.contains(to) {
                    return Err(UpkeepError::Exists(to.clone()));
                }
                check_classes(std::slice::from_ref(to))?;
                let of_package = self.name_in_package(from).map(str::to_owned);
                self.memory.rename(of_package.as_deref(), from, to)?;
                Ok(Reply::Done(format!("{from} is called {to} now")))
            }
            Request::RemoveClass { name } => {
                let Some(place) = classes.iter().position(|class| class == name) else {
                    return Err(UpkeepError::NoClass(name.clone()));
                };
                let (of_package, taught) = self.counts(&classes)[place];
                let in_package = self.name_in_package(name).map(str::to_owned);
                self.memory.remove_class(in_package.as_deref(), name)?;
                Ok(Reply::Done(format!(
                    "{name} is removed, with {taught} taught samples and {of_package} of the package"
                )))
            }
            Request::RemoveSamples { bursts } => {
                self.all_there(bursts)?;
                let removed = self.memory.remove_bursts(bursts)?;
                Ok(Reply::Done(format!("{removed} samples are removed")))
            }
            Request::SetAside { bursts } => {
                self.all_there(bursts)?;
                let before = self.memory.len();
                self.memory.set_aside(bursts, Some("set aside by hand"))?;
                let less = before - self.memory.len();
                Ok(Reply::Done(format!("{less} samples are set aside")))
            }
            Request::UseSamples { bursts } => {
                self.all_there(bursts)?;
                let before = self.memory.len();
                self.memory.set_aside(bursts, None)?;
                let more = self.memory.len() - before;
                Ok(Reply::Done(format!(
                    "{more} samples are learned from again"
                )))
            }
            Request::RollBack => {
                let less = self.memory.roll_back()?;
                Ok(Reply::Done(format!(
                    "the head before is back; {less} samples that were taught since are set aside"
                )))
            }
            Request::Reset => {
                self.memory.forget_all()?;
                let left = "everything taught here is forgotten; the package is as it came";
                Ok(Reply::Done(left.into()))
            }
            Request::Packages | Request::PackageBack | Request::PackageRetry => {
                Err(UpkeepError::NoSlots)
            }
        }
    }

    fn class_lines(&self) -> Vec<ClassLine> {
        let classes = self.classes();
        let counts = self.counts(&classes);
        let lines = classes.into_iter().zip(counts);
        let line = |(class, (of_package, taught))| ClassLine {
            class,
            of_package,
            taught,
        };
        lines.map(line).collect()
    }

    fn all_there(&self, bursts: &[u32]) -> Result<(), UpkeepError> {
        let there = |number: &&u32| self.memory.all().any(|burst| burst.number == **number);
        match bursts.iter().find(|number| !there(number)) {
            Some(missing) => Err(UpkeepError::NoBurst(*missing)),
            None => Ok(()),
        }
    }

    /// What was taught here, in the order it came.
    fn bursts(&self) -> Vec<BurstLine> {
        let line = |burst: &Burst| BurstLine {
            burst: burst.number,
            class: self.memory.class_of(burst).into(),
            samples: burst.samples.len(),
            aside: self.memory.aside(burst.number).map(Into::into),
        };
        self.memory.all().map(line).collect()
    }
}

#[cfg(test)]
pub(crate) mod tests;
