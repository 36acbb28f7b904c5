//! What holds for all bursts, in one small file that is replaced whole: the classes, and which bursts
//! are not learned from.

use lastlayer_shared::{framed, verdict::check_classes};
use serde::{Deserialize, Serialize};

pub const KIND: framed::Kind = framed::Kind {
    name: *b"LLTB",
    version: 4,
};
/// Bytes: far more than the most classes with the longest names.
pub const MOST: usize = 8 << 20;

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Table {
    /// The backbone that the embeddings come from.
    pub backbone: String,
    /// Classes that bursts refer to, or that were added on the board.
    pub classes: Vec<Class>,
    pub next_class: u16,
    /// Classes of the package that are called otherwise here, or are gone.
    pub changed: Vec<ChangedClass>,
    /// Bursts that are kept and not learned from.
    pub aside: Vec<Aside>,
    /// Bursts that are forgotten; a file of them may still be there.
    pub gone: Vec<u32>,
    /// Later bursts have at least these.
    pub next_burst: u32,
    pub next_sequence: u64,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Class {
    /// Never given to another class.
    pub number: u16,
    pub name: String,
}

/// What became of a class of the package on this board.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ChangedClass {
    /// Its name in the package.
    pub class: String,
    /// Its name here; `None` where it was removed, with its starting samples.
    pub now: Option<String>,
}

/// A burst that is kept and not learned from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Aside {
    pub burst: u32,
    /// For a person.
    pub why: String,
}

impl Table {
    /// That its parts fit one another.
    pub fn check(&self) -> Result<(), String> {
        let names: Vec<String> = self
            .classes
            .iter()
            .map(|class| class.name.clone())
            .collect();
        check_classes(&names).map_err(|error| error.to_string())?;
        let mut numbers: Vec<u16> = self.classes.iter().map(|class| class.number).collect();
        numbers.sort_unstable();
        numbers.dedup();
        match numbers.len() == self.classes.len() {
            true => Ok(()),
            false => Err("two classes have one number".into()),
        }
    }

    pub fn number_of(&self, name: &str) -> Option<u16> {
        let class = self.classes.iter().find(|class| class.name == name);
        class.map(|class| class.number)
    }

    pub fn name_of(&self, number: u16) -> Option<&str> {
        let class = self.classes.iter().find(|class| class.number == number);
        class.map(|class| class.name.as_str())
    }

    /// The number of a class, which is added where it is not there; `None` where no more fit.
    pub fn add(&mut self, name: &str) -> Option<u16> {
        if let Some(number) = self.number_of(name) {
            return Some(number);
        }
        let number = self.next_class;
        self.next_class = number.checked_add(1)?;
        let name = name.into();
        self.classes.push(Class { number, name });
        Some(number)
    }

    pub fn change(&mut self, class: &str, now: Option<&str>) {
        self.changed.retain(|changed| changed.class != class);
        self.changed.push(ChangedClass {
            class: class.into(),
            now: now.map(Into::into),
        });
    }

    pub fn is_aside(&self, burst: u32) -> bool {
        self.aside.iter().any(|aside| aside.burst == burst)
    }
}
