use super::*;
use lastlayer_shared::{
    head::{Example, Kind},
    view::{Flip, Rotate},
};

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
            embedding: vec![i as f32, 1.0],
            crop: vec![i as u8],
            view: turned(),
        })
        .collect()
}

/// Of two classes.
fn head() -> Head {
    let (a, b) = ([1.0, 0.0], [0.0, 1.0]);
    let example = |embedding, class| Example {
        embedding,
        class,
        burst: 0,
    };
    Head::fit(Kind::Lda, &[example(&a, 0), example(&b, 1)]).unwrap()
}

#[test]
fn a_restart_knows_what_was_taught_and_undo_takes_the_last_burst() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("state");
    {
        let mut memory = Memory::open(Some(&state), "net", 2).unwrap();
        memory.add_burst("car", burst(3)).unwrap();
        memory.add_burst("truck", burst(2)).unwrap();
    }
    let mut memory = Memory::open(Some(&state), "net", 2).unwrap();
    assert_eq!(memory.classes(), ["car", "truck"]);
    let sequence: Vec<u64> = memory.samples().iter().map(|s| s.sequence).collect();
    assert_eq!(sequence, [0, 1, 2, 3, 4]);
    assert!(memory.samples().iter().all(|s| s.view == turned()));
    assert_eq!(memory.undo().unwrap(), Some(("truck".into(), 2)));
    assert_eq!(memory.add_burst("car", burst(1)).unwrap(), 2);
    assert_eq!(memory.samples().last().unwrap().sequence, 5);
    drop(memory);
    let mut memory = Memory::open(Some(&state), "net", 2).unwrap();
    assert_eq!(memory.samples().len(), 4);
    memory.undo().unwrap();
    memory.undo().unwrap();
    assert_eq!(memory.undo().unwrap(), None);
}

#[test]
fn samples_that_cannot_be_read_now_are_not_taken_for_none() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(SAMPLES);
    std::os::unix::fs::symlink(SAMPLES, &path).unwrap();
    let error = Memory::open(Some(folder.path()), "net", 2).err().unwrap();
    assert!(matches!(error, MemoryError::File(_)), "{error}");
    assert!(path.symlink_metadata().unwrap().is_symlink());
}

#[test]
fn samples_of_another_width_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let mut memory = Memory::open(Some(folder.path()), "net", 2).unwrap();
    memory.add_burst("car", burst(1)).unwrap();
    drop(memory);
    let error = Memory::open(Some(folder.path()), "net", 3).err().unwrap();
    assert!(matches!(error, MemoryError::Damaged { .. }), "{error}");
}

#[test]
fn what_a_kill_left_is_cleared_away() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join(".lastlayer-x1y2"), b"half").unwrap();
    Memory::open(Some(folder.path()), "net", 2).unwrap();
    let left = file::list(folder.path()).unwrap();
    assert_eq!(left, [folder.path().join(LOCK)]);
}

#[test]
fn one_program_at_a_time() {
    let folder = tempfile::tempdir().unwrap();
    let first = Memory::open(Some(folder.path()), "net", 2).unwrap();
    let second = Memory::open(Some(folder.path()), "net", 2).err().unwrap();
    assert!(matches!(second, MemoryError::InUse(_)));
    drop(first);
    Memory::open(Some(folder.path()), "net", 2).unwrap();
}

#[test]
fn another_network_and_damage_are_refused_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(SAMPLES);
    Memory::open(Some(folder.path()), "net", 2)
        .unwrap()
        .add_burst("car", burst(3))
        .unwrap();
    let other = Memory::open(Some(folder.path()), "other", 2).err().unwrap();
    assert!(matches!(other, MemoryError::OtherBackbone { .. }));
    let good = std::fs::read(&path).unwrap();
    for cut in [0, 10, good.len() - 1] {
        std::fs::write(&path, &good[..cut]).unwrap();
        let error = Memory::open(Some(folder.path()), "net", 2).err().unwrap();
        assert!(matches!(error, MemoryError::Damaged { .. }), "{error}");
        assert_eq!(std::fs::read(&path).unwrap(), good[..cut]);
    }
}

#[test]
fn a_factory_state_is_for_any_network() {
    let folder = tempfile::tempdir().unwrap();
    let mut memory = Memory::open(Some(folder.path()), "net", 2).unwrap();
    memory.add_burst("car", burst(3)).unwrap();
    memory.forget_all().unwrap();
    drop(memory);
    let mut memory = Memory::open(Some(folder.path()), "other", 7).unwrap();
    assert_eq!(memory.add_burst("car", Vec::new()).unwrap(), 1);
}

#[test]
fn a_head_of_samples_that_were_removed_is_not_used_again() {
    let folder = tempfile::tempdir().unwrap();
    let mut memory = Memory::open(Some(folder.path()), "net", 2).unwrap();
    memory.add_burst("car", burst(2)).unwrap();
    let head = head();
    let classes = ["car".to_owned(), "bird".to_owned()];
    let on = memory.fitted_on("package", &classes);
    memory.keep_head(&head, on).unwrap();
    // The package's birds go, and another class gets their name.
    memory.remove_class(Some("bird"), "bird").unwrap();
    memory.add_class("bird").unwrap();
    assert_eq!(memory.head(&memory.fitted_on("package", &classes)), None);
}

#[test]
fn a_failed_write_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("state");
    let mut memory = Memory::open(Some(&state), "net", 2).unwrap();
    memory.add_burst("car", burst(1)).unwrap();
    std::fs::remove_dir_all(&state).unwrap();
    assert!(memory.add_burst("car", burst(1)).is_err());
    assert_eq!(memory.samples().len(), 1);
}

#[test]
fn a_head_is_used_only_with_what_it_was_fitted_on() {
    let folder = tempfile::tempdir().unwrap();
    let mut memory = Memory::open(Some(folder.path()), "net", 2).unwrap();
    memory.add_burst("car", burst(2)).unwrap();
    let head = head();
    let on = memory.fitted_on("package", &[]);
    memory.keep_head(&head, on.clone()).unwrap();
    assert_eq!(memory.head(&on), Some(head));
    assert_eq!(memory.head(&memory.fitted_on("other package", &[])), None);
    let classes = ["car".to_owned()];
    assert_eq!(memory.head(&memory.fitted_on("package", &classes)), None);
    memory.add_burst("car", burst(1)).unwrap();
    assert_eq!(memory.head(&memory.fitted_on("package", &[])), None);
}
