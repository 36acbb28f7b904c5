//! How far examples lie from where they belong, and what that does to the means of classes.
//!
//! An example is its class's mean, and how far its burst is from that, and how far it is from its burst:
//! frames of one press are near-copies, the photos of a package are not. The two variances tell how
//! far a mean of these examples in these bursts is off.

use super::taught::Taught;

/// Mean squared distances, as heads measure them that had not seen the burst.
#[derive(Debug, Default)]
pub struct Noise {
    /// An example from its burst; 0 where every burst has one.
    pub example: f64,
    /// A burst from its class.
    pub burst: f64,
}

impl Noise {
    /// Variance of the mean of `examples`, the sum of whose bursts' squared sizes is `squares`.
    pub fn of_mean(&self, examples: f64, squares: f64) -> f64 {
        self.example / examples + self.burst * squares / (examples * examples)
    }

    /// Variance of a class's mean.
    pub fn of_class(&self, taught: &Taught, class: usize) -> f64 {
        self.of_mean(taught.examples_of[class], taught.squares_of[class])
    }

    /// The same as a share of the variance of single examples, 0..=1.
    pub fn doubt(&self, taught: &Taught, class: usize) -> f64 {
        self.of_class(taught, class) / (self.example + self.burst).max(f64::MIN_POSITIVE)
    }
}

/// What bursts show of it.
#[derive(Default)]
pub struct Seen {
    /// Bursts, and their squared distances from their class's mean.
    apart: Vec<(usize, f64)>,
    /// The sum of examples' squared distances from their burst, and what it is to be divided by.
    within: f64,
    free: f64,
}

impl Seen {
    /// Of a burst of `size`: the sum of its examples' squared distances from their class's mean, and
    /// its own mean's. `place`: in `Taught`.
    pub fn burst(&mut self, place: usize, size: usize, of_examples: f64, of_burst: f64) {
        self.apart.push((place, of_burst));
        self.alone(size, of_examples - of_burst * size as f64);
    }

    /// Of a burst that is its class: `squares` are from its own mean.
    pub fn alone(&mut self, size: usize, squares: f64) {
        self.within += squares;
        self.free += size as f64 - 1.0;
    }

    pub fn noise(&self, taught: &Taught) -> Noise {
        let example = if self.free > 0.0 {
            self.within / self.free
        } else {
            0.0
        };
        let bursts = self.apart.iter().map(|&(place, square)| {
            let burst = &taught.bursts[place];
            let (all, size) = (taught.examples_of[burst.class], burst.rows.len() as f64);
            let squares = taught.squares_of[burst.class] / (all * all);
            // The variance of a burst's mean less its class's mean, which it is part of.
            let of_examples = example * (1.0 / size - 1.0 / all);
            (square - of_examples) / (1.0 - 2.0 * size / all + squares)
        });
        let burst = mean(&bursts.collect::<Vec<_>>()).unwrap_or(0.0);
        Noise {
            example,
            burst: burst.max(0.0),
        }
    }
}

/// `None` of none.
pub fn mean(numbers: &[f64]) -> Option<f64> {
    (!numbers.is_empty()).then(|| numbers.iter().sum::<f64>() / numbers.len() as f64)
}
