use super::*;
use crate::storage::{Disk, DiskError, Ram, get, put};
use lastlayer_shared::{
    head::{Example, Head, Kind, Layout},
    view::{Flip, Rotate},
};
use proptest::prelude::*;

/// An empty one that lasts as long as it is held.
pub(crate) fn memory(backbone: &str, width: usize) -> Memory {
    open(
        &(Arc::new(Ram::default()) as Arc<dyn Storage>),
        backbone,
        width,
    )
    .unwrap()
}

fn open(storage: &Arc<dyn Storage>, backbone: &str, width: usize) -> Result<Memory, MemoryError> {
    Memory::open(storage.clone(), "", backbone, width, Limits::default())
}

fn ram() -> Arc<dyn Storage> {
    Arc::new(Ram::default())
}

fn turned() -> View {
    View {
        rotate: Rotate::Quarter,
        flip: Flip::Vertical,
        region: [0.1, 0.2, 0.5, 0.8].try_into().unwrap(),
    }
}

fn burst(count: usize) -> Vec<NewSample> {
    (0..count)
        .map(|i| NewSample {
            embedding: rounded(&[i as f32, 1.0]),
            crop: vec![i as u8; i + 1],
            view: turned(),
        })
        .collect()
}

/// Of two classes.
pub(crate) fn head() -> Head {
    let (a, b) = ([1.0, 0.0], [0.0, 1.0]);
    let example = |embedding, class| Example {
        embedding,
        class,
        burst: 0,
    };
    Head::fit(
        Kind::Lda,
        &Layout::plain(2),
        &[example(&a, 0), example(&b, 1)],
    )
    .unwrap()
}

fn classes(memory: &Memory) -> Vec<&str> {
    memory.classes().collect()
}

fn damage(storage: &dyn Storage, path: &str) {
    let mut bytes = get(storage, path, 1 << 20).unwrap().unwrap();
    let at = bytes.len() / 2;
    bytes[at] ^= 1;
    put(storage, path, &bytes).unwrap();
}

#[test]
fn a_restart_knows_what_was_taught_and_undo_takes_the_last_burst() {
    let storage = ram();
    {
        let mut memory = open(&storage, "net", 2).unwrap();
        memory.add_burst("car", burst(3)).unwrap();
        memory.add_burst("truck", burst(2)).unwrap();
    }
    let mut memory = open(&storage, "net", 2).unwrap();
    assert_eq!(classes(&memory), ["car", "truck"]);
    let sequence: Vec<u64> = memory.all().map(|b| b.sequence).collect();
    assert_eq!(sequence, [0, 3]);
    let first = memory.all().next().unwrap();
    assert!(first.samples.iter().all(|s| s.view == turned()));
    assert_eq!(first.samples[2].embedding, rounded(&[2.0, 1.0]));
    assert_eq!(memory.crop(first, 2).unwrap(), [2, 2, 2]);
    assert!(memory.crop(first, 3).is_err());
    assert_eq!(memory.undo().unwrap(), Some(("truck".into(), 2)));
    memory.add_burst("car", burst(1)).unwrap();
    assert_eq!(memory.all().next_back().unwrap().sequence, 3);
    let mut memory = open(&storage, "net", 2).unwrap();
    assert_eq!(memory.len(), 4);
    memory.undo().unwrap();
    memory.undo().unwrap();
    assert_eq!(memory.undo().unwrap(), None);
}

#[test]
fn what_is_kept_is_what_is_read_again() {
    let storage = ram();
    let mut memory = open(&storage, "net", 2).unwrap();
    let odd = [1.0 / 3.0, 1e9, -1e9, 1e-9, 0.1];
    let sample = |number| NewSample {
        embedding: rounded(&[number, 0.3]),
        crop: Vec::new(),
        view: View::default(),
    };
    memory.add_burst("car", odd.map(sample).into()).unwrap();
    let again = open(&storage, "net", 2).unwrap();
    assert!(memory.all().eq(again.all()));
    let numbers: Vec<f32> = again
        .all()
        .next()
        .unwrap()
        .samples
        .iter()
        .map(|s| s.embedding[0].to_f32())
        .collect();
    assert!(numbers.iter().all(|number| number.is_finite()));
    assert!((numbers[0] - odd[0]).abs() < 1e-4 && numbers[1] > 6e4);
}

#[test]
fn samples_of_another_width_or_network_are_refused_and_left_alone() {
    let storage = ram();
    let mut memory = open(&storage, "net", 2).unwrap();
    memory.add_burst("car", burst(1)).unwrap();
    let error = open(&storage, "net", 3).err().unwrap();
    assert!(matches!(error, MemoryError::Damaged { .. }), "{error}");
    let error = open(&storage, "other", 2).err().unwrap();
    assert!(matches!(error, MemoryError::OtherBackbone), "{error}");
    assert_eq!(open(&storage, "net", 2).unwrap().len(), 1);
}

#[test]
fn what_an_older_or_newer_program_keeps_is_refused_and_left_alone() {
    let storage = ram();
    put(&*storage, "samples", b"LLSM").unwrap();
    let error = open(&storage, "net", 2).err().unwrap();
    assert!(matches!(error, MemoryError::Older), "{error}");
    Memory::clear(&*storage, "").unwrap();
    open(&storage, "net", 2).unwrap().add_class("car").unwrap();
    let mut newer = get(&*storage, TABLE, 1 << 20).unwrap().unwrap();
    newer[4] = 9;
    put(&*storage, TABLE, &newer).unwrap();
    let error = open(&storage, "net", 2).err().unwrap();
    assert!(error.to_string().contains("of version 9"), "{error}");
    assert_eq!(get(&*storage, TABLE, 1 << 20).unwrap().unwrap(), newer);
}

#[test]
fn what_a_kill_left_is_cleared_away() {
    let storage = ram();
    open(&storage, "net", 2).unwrap();
    storage.write("bursts/.new-0000000000", b"half").unwrap();
    open(&storage, "net", 2).unwrap();
    assert!(storage.list("bursts").unwrap().is_empty());
}

#[test]
fn one_program_at_a_time() {
    let folder = tempfile::tempdir().unwrap();
    let first = Disk::open(folder.path()).unwrap();
    let second = Disk::open(folder.path()).err().unwrap();
    assert!(matches!(second, DiskError::InUse(_)));
    drop(first);
    Disk::open(folder.path()).unwrap();
}

#[test]
fn a_damaged_burst_is_kept_apart_and_the_others_are_there() {
    let storage = ram();
    let mut memory = open(&storage, "net", 2).unwrap();
    for _ in 0..3 {
        memory.add_burst("car", burst(2)).unwrap();
    }
    damage(&*storage, "bursts/0000000001");
    let mut memory = open(&storage, "net", 2).unwrap();
    assert_eq!(memory.len(), 4);
    let warnings = memory.warnings();
    assert!(warnings[0].contains("bursts/0000000001"), "{warnings:?}");
    assert!(storage.size("bursts/0000000001.damaged").is_ok());
    // Said once; and its number is not given again while a later one is there.
    let mut memory = open(&storage, "net", 2).unwrap();
    assert!(memory.warnings().is_empty());
    assert_eq!(memory.add_burst("car", burst(1)).unwrap().burst, 3);
}

#[test]
fn a_lost_table_is_made_again_from_the_bursts() {
    let storage = ram();
    let mut memory = open(&storage, "net", 2).unwrap();
    memory.add_burst("car", burst(2)).unwrap();
    memory.add_burst("bird", burst(1)).unwrap();
    memory.rename(None, "car", "taxi").unwrap();
    memory.add_burst("taxi", burst(3)).unwrap();
    damage(&*storage, TABLE);
    let mut memory = open(&storage, "net", 2).unwrap();
    assert!(memory.warnings()[0].contains("table"));
    assert_eq!(classes(&memory), ["taxi", "bird"]);
    assert_eq!(memory.len(), 6);
    memory.add_burst("tram", burst(1)).unwrap();
    let memory = open(&storage, "net", 2).unwrap();
    assert_eq!(classes(&memory), ["taxi", "bird", "tram"]);
}

#[test]
fn a_crop_that_was_damaged_is_not_given() {
    let storage = ram();
    let mut memory = open(&storage, "net", 2).unwrap();
    memory.add_burst("car", burst(3)).unwrap();
    let path = "bursts/0000000000";
    let mut bytes = get(&*storage, path, 1 << 20).unwrap().unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    put(&*storage, path, &bytes).unwrap();
    let memory = open(&storage, "net", 2).unwrap();
    let burst = memory.all().next().unwrap();
    assert_eq!(memory.crop(burst, 1).unwrap(), [1, 1]);
    assert!(memory.crop(burst, 2).is_err());
}

#[test]
fn a_factory_state_is_for_any_network() {
    let storage = ram();
    let mut memory = open(&storage, "net", 2).unwrap();
    memory.add_burst("car", burst(3)).unwrap();
    memory.keep_head(&head(), memory.basis(&0)).unwrap();
    memory.forget_all().unwrap();
    assert!(storage.list("bursts").unwrap().is_empty());
    assert!(storage.list("heads").unwrap().is_empty());
    let mut memory = open(&storage, "other", 7).unwrap();
    assert_eq!(memory.add_burst("car", Vec::new()).unwrap().burst, 1);
}

#[test]
fn a_head_is_used_only_with_what_it_was_fitted_on() {
    let storage = ram();
    let mut memory = open(&storage, "net", 2).unwrap();
    memory.add_burst("car", burst(2)).unwrap();
    let on = |memory: &Memory, package: &str| memory.basis(&(package, ["car", "bird"]));
    memory.keep_head(&head(), on(&memory, "a")).unwrap();
    let again = open(&storage, "net", 2).unwrap();
    assert_eq!(again.head(on(&again, "a")), Some(head()));
    assert_eq!(again.head(on(&again, "b")), None);
    // The package's birds go, and another class gets their name.
    memory.remove_class(Some("bird"), "bird").unwrap();
    memory.add_class("bird").unwrap();
    assert_eq!(memory.head(on(&memory, "a")), None);
    let mut memory = again;
    memory.add_burst("car", burst(1)).unwrap();
    assert_eq!(memory.head(on(&memory, "a")), None);
    memory.undo().unwrap();
}

#[test]
fn the_last_heads_are_kept_and_a_damaged_one_is_none() {
    let storage = ram();
    let mut memory = open(&storage, "net", 2).unwrap();
    let mut bases = Vec::new();
    for _ in 0..6 {
        memory.add_burst("car", burst(1)).unwrap();
        bases.push(memory.basis(&0));
        memory.keep_head(&head(), memory.basis(&0)).unwrap();
    }
    assert_eq!(storage.list("heads").unwrap().len(), heads::KEPT);
    let there: Vec<bool> = bases
        .iter()
        .map(|basis| memory.head(*basis).is_some())
        .collect();
    assert_eq!(there, [false, false, true, true, true, true]);
    damage(&*storage, "heads/0000000005");
    assert_eq!(memory.head(bases[5]), None);
    assert!(memory.head(bases[4]).is_some());
}

#[test]
fn going_back_sets_what_came_since_aside_and_it_can_be_taken_back() {
    let storage = ram();
    let mut memory = open(&storage, "net", 2).unwrap();
    for count in 1..4 {
        memory.add_burst("car", burst(count)).unwrap();
        memory.keep_head(&head(), memory.basis(&0)).unwrap();
    }
    let second = memory.head(memory.basis(&0));
    assert!(second.is_some());
    assert_eq!(memory.roll_back().unwrap(), 3);
    let mut memory = open(&storage, "net", 2).unwrap();
    assert_eq!((memory.len(), memory.all().count()), (3, 3));
    assert!(memory.aside(2).unwrap().contains("went back"));
    // That head needs no fitting.
    assert!(memory.head(memory.basis(&0)).is_some());
    assert_eq!(memory.roll_back().unwrap(), 2);
    let error = memory.roll_back().unwrap_err();
    assert!(matches!(error, MemoryError::NoEarlierHead), "{error}");
    memory.set_aside(&[1, 2], None).unwrap();
    assert_eq!(memory.len(), 6);
    memory.undo().unwrap();
    assert_eq!(memory.len(), 3);
}

#[test]
fn a_burst_that_is_set_aside_is_never_learned_from() {
    let storage = ram();
    let mut memory = open(&storage, "net", 2).unwrap();
    memory.add_burst("car", burst(2)).unwrap();
    assert_eq!(memory.add_aside("car", burst(3), "refused").unwrap(), 1);
    let mut memory = open(&storage, "net", 2).unwrap();
    assert_eq!((memory.len(), memory.all().count()), (2, 2));
    assert_eq!(memory.aside(1), Some("refused"));
    assert_eq!(memory.undo().unwrap(), Some(("car".into(), 2)));
    assert_eq!(memory.remove_bursts(&[1, 7, 1]).unwrap(), 3);
    assert_eq!(memory.all().count(), 0);
}

#[test]
fn when_it_is_full_the_oldest_of_the_fullest_class_goes_and_the_floor_stays() {
    let storage = ram();
    let limits = Limits {
        samples: 20,
        floor: 4,
    };
    let mut memory = Memory::open(storage, "", "net", 2, limits).unwrap();
    memory.add_aside("bird", burst(2), "refused").unwrap();
    for class in ["car", "bird", "car", "car"] {
        assert!(memory.add_burst(class, burst(4)).unwrap().lost.is_empty());
    }
    let lost = |class: &str, count| vec![(class.to_owned(), count)];
    // What is not learned from goes first.
    assert_eq!(
        memory.add_burst("bird", burst(4)).unwrap().lost,
        lost("bird", 2)
    );
    assert_eq!(
        memory.add_burst("bird", burst(4)).unwrap().lost,
        lost("car", 4)
    );
    let numbers: Vec<u32> = memory.all().map(|burst| burst.number).collect();
    assert_eq!(numbers, [2, 3, 4, 5, 6]);
    // What is only kept takes nothing from what is learned.
    let error = memory.add_aside("car", burst(1), "refused").unwrap_err();
    assert!(matches!(error, MemoryError::Full { .. }), "{error}");
    let error = memory.add_burst("tram", burst(17)).unwrap_err();
    assert!(
        error.disk_is_full() && error.to_string().contains("memory.samples"),
        "{error}"
    );
    assert_eq!((memory.len(), classes(&memory)), (20, vec!["bird", "car"]));
}

#[test]
fn limits_out_of_range_are_named() {
    let wrong = |samples, floor| Limits { samples, floor }.check().unwrap_err();
    assert!(wrong(9, 1).starts_with("memory.samples:"));
    assert!(wrong(100, 101).starts_with("memory.floor:"));
    Limits::default().check().unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// Whatever is in the files, reading them is no panic, and what is whole is read.
    #[test]
    fn any_bytes_are_read_or_refused(
        place in 0usize..3,
        cut in any::<prop::sample::Index>(),
        change in any::<(prop::sample::Index, u8)>(),
        sealed_anew: bool,
    ) {
        let storage = ram();
        let mut memory = open(&storage, "net", 2).unwrap();
        memory.add_burst("car", burst(2)).unwrap();
        memory.keep_head(&head(), memory.basis(&0)).unwrap();
        let path = [TABLE, "bursts/0000000000", "heads/0000000000"][place];
        let mut bytes = get(&*storage, path, 1 << 20).unwrap().unwrap();
        let at = change.0.index(bytes.len());
        bytes[at] = change.1;
        bytes.truncate(cut.index(bytes.len() + 1).max(at + 1));
        if sealed_anew && bytes.len() > 46 {
            // As somebody would who means harm: the frame says that all is well.
            let payload = (bytes.len() - 46) as u64;
            bytes[6..14].copy_from_slice(&payload.to_le_bytes());
            let sum = lastlayer_shared::file::sum(&[&bytes[..14], &bytes[46..]].concat());
            bytes[14..46].copy_from_slice(&sum);
        }
        put(&*storage, path, &bytes).unwrap();
        if let Ok(memory) = open(&storage, "net", 2) {
            memory.head(memory.basis(&0));
            prop_assert!(memory.len() <= 2);
        }
    }
}
