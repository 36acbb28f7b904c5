//! What plots share: where a number lies, which numbers stand beside an axis, labels that keep clear of
//! one another. Lengths are in pixels of the page.

/// From `low` at `start` to `high` at `end`.
#[derive(Clone, Copy, Debug)]
pub struct Axis {
    pub low: f64,
    pub high: f64,
    pub start: f64,
    pub end: f64,
}

impl Axis {
    /// An axis of one number has it in its middle.
    pub fn at(&self, value: f64) -> f64 {
        let span = self.high - self.low;
        let share = if span > 0.0 {
            (value - self.low) / span
        } else {
            0.5
        };
        self.start + share * (self.end - self.start)
    }
}

/// Round per cents that stand beside an axis on which all shares from `low` to `high` (0..=1) have
/// their place: from two to eight of them, evenly apart, ascending.
pub fn per_cents(low: f64, high: f64) -> Vec<u32> {
    let (low, high) = (low.clamp(0.0, 1.0) * 100.0, high.clamp(0.0, 1.0) * 100.0);
    let step = [2.0, 5.0, 10.0].into_iter().find(|s| high - low <= 6.0 * s);
    let step = step.unwrap_or(20.0);
    // A hair of rounding is no reason for another step.
    let mut first = (low / step + 1e-9).floor();
    let last = (high / step - 1e-9).ceil().max(1.0);
    if first >= last {
        first = last - 1.0;
    }
    let step = step as u32;
    (first as u32..=last as u32).map(|n| n * step).collect()
}

/// The places of labels that want to be at `wanted`, in the same order: `gap` from one another and
/// within `low..=high`, where there is room for that.
pub fn apart(wanted: &[f64], gap: f64, low: f64, high: f64) -> Vec<f64> {
    let mut order: Vec<usize> = (0..wanted.len()).collect();
    order.sort_by(|&a, &b| wanted[a].total_cmp(&wanted[b]));
    let mut places = wanted.to_vec();
    let mut least = low;
    for &label in &order {
        places[label] = places[label].max(least);
        least = places[label] + gap;
    }
    let mut most = high;
    for &label in order.iter().rev() {
        places[label] = places[label].min(most);
        most = places[label] - gap;
    }
    places
}

/// A polyline's or polygon's `points`.
pub fn points(points: impl IntoIterator<Item = (f64, f64)>) -> String {
    let points = points.into_iter().map(|(x, y)| format!("{x:.1},{y:.1}"));
    points.collect::<Vec<_>>().join(" ")
}

/// Pixels as the page writes them.
pub fn px(length: f64) -> String {
    format!("{length:.1}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_axis_of_one_number_has_it_in_its_middle() {
        let axis = Axis {
            low: 2.0,
            high: 4.0,
            start: 100.0,
            end: 0.0,
        };
        assert_eq!(
            (axis.at(2.0), axis.at(3.0), axis.at(4.0)),
            (100.0, 50.0, 0.0)
        );
        let one = Axis { high: 2.0, ..axis };
        assert_eq!(one.at(2.0), 50.0);
    }

    #[test]
    fn round_per_cents_hold_all_shares() {
        assert_eq!(per_cents(0.53, 0.97), [50, 60, 70, 80, 90, 100]);
        assert_eq!(per_cents(0.12, 1.0), [0, 20, 40, 60, 80, 100]);
        assert_eq!(per_cents(0.951, 0.987), [94, 96, 98, 100]);
        assert_eq!(per_cents(0.41, 1.0), [40, 50, 60, 70, 80, 90, 100]);
        assert_eq!(per_cents(1.0, 1.0), [98, 100]);
        assert_eq!(per_cents(0.0, 0.0), [0, 2]);
        assert_eq!(per_cents(-0.2, 1.3), [0, 20, 40, 60, 80, 100]);
        for low in 0..100 {
            for high in low..=100 {
                let (low, high) = (f64::from(low) / 100.0, f64::from(high) / 100.0);
                let ticks = per_cents(low, high);
                assert!((2..=8).contains(&ticks.len()), "{low} {high} {ticks:?}");
                let (first, last) = (ticks[0], ticks[ticks.len() - 1]);
                assert!(f64::from(first) <= low * 100.0 + 1e-6 && last <= 100);
                assert!(f64::from(last) >= high * 100.0 - 1e-6);
            }
        }
    }

    #[test]
    fn labels_keep_clear_of_one_another() {
        assert_eq!(apart(&[10.0, 50.0], 16.0, 0.0, 100.0), [10.0, 50.0]);
        assert_eq!(apart(&[52.0, 50.0], 16.0, 0.0, 100.0), [66.0, 50.0]);
        assert_eq!(
            apart(&[99.0, 98.0, 97.0], 16.0, 0.0, 100.0),
            [100.0, 84.0, 68.0]
        );
        assert_eq!(apart(&[-5.0], 16.0, 0.0, 100.0), [0.0]);
    }
}
