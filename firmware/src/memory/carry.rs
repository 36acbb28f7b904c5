//! From one memory to another: what was taught follows the board to another package. Where that has
//! the same network files are copied; another network looks at the crops again, which is what they
//! are kept for.
//!
//! The other memory is left as it is. What came over is not asked for again, so that carrying may be
//! interrupted at any moment and done again.

use lastlayer_shared::framed::FramedError;

use super::{
    Burst, Memory, MemoryError, NewSample,
    burst::{self, Origin, rounded},
    error::{reading, writing},
};
use crate::storage::{get, put};

/// What carrying asks of whoever wants it.
pub trait Carrier {
    /// A crop's embedding by the network of the memory that it goes to; `Err` says why there is none.
    fn embed(&mut self, crop: &[u8]) -> Result<Vec<f32>, String>;
    /// So many samples of so many are there; `false` ends it.
    fn carried(&mut self, samples: usize, of: usize) -> bool;
}

/// How carrying ended where nothing was wrong with the disk.
#[derive(Debug, PartialEq)]
pub enum Carried {
    /// But for these bursts, and why: their crops cannot be looked at.
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
    ) -> Result<Carried, MemoryError> {
        let of = from.all().map(|burst| burst.samples.len()).sum();
        let (mut samples, mut left) = (0, Vec::new());
        for burst in from.all() {
            if !self.has(burst)
                && let Err(why) = self.take(from, burst, carrier)?
            {
                left.push((burst.number, why));
            }
            samples += burst.samples.len();
            if !carrier.carried(samples, of) {
                return Ok(Carried::Part);
            }
        }
        let mut table = from.table.clone();
        table.backbone.clone_from(&self.table.backbone);
        table.gone.clone_from(&self.table.gone);
        let is_gone = |number: &u32| !from.bursts.contains_key(number);
        let gone: Vec<u32> = self.bursts.keys().copied().filter(is_gone).collect();
        // Later ones count on from both.
        table.next_burst = from.next_burst();
        table.next_sequence = from.next_sequence();
        self.forget(table, &gone)?;
        Ok(Carried::All(left))
    }

    /// Whether this very burst is here already. Where a crop of it could not be looked at by the
    /// other network, more of it is here, and that counts.
    fn has(&self, burst: &Burst) -> bool {
        let own = self.bursts.get(&burst.number);
        own.is_some_and(|own| own.sequence == burst.sequence && own.shows(burst))
    }

    /// The inner error says why its crops cannot be looked at; nothing of it is here then.
    fn take(
        &mut self,
        from: &Memory,
        burst: &Burst,
        carrier: &mut dyn Carrier,
    ) -> Result<Result<(), String>, MemoryError> {
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
                            return Ok(Err(format!("a crop is damaged: {reason}")));
                        }
                        crop => crop?,
                    };
                    let embedding = match carrier.embed(&crop) {
                        Ok(embedding) => rounded(&embedding),
                        Err(why) => return Ok(Err(why)),
                    };
                    samples.push(NewSample {
                        embedding,
                        crop,
                        view: kept.view,
                    });
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
        Ok(Ok(()))
    }
}
