//! Packages and networks that are none, and a board that runs them, for tests.

use std::sync::Arc;

use lastlayer_shared::view::View;

use super::{Examiner, Network, News, Offer, Running, SettleError, Slots, settle};
use crate::{
    memory::{Limits, Memory, NewSample, rounded},
    storage::Storage,
};

const WIDTH: usize = 2;
pub const LIMITS: Limits = Limits {
    samples: 40,
    floor: 6,
};
/// Whether a package may run, where it is of a newer version than the one that does.
#[derive(Clone, Copy, PartialEq)]
pub enum Kind {
    Good,
    /// It does too badly on what was taught.
    Worse,
    /// Its self-test fails.
    Broken,
    /// It ends the program when it is loaded.
    Fatal,
}

/// By version, from 1 on: the network, by its number, and whether it may run.
pub const PACKAGES: [(u8, Kind); 7] = [
    (1, Kind::Good),
    (1, Kind::Good),
    (2, Kind::Good),
    (1, Kind::Worse),
    (2, Kind::Broken),
    (2, Kind::Good),
    (1, Kind::Fatal),
];

/// A board that is switched on.
pub struct Board {
    pub slots: Slots,
    pub memory: Memory,
    /// Of its start.
    pub news: Vec<News>,
}

struct FakeNetwork(u8, &'static str, Kind);

impl Network for FakeNetwork {
    fn backbone(&self) -> &str {
        self.1
    }

    fn width(&self) -> usize {
        WIDTH
    }

    fn embed(&mut self, crop: &[u8]) -> Result<Vec<f32>, String> {
        let number = crop.first_chunk().ok_or("no crop")?;
        Ok(vec![u32::from_le_bytes(*number) as f32, f32::from(self.0)])
    }
}

/// A package is a single byte: its place.
#[derive(Default)]
struct FakeExaminer(Vec<News>);

impl Examiner for FakeExaminer {
    type Package = usize;
    type Network = FakeNetwork;

    fn verify(&mut self, bytes: &[u8], follows: Option<u64>) -> Result<(u64, usize), String> {
        let [place] = bytes else {
            return Err("no package".into());
        };
        let version = u64::from(*place) + 1;
        match follows.is_some_and(|follows| version < follows) {
            true => Err("older".into()),
            false => Ok((version, usize::from(*place))),
        }
    }

    fn load(&mut self, package: usize) -> Result<FakeNetwork, String> {
        match PACKAGES[package] {
            (_, Kind::Broken) => Err("its self-test fails".into()),
            (_, Kind::Fatal) => panic!("the end"),
            (1, kind) => Ok(FakeNetwork(1, "one", kind)),
            (network, kind) => Ok(FakeNetwork(network, "two", kind)),
        }
    }

    fn cost(
        &mut self,
        _: (&FakeNetwork, &Memory),
        (network, _): (&FakeNetwork, &Memory),
    ) -> Option<String> {
        (network.2 == Kind::Worse).then(|| "it is worse".into())
    }

    fn moved(&mut self, _: usize, _: usize) -> bool {
        true
    }

    fn tell(&mut self, news: News) {
        self.0.push(news);
    }
}

pub fn open<S: Storage + 'static>(storage: &Arc<S>, offer: usize) -> Result<Board, SettleError> {
    let storage: Arc<dyn Storage> = storage.clone();
    let mut slots = Slots::open(storage, LIMITS)?;
    let offer = Offer {
        name: "offered".into(),
        file: Ok(vec![offer as u8]),
    };
    let mut examiner = FakeExaminer::default();
    let Running { memory, .. } = settle(&mut slots, Some(offer), &mut examiner)?;
    Ok(Board {
        slots,
        memory,
        news: examiner.0,
    })
}

/// Each sample is known by its number.
pub fn samples(next: &mut u32, count: usize, network: u8) -> Vec<NewSample> {
    (0..count)
        .map(|_| {
            *next += 1;
            NewSample {
                embedding: rounded(&[*next as f32, f32::from(network)]),
                crop: next.to_le_bytes().repeat(8),
                view: View::default(),
            }
        })
        .collect()
}
