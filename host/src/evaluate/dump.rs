//! A whole evaluation in one file of JSON, so that another program can learn from the same photos by
//! the same splits, as tests/reference/compare_heads.py does.
//!
//! ```text
//! version     1
//! package     name of the package's file
//! backbone    id of its network and preprocessing
//! seed        that the photos were drawn by
//! default     name of the head that boards have
//! classes     names, in order
//! layout      {last, taps}: how many numbers the last embedding has, and each tap
//! photos      one a photo: its path below the folder of photos, with `/`
//! labels      one a photo; indexes `classes`
//! embeddings  one a photo: the numbers of `layout`, one part after the other, as the network gave them
//! rounds      one a number of photos a class:
//!   shots       photos taught a class
//!   taught      one list a split, of indices into `photos`; all others were tested
//!   heads       one a method: {head, accuracies}, its name and the share of right answers, 0..=1,
//!               one a split
//! ```

use std::path::Path;

use lastlayer_shared::file::{self, FileError};
use serde::Serialize;

use super::{Embeddings, Method, Score, splits::Splits};

const VERSION: u32 = 1;

/// What is written; the fields that have no comment here are those of the file.
pub struct Dump<'a> {
    pub package: &'a str,
    /// `Backbone::id`.
    pub backbone: &'a str,
    pub seed: u64,
    pub photos: Vec<String>,
    pub data: &'a Embeddings,
    /// One a number of photos a class.
    pub drawn: &'a [Splits],
    /// Of all of `drawn`.
    pub scores: &'a [Score],
}

#[derive(Serialize)]
struct Document<'a> {
    version: u32,
    package: &'a str,
    backbone: &'a str,
    seed: u64,
    default: Option<&'static str>,
    classes: &'a [String],
    layout: Parts<'a>,
    photos: &'a [String],
    labels: &'a [usize],
    embeddings: &'a [Vec<f32>],
    rounds: Vec<Round<'a>>,
}

#[derive(Serialize)]
struct Parts<'a> {
    last: usize,
    taps: &'a [u32],
}

#[derive(Serialize)]
struct Round<'a> {
    shots: usize,
    taught: &'a [Vec<usize>],
    heads: Vec<Reached<'a>>,
}

#[derive(Serialize)]
struct Reached<'a> {
    head: &'static str,
    accuracies: &'a [f64],
}

impl Dump<'_> {
    /// Writes the file, whole or not at all.
    pub fn write(&self, path: &Path) -> Result<(), FileError> {
        let document = self.document();
        file::write_with(path, |file| {
            serde_json::to_writer(&mut *file, &document)?;
            writeln!(file)
        })
    }

    fn document(&self) -> Document<'_> {
        let default = Method::ALL.into_iter().find(|method| method.is_default());
        Document {
            version: VERSION,
            package: self.package,
            backbone: self.backbone,
            seed: self.seed,
            default: default.map(Method::name),
            classes: &self.data.classes,
            layout: Parts {
                last: self.data.layout.last(),
                taps: self.data.layout.taps(),
            },
            photos: &self.photos,
            labels: &self.data.labels,
            embeddings: &self.data.embeddings,
            rounds: self
                .drawn
                .iter()
                .map(|splits| Round {
                    shots: splits.shots,
                    taught: &splits.taught,
                    heads: self
                        .scores
                        .iter()
                        .filter(|score| score.shots == splits.shots)
                        .map(|score| Reached {
                            head: score.method.name(),
                            accuracies: &score.accuracies,
                        })
                        .collect(),
                })
                .collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{super::score, *};
    use lastlayer_shared::head::Layout;
    use serde_json::{Value, json};

    #[test]
    fn a_dump_is_what_was_measured() {
        let data = Embeddings {
            classes: vec!["a".into(), "b".into()],
            labels: vec![0, 0, 0, 1, 1, 1],
            layout: Layout::new([2, 1]).unwrap(),
            embeddings: (0..6)
                .map(|i| vec![0.1 + (i / 3) as f32, 1e-9, i as f32])
                .collect(),
        };
        let splits = Splits::new(&data, 2, 3, 7).unwrap();
        let scores = score(&data, &splits, || ()).unwrap();
        let dump = Dump {
            package: "site.llp",
            backbone: "id",
            seed: 7,
            photos: (0..6).map(|i| format!("{}/{i}.png", i / 3)).collect(),
            data: &data,
            drawn: std::slice::from_ref(&splits),
            scores: &scores,
        };
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("splits.json");
        dump.write(&path).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        // In f32's own digits, not those of the f64 beside it.
        assert!(text.contains("[0.1,1e-9,0.0]"), "{text}");
        let read: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(read["layout"], json!({"last": 2, "taps": [1]}));
        assert_eq!((&read["version"], &read["seed"]), (&json!(1), &json!(7)));
        assert_eq!(read["default"], "lda");
        assert_eq!(read["photos"][4], "1/4.png");
        assert_eq!(read["labels"], json!([0, 0, 0, 1, 1, 1]));
        let round = &read["rounds"][0];
        assert_eq!(round["shots"], 2);
        assert_eq!(round["taught"], json!(splits.taught));
        for (row, score) in round["heads"].as_array().unwrap().iter().zip(&scores) {
            assert_eq!(row["head"], score.method.name());
            assert_eq!(row["accuracies"], json!(score.accuracies));
        }
        assert_eq!(round["heads"].as_array().unwrap().len(), scores.len());
        let missing = folder.path().join("no/splits.json");
        assert!(dump.write(&missing).is_err() && !missing.exists());
    }
}
