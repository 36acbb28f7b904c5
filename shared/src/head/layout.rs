//! What the numbers of an embedding are, and what heads make of them before they learn.

use serde::{Deserialize, Serialize};

/// How many numbers each part of an embedding has: first the network's last embedding, then a part
/// a tap.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Layout(Vec<u32>);

/// More taps than any backbone has a use for.
pub const MOST_TAPS: usize = 15;

impl Layout {
    /// `parts`: numbers in each part, the last embedding first. `None` where there is no part, one is
    /// empty, or there are more than `MOST_TAPS` taps or `u32::MAX` numbers.
    pub fn new(parts: impl IntoIterator<Item = usize>) -> Option<Self> {
        let parts: Vec<u32> = parts
            .into_iter()
            .map(|part| u32::try_from(part).ok())
            .collect::<Option<_>>()?;
        let layout = Self(parts);
        layout.holds_together().then_some(layout)
    }

    /// Without taps. An embedding without numbers has no layout; it is taken for one of one number,
    /// which nothing fits.
    pub fn plain(width: usize) -> Self {
        Self(vec![u32::try_from(width).unwrap_or(u32::MAX).max(1)])
    }

    /// Numbers in all parts together.
    pub fn width(&self) -> usize {
        let parts = self.0.iter().map(|&part| part as usize);
        parts.fold(0, usize::saturating_add)
    }

    /// Numbers in the last embedding.
    pub fn last(&self) -> usize {
        self.0.first().map_or(0, |&part| part as usize)
    }

    /// Numbers in each tap.
    pub fn taps(&self) -> &[u32] {
        self.0.get(1..).unwrap_or_default()
    }

    /// Whether one that came from outside is one that `new` makes.
    pub fn holds_together(&self) -> bool {
        let sum = self
            .0
            .iter()
            .try_fold(0u32, |sum, &part| sum.checked_add(part));
        (1..=MOST_TAPS + 1).contains(&self.0.len())
            && self.0.iter().all(|&part| part > 0)
            && sum.is_some()
    }

    /// What heads see of an embedding: in every part the power 3/4 of every number, signed, then the
    /// part scaled to length 1 (power and L2 normalisation: Perronnin, Sanchez and Mensink,
    /// "Improving the Fisher kernel for large-scale image classification", ECCV 2010); the taps
    /// share a length of 1. A part of zeros stays zeros.
    pub(super) fn features(&self, embedding: &[f32]) -> Vec<f32> {
        let mut features = Vec::with_capacity(embedding.len());
        let share = 1.0 / (self.taps().len().max(1) as f64).sqrt();
        let mut rest = embedding;
        for (at, &part) in self.0.iter().enumerate() {
            let (numbers, others) = rest.split_at((part as usize).min(rest.len()));
            rest = others;
            let raised = numbers.iter().map(|v| {
                let root = v.abs().sqrt();
                (root * root.sqrt()).copysign(*v)
            });
            let start = features.len();
            features.extend(raised);
            let raised = &mut features[start..];
            let length = square(raised);
            let wanted = if at == 0 { 1.0 } else { share };
            let scale = match length > 0.0 {
                true => (wanted / length.sqrt()) as f32,
                false => 0.0,
            };
            raised.iter_mut().for_each(|v| *v *= scale);
        }
        features
    }
}

/// In eight sums, which a processor adds side by side.
fn square(numbers: &[f32]) -> f64 {
    let mut sums = [0.0f64; 8];
    for numbers in numbers.chunks(8) {
        let pairs = sums.iter_mut().zip(numbers);
        pairs.for_each(|(sum, v)| *sum += f64::from(*v).powi(2));
    }
    sums.iter().sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_has_its_length() {
        let layout = Layout::new([2, 3, 1]).unwrap();
        let features = layout.features(&[4.0, -12.0, 1.0, 0.0, 3.0, 0.5]);
        let squares: Vec<f32> = features.iter().map(|v| v * v).collect();
        assert!((squares[..2].iter().sum::<f32>() - 1.0).abs() < 1e-6);
        assert!((squares[2..5].iter().sum::<f32>() - 0.5).abs() < 1e-6);
        assert!((squares[5] - 0.5).abs() < 1e-6);
        assert!(features[1] < 0.0);
        assert_eq!(Layout::plain(2).features(&[0.0, 0.0]), [0.0, 0.0]);
    }

    #[test]
    fn layouts_without_numbers_are_none() {
        assert_eq!(Layout::new([]), None);
        assert_eq!(Layout::new([3, 0]), None);
        assert_eq!(Layout::new([u32::MAX as usize, 1]), None);
        assert_eq!(Layout::new(vec![1; MOST_TAPS + 2]), None);
        assert_eq!(Layout::plain(7), Layout::new([7]).unwrap());
    }
}
