//! How many channels each layer keeps: the most multiplications saved for what is lost.
//!
//! What each layer loses at each of its levels was measured with all others whole. Along the lower
//! convex hull of (saved, lost) of every layer, the cheapest steps of all layers are taken in turn
//! (the greedy solution of a separable convex knapsack).

/// Kernels work on so many channels at once.
pub const TILE: usize = 16;

/// Channels that a layer of `channels` is tried with, descending, without itself: from seven eighths
/// to a quarter, in whole tiles.
pub fn levels(channels: usize) -> Vec<usize> {
    let mut levels: Vec<usize> = (2..8)
        .rev()
        .map(|eighths| (channels * eighths / 8).next_multiple_of(TILE))
        .filter(|&level| level < channels)
        .collect();
    levels.dedup();
    levels
}

/// What is known of one layer.
#[derive(Clone, Debug)]
pub struct Effect {
    pub channels: usize,
    /// Multiply-accumulates of one channel.
    pub macs: f64,
    /// Channels kept and share lost, by descending channels.
    pub levels: Vec<(usize, f64)>,
}

impl Effect {
    /// Corners of the lower convex hull after the whole layer, by ascending price.
    fn steps(&self) -> Vec<(usize, f64)> {
        let mut hull: Vec<(usize, f64)> = vec![(self.channels, 0.0)];
        for &(channels, lost) in &self.levels {
            // A measurement may come out below one with more channels by chance.
            let lost = lost.max(hull.last().map_or(0.0, |last| last.1));
            while let [.., before, last] = hull.as_slice() {
                match price(*before, *last) >= price(*last, (channels, lost)) {
                    true => drop(hull.pop()),
                    false => break,
                }
            }
            hull.push((channels, lost));
        }
        hull.remove(0);
        hull
    }
}

/// Lost for each channel between two levels.
fn price(from: (usize, f64), to: (usize, f64)) -> f64 {
    (to.1 - from.1) / (from.0 - to.0).max(1) as f64
}

/// Channels to keep, a layer, so that at least `save` multiply-accumulates are saved; None where the
/// lowest levels of all save less.
pub fn counts(effects: &[Effect], save: f64) -> Option<Vec<usize>> {
    let mut steps: Vec<(f64, usize, usize)> = Vec::new();
    for (layer, effect) in effects.iter().enumerate() {
        let mut from = (effect.channels, 0.0);
        for to in effect.steps() {
            steps.push((price(from, to) / effect.macs.max(1.0), layer, to.0));
            from = to;
        }
    }
    // Stable: a layer's own steps stay in order.
    steps.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut counts: Vec<usize> = effects.iter().map(|effect| effect.channels).collect();
    let mut saved = 0.0;
    for (_, layer, channels) in steps {
        let macs = effects[layer].macs;
        let wanted = ((save - saved) / macs).ceil().max(0.0) as usize;
        if wanted == 0 {
            break;
        }
        let from = counts[layer];
        let least = from.saturating_sub(wanted) / TILE * TILE;
        counts[layer] = least.max(channels);
        saved += (from - counts[layer]) as f64 * macs;
    }
    (saved >= save).then_some(counts)
}

/// The most that can be saved.
pub fn most(effects: &[Effect]) -> f64 {
    let most = effects.iter().map(|effect| {
        let least = effect
            .levels
            .last()
            .map_or(effect.channels, |level| level.0);
        (effect.channels - least) as f64 * effect.macs
    });
    most.sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn levels_are_whole_tiles() {
        assert_eq!(levels(96), [96 - 16, 64, 48, 32]);
        assert_eq!(levels(32), [16]);
        assert_eq!(levels(16), [] as [usize; 0]);
        assert_eq!(levels(960)[5], 240);
    }

    #[test]
    fn the_cheap_layer_goes_first() {
        let effect = |price: f64| Effect {
            channels: 64,
            macs: 10.0,
            levels: levels(64)
                .into_iter()
                .map(|level| (level, price * (64 - level) as f64))
                .collect(),
        };
        let effects = [effect(2.0), effect(1.0)];
        assert_eq!(counts(&effects, 0.0), Some(vec![64, 64]));
        assert_eq!(counts(&effects, 100.0), Some(vec![64, 48]));
        assert_eq!(counts(&effects, 600.0), Some(vec![48, 16]));
        assert_eq!(counts(&effects, 961.0), None);
        assert_eq!(most(&effects), 960.0);
    }

    proptest! {
        #[test]
        fn budgets_are_met_and_more_saved_never_keeps_more(
            layers in prop::collection::vec((1usize..40, 1.0f64..1e6, prop::collection::vec(0.0f64..0.5, 6)), 1..8),
            share in 0.0f64..1.0,
        ) {
            let effects: Vec<Effect> = layers
                .iter()
                .map(|(tiles, macs, lost)| Effect {
                    channels: tiles * TILE,
                    macs: *macs,
                    levels: levels(tiles * TILE).into_iter().zip(lost.iter().copied()).collect(),
                })
                .collect();
            let saved = |counts: &[usize]| -> f64 {
                let layers = effects.iter().zip(counts);
                layers.map(|(e, &count)| (e.channels - count) as f64 * e.macs).sum()
            };
            let save = share * most(&effects) * 0.999;
            let some = counts(&effects, save).unwrap();
            prop_assert!(saved(&some) >= save);
            let less = counts(&effects, save / 2.0).unwrap();
            for ((more, less), effect) in some.iter().zip(&less).zip(&effects) {
                prop_assert!(more <= less && *less <= effect.channels);
                prop_assert!(more % TILE == 0 && *more > 0);
            }
        }
    }
}
