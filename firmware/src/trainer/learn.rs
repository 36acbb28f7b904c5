//! Learning one burst: a head that knows it is fitted and judged first, and only what may become part
//! of what is known is put into memory.

use std::time::Instant;

use lastlayer_shared::{
    guard::{self, Judged, Loss, Opinion},
    head::{Example, Head},
};

use super::{Knowledge, Outcome, TrainError, Trainer};
use crate::{
    look::Seen,
    memory::{MemoryError, NewSample, rounded},
    teachings::fit,
};

/// What a burst would make of what is known.
struct Considered {
    head: Option<Head>,
    called: Vec<Option<usize>>,
    opinion: Opinion,
    /// It is the first of its class.
    is_new: bool,
}

fn milliseconds(since: Instant) -> f64 {
    since.elapsed().as_secs_f64() * 1e3
}

impl Trainer {
    pub(super) fn learn(
        &mut self,
        class: String,
        edition: usize,
        burst: Vec<Seen>,
    ) -> Result<(Outcome, Knowledge), TrainError> {
        let class = self.name_now(class, edition)?;
        if burst.is_empty() {
            return Err(TrainError::NothingSeen);
        }
        let start = Instant::now();
        let burst = burst
            .into_iter()
            .map(|Seen { crop, embedding }| {
                Ok(NewSample {
                    crop: crop.to_jpeg()?,
                    embedding: rounded(&embedding),
                    view: self.view,
                })
            })
            .collect::<Result<Vec<_>, TrainError>>()?;
        let encode_ms = milliseconds(start);
        let start = Instant::now();
        let classes = self.teachings.classes();
        let place = classes.iter().position(|known| *known == class);
        let place = place.ok_or_else(|| TrainError::ClassGone(class.clone()))?;
        let Considered {
            head,
            called,
            opinion,
            is_new,
        } = self.consider(place, &classes, &burst)?;
        let train_ms = milliseconds(start);
        let costs = match &opinion {
            Opinion::TooDear { most, .. } if is_new => Some(most.class),
            Opinion::TooDear { points, most } => {
                return Err(self.set_aside(&class, burst, *points, most, &classes));
            }
            _ => None,
        };
        let start = Instant::now();
        let samples = burst.len();
        let lost = self.teachings.memory.add_burst(&class, burst)?.lost;
        let store_ms = encode_ms + milliseconds(start);
        let crowded = !lost.is_empty();
        self.warnings
            .extend(lost.into_iter().map(|(class, samples)| {
                format!("the memory is full: the {samples} oldest samples of {class} made room")
            }));
        if let Opinion::TooDear { most, .. } = &opinion
            && is_new
        {
            self.warnings.push(format!(
                "{} is now taken for {} more often, {} of {} samples; `undo` takes that back",
                classes[most.class], classes[most.called], most.lost, most.of
            ));
        }
        let knowledge = match crowded {
            true => self.fit()?,
            false => self.keep(head, called, &classes),
        };
        let outcome = Outcome::Learned {
            class,
            samples,
            checked: opinion != Opinion::Unchecked,
            costs,
            crowded,
            store_ms,
            train_ms,
        };
        Ok((outcome, knowledge))
    }

    /// What a burst would make of it; nothing is changed.
    fn consider(
        &mut self,
        place: usize,
        classes: &[String],
        burst: &[NewSample],
    ) -> Result<Considered, TrainError> {
        let mut examples = self.teachings.examples(classes);
        let before = match self.called.take() {
            Some(called) => called,
            None => fit(&self.layout, &examples)?.1,
        };
        let is_new = examples.iter().all(|example| example.class != place);
        // The same number that it gets, as far as the head can tell: a later one than all others.
        examples.extend(burst.iter().map(|sample| Example {
            embedding: &sample.embedding,
            class: place,
            burst: u32::MAX,
        }));
        let (head, called) = fit(&self.layout, &examples)?;
        let judged = Judged::both(&examples, &before, &called);
        let (opinion, _) = guard::judge(&self.guard, &judged);
        // Where the burst is not learned, this is what holds.
        self.called = Some(before);
        Ok(Considered {
            head,
            called,
            opinion,
            is_new,
        })
    }

    /// A burst that costs too much is kept for a person to look at.
    fn set_aside(
        &mut self,
        class: &str,
        burst: Vec<NewSample>,
        points: f64,
        most: &Loss,
        classes: &[String],
    ) -> TrainError {
        let (paying, called) = (&classes[most.class], &classes[most.called]);
        let why = format!("{paying} would be taken for {called}");
        let burst = match self.teachings.memory.add_aside(class, burst, &why) {
            Ok(burst) => Some(burst),
            Err(MemoryError::Full { .. }) => None,
            Err(error) => return error.into(),
        };
        TrainError::TooDear {
            burst,
            points,
            paying: paying.clone(),
            called: called.clone(),
            lost: most.lost,
            of: most.of,
        }
    }
}
