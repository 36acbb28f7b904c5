//! The board's state folder: a good one in which one file is changed, also under a right checksum, or a
//! file that is nothing but the input. Whatever opens is used as a board uses it, and opens again.

use std::sync::Arc;

use lastlayer_firmware::{
    memory::{Limits, Memory, NewSample, rounded},
    slots::{Examiner, Network, News, Offer, Slots, settle},
    storage::{Ram, Storage, get, put},
};
use lastlayer_shared::{
    file::sum,
    head::{Example, Head, Kind, Layout},
    view::View,
};

use super::edited;

const FILES: [&str; 3] = ["a/table", "a/bursts/0000000000", "a/heads/0000000000"];
/// Which package is current.
const RECORD: &str = "slots";
const LIMITS: Limits = Limits {
    samples: 20,
    floor: 1,
};
/// Of a frame: where the payload's length is, its checksum, and the payload.
const LENGTH: std::ops::Range<usize> = 6..14;
const SUM: std::ops::Range<usize> = 14..46;

fn open(storage: &Arc<dyn Storage>) -> Option<Memory> {
    Memory::open(storage.clone(), "a", "net", 2, LIMITS).ok()
}

fn burst(count: usize) -> Vec<NewSample> {
    (0..count)
        .map(|i| NewSample {
            embedding: rounded(&[i as f32, 1.0]),
            crop: vec![7; i + 1],
            view: View::default(),
        })
        .collect()
}

fn head() -> Head {
    let (a, b) = ([1.0, 0.0], [0.0, 1.0]);
    let example = |embedding, class| Example {
        embedding,
        class,
        burst: 0,
    };
    Head::fit(
        Kind::Means,
        &Layout::plain(2),
        &[example(&a, 0), example(&b, 1)],
    )
    .unwrap()
}

/// Gives what is framed at the beginning of a file the checksum that it should have.
fn sealed(mut bytes: Vec<u8>) -> Vec<u8> {
    if bytes.len() >= SUM.end {
        let length = u64::from_le_bytes(bytes[LENGTH].try_into().unwrap());
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        let end = SUM.end.saturating_add(length);
        if end <= bytes.len() {
            let framed = [&bytes[..SUM.start], &bytes[SUM.end..end]].concat();
            bytes[SUM].copy_from_slice(&sum(&framed));
        }
    }
    bytes
}

/// Packages of one byte, their version.
struct Fake;

impl Network for Fake {
    fn backbone(&self) -> &str {
        "net"
    }

    fn width(&self) -> usize {
        2
    }

    fn embed(&mut self, _: &[u8]) -> Result<Vec<f32>, String> {
        Ok(vec![0.0, 1.0])
    }
}

impl Examiner for Fake {
    type Package = u8;
    type Network = Self;

    fn verify(&mut self, bytes: &[u8], _: Option<u64>) -> Result<(u64, u8), String> {
        let version = *bytes.first().ok_or("no package")?;
        Ok((version.into(), version))
    }

    fn load(&mut self, version: u8) -> Result<Self, String> {
        match version {
            0 => Err("it does not do".into()),
            _ => Ok(Self),
        }
    }

    fn cost(&mut self, _: (&Self, &Memory), _: (&Self, &Memory)) -> Option<String> {
        None
    }

    fn moved(&mut self, _: usize, _: usize) -> bool {
        true
    }

    fn tell(&mut self, _: News) {}
}

/// One that says all that there is to say.
fn record(storage: &Arc<dyn Storage>) -> Vec<u8> {
    let mut slots = Slots::open(storage.clone(), LIMITS).unwrap();
    for version in [2, 0, 3] {
        let offer = Offer {
            name: "offered".into(),
            file: Ok(vec![version]),
        };
        assert!(settle(&mut slots, Some(offer), &mut Fake).is_ok());
    }
    slots.go_back("by hand").unwrap();
    assert!(slots.before().is_some() && slots.proving().is_some());
    assert_eq!(slots.refused().len(), 1);
    get(&**storage, RECORD, 1 << 20).unwrap().unwrap()
}

/// What a record leads to: whatever it says, somebody can look after the packages.
fn slots(storage: &Arc<dyn Storage>, record: &[u8]) {
    put(&**storage, RECORD, record).unwrap();
    let Ok(mut slots) = Slots::open(storage.clone(), LIMITS) else {
        return;
    };
    let _ = (slots.memory(), slots.package());
    let _ = slots.go_back("by hand");
    slots.end_well().unwrap();
    slots.pardon().unwrap();
    slots.prove().unwrap();
    assert!(slots.refused().is_empty() && slots.proving().is_none());
    Slots::open(storage.clone(), LIMITS).expect("what was written opens");
}

pub fn run(data: &[u8]) {
    let [how, data @ ..] = data else {
        return;
    };
    let storage: Arc<dyn Storage> = Arc::new(Ram::default());
    for folder in ["a", "b"] {
        storage.make_folder(folder).unwrap();
    }
    let mut memory = open(&storage).expect("an empty one opens");
    memory.add_burst("car", burst(3)).unwrap();
    memory.keep_head(&head(), memory.basis(&0)).unwrap();
    let file = FILES[usize::from(how % 3)];
    let good = get(&*storage, file, 1 << 20).unwrap().unwrap();
    let changed = |good: &[u8]| match how / 3 % 3 {
        0 => data.to_vec(),
        1 => edited(good, data),
        _ => sealed(edited(good, data)),
    };
    if how / 9 % 4 == 0 {
        return slots(&storage, &changed(&record(&storage)));
    }
    let bytes = changed(&good);
    put(&*storage, file, &bytes).unwrap();
    let Some(mut memory) = open(&storage) else {
        return;
    };
    let all: Vec<_> = memory.all().cloned().collect();
    for burst in &all {
        for place in 0..burst.samples.len() {
            let _ = memory.crop(burst, place);
        }
        assert!(!memory.class_of(burst).is_empty());
    }
    memory.head(memory.basis(&0));
    let before = memory.len();
    if memory.add_burst("bird", burst(2)).is_ok() {
        assert!(memory.len() <= before + 2);
        let _ = memory.roll_back();
        assert!(memory.undo().is_ok());
    }
    let kept: Vec<_> = memory.all().cloned().collect();
    let again = open(&storage).expect("what was written opens");
    assert!(again.all().eq(kept.iter()));
}
