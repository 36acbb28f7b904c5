//! Whole scripts: contacts that bounce, the panel, the session, and a memory, on one clock.

use proptest::prelude::*;

use super::{
    tests::{frame, ms, names, session},
    *,
};
use crate::{
    memory::{Memory, NewSample, rounded, tests::memory},
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
    /// Frames that came, and those of the burst that is collected: each is known by its number.
    frames: usize,
    offered: Vec<f32>,
    /// Bursts that began, and those that were handed on or refused.
    begun: usize,
    ended: usize,
    /// What was learned, burst by burst.
    bursts: Vec<Vec<f32>>,
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
            memory: memory("net", 1),
            now: 0,
            working: None,
            training: 0,
            frames: 0,
            offered: Vec::new(),
            begun: 0,
            ended: 0,
            bursts: Vec::new(),
        }
    }

    fn run(&mut self, time: u64) {
        let end = self.now + time;
        while self.now < end {
            let mut actions = Vec::new();
            for edge in self.panel.poll(ms(self.now)) {
                actions.extend(self.tick(edge.at));
                let begins = edge.down && self.begins(&edge.button);
                let of_edge = self.session.edge(edge);
                if begins {
                    assert_eq!(self.session.state(), State::Collecting);
                    self.begun += 1;
                    self.offered.clear();
                }
                // `undo` in a burst is its end.
                let undone = |action: &&Action| {
                    let reason = Refusal::Undone;
                    **action == Action::Refused { reason }
                };
                self.ended += of_edge.iter().filter(undone).count();
                actions.extend(of_edge);
            }
            if self.now.is_multiple_of(35) {
                self.frames += 1;
                let embedding = vec![self.frames as f32];
                if self.session.state() == State::Collecting {
                    self.offered.extend(&embedding);
                }
                let embedding = Some(embedding);
                self.session.frame(Shot {
                    embedding,
                    ..frame()
                });
            }
            actions.extend(self.tick(ms(self.now)));
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

    /// Whether a press of this button begins a burst now.
    fn begins(&self, button: &ButtonName) -> bool {
        let free = matches!(self.session.state(), State::Watching | State::Refusing);
        let teaches = match button {
            ButtonName::Teach => true,
            ButtonName::Next | ButtonName::Undo => false,
            button => self.session.class_of(button).is_some(),
        };
        free && teaches
    }

    /// Whatever ends a burst here ends it with one action, and a burst that is learned has every
    /// frame that came until it was full.
    fn tick(&mut self, at: Duration) -> Vec<Action> {
        let collecting = self.session.state() == State::Collecting;
        let actions = self.session.tick(at);
        if collecting && self.session.state() != State::Collecting {
            let ends = |action: &&Action| !matches!(action, Action::AddClass);
            assert_eq!(actions.iter().filter(ends).count(), 1, "{actions:?}");
            self.ended += 1;
        }
        for action in &actions {
            if let Action::Learn { shots, .. } = action {
                let taken: Vec<f32> = shots
                    .iter()
                    .flat_map(|s| s.embedding.clone().unwrap())
                    .collect();
                let all = self.offered.len().min(4);
                assert_eq!(taken, self.offered[..all]);
            }
        }
        actions
    }

    /// What the trainer does, without a head.
    fn finish(&mut self, job: Action) {
        match job {
            Action::Learn { class, shots, .. } => {
                let burst = shots.into_iter().map(|shot| NewSample {
                    embedding: rounded(&shot.embedding.unwrap()),
                    crop: Vec::new(),
                    view: Default::default(),
                });
                let burst: Vec<NewSample> = burst.collect();
                let numbers = burst.iter().map(|sample| sample.embedding[0].to_f32());
                self.bursts.push(numbers.collect());
                self.memory.add_burst(&class, burst).unwrap();
            }
            Action::Undo => {
                let undone = self.memory.undo().unwrap().map(|(_, samples)| samples);
                assert_eq!(undone, self.bursts.pop().map(|burst| burst.len()));
                if undone.is_none() {
                    self.session.failed(ms(self.now), "nothing to undo".into());
                    return;
                }
            }
            Action::AddClass => {
                let count = self.session.classes.len() + 1;
                self.session.classes_are(names(count), 0);
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
        prop_assert_eq!(bench.begun, bench.ended);
        let kept = bench.memory.bursts().flat_map(|burst| &burst.samples);
        let kept: Vec<f32> = kept.map(|sample| sample.embedding[0].to_f32()).collect();
        prop_assert_eq!(kept, bench.bursts.concat());
    }
}
