//! What a head goes by: the last embedding, or which of the taps.

use ndarray::{Array2, ArrayView2, Axis};

use super::{Head, Layout};

impl Head {
    /// How much each part of the embedding (in the layout's order) has to do with how the head tells
    /// `embeddings` apart. A logit is a sum over the parts; this is the share of each part's summand
    /// in the variance of the logits, taken within each embedding less the mean over the classes, which
    /// no answer depends on: its covariance with the whole, divided by the variance of the whole. The
    /// shares add up to 1; a part that works against the others has one below 0. `None` where an
    /// embedding does not fit the head, or nothing is told apart.
    pub fn reliance<'a>(
        &self,
        embeddings: impl IntoIterator<Item = &'a [f32]>,
    ) -> Option<Vec<f64>> {
        let width = self.layout.width();
        let mut features = Vec::new();
        for embedding in embeddings {
            if embedding.len() != width {
                return None;
            }
            features.extend(self.layout.features(embedding));
        }
        let rows = features.len() / width.max(1);
        let features = Array2::from_shape_vec((rows, width), features).ok()?;
        let weights = ArrayView2::from_shape((self.classes.len(), width), &self.weights).ok()?;
        let parts: Vec<Array2<f64>> = ranges(&self.layout)
            .map(|(from, to)| {
                let part = ndarray::s![.., from..to];
                centred(features.slice(part).dot(&weights.slice(part).t()))
            })
            .collect();
        let mut whole = Array2::zeros((rows, self.classes.len()));
        parts.iter().for_each(|part| whole += part);
        let variance = (&whole * &whole).sum();
        (variance > 0.0 && variance.is_finite()).then(|| {
            let shares = parts.iter().map(|part| (part * &whole).sum() / variance);
            shares.collect()
        })
    }
}

/// Where each part's features begin and end.
fn ranges(layout: &Layout) -> impl Iterator<Item = (usize, usize)> + '_ {
    let taps = layout.taps().iter().map(|&part| part as usize);
    let parts = std::iter::once(layout.last()).chain(taps);
    parts.scan(0, |from, part| {
        let range = (*from, *from + part);
        *from = range.1;
        Some(range)
    })
}

/// Less the mean of every row (an embedding) and then of every column (a class).
fn centred(logits: Array2<f32>) -> Array2<f64> {
    let mut logits = logits.mapv(f64::from);
    for axis in [Axis(1), Axis(0)] {
        if let Some(means) = logits.mean_axis(axis) {
            logits -= &means.insert_axis(axis);
        }
    }
    logits
}

#[cfg(test)]
mod tests {
    use super::{
        super::{
            Kind,
            tests::{examples, heaps},
        },
        *,
    };

    /// Three classes; only the parts in `telling` (of a last embedding and two taps) differ between
    /// them.
    fn reliance(kind: Kind, telling: [bool; 3]) -> Vec<f64> {
        let (mut embeddings, labels) = heaps(3, 3, 8, 30, 0.2);
        let (noise, _) = heaps(4, 1, 24, 30, 1.0);
        for (embedding, noise) in embeddings.iter_mut().zip(&noise) {
            for at in (0..3).filter(|&at| !telling[at]) {
                let range = at * 10..at * 10 + 10;
                embedding[range.clone()].copy_from_slice(&noise[range]);
            }
        }
        let layout = Layout::new([10, 10, 10]).unwrap();
        let head = Head::fit(kind, &layout, &examples(&embeddings, &labels)).unwrap();
        let shares = head.reliance(embeddings.iter().map(Vec::as_slice)).unwrap();
        assert!((shares.iter().sum::<f64>() - 1.0).abs() < 1e-9);
        shares
    }

    #[test]
    fn a_head_goes_by_what_tells_its_classes_apart() {
        let last = reliance(Kind::Lda, [true, false, false]);
        let tap = reliance(Kind::Lda, [false, false, true]);
        assert!(last[0] > 0.8 && tap[2] > 0.8, "{last:?} {tap:?}");
        // These look at the last embedding only.
        assert_eq!(
            reliance(Kind::Logistic, [true, true, true]),
            [1.0, 0.0, 0.0]
        );
    }

    #[test]
    fn what_tells_nothing_apart_relies_on_nothing() {
        let (embeddings, labels) = heaps(3, 2, 4, 6, 0.2);
        let layout = Layout::plain(6);
        let head = Head::fit(Kind::Lda, &layout, &examples(&embeddings, &labels)).unwrap();
        assert_eq!(head.reliance([embeddings[0].as_slice(); 2]), None);
        assert_eq!(head.reliance([]), None);
        assert_eq!(head.reliance([[1.0].as_slice()]), None);
    }
}
