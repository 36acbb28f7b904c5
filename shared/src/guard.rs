//! Whether a burst may become part of what the board knows. What it costs is judged on the samples that
//! were there before, each by a head that has not seen its burst: frames of one press must not vote
//! for themselves. The board asks it at every press, and the host where it measures what a board learns.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::head::Example;

/// How much a burst may cost: the `[guard]` table.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// A burst is refused where the accuracy on what was known falls by more than this many points,
    /// the mean over classes, 0..=100; 100 refuses nothing.
    pub points: f64,
    /// And more than this many samples are called wrongly that were called rightly.
    pub samples: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            points: 5.0,
            samples: 2,
        }
    }
}

impl Settings {
    /// What is out of range, as a line that names it.
    pub fn check(&self) -> Result<(), String> {
        match (0.0..=100.0).contains(&self.points) {
            true => Ok(()),
            false => Err("guard.points: give a number from 0 to 100".into()),
        }
    }
}

/// Samples that were there before, as two heads call them that had not seen them.
#[derive(Clone, Copy, Debug)]
pub struct Judged {
    /// Its class.
    pub class: usize,
    /// `None` where its class had no other burst: without it nothing could have been said rightly. So
    /// the second burst of a class, with which it begins to win against others, has a gain to set
    /// against what they lose.
    pub before: Option<usize>,
    /// `None` where it could not be judged.
    pub after: Option<usize>,
}

impl Judged {
    /// The samples that both heads were fitted on, the first of `examples`: `before` and `after` are
    /// what `Head::fit_judged` says of them, one an example.
    pub fn both<T>(
        examples: &[Example<'_, T>],
        before: &[Option<usize>],
        after: &[Option<usize>],
    ) -> Vec<Self> {
        let pairs = before.iter().zip(after);
        let all = examples.iter().zip(pairs);
        all.map(|(example, (&before, &after))| Self {
            class: example.class,
            before,
            after,
        })
        .collect()
    }
}

/// A class whose samples are now called something else.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Loss {
    pub class: usize,
    /// What most of them are called now.
    pub called: usize,
    /// Samples that were called rightly and are not any more.
    pub lost: usize,
    /// Samples of the class that could be judged.
    pub of: usize,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Opinion {
    Well,
    /// No class has a second burst to be judged by.
    Unchecked,
    /// It costs too much, most of it this class.
    TooDear {
        points: f64,
        most: Loss,
    },
}

/// What the burst costs: the opinion, and the class that pays most where one does.
pub fn judge(settings: &Settings, samples: &[Judged]) -> (Opinion, Option<Loss>) {
    /// Of one class: how many could be judged, and were and are called rightly.
    #[derive(Default)]
    struct Count {
        of: usize,
        before: usize,
        after: usize,
        lost: usize,
        called: BTreeMap<usize, usize>,
    }
    let mut counts: BTreeMap<usize, Count> = BTreeMap::new();
    for sample in samples {
        let Some(after) = sample.after else {
            continue;
        };
        let was_right = sample.before == Some(sample.class);
        let count = counts.entry(sample.class).or_default();
        count.of += 1;
        count.before += usize::from(was_right);
        count.after += usize::from(after == sample.class);
        if was_right && after != sample.class {
            count.lost += 1;
            *count.called.entry(after).or_default() += 1;
        }
    }
    if counts.is_empty() {
        return (Opinion::Unchecked, None);
    }
    let share = |right: usize, count: &Count| right as f64 / count.of as f64;
    let fall = |count: &Count| share(count.before, count) - share(count.after, count);
    let points = counts.values().map(fall).sum::<f64>() / counts.len() as f64 * 100.0;
    // Not by a rounding of the division.
    let dear = points > settings.points + 1e-6;
    let right = |of: fn(&Count) -> usize| counts.values().map(of).sum::<usize>();
    let fewer = right(|count| count.before).saturating_sub(right(|count| count.after));
    let losses = counts.iter().filter_map(|(class, count)| {
        let (called, _) = count.called.iter().max_by_key(|(_, samples)| **samples)?;
        Some(Loss {
            class: *class,
            called: *called,
            lost: count.lost,
            of: count.of,
        })
    });
    let most = losses.max_by_key(|loss| loss.lost);
    match most {
        Some(most) if dear && fewer > settings.samples => {
            (Opinion::TooDear { points, most }, Some(most))
        }
        most => (Opinion::Well, most),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn samples(class: usize, before: &[usize], after: &[usize]) -> Vec<Judged> {
        let pairs = before.iter().zip(after);
        pairs
            .map(|(before, after)| Judged {
                class,
                before: Some(*before),
                after: Some(*after),
            })
            .collect()
    }

    #[test]
    fn a_burst_that_costs_an_old_class_is_too_dear() {
        let mut all = samples(0, &[0; 10], &[0; 10]);
        all.extend(samples(1, &[1; 10], &[1, 1, 1, 1, 1, 1, 2, 2, 2, 0]));
        let most = Loss {
            class: 1,
            called: 2,
            lost: 4,
            of: 10,
        };
        let (opinion, loss) = judge(&Settings::default(), &all);
        assert_eq!(loss, Some(most));
        let Opinion::TooDear { points, most: dear } = opinion else {
            panic!("{opinion:?}");
        };
        assert!((points - 20.0).abs() < 1e-9 && dear == most);
        let off = Settings {
            points: 100.0,
            samples: 0,
        };
        assert_eq!(judge(&off, &all), (Opinion::Well, Some(most)));
    }

    #[test]
    fn two_samples_are_never_too_many_and_neither_are_five_points() {
        let few = samples(1, &[1; 4], &[1, 1, 0, 0]);
        assert_eq!(judge(&Settings::default(), &few).0, Opinion::Well);
        let mut many = samples(1, &[1; 100], &[1; 100]);
        many[..5].iter_mut().for_each(|s| s.after = Some(0));
        assert_eq!(judge(&Settings::default(), &many).0, Opinion::Well);
        many[5].after = Some(0);
        assert!(matches!(
            judge(&Settings::default(), &many).0,
            Opinion::TooDear { .. }
        ));
    }

    #[test]
    fn what_gets_better_pays_for_what_gets_worse() {
        let mut all = samples(0, &[1, 1, 1, 1, 0], &[0; 5]);
        all.extend(samples(1, &[1; 5], &[0, 0, 0, 1, 1]));
        assert_eq!(judge(&Settings::default(), &all).0, Opinion::Well);
    }

    #[test]
    fn what_cannot_be_judged_is_unchecked() {
        assert_eq!(judge(&Settings::default(), &[]), (Opinion::Unchecked, None));
        let alone = Judged {
            class: 0,
            before: None,
            after: None,
        };
        let (opinion, loss) = judge(&Settings::default(), &[alone; 9]);
        assert_eq!((opinion, loss), (Opinion::Unchecked, None));
    }

    #[test]
    fn the_second_burst_of_a_class_may_win_from_others_what_bears_out_the_first() {
        let lost = samples(1, &[1; 5], &[1, 1, 2, 2, 2]);
        let first = |called: usize| Judged {
            class: 2,
            before: None,
            after: Some(called),
        };
        let (well, _) = judge(&Settings::default(), &[&lost[..], &[first(2); 4]].concat());
        assert_eq!(well, Opinion::Well);
        let (dear, _) = judge(&Settings::default(), &[&lost[..], &[first(0); 4]].concat());
        assert!(matches!(dear, Opinion::TooDear { .. }), "{dear:?}");
    }

    #[test]
    fn points_out_of_range_are_named() {
        let wrong = Settings {
            points: f64::NAN,
            samples: 0,
        };
        assert!(wrong.check().unwrap_err().starts_with("guard.points:"));
    }
}
