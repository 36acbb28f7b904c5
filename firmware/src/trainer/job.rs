//! What the trainer is asked, and what it answers.

use std::sync::{Arc, mpsc::Sender};

use lastlayer_shared::{
    frame::FrameError,
    head::{Head, HeadError, Judgement},
};

use super::tune::{Tried, Tuned};
use crate::{
    look::{Seen, Sight},
    memory::MemoryError,
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
         {points:.0} points; {}", kept(*.burst)
    )]
    TooDear {
        /// `None` where the memory is too full to keep it apart.
        burst: Option<u32>,
        points: f64,
        paying: String,
        called: String,
        lost: usize,
        of: usize,
    },
}

fn kept(burst: Option<u32>) -> String {
    match burst {
        Some(burst) => format!(
            "the burst is set aside (`lastlayerd samples list`), and `lastlayerd samples use {burst}` \
             learns from it all the same"
        ),
        None => "the memory is too full to set the burst aside, so it is gone".into(),
    }
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
    /// What is asked instead, where the samples found it better.
    pub tuned: Option<Arc<Tuned>>,
}

impl Knowledge {
    /// `None` where nothing can be said.
    pub fn judge(&self, sight: &Sight) -> Option<Judgement> {
        let plain = self.head.as_ref()?.judge(&sight.embedding)?;
        let tuned = self.tuned.as_deref().and_then(|tuned| tuned.answers(sight));
        Some(Judgement {
            answers: tuned.unwrap_or(plain.answers),
            // A tuned layer knows the samples that it learned from, and beside these all that is new
            // looks strange.
            familiarity: plain.familiarity,
        })
    }
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
    /// The last layer was retrained while nobody taught.
    Tuned(Tried),
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
