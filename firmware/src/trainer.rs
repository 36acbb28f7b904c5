//! Learning, on a thread of its own, so that watching never waits for it: puts a burst into memory,
//! fits the head on all kept samples. It owns what was taught.

mod job;
mod learn;
mod tune;

use std::{
    sync::{
        Arc,
        mpsc::{Receiver, RecvTimeoutError, Sender, TryRecvError, channel},
    },
    thread,
    time::Instant,
};

use lastlayer_shared::{
    guard,
    head::{Head, Layout},
    view::View,
};

use crate::{
    heap,
    teachings::{Teachings, fit},
    upkeep::{Reply, Request},
};
pub use job::{Job, Knowledge, Outcome, Report, TrainError};
pub use tune::{Finding, Settings, Source, Tuner};

enum Change {
    Renamed { from: String, to: String },
    Removed(String),
}

pub struct Trainer {
    teachings: Teachings,
    /// Of the backbone's embeddings.
    layout: Layout,
    /// What crops are taken from while this program runs.
    view: View,
    /// What became of classes since the start, the oldest first: one may be renamed or removed while
    /// a burst of it runs.
    changes: Vec<Change>,
    guard: guard::Settings,
    /// What the samples are called by heads that have not seen them; `None` where the head was not
    /// fitted here.
    called: Option<Vec<Option<usize>>>,
    /// `None` where the last layer is never retrained.
    tuner: Option<Tuner>,
    warnings: Vec<String>,
}

impl Trainer {
    pub fn new(teachings: Teachings, layout: Layout, view: View, guard: guard::Settings) -> Self {
        Self {
            guard,
            called: None,
            teachings,
            layout,
            view,
            changes: Vec::new(),
            tuner: None,
            warnings: Vec::new(),
        }
    }

    /// Where nobody teaches, the network's last layer learns too.
    pub fn tuning(mut self, tuner: Option<Tuner>) -> Self {
        self.tuner = tuner;
        self
    }

    /// What is known at the start: with a head that was kept, else a new one.
    pub fn start(&mut self) -> Result<Knowledge, TrainError> {
        self.called = None;
        match self.teachings.kept_head(&self.layout) {
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
            tuned: None,
        }
    }

    fn fit(&mut self) -> Result<Knowledge, TrainError> {
        let classes = self.teachings.classes();
        let (head, called) = fit(&self.layout, &self.teachings.examples(&classes))?;
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
                while let Some(job) = self.next(&inbox, &outbox, &mut current) {
                    let of_panel = !matches!(job, Job::Upkeep(..));
                    let result = self.work(job).map(|(outcome, knowledge)| {
                        current = knowledge;
                        self.tune_again();
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
                    heap::give_back();
                }
            })?;
        Ok((jobs, reports))
    }

    /// The next job that may change something; `None` when there will be no more. While there is none for
    /// a while, the last layer is retrained.
    fn next(
        &mut self,
        inbox: &Receiver<Job>,
        outbox: &Sender<Report>,
        current: &mut Knowledge,
    ) -> Option<Job> {
        let start = Instant::now();
        loop {
            let job = match self.tunes_after() {
                None => Some(inbox.recv().ok()?),
                Some(quiet) => match inbox.recv_timeout(quiet.saturating_sub(start.elapsed())) {
                    Ok(job) => Some(job),
                    Err(RecvTimeoutError::Disconnected) => return None,
                    Err(RecvTimeoutError::Timeout) => None,
                },
            };
            if let Some(job) = job {
                match changing(&self.teachings, job) {
                    Some(job) => return Some(job),
                    None => continue,
                }
            }
            let mut next = Ok(None);
            let asked = |teachings: &Teachings| {
                while let Ok(None) = next {
                    next = match inbox.try_recv() {
                        Ok(job) => Ok(changing(teachings, job)),
                        Err(TryRecvError::Empty) => break,
                        Err(TryRecvError::Disconnected) => Err(()),
                    };
                }
                !matches!(next, Ok(None))
            };
            if let Some((outcome, knowledge)) = self.tune(asked, current) {
                *current = knowledge;
                let report = Report {
                    of_panel: false,
                    result: Ok(outcome),
                    knowledge: current.clone(),
                    warnings: self.warnings(),
                };
                outbox.send(report).ok()?;
                heap::give_back();
            }
            match next {
                Ok(None) => {}
                Ok(Some(job)) => return Some(job),
                Err(()) => return None,
            }
        }
    }
}

/// The job, unless it is only a question: that is answered at once, and nobody else need hear of it.
fn changing(teachings: &Teachings, job: Job) -> Option<Job> {
    let Job::Upkeep(request, answer) = &job else {
        return Some(job);
    };
    let Some(reply) = teachings.look_up(request) else {
        return Some(job);
    };
    // Whoever asked may have gone.
    let _ = answer.send(Ok(reply));
    None
}

#[cfg(test)]
mod tests;
