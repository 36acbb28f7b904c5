//! Learning, on a thread of its own, so that watching never waits for it: embeds a burst, puts it
//! into memory, fits the head on all kept samples. It owns the memory.

use std::{
    sync::{
        Arc,
        mpsc::{Receiver, Sender, channel},
    },
    thread,
    time::Instant,
};

use lastlayer_shared::{
    backbone::{BackboneError, Embedder},
    frame::{Frame, FrameError},
    head::{Example, Head, HeadError, Kind},
    package::Package,
    sample::examples,
    view::View,
};

use crate::memory::{Memory, MemoryError, NewSample};

#[derive(Debug, thiserror::Error)]
pub enum TrainError {
    #[error(transparent)]
    Backbone(#[from] BackboneError),
    #[error(transparent)]
    Frame(#[from] FrameError),
    #[error(transparent)]
    Memory(#[from] MemoryError),
    #[error(transparent)]
    Head(#[from] HeadError),
    #[error("there is nothing to undo")]
    NothingToUndo,
}

pub enum Job {
    /// `class` indexes the class list of the last `Knowledge`.
    Learn {
        class: usize,
        crops: Vec<Frame>,
    },
    Undo,
    AddClass,
}

/// What the board knows: classes in order, with the samples each has, and the head.
#[derive(Clone, Debug)]
pub struct Knowledge {
    pub classes: Arc<Vec<String>>,
    pub counts: Vec<usize>,
    /// `None` until two classes have samples.
    pub head: Option<Arc<Head>>,
}

#[derive(Clone, Debug)]
pub enum Outcome {
    Learned {
        class: String,
        samples: usize,
        /// Milliseconds to embed and store the burst, and to fit the head.
        embed_ms: f64,
        train_ms: f64,
    },
    Undone {
        class: String,
        samples: usize,
    },
    ClassAdded {
        class: String,
    },
}

/// What came of one job.
pub struct Report {
    pub result: Result<Outcome, TrainError>,
    /// What is known now: as before where the job failed.
    pub knowledge: Knowledge,
    /// What went wrong beside it.
    pub warnings: Vec<String>,
}

pub struct Trainer {
    package: Package,
    /// Hash of the package file.
    package_id: String,
    embedder: Embedder,
    memory: Memory,
    /// What crops are taken from while this program runs.
    view: View,
    warnings: Vec<String>,
}

impl Trainer {
    pub fn new(
        package: Package,
        package_id: String,
        embedder: Embedder,
        memory: Memory,
        view: View,
    ) -> Self {
        Self {
            package,
            package_id,
            embedder,
            memory,
            view,
            warnings: Vec::new(),
        }
    }

    /// The package's classes, then those that were added here.
    fn classes(&self) -> Vec<String> {
        let mut classes = self.package.classes.clone();
        for class in self.memory.classes() {
            if !classes.contains(class) {
                classes.push(class.clone());
            }
        }
        classes
    }

    /// All samples that there are. Bursts of the package and of the memory are told apart.
    fn examples<'a>(&'a self, classes: &[String]) -> Vec<Example<'a>> {
        let mut all = examples(&self.package.samples);
        let offset = all
            .iter()
            .map(|example| example.burst.saturating_add(1))
            .max()
            .unwrap_or(0);
        let place: Vec<usize> = self
            .memory
            .classes()
            .iter()
            .map(|name| classes.iter().position(|class| class == name).unwrap_or(0))
            .collect();
        all.extend(
            examples(self.memory.samples())
                .into_iter()
                .map(|example| Example {
                    class: place[example.class],
                    burst: example.burst.saturating_add(offset),
                    ..example
                }),
        );
        all
    }

    /// What is known at the start: the package's own head where nothing was taught, the kept head
    /// where it is up to date, else a new one.
    pub fn start(&mut self) -> Result<Knowledge, TrainError> {
        let kept = if self.memory.samples().is_empty() {
            self.package.head.clone()
        } else {
            let on = self.memory.fitted_on(&self.package_id);
            let classes = self.classes().len();
            self.memory
                .head(&on)
                .filter(|head| head.check(classes, self.embedder.width()).is_ok())
        };
        match kept {
            Some(head) => Ok(self.knowledge(Some(Arc::new(head)))),
            None => self.fit(),
        }
    }

    fn knowledge(&self, head: Option<Arc<Head>>) -> Knowledge {
        let classes = self.classes();
        let mut counts = vec![0; classes.len()];
        for example in self.examples(&classes) {
            counts[example.class] += 1;
        }
        Knowledge {
            classes: Arc::new(classes),
            counts,
            head,
        }
    }

    fn fit(&mut self) -> Result<Knowledge, TrainError> {
        let classes = self.classes();
        let head = match Head::fit(Kind::default(), &self.examples(&classes)) {
            Ok(head) => Some(head),
            Err(HeadError::TooFewClasses(_)) => None,
            Err(error) => return Err(error.into()),
        };
        // The samples are stored; without its head the next start only takes longer.
        if let Some(head) = &head
            && let Err(error) = self
                .memory
                .keep_head(head, self.memory.fitted_on(&self.package_id))
        {
            self.warnings.push(format!(
                "the head could not be kept and is fitted again at the next start: {error}"
            ));
        }
        Ok(self.knowledge(head.map(Arc::new)))
    }

    fn work(&mut self, job: Job) -> Result<(Outcome, Knowledge), TrainError> {
        let classes = self.classes();
        match job {
            Job::Learn { class, crops } => {
                let class = classes.get(class).cloned().unwrap_or_default();
                let start = Instant::now();
                let burst = crops
                    .iter()
                    .map(|crop| self.embed(crop))
                    .collect::<Result<Vec<_>, _>>()?;
                let samples = burst.len();
                self.memory.add_burst(&class, burst)?;
                let embed_ms = start.elapsed().as_secs_f64() * 1e3;
                let start = Instant::now();
                let knowledge = self.fit()?;
                let outcome = Outcome::Learned {
                    class,
                    samples,
                    embed_ms,
                    train_ms: start.elapsed().as_secs_f64() * 1e3,
                };
                Ok((outcome, knowledge))
            }
            Job::Undo => {
                let undone = self.memory.undo()?;
                let (class, samples) = undone.ok_or(TrainError::NothingToUndo)?;
                Ok((Outcome::Undone { class, samples }, self.fit()?))
            }
            Job::AddClass => {
                let name = (1..)
                    .map(|number| format!("class-{number}"))
                    .find(|name| !classes.contains(name))
                    .unwrap_or_default();
                self.memory.add_class(&name)?;
                Ok((Outcome::ClassAdded { class: name }, self.fit()?))
            }
        }
    }

    /// What went wrong since the last call without a job failing.
    pub fn warnings(&mut self) -> Vec<String> {
        std::mem::take(&mut self.warnings)
    }

    fn embed(&mut self, crop: &Frame) -> Result<NewSample, TrainError> {
        Ok(NewSample {
            embedding: self.embedder.embed_crop(crop)?,
            crop: crop.to_jpeg()?,
            view: self.view,
        })
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
                    let result = self.work(job).map(|(outcome, knowledge)| {
                        current = knowledge;
                        outcome
                    });
                    let report = Report {
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
