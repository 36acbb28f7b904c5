use super::*;
use proptest::prelude::*;

const RULES: BurstRules = BurstRules {
    full: 4,
    longest: Duration::from_secs(2),
    fewest: 2,
};

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

fn edge(button: ButtonName, down: bool, at: u64) -> Edge {
    Edge {
        button,
        down,
        at: ms(at),
    }
}

fn frame() -> Frame {
    Frame::new(1, 1, vec![0; 3]).unwrap()
}

/// Ten frames a second from `from` to `to`; all actions with their times.
fn run(session: &mut Session, from: u64, to: u64) -> Vec<(u64, Action)> {
    let mut actions = Vec::new();
    for t in (from..to).step_by(100) {
        session.frame(&frame());
        actions.extend(session.tick(ms(t)).into_iter().map(|action| (t, action)));
    }
    actions
}

#[test]
fn a_short_press_learns_a_full_burst() {
    let mut session = Session::new(RULES, 2);
    assert!(session.edge(edge(ButtonName::Teach, true, 0)).is_empty());
    assert_eq!(session.state(), State::Collecting);
    session.edge(edge(ButtonName::Teach, false, 100));
    let actions = run(&mut session, 100, 2000);
    let [(400, Action::Learn { class: 0, crops })] = actions.as_slice() else {
        panic!("{actions:?}");
    };
    assert_eq!(crops.len(), 4);
    assert_eq!(session.state(), State::Training);
    session.finished(2, false);
    assert_eq!(session.state(), State::Watching);
}

#[test]
fn a_held_button_waits_and_a_long_one_undoes() {
    let mut session = Session::new(RULES, 2);
    session.edge(edge(ButtonName::Teach, true, 0));
    assert!(run(&mut session, 0, 1900).is_empty());
    session.edge(edge(ButtonName::Teach, false, 1900));
    let actions = run(&mut session, 1900, 2000);
    assert!(
        matches!(actions.as_slice(), [(1900, Action::Learn { .. })]),
        "{actions:?}"
    );
    session.finished(2, false);
    session.edge(edge(ButtonName::Teach, true, 5000));
    let actions = run(&mut session, 5000, 9000);
    assert_eq!(actions, [(7000, Action::Undo)]);
}

#[test]
fn a_long_press_is_long_even_if_nobody_looked_meanwhile() {
    let mut session = Session::new(RULES, 2);
    session.edge(edge(ButtonName::Teach, true, 0));
    (0..9).for_each(|_| session.frame(&frame()));
    assert_eq!(
        session.edge(edge(ButtonName::Teach, false, 2100)),
        [Action::Undo]
    );
    session.finished(2, false);
    session.edge(edge(ButtonName::Next, true, 3000));
    assert_eq!(
        session.edge(edge(ButtonName::Next, false, 5100)),
        [Action::AddClass]
    );
}

#[test]
fn a_camera_that_gives_nothing_is_refused_and_then_watched_again() {
    let mut session = Session::new(RULES, 2);
    session.edge(edge(ButtonName::Teach, true, 0));
    session.edge(edge(ButtonName::Teach, false, 50));
    session.frame(&frame());
    assert!(session.tick(ms(1999)).is_empty());
    let actions = session.tick(ms(2000));
    let reason = Refusal::TooFewFrames {
        frames: 1,
        fewest: 2,
    };
    assert_eq!(actions, [Action::Refused { reason }]);
    assert_eq!(session.state(), State::Refusing);
    session.tick(ms(3500));
    assert_eq!(session.state(), State::Watching);
}

#[test]
fn the_end_finishes_a_released_burst_and_drops_a_held_one() {
    let mut session = Session::new(RULES, 2);
    session.edge(edge(ButtonName::Teach, true, 0));
    (0..3).for_each(|_| session.frame(&frame()));
    let reason = Refusal::Held;
    assert_eq!(session.stop(ms(150)), [Action::Refused { reason }]);
    session.edge(edge(ButtonName::Teach, true, 1000));
    session.edge(edge(ButtonName::Teach, false, 1100));
    (0..3).for_each(|_| session.frame(&frame()));
    let actions = session.stop(ms(1150));
    assert!(
        matches!(actions.as_slice(), [Action::Learn { class: 0, crops }] if crops.len() == 3),
        "{actions:?}"
    );
    session.finished(2, false);
    assert!(session.stop(ms(1200)).is_empty());
}

#[test]
fn next_goes_round_and_held_adds_a_class() {
    let mut session = Session::new(RULES, 2);
    let mut tap = |at| {
        session.edge(edge(ButtonName::Next, true, at));
        session.edge(edge(ButtonName::Next, false, at + 100))
    };
    assert_eq!(tap(0), [Action::Selected { class: 1 }]);
    assert_eq!(tap(500), [Action::Selected { class: 0 }]);
    session.edge(edge(ButtonName::Next, true, 1000));
    assert_eq!(run(&mut session, 1000, 4000), [(3000, Action::AddClass)]);
    session.finished(3, true);
    assert_eq!(session.selected(), Some(2));
    assert!(session.edge(edge(ButtonName::Next, false, 4000)).is_empty());
}

#[test]
fn without_classes_a_press_says_what_to_do() {
    let mut session = Session::new(RULES, 0);
    assert_eq!(session.selected(), None);
    session.edge(edge(ButtonName::Teach, true, 0));
    session.edge(edge(ButtonName::Teach, false, 100));
    let actions = run(&mut session, 0, 1000);
    let reason = Refusal::NoClass;
    assert_eq!(actions, [(300, Action::Refused { reason })]);
}

#[test]
fn a_press_during_training_is_refused_and_harms_nothing() {
    let mut session = Session::new(RULES, 2);
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

#[derive(Clone, Debug)]
enum Step {
    Press(bool),
    Release(bool),
    Wait(u64),
    Frames(u64),
    Finish,
    Fail,
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    /// Whatever is pressed and whenever training ends: every burst that was collected is either
    /// handed on whole or refused aloud, and when all is quiet the session watches again.
    #[test]
    fn no_story_gets_it_stuck(steps in proptest::collection::vec(prop_oneof![
        any::<bool>().prop_map(Step::Press),
        any::<bool>().prop_map(Step::Release),
        (0u64..3000).prop_map(Step::Wait),
        (0u64..12).prop_map(Step::Frames),
        Just(Step::Finish),
        Just(Step::Fail),
    ], 0..60), classes in 0usize..4) {
        let mut session = Session::new(RULES, classes);
        let (mut now, mut outstanding, mut classes) = (0u64, false, classes);
        let button = |teach| if teach { ButtonName::Teach } else { ButtonName::Next };
        for step in steps {
            let mut actions = match step {
                Step::Press(teach) => session.edge(edge(button(teach), true, now)),
                Step::Release(teach) => session.edge(edge(button(teach), false, now)),
                Step::Wait(time) => { now += time; Vec::new() }
                Step::Frames(count) => { (0..count).for_each(|_| session.frame(&frame())); Vec::new() }
                Step::Finish if outstanding => {
                    outstanding = false;
                    session.finished(classes, false);
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
                    Action::Learn { class, crops } => {
                        prop_assert!(class < classes);
                        prop_assert!((RULES.fewest..=RULES.full).contains(&crops.len()));
                        prop_assert!(!std::mem::replace(&mut outstanding, true));
                    }
                    Action::Undo => prop_assert!(!std::mem::replace(&mut outstanding, true)),
                    Action::AddClass => {
                        prop_assert!(!std::mem::replace(&mut outstanding, true));
                        classes += 1;
                    }
                    Action::Selected { class } => prop_assert!(class < classes),
                    Action::Refused { .. } => {}
                }
            }
            prop_assert_eq!(session.state() == State::Training, outstanding);
        }
        if outstanding {
            session.finished(classes, false);
        }
        for name in [ButtonName::Teach, ButtonName::Next] {
            session.edge(edge(name, false, now));
        }
        for _ in 0..100 {
            if session.state() == State::Training {
                session.finished(classes, false);
            }
            now += 100;
            session.tick(ms(now));
        }
        prop_assert_eq!(session.state(), State::Watching);
    }
}
