//! How much of what a network tells apart another one does, too.
//!
//! Centred kernel alignment (Kornblith et al., "Similarity of neural network representations
//! revisited", ICML 2019) of what heads learn from: embeddings scaled to length 1, the last one and
//! each tap alike. 1 where photos lie to one another as before, whatever the numbers' width.

/// Inner products of photos' embeddings, centred: what they tell apart.
pub struct Likeness(Vec<f64>);

impl Likeness {
    /// Of `photos x outputs x numbers`. None where the photos all look the same to the network.
    pub fn of(embeddings: &[Vec<Vec<f32>>]) -> Option<Self> {
        let count = embeddings.len();
        let outputs = embeddings.first()?.len();
        let mut all = vec![0.0; count * count];
        for output in 0..outputs {
            let scaled: Vec<Vec<f64>> = embeddings
                .iter()
                .map(|photo| {
                    let numbers = photo[output].iter().map(|&v| f64::from(v));
                    let length = numbers.clone().map(|v| v * v).sum::<f64>().sqrt();
                    numbers.map(|v| v / length.max(f64::MIN_POSITIVE)).collect()
                })
                .collect();
            let width = scaled.first()?.len();
            let mut means = vec![0.0; width];
            for photo in &scaled {
                for (mean, v) in means.iter_mut().zip(photo) {
                    *mean += v / count as f64;
                }
            }
            let centred: Vec<Vec<f64>> = scaled
                .iter()
                .map(|photo| photo.iter().zip(&means).map(|(v, mean)| v - mean).collect())
                .collect();
            let product = |a: usize, b: usize| -> f64 {
                centred[a].iter().zip(&centred[b]).map(|(a, b)| a * b).sum()
            };
            let trace: f64 = (0..count).map(|at| product(at, at)).sum();
            // Of vectors of length 1: less is rounding.
            if trace < 1e-9 {
                return None;
            }
            for a in 0..count {
                for b in 0..=a {
                    let share = product(a, b) / trace;
                    all[a * count + b] += share;
                    if a != b {
                        all[b * count + a] += share;
                    }
                }
            }
        }
        Some(Self(hat(all, count, outputs)))
    }

    /// What `other` lost of it, in [0, 1]: 1 less the alignment.
    pub fn lost(&self, other: &Self) -> f64 {
        let product =
            |a: &Self, b: &Self| -> f64 { a.0.iter().zip(&b.0).map(|(a, b)| a * b).sum() };
        let most = (product(self, self) * product(other, other)).sqrt();
        (1.0 - product(self, other) / most).clamp(0.0, 1.0)
    }
}

fn hat(all: Vec<f64>, count: usize, outputs: usize) -> Vec<f64> {
    use faer::{Mat, Side, prelude::Solve};
    let Some(c) = std::env::var("HATC").ok().and_then(|c| c.parse::<f64>().ok()) else { return all };
    let lambda = c * outputs as f64 / count as f64;
    let k = Mat::from_fn(count, count, |r, c| all[r * count + c]);
    let mut shifted = k.clone();
    for at in 0..count { shifted[(at, at)] += lambda; }
    let Ok(chol) = shifted.llt(Side::Lower) else { return all };
    let h = chol.solve(&k);
    (0..count * count).map(|at| h[(at / count, at % count)]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn photos(turn: impl Fn(f32, f32) -> Vec<f32>) -> Vec<Vec<Vec<f32>>> {
        let photos = [(1.0, 0.2), (0.3, 1.0), (-1.0, 0.1), (0.4, -0.7), (0.9, 0.9)];
        photos.iter().map(|&(x, y)| vec![turn(x, y)]).collect()
    }

    #[test]
    fn turned_and_scaled_is_the_same_and_a_lost_direction_is_not() {
        let before = Likeness::of(&photos(|x, y| vec![x, y])).unwrap();
        let turned = Likeness::of(&photos(|x, y| vec![-3.0 * y, 3.0 * x, 0.0])).unwrap();
        assert!(before.lost(&turned) < 1e-9);
        let half = Likeness::of(&photos(|x, y| vec![x, 0.3 * y])).unwrap();
        let none = Likeness::of(&photos(|x, _| vec![x, 0.0])).unwrap();
        assert!(0.01 < before.lost(&half) && before.lost(&half) < before.lost(&none));
    }

    #[test]
    fn photos_that_look_the_same_say_nothing() {
        assert!(Likeness::of(&photos(|_, _| vec![1.0, 2.0])).is_none());
        assert!(Likeness::of(&photos(|_, _| vec![0.0])).is_none());
        assert!(Likeness::of(&[]).is_none());
    }
}
