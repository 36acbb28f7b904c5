use std::time::Duration;

use super::*;
use lastlayer_shared::operators::Operators;

use crate::look::Seen;
use crate::{memory::tests::memory, teachings::Starting, upkeep::tests::package};

fn trainer() -> Trainer {
    let memory = memory("net", 2);
    Trainer::new(
        Teachings::new(Starting::new(package(), "hash".into()), memory),
        Layout::plain(2),
        View::default(),
        guard::Settings::default(),
    )
}

fn ask(trainer: &mut Trainer, request: Request) -> Knowledge {
    trainer.work(Job::Upkeep(request, channel().0)).unwrap().1
}

fn rename(trainer: &mut Trainer, from: &str, to: &str) -> Knowledge {
    let (from, to) = (from.into(), to.into());
    ask(trainer, Request::RenameClass { from, to })
}

fn teach(trainer: &mut Trainer, class: &str, edition: usize) -> Result<String, String> {
    let seen = Seen {
        crop: lastlayer_shared::frame::Frame::new(1, 1, vec![0; 3]).unwrap(),
        embedding: vec![1.0, 2.0],
    };
    let class = class.into();
    let burst = vec![seen];
    match trainer.work(Job::Learn {
        class,
        edition,
        burst,
    }) {
        Ok((Outcome::Learned { class, .. }, _)) => Ok(class),
        Ok(other) => panic!("{other:?}"),
        Err(error) => Err(error.to_string()),
    }
}

#[test]
fn a_burst_goes_to_the_class_that_was_meant_however_names_change_meanwhile() {
    let mut trainer = trainer();
    let began = trainer.start().unwrap().edition;
    rename(&mut trainer, "car", "other");
    rename(&mut trainer, "bird", "car");
    let now = rename(&mut trainer, "other", "bird").edition;
    assert_eq!(teach(&mut trainer, "car", began).unwrap(), "bird");
    assert_eq!(teach(&mut trainer, "car", now).unwrap(), "car");
    let name = "car".into();
    ask(&mut trainer, Request::RemoveClass { name });
    rename(&mut trainer, "bird", "car");
    let error = teach(&mut trainer, "car", now).unwrap_err();
    assert!(error.contains("is not there any more"), "{error}");
}

#[test]
fn a_burst_of_which_nothing_was_seen_is_refused() {
    let mut trainer = trainer();
    let (class, burst) = ("car".into(), Vec::new());
    let job = Job::Learn {
        class,
        edition: 0,
        burst,
    };
    assert!(matches!(trainer.work(job), Err(TrainError::NothingSeen)));
}

#[test]
fn crops_go_with_examples_whatever_became_of_classes() {
    let mut trainer = trainer();
    for (class, count) in [("bird", 3), ("truck", 2)] {
        let burst = crate::upkeep::tests::burst(count);
        trainer.teachings.memory.add_burst(class, burst).unwrap();
    }
    rename(&mut trainer, "bird", "swallow");
    let name = "car".into();
    ask(&mut trainer, Request::RemoveClass { name });
    let (teachings, package) = (&trainer.teachings, package());
    let classes = teachings.classes();
    assert_eq!(classes, ["swallow", "truck"]);
    let crops = teachings.crops(&package, &classes);
    let crops: Vec<u8> = crops.map(|crop| crop.unwrap()[0]).collect();
    // The package's birds are 1 in both; what was taught is numbered.
    assert_eq!(crops, [1, 1, 0, 1, 2, 0, 1]);
    let embeddings = teachings.examples(&classes).into_iter();
    let embeddings: Vec<f32> = embeddings.map(|e| e.embedding[0].to_f32()).collect();
    assert_eq!(embeddings, [1.0, 1.0, 0.0, 1.0, 2.0, 0.0, 1.0]);
}

#[test]
fn a_tuned_layer_is_of_its_samples_and_whatever_goes_wrong_with_it_costs_nothing() {
    let missing = || Err("its file is not there any more".into());
    let settings = Settings { quiet_seconds: 1.0 };
    let mut trainer = trainer().tuning(Tuner::new(
        settings,
        Box::new(missing),
        Operators::default(),
    ));
    let current = trainer.start().unwrap();
    // The package's own head was fitted on all that is known.
    assert_eq!(trainer.tunes_after(), None);
    assert!(current.tuned.is_none());
    let teach = |trainer: &mut Trainer, bursts| {
        for _ in 0..bursts {
            let burst = crate::upkeep::tests::burst(1);
            trainer.teachings.memory.add_burst("car", burst).unwrap();
        }
        trainer.tune_again();
    };
    teach(&mut trainer, 2);
    assert!(trainer.tunes_after().is_some());
    // Too few to tell anything by: nothing is read, and nothing said.
    assert!(trainer.tune(|_| false, &current).is_none());
    assert_eq!(trainer.tunes_after(), None);
    teach(&mut trainer, 60);
    let (outcome, knowledge) = trainer.tune(|_| false, &current).unwrap();
    let Outcome::Tuned(tried) = outcome else {
        panic!("{outcome:?}");
    };
    assert_eq!(
        tried.to_string(),
        "the network's last layer stays as it is: its file is not there any more"
    );
    assert!(knowledge.tuned.is_none() && knowledge.classes == current.classes);
    assert_eq!(trainer.tunes_after(), None);
    assert!(
        Tuner::new(
            Settings { quiet_seconds: 0.0 },
            Box::new(missing),
            Operators::default()
        )
        .is_none()
    );
}

#[test]
fn a_question_is_answered_at_once_and_does_not_make_it_less_quiet() {
    let (jobs, inbox) = channel();
    let (outbox, reports) = channel();
    let (answer, replies) = channel();
    let question = move || Job::Upkeep(Request::Classes, answer.clone());
    let asker = thread::spawn({
        let (jobs, question) = (jobs.clone(), question.clone());
        // One comes before it was quiet for long enough, again and again.
        move || {
            while jobs.send(question()).is_ok() {
                thread::sleep(Duration::from_millis(20));
            }
        }
    });
    // Another as the tuning begins, and then something that changes what is known.
    let source = move || {
        jobs.send(question()).unwrap();
        jobs.send(Job::AddClass).unwrap();
        Err("its file is not there any more".into())
    };
    let settings = Settings { quiet_seconds: 0.5 };
    let mut trainer =
        trainer().tuning(Tuner::new(settings, Box::new(source), Operators::default()));
    let mut current = trainer.start().unwrap();
    for _ in 0..60 {
        let burst = crate::upkeep::tests::burst(1);
        trainer.teachings.memory.add_burst("car", burst).unwrap();
    }
    trainer.tune_again();
    let next = trainer.next(&inbox, &outbox, &mut current);
    assert!(matches!(next, Some(Job::AddClass)));
    let report = reports.try_recv().unwrap();
    assert!(matches!(report.result, Ok(Outcome::Tuned(_))));
    drop(inbox);
    asker.join().unwrap();
    assert!(replies.try_iter().count() > 5);
}

#[test]
fn a_head_that_takes_embeddings_for_something_else_is_fitted_anew() {
    let mut trainer = trainer();
    let of = |knowledge: Knowledge| knowledge.head.unwrap().layout().clone();
    assert_eq!(of(trainer.start().unwrap()), Layout::plain(2));
    // As wide as before.
    let layout = Layout::new([1, 1]).unwrap();
    trainer.layout = layout.clone();
    assert_eq!(of(trainer.start().unwrap()), layout);
}
