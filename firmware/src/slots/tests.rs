use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use super::{
    fake::{Board, PACKAGES, open, samples},
    *,
};
use crate::storage::Ram;

/// Places of packages in `PACKAGES`; the version is one more.
const FIRST: usize = 0;
const SAME_NETWORK: usize = 1;
const OTHER_NETWORK: usize = 2;
const WORSE: usize = 3;
const BROKEN: usize = 4;
const LAST: usize = 5;
const FATAL: usize = 6;

fn ram() -> Arc<Ram> {
    Arc::new(Ram::default())
}

fn start(storage: &Arc<Ram>, offer: usize) -> Board {
    open(storage, offer).unwrap_or_else(|error| panic!("{error}"))
}

/// Teaches a burst of two.
fn teach(board: &mut Board, class: &str, next: &mut u32) {
    let network = PACKAGES[version(board) as usize - 1].0;
    board
        .memory
        .add_burst(class, samples(next, 2, network))
        .unwrap();
}

fn version(board: &Board) -> u64 {
    board.slots.running().unwrap().version
}

/// The numbers of all samples, and of the network that they were looked at with.
fn seen(board: &Board) -> Vec<(u32, u8)> {
    let samples = board.memory.all().flat_map(|burst| &burst.samples);
    let number = |sample: &crate::memory::Kept| {
        let [number, network] = sample.embedding[..] else {
            panic!("{sample:?}");
        };
        (number.to_f32() as u32, network.to_f32() as u8)
    };
    samples.map(number).collect()
}

/// A board with the first package that was taught two bursts.
fn taught(storage: &Arc<Ram>, next: &mut u32) -> Board {
    let mut board = start(storage, FIRST);
    teach(&mut board, "car", next);
    teach(&mut board, "bird", next);
    board
}

/// Changes the last crop of a burst's file; what the file was.
fn rot(storage: &Arc<Ram>, path: &str) -> Vec<u8> {
    let good = get(&**storage, path, 1 << 20).unwrap().unwrap();
    let mut bytes = good.clone();
    *bytes.last_mut().unwrap() ^= 1;
    put(&**storage, path, &bytes).unwrap();
    good
}

fn refusal(board: &Board) -> &str {
    match &board.news[..] {
        [News::Refused { running, why }] if *running == version(board) => why,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_new_package_takes_over_what_was_taught() {
    let (storage, mut next) = (ram(), 0);
    drop(taught(&storage, &mut next));
    let board = start(&storage, SAME_NETWORK);
    assert_eq!(
        board.news,
        [News::Installed {
            version: 2,
            samples: 4,
            proves: true
        }]
    );
    assert_eq!(seen(&board), [(1, 1), (2, 1), (3, 1), (4, 1)]);
    assert_eq!(board.slots.before().unwrap().version, 1);
    drop(board);
    let mut board = start(&storage, SAME_NETWORK);
    board.slots.prove().unwrap();
    assert!(names(&*storage, "a/bursts").unwrap().is_empty());
    drop(board);
    let board = start(&storage, OTHER_NETWORK);
    assert_eq!(version(&board), 3);
    assert_eq!(seen(&board), [(1, 2), (2, 2), (3, 2), (4, 2)]);
    let classes: Vec<&str> = board.memory.classes().collect();
    assert_eq!(classes, ["car", "bird"]);
}

#[test]
fn a_package_that_has_not_proved_itself_makes_room_for_the_next_one() {
    let (storage, mut next) = (ram(), 0);
    drop(taught(&storage, &mut next));
    let mut board = start(&storage, SAME_NETWORK);
    teach(&mut board, "car", &mut next);
    drop(board);
    // Not for one that may not follow it.
    assert_eq!(version(&start(&storage, FIRST)), 2);
    let board = start(&storage, OTHER_NETWORK);
    assert!(
        matches!(
            &board.news[..],
            [
                News::Back {
                    version: 1,
                    of: 2,
                    ..
                },
                News::Installed {
                    version: 3,
                    samples: 6,
                    proves: true
                }
            ]
        ),
        "{:?}",
        board.news
    );
    assert_eq!(board.slots.before().unwrap().version, 1);
    assert!(board.slots.refused().is_empty());
}

#[test]
fn the_first_package_has_nothing_to_prove() {
    let board = start(&ram(), FIRST);
    let installed = News::Installed {
        version: 1,
        samples: 0,
        proves: false,
    };
    assert_eq!(board.news, [installed]);
    assert!(board.slots.proving().is_none() && board.slots.before().is_none());
    let nothing = open(&ram(), BROKEN).err().unwrap().to_string();
    assert_eq!(nothing, "offered: its self-test fails");
}

#[test]
fn a_package_that_ends_the_program_three_times_goes_and_what_was_taught_stays() {
    let (storage, mut next) = (ram(), 0);
    drop(taught(&storage, &mut next));
    let mut board = start(&storage, OTHER_NETWORK);
    teach(&mut board, "tram", &mut next);
    board.memory.rename(None, "car", "taxi").unwrap();
    drop(board);
    for _ in 0..2 {
        let board = start(&storage, OTHER_NETWORK);
        assert_eq!((version(&board), &board.news[..]), (3, &[][..]));
    }
    let board = start(&storage, OTHER_NETWORK);
    let [
        News::Back {
            version: 1,
            of: 3,
            why,
            ..
        },
    ] = &board.news[..]
    else {
        panic!("{:?}", board.news);
    };
    assert!(why.contains("ended the program 3 times"), "{why}");
    let all = [(1, 1), (2, 1), (3, 1), (4, 1), (5, 1), (6, 1)];
    assert_eq!(seen(&board), all);
    let classes: Vec<&str> = board.memory.classes().collect();
    assert_eq!(classes, ["taxi", "bird", "tram"]);
    drop(board);
    // It is not tried again, until somebody says so.
    let mut board = start(&storage, OTHER_NETWORK);
    assert!(refusal(&board).contains("ended the program 3 times"));
    assert_eq!(board.slots.pardon().unwrap(), 1);
    drop(board);
    assert_eq!(version(&start(&storage, OTHER_NETWORK)), 3);
}

#[test]
fn a_program_that_ends_in_order_counts_against_nobody() {
    let storage = ram();
    drop(taught(&storage, &mut 0));
    for _ in 0..10 {
        let mut board = start(&storage, SAME_NETWORK);
        assert_eq!(version(&board), 2);
        board.slots.end_well().unwrap();
        // Once is once.
        board.slots.end_well().unwrap();
    }
    for _ in 0..3 {
        assert_eq!(version(&start(&storage, SAME_NETWORK)), 2);
    }
    assert_eq!(version(&start(&storage, SAME_NETWORK)), 1);
}

#[test]
fn a_package_that_does_not_do_changes_nothing() {
    let storage = ram();
    drop(taught(&storage, &mut 0));
    for (offer, expected) in [
        (WORSE, "offered: it is worse"),
        (BROKEN, "offered: its self-test fails"),
    ] {
        let board = start(&storage, offer);
        assert_eq!((version(&board), refusal(&board)), (1, expected));
        assert_eq!(seen(&board), [(1, 1), (2, 1), (3, 1), (4, 1)]);
        drop(board);
        let again = start(&storage, offer);
        assert!(refusal(&again).contains("it was refused: "));
        assert!(names(&*storage, "b").unwrap().len() <= 2);
    }
    drop(start(&storage, LAST));
    let mut board = start(&storage, LAST);
    board.slots.prove().unwrap();
    assert_eq!(refusal(&start(&storage, FIRST)), "offered: older");
}

#[test]
fn a_package_that_ends_the_program_when_it_is_installed_is_given_up() {
    let storage = ram();
    drop(taught(&storage, &mut 0));
    for _ in 0..3 {
        let ended = catch_unwind(AssertUnwindSafe(|| drop(open(&storage, FATAL))));
        assert!(ended.is_err());
    }
    let board = start(&storage, FATAL);
    assert!(refusal(&board).contains("3 times while it was installed"));
    assert_eq!(seen(&board).len(), 4);
}

#[test]
fn a_person_can_go_back() {
    let (storage, mut next) = (ram(), 0);
    let mut board = taught(&storage, &mut next);
    assert_eq!(board.slots.go_back("by hand").unwrap(), None);
    drop(board);
    let mut board = start(&storage, OTHER_NETWORK);
    board.slots.prove().unwrap();
    teach(&mut board, "car", &mut next);
    let before = board.slots.go_back("by hand").unwrap();
    assert_eq!(before.unwrap().version, 1);
    board.slots.end_well().unwrap();
    drop(board);
    let board = start(&storage, OTHER_NETWORK);
    assert!(
        matches!(&board.news[..], [News::Back { version: 1, why, .. }] if why == "by hand"),
        "{:?}",
        board.news
    );
    assert_eq!(seen(&board).len(), 6);
}

#[test]
fn a_damaged_package_is_mended_or_the_one_before_comes_back() {
    let (storage, mut next) = (ram(), 0);
    drop(taught(&storage, &mut next));
    let mut board = start(&storage, SAME_NETWORK);
    board.slots.prove().unwrap();
    teach(&mut board, "car", &mut next);
    drop(board);
    put(&*storage, "b/package", b"rotten").unwrap();
    let board = start(&storage, SAME_NETWORK);
    assert!(matches!(&board.news[..], [News::Note { text }] if text.contains("copied again")));
    assert_eq!((version(&board), seen(&board).len()), (2, 6));
    drop(board);
    put(&*storage, "b/package", b"rotten").unwrap();
    let board = start(&storage, FIRST);
    assert!(
        matches!(&board.news[..], [News::Back { version: 1, why, .. }] if why.contains("damaged")),
        "{:?}",
        board.news
    );
    assert_eq!((version(&board), seen(&board).len()), (1, 6));
    drop(board);
    // There is none before any more: the memory stays for the next package that is offered.
    put(&*storage, "a/package", b"rotten").unwrap();
    let both = open(&storage, BROKEN).err().unwrap().to_string();
    assert_eq!(
        both,
        "the installed package: the package's file is damaged; the offered one: offered: its \
         self-test fails"
    );
    let board = start(&storage, OTHER_NETWORK);
    assert_eq!((version(&board), seen(&board).len()), (3, 6));
    assert!(board.slots.proving().is_none());
}

#[test]
fn a_lost_record_is_made_again() {
    for (proved, taught_since) in [(false, false), (true, false), (true, true)] {
        let (storage, mut next) = (ram(), 0);
        drop(taught(&storage, &mut next));
        let mut board = start(&storage, OTHER_NETWORK);
        if proved {
            board.slots.prove().unwrap();
        }
        if taught_since {
            teach(&mut board, "car", &mut next);
        }
        let before = seen(&board);
        drop(board);
        put(&*storage, RECORD, b"rotten").unwrap();
        let board = start(&storage, OTHER_NETWORK);
        assert!(matches!(&board.news[0], News::Note { text } if text.contains("made again")));
        assert_eq!((version(&board), seen(&board)), (3, before));
    }
    // A newer program's is left alone.
    let storage = ram();
    drop(taught(&storage, &mut 0));
    let newer = framed::Kind {
        version: KIND.version + 1,
        ..KIND
    };
    put(&*storage, RECORD, &framed::seal(newer, &1u8).unwrap()).unwrap();
    let error = open(&storage, FIRST).err().unwrap().to_string();
    assert!(error.contains("of version 2"), "{error}");
}

#[test]
fn a_burst_that_cannot_be_looked_at_keeps_the_package_that_knows_it() {
    let (storage, mut next) = (ram(), 0);
    drop(taught(&storage, &mut next));
    // A crop of the second burst rots.
    rot(&storage, "a/bursts/0000000001");
    let board = start(&storage, OTHER_NETWORK);
    let why = refusal(&board);
    assert!(
        why.contains("samples remove 1") && why.contains("checksum"),
        "{why}"
    );
    assert_eq!(seen(&board).len(), 4);
    drop(board);
    // The same network needs no look.
    let mut board = start(&storage, SAME_NETWORK);
    assert_eq!((version(&board), seen(&board).len()), (2, 4));
    board.slots.prove().unwrap();
    // And going back nothing is lost either.
    board.memory.remove_bursts(&[1]).unwrap();
    drop(board);
    assert_eq!(version(&start(&storage, OTHER_NETWORK)), 3);
}

#[test]
fn what_an_older_program_kept_is_not_misread() {
    for name in OLD {
        let storage = ram();
        put(&*storage, name, b"1").unwrap();
        let error = open(&storage, FIRST).err().unwrap().to_string();
        assert!(error.contains("an older lastlayerd"), "{error}");
    }
}

#[test]
fn a_record_that_is_lost_is_not_taken_for_a_new_board() {
    let (storage, mut next) = (ram(), 0);
    drop(taught(&storage, &mut next));
    storage.remove(RECORD).unwrap();
    let board = start(&storage, OTHER_NETWORK);
    assert!(matches!(&board.news[0], News::Note { text } if text.contains("made again")));
    assert_eq!(seen(&board).len(), 4);
}

#[test]
fn moving_that_was_under_way_is_not_taken_for_done_where_the_record_is_lost() {
    let (storage, mut next) = (ram(), 0);
    drop(taught(&storage, &mut next));
    // The second burst cannot be moved, so the first one alone is there.
    let path = "a/bursts/0000000001";
    let good = rot(&storage, path);
    drop(start(&storage, OTHER_NETWORK));
    assert_eq!(names(&*storage, "b/bursts").unwrap().len(), 1);
    put(&*storage, path, &good).unwrap();
    put(&*storage, RECORD, b"rotten").unwrap();
    let board = start(&storage, FIRST);
    assert_eq!((version(&board), seen(&board).len()), (1, 4));
}

#[test]
fn a_burst_that_is_damaged_in_the_new_slot_comes_back_whole() {
    for damaged in ["b/bursts/0000000001", "b/table"] {
        let (storage, mut next) = (ram(), 0);
        let mut board = taught(&storage, &mut next);
        board.memory.set_aside(&[0], Some("by hand")).unwrap();
        drop(board);
        let mut board = start(&storage, OTHER_NETWORK);
        teach(&mut board, "car", &mut next);
        drop(board);
        put(&*storage, damaged, b"rotten").unwrap();
        for _ in 0..2 {
            drop(start(&storage, OTHER_NETWORK));
        }
        let board = start(&storage, OTHER_NETWORK);
        let back = board.news.last().unwrap();
        assert!(matches!(back, News::Back { version: 1, .. }), "{back:?}");
        assert_eq!(seen(&board).len(), 6, "{damaged}");
        assert_eq!(board.memory.aside(0), Some("by hand"), "{damaged}");
        // What was damaged is kept for who can read it.
        assert!(storage.size(&format!("{damaged}.damaged")).is_ok());
    }
}

#[test]
fn a_number_that_is_used_again_is_the_new_burst() {
    let (storage, mut next) = (ram(), 0);
    drop(taught(&storage, &mut next));
    let path = "a/bursts/0000000000";
    let good = rot(&storage, path);
    // Held up by the first burst; the second one is there already, and then undone.
    let mut board = start(&storage, OTHER_NETWORK);
    assert!(refusal(&board).contains("burst 0"));
    board.memory.undo().unwrap();
    drop(board);
    let mut board = start(&storage, OTHER_NETWORK);
    teach(&mut board, "tram", &mut next);
    drop(board);
    put(&*storage, path, &good).unwrap();
    for _ in 0..2 {
        let mut board = start(&storage, OTHER_NETWORK);
        assert_eq!(version(&board), 3);
        assert_eq!(seen(&board), [(1, 2), (2, 2), (5, 2), (6, 2)]);
        board.slots.end_well().unwrap();
    }
}

#[test]
fn going_back_leaves_only_the_samples_behind_that_cannot_be_looked_at() {
    let (storage, mut next) = (ram(), 0);
    drop(taught(&storage, &mut next));
    let mut board = start(&storage, OTHER_NETWORK);
    board.slots.prove().unwrap();
    teach(&mut board, "car", &mut next);
    board.slots.go_back("by hand").unwrap();
    drop(board);
    let path = "b/bursts/0000000002";
    rot(&storage, path);
    let board = start(&storage, OTHER_NETWORK);
    let Some(News::Back { left, .. }) = board.news.last() else {
        panic!("{:?}", board.news);
    };
    assert_eq!(left.len(), 1);
    assert_eq!(seen(&board), [(1, 1), (2, 1), (3, 1), (4, 1), (5, 1)]);
    assert!(storage.size(path).is_ok());
}
