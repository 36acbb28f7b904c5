//! What is forgotten: some classes are known, the others are taught one after another, a press of the
//! button at a time, as a board is taught in the course of its life. After every press the head, fitted
//! and guarded as on the board, is measured on every class that it knows, beside a head that was taught
//! the same photos all at once, each a burst of its own. A board fits its head anew on everything that
//! it keeps, so what lies between the two is what presses cost: frames of one never judge one another,
//! a class of few bursts is believed less, and the guard refuses some.

use lastlayer_shared::{
    guard::{self, Judged, Opinion},
    head::{Example, Head, HeadError, Kind},
};

use super::{Embeddings, Order, splits::Splits};

/// The means of all splits.
#[derive(Clone, Debug, PartialEq)]
pub struct Story {
    /// Photos taught a class when it is over.
    pub shots: usize,
    /// Photos a press teaches.
    pub press: usize,
    pub splits: usize,
    pub order: Order,
    pub steps: Vec<Step>,
}

/// What holds at the start, or after one press more.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// Whose press it was; `None` at the start.
    pub class: Option<usize>,
    /// Photos of that class that were shown up to here.
    pub photos: usize,
    /// Presses that the guard refused in this step, of one a split.
    pub refused: usize,
    /// The share of its tested photos that are called rightly, 0..=1, of every class that is known by
    /// now, in the order of `Order::classes`.
    pub accuracies: Vec<f64>,
    /// The same of a head that was taught all at once.
    pub at_once: Vec<f64>,
}

impl Step {
    /// How far behind a head that was taught all at once, -1..=1, in the order of `accuracies`.
    pub fn lost(&self) -> impl Iterator<Item = f64> + '_ {
        let pairs = self.at_once.iter().zip(&self.accuracies);
        pairs.map(|(at_once, own)| at_once - own)
    }
}

impl Story {
    /// The class that lost most in a step, and how much, of those that came before the one that the
    /// step teaches; `None` at the start, where nothing has come since.
    pub fn most_lost(&self, step: &Step) -> Option<(usize, f64)> {
        let classes = self.order.classes().into_iter();
        let lost = classes.zip(step.lost());
        let earlier = lost.filter(|(class, _)| step.class.is_some_and(|own| own != *class));
        earlier.max_by(|a, b| a.1.total_cmp(&b.1))
    }

    /// Presses of all splits together, and how many of them the guard refused.
    pub fn presses(&self) -> (usize, usize) {
        let presses = self.steps.iter().filter(|step| step.class.is_some());
        let refused = self.steps.iter().map(|step| step.refused).sum();
        (presses.count() * self.splits, refused)
    }
}

/// Tells the story on each of `splits`. `press` is at least 1; the last press of a class may teach
/// fewer. `done` is called after each split.
pub fn one_by_one(
    data: &Embeddings,
    splits: &Splits,
    order: &Order,
    press: usize,
    done: impl Fn(),
) -> Result<Story, HeadError> {
    let mut steps: Vec<Step> = Vec::new();
    for taught in &splits.taught {
        let told = Board::new(data, order, taught)?.learn(press)?;
        if steps.is_empty() {
            steps = told;
        } else {
            for (sum, step) in steps.iter_mut().zip(told) {
                sum.refused += step.refused;
                add(&mut sum.accuracies, &step.accuracies);
                add(&mut sum.at_once, &step.at_once);
            }
        }
        done();
    }
    let share = 1.0 / splits.taught.len().max(1) as f64;
    for step in &mut steps {
        let values = step.accuracies.iter_mut().chain(&mut step.at_once);
        values.for_each(|value| *value *= share);
    }
    Ok(Story {
        shots: splits.shots,
        press,
        splits: splits.taught.len(),
        order: order.clone(),
        steps,
    })
}

fn add(sums: &mut [f64], values: &[f64]) {
    sums.iter_mut().zip(values).for_each(|(sum, v)| *sum += v);
}

/// A board, and what it is shown in one split.
struct Board<'a> {
    data: &'a Embeddings,
    order: &'a Order,
    taught: &'a [usize],
    tested: Vec<usize>,
    /// What it keeps, as it was taught.
    kept: Vec<Example<'a>>,
    head: Head,
    /// What heads that have not seen them call `kept`.
    called: Vec<Option<usize>>,
    /// Photos, refused ones too.
    shown: Vec<usize>,
}

impl<'a> Board<'a> {
    /// With starting samples of a package: every photo is a burst of its own.
    fn new(data: &'a Embeddings, order: &'a Order, taught: &'a [usize]) -> Result<Self, HeadError> {
        let known = |photo: &&usize| order.known().contains(&data.labels[**photo]);
        let shown: Vec<usize> = taught.iter().filter(known).copied().collect();
        let kept = data.examples(&shown);
        let (head, called) = Head::fit_judged(Kind::default(), &data.layout, &kept)?;
        Ok(Self {
            data,
            order,
            taught,
            tested: Splits::tested(data.labels.len(), taught),
            kept,
            head,
            called,
            shown,
        })
    }

    fn learn(mut self, press: usize) -> Result<Vec<Step>, HeadError> {
        let mut steps = vec![self.step(None, 0, false)?];
        for &class in self.order.then() {
            let of_class = |photo: &&usize| self.data.labels[**photo] == class;
            let photos: Vec<usize> = self.taught.iter().filter(of_class).copied().collect();
            let mut shown = 0;
            for burst in photos.chunks(press) {
                shown += burst.len();
                let refused = self.press(class, burst)?;
                steps.push(self.step(Some(class), shown, refused)?);
            }
        }
        Ok(steps)
    }

    /// Whether the guard refused it; the first press of a class is never refused.
    fn press(&mut self, class: usize, photos: &[usize]) -> Result<bool, HeadError> {
        let is_new = self.kept.iter().all(|example| example.class != class);
        let before = self.kept.len();
        let number = self.kept.iter().map(|example| example.burst + 1).max();
        let data = self.data;
        self.kept.extend(photos.iter().map(|&photo| Example {
            embedding: &data.embeddings[photo],
            class,
            burst: number.unwrap_or(0),
        }));
        self.shown.extend(photos);
        let (head, called) = Head::fit_judged(Kind::default(), &data.layout, &self.kept)?;
        let judged = Judged::both(&self.kept, &self.called, &called);
        let (opinion, _) = guard::judge(&guard::Settings::default(), &judged);
        if matches!(opinion, Opinion::TooDear { .. }) && !is_new {
            self.kept.truncate(before);
            return Ok(true);
        }
        (self.head, self.called) = (head, called);
        Ok(false)
    }

    fn step(&self, class: Option<usize>, photos: usize, refused: bool) -> Result<Step, HeadError> {
        let data = self.data;
        let at_once = Head::fit(Kind::default(), &data.layout, &data.examples(&self.shown))?;
        Ok(Step {
            class,
            photos,
            refused: usize::from(refused),
            accuracies: self.accuracies(&self.head),
            at_once: self.accuracies(&at_once),
        })
    }

    /// Of every class that the head answers, in the order in which they became known.
    fn accuracies(&self, head: &Head) -> Vec<f64> {
        let data = self.data;
        let mut counts = vec![(0u32, 0u32); data.classes.len()];
        for &photo in &self.tested {
            let label = data.labels[photo];
            let said = head.answer(&data.embeddings[photo]);
            let (right, all) = &mut counts[label];
            *right += u32::from(said.is_some_and(|answer| answer.class == label));
            *all += 1;
        }
        let known: Vec<usize> = head.classes().collect();
        let classes = self.order.classes().into_iter();
        classes
            .filter(|class| known.contains(class))
            .map(|class| f64::from(counts[class].0) / f64::from(counts[class].1.max(1)))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lastlayer_shared::head::Layout;

    /// `classes` heaps of 12, each along a direction of its own but for some noise.
    fn heaps(classes: usize) -> Embeddings {
        let labels: Vec<usize> = (0..classes * 12).map(|i| i / 12).collect();
        let embedding = |(i, &label): (usize, &usize)| {
            let noise = |at: usize| ((i * 31 + at * 17) as f32 * 0.7).sin() * 0.2;
            let number = |at| noise(at) + f32::from(u8::from(at == label));
            (0..8).map(number).collect()
        };
        Embeddings {
            classes: (0..classes).map(|class| format!("c{class}")).collect(),
            layout: Layout::plain(8),
            embeddings: labels.iter().enumerate().map(embedding).collect(),
            labels,
        }
    }

    fn told(data: &Embeddings, then: &[&str], shots: usize, press: usize) -> Story {
        let then: Vec<String> = then.iter().map(|name| name.to_string()).collect();
        let order = Order::new(&data.classes, &then).unwrap();
        let splits = Splits::new(data, shots, 3, 0).unwrap();
        one_by_one(data, &splits, &order, press, || ()).unwrap()
    }

    #[test]
    fn classes_come_one_press_after_another() {
        let data = heaps(4);
        let story = told(&data, &["c3", "c1"], 5, 2);
        let steps: Vec<_> = story.steps.iter().map(|s| (s.class, s.photos)).collect();
        let (three, one) = (Some(3), Some(1));
        assert_eq!(
            steps,
            [
                (None, 0),
                (three, 2),
                (three, 4),
                (three, 5),
                (one, 2),
                (one, 4),
                (one, 5)
            ]
        );
        assert_eq!(story.order.classes(), [0, 2, 3, 1]);
        for (step, known) in story.steps.iter().zip([2, 3, 3, 3, 4, 4, 4]) {
            assert_eq!((step.accuracies.len(), step.at_once.len()), (known, known));
            assert_eq!(step.refused, 0);
        }
        assert_eq!(story.presses(), (3 * 6, 0));
        // Nothing has come since the start: both heads are one.
        let start = &story.steps[0];
        assert_eq!(start.accuracies, start.at_once);
        assert_eq!(story.most_lost(start), None);
        let last = story.steps.last().unwrap();
        assert!(
            last.accuracies.iter().all(|&right| right > 0.99),
            "{last:?}"
        );
    }

    #[test]
    fn presses_of_one_photo_are_as_good_as_all_at_once() {
        let story = told(&heaps(3), &["c2"], 4, 1);
        for step in &story.steps {
            assert_eq!(step.accuracies, step.at_once);
        }
    }

    #[test]
    fn what_the_taught_class_loses_is_not_forgotten() {
        let mut story = told(&heaps(3), &["c0"], 4, 4);
        let last = story.steps.last_mut().unwrap();
        assert_eq!(last.class, Some(0));
        (last.accuracies, last.at_once) = (vec![0.9, 0.75, 0.1], vec![0.9, 1.0, 0.9]);
        let last = last.clone();
        assert_eq!(story.most_lost(&last), Some((2, 0.25)));
    }

    /// Photos of c0 and c1 that are taught as c2: what calls them so costs too much.
    #[test]
    fn a_press_that_the_guard_refuses_is_not_kept() {
        let mut data = heaps(3);
        let first = 2 * 12;
        for at in first..3 * 12 {
            data.embeddings[at] = data.embeddings[at - first].clone();
        }
        let story = told(&data, &["c2"], 9, 3);
        let (presses, refused) = story.presses();
        assert_eq!(presses, 9);
        assert!(refused > 0, "{story:?}");
    }
}
