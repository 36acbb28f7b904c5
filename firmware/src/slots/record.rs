//! Which slot is current, in one small file that is replaced whole: that is the step in which an
//! update happens, or is taken back.

use lastlayer_shared::framed;
use serde::{Deserialize, Serialize};

pub const KIND: framed::Kind = framed::Kind {
    name: *b"LLSL",
    version: 1,
};
/// Bytes.
pub const MOST: usize = 1 << 16;
/// Starts that a new package has to get itself installed, and as many to prove itself.
pub const STARTS: u8 = 3;
/// Refused packages that are remembered.
const REFUSED: usize = 8;
/// Characters of why.
const WHY: usize = 500;

/// A place for a package, and for what was taught while it ran.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Slot {
    A,
    B,
}

impl Slot {
    pub fn other(self) -> Self {
        match self {
            Self::A => Self::B,
            Self::B => Self::A,
        }
    }

    /// Its folder.
    pub fn name(self) -> &'static str {
        match self {
            Self::A => "a",
            Self::B => "b",
        }
    }
}

/// A package, by its file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Installed {
    /// SHA-256 of the file, hexadecimal.
    pub id: String,
    /// As its maker counts.
    pub version: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refused {
    pub id: String,
    pub version: u64,
    /// For a person.
    pub why: String,
}

/// A package that is being installed in the spare slot, or is current and has not proved itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trial {
    pub slot: Slot,
    pub package: Installed,
    /// Starts that it has left.
    pub left: u8,
    /// Why a person wants the one before again, at the next start.
    pub sent_back: Option<String>,
}

impl Trial {
    /// In its first start.
    pub fn new(slot: Slot, package: Installed) -> Self {
        Self {
            slot,
            package,
            left: STARTS - 1,
            sent_back: None,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    pub current: Slot,
    a: Option<Installed>,
    b: Option<Installed>,
    pub trial: Option<Trial>,
    /// The latest last.
    pub refused: Vec<Refused>,
}

impl Default for Record {
    /// Nothing is installed, and the first package goes to A.
    fn default() -> Self {
        Self {
            current: Slot::B,
            a: None,
            b: None,
            trial: None,
            refused: Vec::new(),
        }
    }
}

impl Record {
    pub fn package(&self, slot: Slot) -> Option<&Installed> {
        match slot {
            Slot::A => self.a.as_ref(),
            Slot::B => self.b.as_ref(),
        }
    }

    pub fn put(&mut self, slot: Slot, package: Option<Installed>) {
        match slot {
            Slot::A => self.a = package,
            Slot::B => self.b = package,
        }
    }

    pub fn running(&self) -> Option<&Installed> {
        self.package(self.current)
    }

    /// The trial of a package that is current.
    pub fn proving(&self) -> Option<&Trial> {
        let trial = self.trial.as_ref();
        trial.filter(|trial| trial.slot == self.current)
    }

    pub fn refuse(&mut self, package: Installed, why: &str) {
        self.refused.retain(|refused| refused.id != package.id);
        self.refused.push(Refused {
            id: package.id,
            version: package.version,
            why: why.chars().take(WHY).collect(),
        });
        let more = self.refused.len().saturating_sub(REFUSED);
        self.refused.drain(..more);
    }

    pub fn why_refused(&self, id: &str) -> Option<&str> {
        let refused = self.refused.iter().find(|refused| refused.id == id);
        refused.map(|refused| refused.why.as_str())
    }
}
