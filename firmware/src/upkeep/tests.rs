use lastlayer_shared::{package::Package, preprocess::Preprocess, sample::Sample};

use super::*;
use crate::{
    memory::{Limits, Memory, NewSample, rounded},
    storage,
    teachings::Starting,
};

/// A package that knows car and bird with two samples each, and lists truck.
pub(crate) fn package() -> Package {
    let sample = |class: u16| Sample {
        class,
        burst: u32::from(class),
        sequence: u64::from(class),
        embedding: vec![f32::from(class), 1.0],
        crop: vec![class as u8],
        view: Default::default(),
    };
    Package {
        version: 1,
        classes: ["car", "bird", "truck"].map(Into::into).into(),
        preprocess: Preprocess::named("imagenet", 32).unwrap(),
        provenance: Default::default(),
        backbone: Vec::new(),
        samples: vec![sample(0), sample(0), sample(1), sample(1)],
        head: None,
        self_test: Vec::new(),
        signed_by: None,
    }
}

pub(crate) fn burst(count: usize) -> Vec<NewSample> {
    let sample = |at| NewSample {
        embedding: rounded(&[at as f32, 2.0]),
        crop: vec![at as u8],
        view: Default::default(),
    };
    (0..count).map(sample).collect()
}

fn teachings(folder: Option<&std::path::Path>) -> Teachings {
    let storage = storage::open(folder).unwrap();
    let memory = Memory::open(storage, "", "net", 2, Limits::default()).unwrap();
    Teachings::new(Starting::new(package(), "hash".into()), memory)
}

fn classes(teachings: &mut Teachings) -> Vec<(String, usize, usize)> {
    match teachings.answer(&Request::Classes).unwrap() {
        Reply::Classes(lines) => lines
            .into_iter()
            .map(|line| (line.class, line.of_package, line.taught))
            .collect(),
        other => panic!("{other:?}"),
    }
}

fn rename(from: &str, to: &str) -> Request {
    Request::RenameClass {
        from: from.into(),
        to: to.into(),
    }
}

fn remove(name: &str) -> Request {
    Request::RemoveClass { name: name.into() }
}

fn line(class: &str, of_package: usize, taught: usize) -> (String, usize, usize) {
    (class.into(), of_package, taught)
}

#[test]
fn names_change_and_what_was_taught_stays_also_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    {
        let mut board = teachings(Some(folder.path()));
        board.memory.add_burst("car", burst(3)).unwrap();
        board.memory.add_burst("class-1", burst(1)).unwrap();
        for (from, to) in [
            ("car", "taxi"),
            ("class-1", "tram"),
            ("taxi", "cab"),
            ("bird", "car"),
        ] {
            board.answer(&rename(from, to)).unwrap();
        }
    }
    let mut board = teachings(Some(folder.path()));
    let expected = [
        line("cab", 2, 3),
        line("car", 2, 0),
        line("truck", 0, 0),
        line("tram", 0, 1),
    ];
    assert_eq!(classes(&mut board), expected);
    board.answer(&rename("cab", "bird")).unwrap();
    board.memory.add_burst("bird", burst(2)).unwrap();
    assert_eq!(classes(&mut board)[0], line("bird", 2, 5));
}

#[test]
fn a_removed_class_is_gone_with_its_samples_and_its_name_is_free() {
    let folder = tempfile::tempdir().unwrap();
    {
        let mut board = teachings(Some(folder.path()));
        board.memory.add_burst("class-1", burst(2)).unwrap();
        board.memory.add_burst("car", burst(3)).unwrap();
        board.memory.add_burst("class-2", burst(4)).unwrap();
        board.answer(&remove("car")).unwrap();
        board.answer(&remove("class-1")).unwrap();
        board.answer(&rename("class-2", "car")).unwrap();
    }
    let mut board = teachings(Some(folder.path()));
    let expected = [line("bird", 2, 0), line("truck", 0, 0), line("car", 0, 4)];
    assert_eq!(classes(&mut board), expected);
    let list = board.classes();
    let examples = board.examples(&list);
    assert_eq!(
        examples.iter().filter(|e| list[e.class] == "car").count(),
        4
    );
    board.answer(&Request::Reset).unwrap();
    let expected = [line("car", 2, 0), line("bird", 2, 0), line("truck", 0, 0)];
    assert_eq!(classes(&mut board), expected);
}

#[test]
fn bursts_are_listed_and_removed_by_number() {
    let mut board = teachings(None);
    board.memory.add_burst("car", burst(3)).unwrap();
    board.memory.add_burst("truck", burst(2)).unwrap();
    board.memory.add_burst("car", burst(1)).unwrap();
    let removing = |bursts: &[u32]| Request::RemoveSamples {
        bursts: bursts.into(),
    };
    let error = board.answer(&removing(&[1, 7])).unwrap_err();
    assert!(matches!(error, UpkeepError::NoBurst(7)), "{error}");
    let done = board.answer(&removing(&[0, 1])).unwrap();
    assert_eq!(done, Reply::Done("5 samples are removed".into()));
    let left = BurstLine {
        burst: 2,
        class: "car".into(),
        samples: 1,
        aside: None,
    };
    assert_eq!(
        board.answer(&Request::Samples).unwrap(),
        Reply::Samples(vec![left])
    );
}

#[test]
fn what_is_not_there_and_what_is_there_already_are_refused() {
    let mut board = teachings(None);
    for (request, text) in [
        (rename("tram", "x"), "there is no class \"tram\""),
        (rename("car", "bird"), "there is a class \"bird\" already"),
        (rename("car", "unknown"), "choose another class name"),
        (rename("car", " x"), "begins or ends with a space"),
        (remove("tram"), "`lastlayerd classes list` shows"),
    ] {
        let message = board.answer(&request).unwrap_err().to_string();
        assert!(message.contains(text), "{message}");
    }
    assert_eq!(classes(&mut board).len(), 3);
}
