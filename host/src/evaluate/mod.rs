//! How well heads learn: draws a few photos a class, fits heads as a board does, tests on all others,
//! and repeats.

mod dump;
mod embeddings;
mod fine_tuning;
mod measures;
mod method;
mod one_by_one;
mod order;
mod score;
mod splits;
mod strangers;

use lastlayer_shared::{file, head::HeadError};

pub use dump::Dump;
pub use embeddings::{Embeddings, embeddings};
pub use fine_tuning::{Before, FineTuning, fine_tuning, maps};
pub use measures::{BINS, Bin};
pub use method::Method;
pub use one_by_one::{Step, Story, one_by_one};
pub use order::{Order, OrderError};
pub use score::{Score, score};
pub use splits::{Splits, draw};
pub use strangers::Strangers;

use crate::{embed::EmbedError, ui::count};

/// Why nothing could be measured.
#[derive(Debug, thiserror::Error)]
pub enum EvaluateError {
    #[error(
        "the class {class:?} has {}; teaching {shots} leaves none to test on: add photos or ask for \
         fewer with --shots",
        count(*photos, "photo")
    )]
    TooFewPhotos {
        class: String,
        photos: usize,
        shots: usize,
    },
    #[error(transparent)]
    Embed(#[from] EmbedError),
    #[error(transparent)]
    File(#[from] file::FileError),
    #[error(transparent)]
    Head(#[from] HeadError),
}
