//! Whole scripts: contacts that bounce, the panel, the session, and a memory, on one clock.

use proptest::prelude::*;

use super::{
    tests::{frame, ms, names, session},
    *,
};
use crate::{
    memory::{Memory, NewSample},
    panel::{Panel, SharedPin},
};

/// A press: which button, how long, how often its contact bounces at either end, the pause after it,
/// and how long training takes that begins meanwhile.
type Press = (usize, u64, u64, u64, u64);

fn press() -> impl Strategy<Value = Press> {
    (0usize..5, 1u64..2500, 0u64..6, 0u64..2500, 0u64..1500)
}

/// A panel, the session and a memory, on a clock of 5 ms.
struct Bench {
    panel: Panel<SharedPin>,
    pins: Vec<SharedPin>,
    session: Session,
    memory: Memory,
    now: u64,
    /// When the job that runs is done.
    working: Option<(u64, Action)>,
    training: u64,
    /// Samples that were learned, burst by burst.
    bursts: Vec<usize>,
}

impl Bench {
    fn new() -> Self {
        let names = [
            ButtonName::Teach,
            ButtonName::Next,
            ButtonName::Undo,
            ButtonName::Class(0),
            ButtonName::OfClass("c2".into()),
        ];
        let pins: Vec<SharedPin> = names.iter().map(|_| SharedPin::released()).collect();
        Self {
            panel: Panel::new(names.into_iter().zip(pins.clone())),
            pins,
            session: session(2),
            memory: Memory::open(None, "net", 1).unwrap(),
            now: 0,
            working: None,
            training: 0,
            bursts: Vec::new(),
        }
    }

    fn run(&mut self, time: u64) {
        let end = self.now + time;
        while self.now < end {
            let mut actions = Vec::new();
            for edge in self.panel.poll(ms(self.now)) {
                actions.extend(self.session.edge(edge));
            }
            if self.now.is_multiple_of(35) {
                self.session.frame(frame());
            }
            actions.extend(self.session.tick(ms(self.now)));
            if self
                .working
                .as_ref()
                .is_some_and(|(due, _)| self.now >= *due)
            {
                let (_, job) = self.working.take().unwrap();
                self.finish(job);
            }
            for action in actions {
                if let Action::Learn { .. } | Action::Undo | Action::AddClass = action {
                    assert!(self.working.is_none(), "one job at a time");
                    self.working = Some((self.now + self.training, action));
                }
            }
            self.now += 5;
        }
    }

    /// What the trainer does, without a head.
    fn finish(&mut self, job: Action) {
        match job {
            Action::Learn { class, shots } => {
                let burst = shots.into_iter().map(|shot| NewSample {
                    embedding: shot.embedding,
                    crop: Vec::new(),
                    view: Default::default(),
                });
                let burst: Vec<NewSample> = burst.collect();
                self.bursts.push(burst.len());
                self.memory.add_burst(&class, burst).unwrap();
            }
            Action::Undo => {
                let undone = self.memory.undo().unwrap().map(|(_, samples)| samples);
                assert_eq!(undone, self.bursts.pop());
                if undone.is_none() {
                    self.session.failed(ms(self.now), "nothing to undo".into());
                    return;
                }
            }
            Action::AddClass => {
                let count = self.session.classes.len() + 1;
                self.session.classes_are(names(count));
            }
            _ => unreachable!(),
        }
        self.session.finished();
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    /// Random presses, bouncing, also during training: no panic, no lost sample, never stuck.
    #[test]
    fn a_thousand_scripts_on_a_bouncing_panel(script in proptest::collection::vec(press(), 0..12)) {
        let mut bench = Bench::new();
        for (button, down, bounces, pause, training) in script {
            bench.training = training;
            let pin = bench.pins[button].clone();
            for (level, time) in [(true, down), (false, pause)] {
                for _ in 0..bounces {
                    pin.set(level);
                    bench.run(5);
                    pin.set(!level);
                    bench.run(5);
                }
                pin.set(level);
                bench.run(time);
            }
        }
        bench.run(8000);
        prop_assert_eq!(bench.session.state(), State::Watching);
        prop_assert!(bench.working.is_none());
        prop_assert_eq!(bench.memory.samples().len(), bench.bursts.iter().sum::<usize>());
    }
}
