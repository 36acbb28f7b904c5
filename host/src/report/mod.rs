//! The page of `lastlayer eval --report`: what was measured, in plots, example photos and plain
//! sentences, for people who teach cameras and not for those who know how they learn.
//!
//! One file holds all that it shows, without scripts and with nothing from elsewhere, so that it opens
//! from a disk and on a phone and can be mailed. It says no path of this machine and no date: the same
//! measurement gives the same page, but for the times.

mod confusion;
mod curve;
mod folder;
mod page;
mod picture;
mod plot;
mod sureness;
mod tables;
#[cfg(test)]
mod tests;

use lastlayer_shared::preprocess::Preprocess;

pub use folder::{Folder, ReportError};

use crate::{
    evaluate::{Method, Score},
    photos::LabelledPhotos,
};

/// What a page is about.
pub struct Report<'a> {
    /// The package's file name.
    pub package: &'a str,
    /// The photos' folder, without what is above it.
    pub folder: &'a str,
    pub photos: &'a LabelledPhotos,
    /// Example photos are shown as the network sees them.
    pub preprocess: &'a Preprocess,
    pub splits: u64,
    pub seed: u64,
    /// Of one or more numbers of shots, each with every method, about `photos`.
    pub scores: &'a [Score],
}

impl Report<'_> {
    /// The whole page, in HTML. A photo that cannot be read any more is left out of it.
    pub fn page(&self) -> String {
        page::page(self).into_string()
    }

    /// Scores of one method, fewest shots first, one a number of shots.
    fn of(&self, method: Method) -> Vec<&Score> {
        let of = self.scores.iter().filter(|score| score.method == method);
        let mut scores: Vec<&Score> = of.collect();
        scores.sort_by_key(|score| score.shots);
        scores.dedup_by_key(|score| score.shots);
        scores
    }

    /// What boards use.
    fn default_scores(&self) -> Vec<&Score> {
        let default = Method::ALL.into_iter().find(|method| method.is_default());
        default.map_or(Vec::new(), |method| self.of(method))
    }

    fn classes(&self) -> &[String] {
        &self.photos.classes
    }
}

/// 0.9081 -> "90.8%".
fn per_cent(share: f64) -> String {
    format!("{:.1}%", share * 100.0)
}

/// How many of a hundred, in whole numbers; neither all nor none where that is not so.
fn of_hundred(share: f64) -> String {
    match (share * 100.0).round() {
        100.0 if share < 1.0 => "more than 99".into(),
        0.0 if share > 0.0 => "fewer than 1".into(),
        number => format!("{number:.0}"),
    }
}
