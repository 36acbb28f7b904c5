//! What it is worth to let the network's last layer learn too: heads with and without that, on the same
//! splits.

use std::{num::NonZero, ops::ControlFlow, thread, time::Instant};

use lastlayer_shared::{
    backbone::{Backbone, BackboneError},
    frame::Frame,
    head::{Head, HeadError, Kind},
    operators::Operators,
    tuning::{Cut, Layer, Map, Sample, tune},
    view::View,
};

use super::{Embeddings, EvaluateError, splits::Splits};
use crate::{embed::EmbedError, heap, photos::LabelledPhotos, statistics::mean};

/// The photos before the network's last layer.
pub struct Before {
    pub layer: Layer,
    /// One a photo.
    pub maps: Vec<Map>,
}

/// Runs the network up to its last layer. `done` is called after each photo.
pub fn maps(
    cut: &Cut,
    backbone: &Backbone,
    labelled: &LabelledPhotos,
    done: impl Fn(),
) -> Result<Before, EvaluateError> {
    let preprocess = backbone.preprocess();
    let mut trunk = cut
        .trunk(preprocess, Operators::default())
        .map_err(EmbedError::from)?;
    let mut maps = Vec::with_capacity(labelled.photos.len());
    for (_, path) in &labelled.photos {
        let frame = Frame::open(path).map_err(EmbedError::from)?;
        let crop = preprocess.crop(&frame, &View::default());
        let crop = crop.map_err(|error| EmbedError::from(BackboneError::from(error)))?;
        maps.push(trunk.map(&crop).map_err(EmbedError::from)?);
        done();
    }
    Ok(Before {
        layer: cut.layer.clone(),
        maps,
    })
}

/// With one number of photos a class.
#[derive(Clone, Debug)]
pub struct FineTuning {
    /// Photos taught a class.
    pub shots: usize,
    /// Accuracies of the default head, 0..=1, one a split.
    pub without: Vec<f64>,
    pub with: Vec<f64>,
    /// Splits whose photos found the tuned layer better.
    pub tuned: usize,
    /// One a split; those of a split that was not tuned, too.
    pub seconds: Vec<f64>,
    /// Bytes of heap that one takes, beside the maps; `None` where they are not counted.
    pub peak: Option<u64>,
}

impl FineTuning {
    /// Of the share of right answers.
    pub fn gain(&self) -> f64 {
        mean(&self.with) - mean(&self.without)
    }
}

/// The default head with and without fine-tuning on the same splits. `done` is called after each.
pub fn fine_tuning(
    data: &Embeddings,
    before: &Before,
    splits: &Splits,
    done: impl Fn(),
) -> Result<FineTuning, HeadError> {
    let mut row = FineTuning {
        shots: splits.shots,
        without: Vec::new(),
        with: Vec::new(),
        tuned: 0,
        seconds: Vec::new(),
        peak: None,
    };
    let threads = thread::available_parallelism().map_or(1, NonZero::get);
    for taught in &splits.taught {
        let tested = Splits::tested(data.labels.len(), taught);
        let share = |right: &dyn Fn(usize) -> Option<usize>| {
            let right = tested
                .iter()
                .filter(|&&photo| right(photo) == Some(data.labels[photo]));
            right.count() as f64 / tested.len().max(1) as f64
        };
        let head = Head::fit(Kind::default(), &data.layout, &data.examples(taught))?;
        let without = share(&|photo| Some(head.answer(&data.embeddings[photo])?.class));
        let samples = data.samples(before, taught);
        let go_on = |_| ControlFlow::Continue(());
        let learn = || {
            let tuned = tune(&before.layer, &data.layout, &samples, threads, go_on)?;
            let head = tuned
                .as_ref()
                .map(|tuned| tuned.head(Kind::default(), &data.layout, &samples));
            Ok::<_, HeadError>(tuned.zip(head.transpose()?))
        };
        let start = Instant::now();
        let tuned = learn()?;
        row.seconds.push(start.elapsed().as_secs_f64());
        if row.seconds.len() == 1 {
            row.peak = heap::peak(|| drop(learn()));
        }
        row.without.push(without);
        row.with.push(match tuned {
            None => without,
            Some((tuned, head)) => {
                row.tuned += 1;
                share(&|photo| {
                    let mut embedding = tuned.layer.embed(&before.maps[photo]);
                    embedding.extend(&data.embeddings[photo][data.layout.last()..]);
                    Some(head.answer(&embedding)?.class)
                })
            }
        });
        done();
    }
    Ok(row)
}

impl Embeddings {
    /// Every photo a burst of its own.
    fn samples<'a>(&'a self, before: &'a Before, photos: &[usize]) -> Vec<Sample<'a>> {
        let photos = photos.iter().enumerate();
        photos
            .map(|(burst, &photo)| Sample {
                map: &before.maps[photo],
                taps: &self.embeddings[photo][self.layout.last()..],
                class: self.labels[photo],
                burst: burst as u32,
            })
            .collect()
    }
}
