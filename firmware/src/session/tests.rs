use super::*;
use lastlayer_shared::frame::Frame;
use proptest::prelude::*;

/// Every frame is as good as any other here.
const RULES: Rules = Rules {
    burst: burst::Settings {
        frames: 4,
        seconds: 2.0,
        fewest: 2,
        sharpness: 0.0,
        change: 0.0,
    },
    long_press: Duration::from_secs(2),
};

pub(super) fn session(classes: usize) -> Session {
    Session::new(RULES, names(classes))
}

pub(super) fn names(count: usize) -> Arc<Vec<String>> {
    Arc::new((0..count).map(|class| format!("c{class}")).collect())
}

pub(super) fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

fn edge(button: ButtonName, down: bool, at: u64) -> Edge {
    Edge {
        button,
        down,
        at: ms(at),
    }
}

pub(super) fn frame() -> Shot {
    Shot {
        crop: Frame::new(1, 1, vec![0; 3]).unwrap(),
        embedding: Some(vec![1.0]),
    }
}

fn selected(index: usize) -> Action {
    Action::Selected {
        index,
        class: format!("c{index}"),
    }
}

/// Ten frames a second from `from` to `to`; all actions with their times.
fn run(session: &mut Session, from: u64, to: u64) -> Vec<(u64, Action)> {
    let mut actions = Vec::new();
    for t in (from..to).step_by(100) {
        session.frame(frame());
        actions.extend(session.tick(ms(t)).into_iter().map(|action| (t, action)));
    }
    actions
}

#[test]
fn a_short_press_learns_a_full_burst() {
    let mut session = session(2);
    assert!(session.edge(edge(ButtonName::Teach, true, 0)).is_empty());
    assert_eq!(session.state(), State::Collecting);
    session.edge(edge(ButtonName::Teach, false, 100));
    let actions = run(&mut session, 100, 2000);
    let [(400, Action::Learn { class, shots, .. })] = actions.as_slice() else {
        panic!("{actions:?}");
    };
    assert_eq!((class.as_str(), shots.len()), ("c0", 4));
    assert_eq!(session.state(), State::Training);
    session.finished();
    assert_eq!(session.state(), State::Watching);
}

#[test]
fn a_held_button_waits_and_a_long_one_undoes() {
    let mut session = session(2);
    session.edge(edge(ButtonName::Teach, true, 0));
    assert!(run(&mut session, 0, 1900).is_empty());
    session.edge(edge(ButtonName::Teach, false, 1900));
    let actions = run(&mut session, 1900, 2000);
    assert!(
        matches!(actions.as_slice(), [(1900, Action::Learn { .. })]),
        "{actions:?}"
    );
    session.finished();
    session.edge(edge(ButtonName::Teach, true, 5000));
    let actions = run(&mut session, 5000, 9000);
    assert_eq!(actions, [(7000, Action::Undo)]);
}

#[test]
fn a_long_press_is_long_even_if_nobody_looked_meanwhile() {
    let mut session = session(2);
    session.edge(edge(ButtonName::Teach, true, 0));
    (0..9).for_each(|_| session.frame(frame()));
    assert_eq!(
        session.edge(edge(ButtonName::Teach, false, 2100)),
        [Action::Undo]
    );
    session.finished();
    session.edge(edge(ButtonName::Next, true, 3000));
    assert_eq!(
        session.edge(edge(ButtonName::Next, false, 5100)),
        [Action::AddClass]
    );
}

#[test]
fn a_camera_that_gives_nothing_is_refused_and_then_watched_again() {
    let mut session = session(2);
    session.edge(edge(ButtonName::Teach, true, 0));
    session.edge(edge(ButtonName::Teach, false, 50));
    session.frame(frame());
    assert!(session.tick(ms(1999)).is_empty());
    let actions = session.tick(ms(2000));
    let reason = Refusal::TooFewFrames {
        frames: 1,
        fewest: 2,
        skipped: Skipped::default(),
    };
    assert_eq!(actions, [Action::Refused { reason }]);
    assert_eq!(session.state(), State::Refusing);
    session.tick(ms(3500));
    assert_eq!(session.state(), State::Watching);
}

#[test]
fn the_end_finishes_a_released_burst_and_drops_a_held_one() {
    let mut session = session(2);
    session.edge(edge(ButtonName::Teach, true, 0));
    (0..3).for_each(|_| session.frame(frame()));
    let reason = Refusal::Held;
    assert_eq!(session.stop(ms(150)), [Action::Refused { reason }]);
    session.edge(edge(ButtonName::Teach, true, 1000));
    session.edge(edge(ButtonName::Teach, false, 1100));
    (0..3).for_each(|_| session.frame(frame()));
    let actions = session.stop(ms(1150));
    assert!(
        matches!(actions.as_slice(), [Action::Learn { class, shots, .. }] if class == "c0" && shots.len() == 3),
        "{actions:?}"
    );
    session.finished();
    assert!(session.stop(ms(1200)).is_empty());
}

#[test]
fn next_goes_round_and_held_adds_a_class() {
    let mut session = session(2);
    let mut tap = |at| {
        session.edge(edge(ButtonName::Next, true, at));
        session.edge(edge(ButtonName::Next, false, at + 100))
    };
    assert_eq!(tap(0), [selected(1)]);
    assert_eq!(tap(500), [selected(0)]);
    session.edge(edge(ButtonName::Next, true, 1000));
    assert_eq!(run(&mut session, 1000, 4000), [(3000, Action::AddClass)]);
    session.classes_are(names(3), 0);
    session.select("c2");
    session.finished();
    assert_eq!(session.selected(), Some("c2"));
    assert!(session.edge(edge(ButtonName::Next, false, 4000)).is_empty());
}

#[test]
fn without_classes_a_press_says_what_to_do() {
    let mut session = session(0);
    assert_eq!(session.selected(), None);
    session.edge(edge(ButtonName::Teach, true, 0));
    session.edge(edge(ButtonName::Teach, false, 100));
    let actions = run(&mut session, 0, 1000);
    let reason = Refusal::NoClass;
    assert_eq!(actions, [(300, Action::Refused { reason })]);
}

#[test]
fn a_press_during_training_is_refused_and_harms_nothing() {
    let mut session = session(2);
    session.edge(edge(ButtonName::Teach, true, 0));
    session.edge(edge(ButtonName::Teach, false, 100));
    run(&mut session, 0, 1000);
    let reason = Refusal::Busy;
    assert_eq!(
        session.edge(edge(ButtonName::Teach, true, 1000)),
        [Action::Refused { reason }]
    );
    session.edge(edge(ButtonName::Teach, false, 1100));
    assert_eq!(session.state(), State::Training);
    assert!(matches!(
        session.failed(ms(1200), "full".into()),
        Action::Refused { .. }
    ));
    assert_eq!(session.state(), State::Refusing);
}

#[test]
fn a_button_of_a_class_teaches_it_at_once_and_undo_needs_no_holding() {
    let mut session = session(3);
    session.edge(edge(ButtonName::Class(2), true, 0));
    assert_eq!(session.collecting(), Some("c2"));
    // Held or not, the burst ends when it is full.
    let actions = run(&mut session, 100, 2000);
    assert!(
        matches!(actions.as_slice(), [(400, Action::Learn { class, .. })] if class == "c2"),
        "{actions:?}"
    );
    session.finished();
    session.edge(edge(ButtonName::Class(2), false, 2100));
    let undo = |session: &mut Session, at| session.edge(edge(ButtonName::Undo, true, at));
    assert_eq!(undo(&mut session, 3000), [Action::Undo]);
    let reason = Refusal::Busy;
    assert_eq!(undo(&mut session, 3100), [Action::Refused { reason }]);
    session.finished();
    // Pressed in the middle of a burst it drops the burst, not the one before.
    session.edge(edge(ButtonName::Class(1), true, 4000));
    session.frame(frame());
    let reason = Refusal::Undone;
    assert_eq!(undo(&mut session, 4100), [Action::Refused { reason }]);
    assert!(run(&mut session, 4200, 7000).is_empty());
    let reason = Refusal::NoClassOfButton(ButtonName::Class(3));
    let actions = session.edge(edge(ButtonName::Class(3), true, 8000));
    assert_eq!(actions, [Action::Refused { reason }]);
    // A wire's button goes by its class's name, wherever that stands when the press is looked at.
    let wire = ButtonName::OfClass("c2".into());
    session.classes_are(Arc::new(vec!["c2".into()]), 0);
    session.edge(edge(wire.clone(), true, 9000));
    assert_eq!(session.collecting(), Some("c2"));
    run(&mut session, 9000, 12000);
    session.finished();
    session.classes_are(names(2), 0);
    let reason = Refusal::NoClassOfButton(wire.clone());
    let actions = session.edge(edge(wire, true, 13_000));
    assert_eq!(actions, [Action::Refused { reason }]);
}

#[test]
fn what_is_selected_stays_selected_and_a_burst_keeps_its_class() {
    let mut session = session(3);
    let mut tap = |button: ButtonName, at| {
        session.edge(edge(button.clone(), true, at));
        session.edge(edge(button, false, at + 100))
    };
    assert_eq!(tap(ButtonName::Next, 0), [selected(1)]);
    tap(ButtonName::Teach, 1000);
    // Selecting goes on while the burst runs, and does not change what it teaches.
    assert_eq!(tap(ButtonName::Next, 1200), [selected(2)]);
    let actions = run(&mut session, 1400, 2500);
    assert!(
        matches!(actions.as_slice(), [(_, Action::Learn { class, .. })] if class == "c1"),
        "{actions:?}"
    );
    // The first class was removed.
    session.classes_are(Arc::new(vec!["c1".into(), "c2".into()]), 0);
    session.finished();
    assert_eq!(session.selected(), Some("c2"));
    session.classes_are(Arc::new(vec!["c1".into()]), 0);
    assert_eq!(session.selected(), Some("c1"));
    session.classes_are(Arc::default(), 0);
    assert_eq!(session.selected(), None);
}

#[test]
fn a_refusal_says_what_to_do() {
    let refusal = |still, blurred| {
        let skipped = Skipped { still, blurred };
        let refusal = Refusal::TooFewFrames {
            frames: 1,
            fewest: 3,
            skipped,
        };
        refusal.to_string()
    };
    assert!(refusal(9, 0).ends_with("move the object a little and press again"));
    assert!(refusal(1, 5).contains("move more slowly"));
    assert!(refusal(0, 0).contains("burst.seconds"));
}

#[derive(Clone, Debug)]
enum Step {
    Press(ButtonName),
    Release(ButtonName),
    /// A contact that closes and opens this often, 3 ms apart.
    Bounce(ButtonName, u64),
    Wait(u64),
    Frames(u64),
    Finish,
    Fail,
    /// Somebody else removed or added classes.
    Classes(usize),
}

fn button() -> impl Strategy<Value = ButtonName> {
    prop_oneof![
        Just(ButtonName::Teach),
        Just(ButtonName::Next),
        Just(ButtonName::Undo),
        (0usize..4).prop_map(ButtonName::Class),
        (0usize..4).prop_map(|class| ButtonName::OfClass(format!("c{class}").into())),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    /// Whatever is pressed and whenever training ends: every burst that was collected is either
    /// handed on whole or refused aloud, and when all is quiet the session watches again.
    #[test]
    fn no_story_gets_it_stuck(steps in proptest::collection::vec(prop_oneof![
        button().prop_map(Step::Press),
        button().prop_map(Step::Release),
        (button(), 1u64..9).prop_map(|(button, times)| Step::Bounce(button, times)),
        (0u64..3000).prop_map(Step::Wait),
        (0u64..12).prop_map(Step::Frames),
        Just(Step::Finish),
        Just(Step::Fail),
        (0usize..5).prop_map(Step::Classes),
    ], 0..60), classes in 0usize..4) {
        let mut session = session(classes);
        let (mut now, mut outstanding, mut classes) = (0u64, false, classes);
        for step in steps {
            let mut actions = match step {
                Step::Press(button) => session.edge(edge(button, true, now)),
                Step::Release(button) => session.edge(edge(button, false, now)),
                Step::Bounce(button, times) => {
                    let mut actions = Vec::new();
                    for level in (0..times).flat_map(|_| [true, false]) {
                        actions.extend(session.edge(edge(button.clone(), level, now)));
                        now += 3;
                    }
                    actions
                }
                Step::Classes(count) => {
                    classes = count;
                    session.classes_are(names(count), 0);
                    Vec::new()
                }
                Step::Wait(time) => { now += time; Vec::new() }
                Step::Frames(count) => { (0..count).for_each(|_| session.frame(frame())); Vec::new() }
                Step::Finish if outstanding => {
                    outstanding = false;
                    session.finished();
                    Vec::new()
                }
                Step::Fail if outstanding => {
                    outstanding = false;
                    vec![session.failed(ms(now), "no".into())]
                }
                _ => Vec::new(),
            };
            actions.extend(session.tick(ms(now)));
            for action in actions {
                match action {
                    Action::Learn { class, shots, .. } => {
                        prop_assert!(!class.is_empty());
                        prop_assert!((2..=4).contains(&shots.len()));
                        prop_assert!(!std::mem::replace(&mut outstanding, true));
                    }
                    Action::Undo => prop_assert!(!std::mem::replace(&mut outstanding, true)),
                    Action::AddClass => {
                        prop_assert!(!std::mem::replace(&mut outstanding, true));
                        classes += 1;
                        session.classes_are(names(classes), 0);
                    }
                    Action::Selected { index, .. } => prop_assert!(index < classes),
                    Action::Refused { .. } => {}
                }
            }
            prop_assert_eq!(session.state() == State::Training, outstanding);
        }
        if outstanding {
            session.finished();
        }
        for name in [ButtonName::Teach, ButtonName::Next] {
            session.edge(edge(name, false, now));
        }
        for _ in 0..100 {
            if session.state() == State::Training {
                session.finished();
            }
            now += 100;
            session.tick(ms(now));
        }
        prop_assert_eq!(session.state(), State::Watching);
    }
}
