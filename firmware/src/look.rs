//! From a frame to what the network says of it. The frames of a burst that there was no time to look
//! at while they came are looked at here afterwards, one by one, so that watching goes on.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use lastlayer_shared::{
    backbone::{BackboneError, Embedder},
    error::one_line,
    frame::Frame,
    preprocess::{Crop, INPUT_SIZES, Preprocess, PreprocessError},
    view::View,
};

use crate::{
    burst::{Settings, Shot},
    rarely::Rarely,
};

/// A kept crop in the size that a network takes, which may be another than the one that it was kept by.
/// The error is one line.
pub fn in_size(crop: &[u8], preprocess: &Preprocess) -> Result<Frame, String> {
    let crop = Frame::decode_within(crop, *INPUT_SIZES.end()).map_err(|e| one_line(&e))?;
    let side = preprocess.input_size;
    if (crop.width(), crop.height()) == (side, side) {
        return Ok(crop);
    }
    // What was cut away is gone: all that is left is looked at, in this network's size.
    let whole = Preprocess {
        crop: Crop::Stretch,
        crop_fraction: 1.0,
        ..preprocess.clone()
    };
    let resized = whole.crop(&crop, &View::default());
    resized.map_err(|error| one_line(&error))
}

/// A frame, and its embedding.
pub struct Seen {
    pub crop: Frame,
    pub embedding: Vec<f32>,
}

/// A burst that is over, and of which not every frame was looked at.
pub struct Waiting {
    pub class: String,
    /// Of the classes when it began.
    pub edition: usize,
    shots: VecDeque<Shot>,
    seen: Vec<Seen>,
}

impl Waiting {
    pub fn new(class: String, edition: usize, shots: Vec<Shot>) -> Self {
        Self {
            class,
            edition,
            shots: shots.into(),
            seen: Vec::new(),
        }
    }

    /// In the order in which they came.
    pub fn seen(self) -> Vec<Seen> {
        self.seen
    }
}

/// What the network says of a frame.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sight {
    pub embedding: Vec<f32>,
    /// What a tuned last layer says; empty where there is none.
    pub tuned: Vec<f32>,
}

type Embed = Box<dyn FnMut(&Frame) -> Result<Sight, BackboneError>>;

fn network(mut embedder: Embedder) -> Embed {
    Box::new(move |crop: &Frame| {
        let mut embedding = embedder.embed_crop(crop)?;
        let tuned = embedding.split_off(embedder.width().min(embedding.len()));
        Ok(Sight { embedding, tuned })
    })
}

pub struct Looker {
    preprocess: Preprocess,
    view: View,
    network: Embed,
    /// What the last look took, and when it was over.
    cost: Duration,
    over: Instant,
    odd: Rarely,
}

impl Looker {
    pub fn new(preprocess: Preprocess, view: View, embedder: Embedder) -> Self {
        Self::with(preprocess, view, network(embedder))
    }

    /// From now on by this network, whose embeddings are the same.
    pub fn look_with(&mut self, embedder: Embedder) {
        self.network = network(embedder);
    }

    fn with(preprocess: Preprocess, view: View, network: Embed) -> Self {
        Self {
            preprocess,
            view,
            network,
            cost: Duration::ZERO,
            over: Instant::now(),
            odd: Rarely::default(),
        }
    }

    pub fn crop(&self, frame: &Frame) -> Result<Frame, PreprocessError> {
        self.preprocess.crop(frame, &self.view)
    }

    /// `None` where the network answers with what is no number: one odd frame ends nothing.
    pub fn embed(&mut self, crop: &Frame) -> Result<Option<Sight>, BackboneError> {
        let start = Instant::now();
        let answer = (self.network)(crop);
        self.over = Instant::now();
        self.cost = self.over - start;
        match answer {
            Ok(sight) => Ok(Some(sight)),
            Err(BackboneError::NotFinite) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// What is said of frames without an embedding, now and then.
    pub fn odd(&mut self, now: Duration) -> Option<String> {
        let text =
            "the network's answer to a frame is not made of numbers; the frame is passed over";
        self.odd.say(now, text.into())
    }

    /// Whether the frames of a burst come too quickly to look at each of them. Then every second
    /// moment is left to taking them.
    pub fn should_wait(&self, burst: &Settings) -> bool {
        let pace = burst.longest() / (2 * burst.frames);
        self.cost > pace && self.over.elapsed() < self.cost
    }

    /// Looks at the next frame of a burst that was not looked at, or at all of them. True when none
    /// is left.
    pub fn catch_up(&mut self, burst: &mut Waiting, all: bool) -> Result<bool, BackboneError> {
        let mut may = true;
        while may && let Some(Shot { crop, embedding }) = burst.shots.pop_front() {
            let embedding = match embedding {
                Some(embedding) => Some(embedding),
                None => {
                    may = all;
                    self.embed(&crop)?.map(|sight| sight.embedding)
                }
            };
            burst
                .seen
                .extend(embedding.map(|embedding| Seen { crop, embedding }));
        }
        Ok(burst.shots.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    /// A network that takes its time, and says how bright the first pixel is; 0 is no number to it.
    fn looker(time: Duration) -> Looker {
        let network = move |crop: &Frame| {
            thread::sleep(time);
            match crop.rgb()[0] {
                0 => Err(BackboneError::NotFinite),
                value => Ok(Sight {
                    embedding: vec![f32::from(value)],
                    tuned: Vec::new(),
                }),
            }
        };
        let preprocess = Preprocess::named("imagenet", 32).unwrap();
        Looker::with(preprocess, View::default(), Box::new(network))
    }

    fn crop(value: u8) -> Frame {
        Frame::new(1, 1, vec![value; 3]).unwrap()
    }

    fn waiting(shots: &[(u8, bool)]) -> Waiting {
        let shots = shots.iter().map(|&(value, looked)| Shot {
            crop: crop(value),
            embedding: looked.then(|| vec![f32::from(value)]),
        });
        Waiting::new("car".into(), 0, shots.collect())
    }

    fn numbers(burst: Waiting) -> Vec<f32> {
        burst
            .seen()
            .into_iter()
            .map(|seen| seen.embedding[0])
            .collect()
    }

    #[test]
    fn a_slow_network_leaves_frames_for_later_and_a_quick_one_none() {
        let burst = Settings::default();
        let mut quick = looker(Duration::ZERO);
        quick.embed(&crop(1)).unwrap();
        assert!(!quick.should_wait(&burst));
        // Ten frames in two seconds.
        let mut slow = looker(Duration::from_millis(250));
        assert!(!slow.should_wait(&burst));
        slow.embed(&crop(1)).unwrap();
        assert!(slow.should_wait(&burst));
        while slow.over.elapsed() < slow.cost {
            thread::sleep(Duration::from_millis(10));
        }
        assert!(!slow.should_wait(&burst));
    }

    #[test]
    fn a_burst_is_looked_at_one_frame_a_turn_and_stays_in_order() {
        let mut looker = looker(Duration::ZERO);
        let shots = [(1, true), (2, false), (3, true), (4, false), (5, true)];
        let mut burst = waiting(&shots);
        assert!(!looker.catch_up(&mut burst, false).unwrap());
        assert_eq!(burst.seen.len(), 3 - 1);
        while !looker.catch_up(&mut burst, false).unwrap() {}
        assert_eq!(numbers(burst), [1.0, 2.0, 3.0, 4.0, 5.0]);
        let mut burst = waiting(&shots);
        assert!(looker.catch_up(&mut burst, true).unwrap());
        assert_eq!(numbers(burst), [1.0, 2.0, 3.0, 4.0, 5.0]);
        let mut looked = waiting(&[(1, true), (2, true)]);
        assert!(looker.catch_up(&mut looked, false).unwrap());
    }

    #[test]
    fn an_odd_frame_is_passed_over_and_said_once_a_minute() {
        let mut looker = looker(Duration::ZERO);
        assert_eq!(looker.embed(&crop(0)).unwrap(), None);
        assert!(looker.odd(Duration::ZERO).is_some());
        assert!(looker.odd(Duration::from_secs(1)).is_none());
        let mut burst = waiting(&[(0, false), (7, false)]);
        assert!(looker.catch_up(&mut burst, true).unwrap());
        assert_eq!(numbers(burst), [7.0]);
    }
}
