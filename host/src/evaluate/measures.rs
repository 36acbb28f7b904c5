//! Figures of how right, how sure and how surprised.

/// Confidences are put into so many bins of equal width.
pub const BINS: usize = 15;

/// Answers whose confidence lies in one bin.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Bin {
    pub answers: u64,
    pub right: u64,
    /// Sum of their confidences, each 0..=1.
    pub confidence: f64,
}

/// All bins, from 0 to 1.
pub type Bins = [Bin; BINS];

pub fn put(bins: &mut Bins, confidence: f32, right: bool) {
    let at = (confidence * BINS as f32) as usize;
    let bin = &mut bins[at.min(BINS - 1)];
    bin.answers += 1;
    bin.right += u64::from(right);
    bin.confidence += f64::from(confidence);
}

/// The expected calibration error: the mean over answers of how far their bin's mean confidence is from
/// its share of right answers, 0..=1 (Naeini, Cooper and Hauskrecht, "Obtaining well calibrated
/// probabilities using Bayesian binning", AAAI 2015). 0 without answers.
pub fn calibration_error(bins: &Bins) -> f64 {
    let all: u64 = bins.iter().map(|bin| bin.answers).sum();
    let off = bins
        .iter()
        .map(|bin| (bin.confidence - bin.right as f64).abs());
    off.sum::<f64>() / all.max(1) as f64
}

/// The area under the ROC curve: how often a value of `high` is above one of `low`, equal ones counting
/// half. `None` where one of them is empty.
pub fn area(high: &[f32], low: &[f32]) -> Option<f64> {
    if high.is_empty() || low.is_empty() {
        return None;
    }
    let mut all: Vec<(f32, bool)> = high.iter().map(|&v| (v, true)).collect();
    all.extend(low.iter().map(|&v| (v, false)));
    all.sort_by(|a, b| a.0.total_cmp(&b.0));
    let (mut below, mut won) = (0.0, 0.0);
    for same in all.chunk_by(|a, b| a.0 == b.0) {
        let of_low = same.iter().filter(|(_, high)| !high).count() as f64;
        let of_high = same.len() as f64 - of_low;
        won += of_high * (below + of_low / 2.0);
        below += of_low;
    }
    Some(won / (high.len() as f64 * low.len() as f64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_area_is_the_share_of_won_pairs() {
        assert_eq!(area(&[2.0, 3.0], &[1.0, 0.0]), Some(1.0));
        assert_eq!(area(&[0.0], &[1.0, 2.0]), Some(0.0));
        assert_eq!(area(&[1.0, 1.0], &[1.0]), Some(0.5));
        assert_eq!(area(&[1.0, 3.0], &[0.0, 2.0]), Some(0.75));
        assert_eq!((area(&[], &[1.0]), area(&[1.0], &[])), (None, None));
    }

    #[test]
    fn who_is_as_sure_as_right_has_no_error() {
        let mut bins = Bins::default();
        assert_eq!(calibration_error(&bins), 0.0);
        for right in [true, true, true, false] {
            put(&mut bins, 0.75, right);
        }
        assert_eq!(calibration_error(&bins), 0.0);
        put(&mut bins, 1.0, false);
        assert!((calibration_error(&bins) - 0.2).abs() < 1e-9);
    }
}
