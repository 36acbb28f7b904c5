//! From one memory to another: what was taught follows the board to another package. Where that has
//! the same network files are copied; another network looks at the crops again, which is what they
//! are kept for.
//!
//! The other memory is left as it is. What came over is not asked for again, so that carrying may be
//! interrupted at any moment and done again.

use lastlayer_shared::framed::FramedError;

use super::{
    Burst, Memory, MemoryError, NewSample, Table,
    burst::{self, Origin, rounded},
    error::{reading, writing},
    table::Class,
};
use crate::storage::{get, put};

/// What carrying asks of whoever wants it.
pub trait Carrier {
    /// A crop's embedding by the network of the memory that it goes to; `Err` says why there is none.
    fn embed(&mut self, crop: &[u8]) -> Result<Vec<f32>, String>;
    /// So many samples of so many are there; `false` ends it.
    fn carried(&mut self, samples: usize, of: usize) -> bool;
}

/// Which crops must be looked at by another network.
#[derive(Clone, Copy, PartialEq)]
pub enum Crops {
    All,
    /// The samples of others stay behind.
    ThoseThatAreWell,
}

/// How carrying ended where nothing was wrong with the disk.
#[derive(Debug, PartialEq)]
pub enum Carried {
    /// But for these bursts, or samples of them, and why: crops cannot be looked at.
    All(Vec<(u32, String)>),
    /// It was ended.
    Part,
}

impl Memory {
    /// Makes this memory hold what `from` holds: the same bursts, classes and names, and the same
    /// bursts set aside.
    pub fn take_over(
        &mut self,
        from: &Memory,
        carrier: &mut dyn Carrier,
        crops: Crops,
    ) -> Result<Carried, MemoryError> {
        self.forget_what_is_gone()?;
        let of = from.all().map(|burst| burst.samples.len()).sum();
        let (mut samples, mut left) = (0, Vec::new());
        for burst in from.all() {
            if !self.has(burst)
                && let Some(why) = self.take(from, burst, carrier, crops)?
            {
                left.push((burst.number, why));
            }
            samples += burst.samples.len();
            if !carrier.carried(samples, of) {
                return Ok(Carried::Part);
            }
        }
        let mut table = match from.rebuilt && !self.table.classes.is_empty() {
            false => from.table.clone(),
            // What it says was made up from the bursts.
            true => self.table_with(&from.table),
        };
        table.backbone.clone_from(&self.table.backbone);
        table.gone.clone_from(&self.table.gone);
        // What cannot be read there was not forgotten.
        let is_gone = |number: &u32| {
            !from.rebuilt && !from.bursts.contains_key(number) && !from.damaged.contains(number)
        };
        let gone: Vec<u32> = self.bursts.keys().copied().filter(is_gone).collect();
        // Later ones count on from both.
        table.next_burst = from.next_burst();
        table.next_sequence = from.next_sequence();
        self.forget(table, &gone)?;
        Ok(Carried::All(left))
    }

    /// The own table with those classes of another that it has not.
    fn table_with(&self, other: &Table) -> Table {
        let mut table = self.table.clone();
        for class in &other.classes {
            let mut name = class.name.clone();
            if table.name_of(class.number).is_some() {
                continue;
            }
            while table.number_of(&name).is_some() {
                name.push('\'');
            }
            let number = class.number;
            table.classes.push(Class { number, name });
        }
        table.next_class = table.next_class.max(other.next_class);
        table
    }

    /// Whether this very burst is here already.
    fn has(&self, burst: &Burst) -> bool {
        let own = self.bursts.get(&burst.number);
        own.is_some_and(|own| own.is_alike(burst))
    }

    /// Why a crop cannot be looked at, where one cannot: all of the burst stays behind then, or that
    /// sample.
    fn take(
        &mut self,
        from: &Memory,
        burst: &Burst,
        carrier: &mut dyn Carrier,
        crops: Crops,
    ) -> Result<Option<String>, MemoryError> {
        let mut left = None;
        let path = from.path(burst.number);
        let (taken, bytes) = match from.table.backbone == self.table.backbone {
            true => {
                let most = from.storage.size(&path).map_err(reading)?;
                let bytes = get(&*from.storage, &path, most as usize).map_err(reading)?;
                (burst.clone(), bytes.unwrap_or_default())
            }
            false => {
                let mut samples = Vec::new();
                for (place, kept) in burst.samples.iter().enumerate() {
                    let crop = match from.crop(burst, place) {
                        Err(MemoryError::Damaged { reason, .. }) => {
                            Err(format!("a crop is damaged: {reason}"))
                        }
                        crop => Ok(crop?),
                    };
                    let seen = crop.and_then(|crop| Ok((carrier.embed(&crop)?, crop)));
                    match seen {
                        Ok((embedding, crop)) => samples.push(NewSample {
                            embedding: rounded(&embedding),
                            crop,
                            view: kept.view,
                        }),
                        Err(why) if crops == Crops::All => return Ok(Some(why)),
                        Err(why) => left = Some(why),
                    }
                }
                if samples.is_empty() {
                    return Ok(left);
                }
                let origin = Origin {
                    class_name: from.class_of(burst).into(),
                    backbone: self.table.backbone.clone(),
                };
                let ids = (burst.number, burst.class, burst.sequence);
                let sealed = burst::seal(ids, origin, samples);
                sealed.map_err(|reason: FramedError| MemoryError::Damaged {
                    path: path.clone(),
                    reason,
                })?
            }
        };
        put(&*self.storage, &self.path(burst.number), &bytes).map_err(writing)?;
        self.bursts.insert(taken.number, taken);
        Ok(left)
    }
}
