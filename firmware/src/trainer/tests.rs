use super::*;
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
