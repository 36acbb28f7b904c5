//! Learning, on a thread of its own, so that watching never waits for it: puts a burst into memory,
//! fits the head on all kept samples. It owns what was taught.

use std::{
    sync::{
        Arc,
        mpsc::{Receiver, Sender, channel},
    },
    thread,
    time::Instant,
};

use lastlayer_shared::{
    frame::FrameError,
    head::{Example, Head, HeadError, Kind},
    view::View,
};

use crate::{
    guard::{self, Judged, Loss, Opinion},
    look::Seen,
    memory::{MemoryError, NewSample, rounded},
    teachings::Teachings,
    upkeep::{Reply, Request, UpkeepError},
};

#[derive(Debug, thiserror::Error)]
pub enum TrainError {
    #[error(transparent)]
    Frame(#[from] FrameError),
    #[error(transparent)]
    Memory(#[from] MemoryError),
    #[error(transparent)]
    Head(#[from] HeadError),
    #[error(transparent)]
    Upkeep(#[from] UpkeepError),
    #[error("there is nothing to undo")]
    NothingToUndo,
    #[error("the class {0:?} is not there any more; nothing was learned")]
    ClassGone(String),
    #[error("the network's answers to these frames are not made of numbers; nothing was learned")]
    NothingSeen,
    #[error(
        "{paying} would be taken for {called}, {lost} of {of} samples, and the accuracy would fall by \
         {points:.0} points; the burst is set aside (`lastlayerd samples list`), and `lastlayerd \
         samples use {burst}` learns from it all the same"
    )]
    TooDear {
        burst: u32,
        points: f64,
        paying: String,
        called: String,
        lost: usize,
        of: usize,
    },
}

enum Change {
    Renamed { from: String, to: String },
    Removed(String),
}

impl TrainError {
    pub fn disk_is_full(&self) -> bool {
        match self {
            Self::Memory(error) | Self::Upkeep(UpkeepError::Memory(error)) => error.disk_is_full(),
            _ => false,
        }
    }
}

pub enum Job {
    Learn {
        /// As it was called in this edition of the classes.
        class: String,
        edition: usize,
        burst: Vec<Seen>,
    },
    Undo,
    AddClass,
    /// Asked for from outside the panel, and where its answer goes.
    Upkeep(Request, Sender<Result<Reply, String>>),
}

/// What the board knows: classes in order, with the samples each has, and the head.
#[derive(Clone, Debug)]
pub struct Knowledge {
    pub classes: Arc<Vec<String>>,
    /// How often a class was renamed or removed since the start.
    pub edition: usize,
    pub counts: Vec<usize>,
    /// `None` until two classes have samples.
    pub head: Option<Arc<Head>>,
}

#[derive(Clone, Debug)]
pub enum Outcome {
    Learned {
        class: String,
        samples: usize,
        /// What it costs could be judged.
        checked: bool,
        /// The class that pays more than the guard allows, by its place, where the burst is the first
        /// of a new class: that is asked, and not forbidden.
        costs: Option<usize>,
        /// Older samples made room.
        crowded: bool,
        /// Milliseconds to store the burst, and to fit the head.
        store_ms: f64,
        train_ms: f64,
    },
    Undone {
        class: String,
        samples: usize,
    },
    ClassAdded {
        class: String,
    },
    /// Something was changed from outside, in words.
    Kept {
        change: String,
    },
}

/// What came of one job.
pub struct Report {
    /// Asked for by the panel, which waits for it.
    pub of_panel: bool,
    pub result: Result<Outcome, TrainError>,
    /// What is known now: as before where the job failed.
    pub knowledge: Knowledge,
    /// What went wrong beside it.
    pub warnings: Vec<String>,
}

/// What a burst would make of what is known.
struct Considered {
    head: Option<Head>,
    called: Vec<Option<usize>>,
    opinion: Opinion,
    /// It is the first of its class.
    is_new: bool,
}

/// A head of these examples, where they are of two classes, and what heads that have not seen them
/// call them.
fn fit(examples: &[Example<'_>]) -> Result<(Option<Head>, Vec<Option<usize>>), HeadError> {
    match Head::fit_judged(Kind::default(), examples) {
        Ok((head, called)) => Ok((Some(head), called)),
        Err(HeadError::TooFewClasses(_)) => Ok((None, vec![None; examples.len()])),
        Err(error) => Err(error),
    }
}

fn milliseconds(since: Instant) -> f64 {
    since.elapsed().as_secs_f64() * 1e3
}

pub struct Trainer {
    teachings: Teachings,
    /// Numbers in an embedding.
    width: usize,
    /// What crops are taken from while this program runs.
    view: View,
    /// What became of classes since the start, the oldest first: one may be renamed or removed while
    /// a burst of it runs.
    changes: Vec<Change>,
    guard: guard::Settings,
    /// What the samples are called by heads that have not seen them; `None` where the head was not
    /// fitted here.
    called: Option<Vec<Option<usize>>>,
    warnings: Vec<String>,
}

impl Trainer {
    pub fn new(teachings: Teachings, width: usize, view: View, guard: guard::Settings) -> Self {
        Self {
            guard,
            called: None,
            teachings,
            width,
            view,
            changes: Vec::new(),
            warnings: Vec::new(),
        }
    }

    /// What is known at the start: with a head that was kept, else a new one.
    pub fn start(&mut self) -> Result<Knowledge, TrainError> {
        self.called = None;
        match self.teachings.kept_head(self.width) {
            Some(head) => Ok(self.knowledge(Some(Arc::new(head)))),
            None => self.fit(),
        }
    }

    fn knowledge(&self, head: Option<Arc<Head>>) -> Knowledge {
        let classes = self.teachings.classes();
        let counts = self.teachings.counts(&classes).into_iter();
        Knowledge {
            counts: counts
                .map(|(of_package, taught)| of_package + taught)
                .collect(),
            classes: Arc::new(classes),
            edition: self.changes.len(),
            head,
        }
    }

    fn fit(&mut self) -> Result<Knowledge, TrainError> {
        let classes = self.teachings.classes();
        let (head, called) = fit(&self.teachings.examples(&classes))?;
        Ok(self.keep(head, called, &classes))
    }

    /// This is the head now.
    fn keep(
        &mut self,
        head: Option<Head>,
        called: Vec<Option<usize>>,
        classes: &[String],
    ) -> Knowledge {
        self.called = Some(called);
        // The samples are stored; without its head the next start only takes longer.
        if let Some(head) = &head
            && let Err(error) = self.teachings.keep_head(head, classes)
        {
            self.warnings.push(format!(
                "the head could not be kept and is fitted again at the next start: {error}"
            ));
        }
        self.knowledge(head.map(Arc::new))
    }

    fn work(&mut self, job: Job) -> Result<(Outcome, Knowledge), TrainError> {
        match job {
            Job::Learn {
                class,
                edition,
                burst,
            } => self.learn(class, edition, burst),
            Job::Undo => {
                let undone = self.teachings.memory.undo()?;
                let (class, samples) = undone.ok_or(TrainError::NothingToUndo)?;
                // The head of before is one of those that are kept.
                Ok((Outcome::Undone { class, samples }, self.start()?))
            }
            Job::AddClass => {
                let classes = self.teachings.classes();
                let name = (1..)
                    .map(|number| format!("class-{number}"))
                    .find(|name| !classes.contains(name))
                    .unwrap_or_default();
                self.teachings.memory.add_class(&name)?;
                Ok((Outcome::ClassAdded { class: name }, self.fit()?))
            }
            Job::Upkeep(request, answer) => {
                let replied = self.teachings.answer(&request);
                // Whoever asked may have gone; what is done is done.
                let _ = answer.send(replied.as_ref().cloned().map_err(ToString::to_string));
                let change = match replied? {
                    Reply::Done(change) => change,
                    _ => String::new(),
                };
                match request {
                    Request::RenameClass { from, to } => {
                        self.changes.push(Change::Renamed { from, to });
                    }
                    Request::RemoveClass { name } => self.changes.push(Change::Removed(name)),
                    _ => {}
                }
                // It may be one of the heads that are kept.
                Ok((Outcome::Kept { change }, self.start()?))
            }
        }
    }

    fn learn(
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
            None => fit(&examples)?.1,
        };
        let is_new = examples.iter().all(|example| example.class != place);
        // The same number that it gets, as far as the head can tell: a later one than all others.
        examples.extend(burst.iter().map(|sample| Example {
            embedding: &sample.embedding,
            class: place,
            burst: u32::MAX,
        }));
        let (head, called) = fit(&examples)?;
        let judged = examples.iter().zip(before.iter().zip(&called));
        let judged: Vec<Judged> = judged
            .map(|(example, (before, after))| Judged {
                class: example.class,
                before: *before,
                after: *after,
            })
            .collect();
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
        match self.teachings.memory.add_aside(class, burst, &why) {
            Ok(burst) => TrainError::TooDear {
                burst,
                points,
                paying: paying.clone(),
                called: called.clone(),
                lost: most.lost,
                of: most.of,
            },
            Err(error) => error.into(),
        }
    }

    /// What a class is called now that was called so in an edition of the classes.
    fn name_now(&self, class: String, edition: usize) -> Result<String, TrainError> {
        let mut name = &class;
        for change in self.changes.iter().skip(edition) {
            match change {
                Change::Renamed { from, to } if from == name => name = to,
                Change::Removed(gone) if gone == name => return Err(TrainError::ClassGone(class)),
                _ => {}
            }
        }
        // A reset takes classes away too.
        match self.teachings.classes().contains(name) {
            true => Ok(name.clone()),
            false => Err(TrainError::ClassGone(class)),
        }
    }

    /// What went wrong since the last call without a job failing.
    pub fn warnings(&mut self) -> Vec<String> {
        let mut warnings = self.teachings.memory.warnings();
        warnings.append(&mut self.warnings);
        warnings
    }

    /// Works on its own thread until the sender goes. `current` is what is known now: it stays
    /// where a job fails.
    pub fn spawn(
        mut self,
        mut current: Knowledge,
    ) -> std::io::Result<(Sender<Job>, Receiver<Report>)> {
        let (jobs, inbox) = channel();
        let (outbox, reports) = channel();
        thread::Builder::new()
            .name("trainer".into())
            .spawn(move || {
                for job in inbox {
                    let job = match job {
                        // Changes nothing, so that nobody else need hear of it.
                        Job::Upkeep(request, answer) if !request.changes() => {
                            let replied = self.teachings.answer(&request);
                            let _ = answer.send(replied.map_err(|error| error.to_string()));
                            continue;
                        }
                        job => job,
                    };
                    let of_panel = !matches!(job, Job::Upkeep(..));
                    let result = self.work(job).map(|(outcome, knowledge)| {
                        current = knowledge;
                        outcome
                    });
                    let report = Report {
                        of_panel,
                        result,
                        knowledge: current.clone(),
                        warnings: self.warnings(),
                    };
                    if outbox.send(report).is_err() {
                        break;
                    }
                }
            })?;
        Ok((jobs, reports))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{memory::tests::memory, upkeep::tests::package};

    fn trainer() -> Trainer {
        let memory = memory("net", 2);
        Trainer::new(
            Teachings::new(package(), "hash".into(), memory),
            2,
            View::default(),
            guard::Settings::default(),
        )
    }

    fn ask(trainer: &mut Trainer, request: Request) -> Knowledge {
        trainer.work(Job::Upkeep(request, channel().0)).unwrap().1
    }

    fn rename(trainer: &mut Trainer, from: &str, to: &str) -> Knowledge {
        let (from, to) = (from.into(), to.into());
        ask(trainer, Request::RenameClass { from, to })
    }

    fn teach(trainer: &mut Trainer, class: &str, edition: usize) -> Result<String, String> {
        let seen = Seen {
            crop: lastlayer_shared::frame::Frame::new(1, 1, vec![0; 3]).unwrap(),
            embedding: vec![1.0, 2.0],
        };
        let class = class.into();
        let burst = vec![seen];
        match trainer.work(Job::Learn {
            class,
            edition,
            burst,
        }) {
            Ok((Outcome::Learned { class, .. }, _)) => Ok(class),
            Ok(other) => panic!("{other:?}"),
            Err(error) => Err(error.to_string()),
        }
    }

    #[test]
    fn a_burst_goes_to_the_class_that_was_meant_however_names_change_meanwhile() {
        let mut trainer = trainer();
        let began = trainer.start().unwrap().edition;
        rename(&mut trainer, "car", "other");
        rename(&mut trainer, "bird", "car");
        let now = rename(&mut trainer, "other", "bird").edition;
        assert_eq!(teach(&mut trainer, "car", began).unwrap(), "bird");
        assert_eq!(teach(&mut trainer, "car", now).unwrap(), "car");
        let name = "car".into();
        ask(&mut trainer, Request::RemoveClass { name });
        rename(&mut trainer, "bird", "car");
        let error = teach(&mut trainer, "car", now).unwrap_err();
        assert!(error.contains("is not there any more"), "{error}");
    }

    #[test]
    fn a_burst_of_which_nothing_was_seen_is_refused() {
        let mut trainer = trainer();
        let (class, burst) = ("car".into(), Vec::new());
        let job = Job::Learn {
            class,
            edition: 0,
            burst,
        };
        assert!(matches!(trainer.work(job), Err(TrainError::NothingSeen)));
    }
}
