//! Examples in the form that the fits work on.

use ndarray::{Array2, ArrayView2, Axis, s};

use super::{Example, HeadError, Layout, Number};

pub(super) struct Design {
    /// One example a row: its features, as `Layout::features` makes them.
    pub features: Array2<f32>,
    /// Numbers of the features that are the last embedding's; the rest are the taps'.
    pub last: usize,
    /// Row of `features` -> row of the head, 0..classes.
    pub labels: Vec<usize>,
    /// Rows of `features` of one burst share a number.
    pub bursts: Vec<u32>,
    pub classes: usize,
}

impl Design {
    /// `classes` are the class numbers that occur, ascending.
    pub fn new<T: Number>(
        layout: &Layout,
        examples: &[Example<'_, T>],
        classes: &[usize],
    ) -> Result<Self, HeadError> {
        let width = layout.width();
        let mut numbers = Vec::with_capacity(examples.len() * width);
        let mut labels = Vec::with_capacity(examples.len());
        let mut embedding: Vec<f32> = Vec::with_capacity(width);
        for example in examples {
            if example.embedding.len() != width {
                return Err(HeadError::Width {
                    expected: width,
                    actual: example.embedding.len(),
                });
            }
            // One at a time, so that there is never a second copy of all.
            embedding.clear();
            embedding.extend(example.embedding.iter().map(|&number| number.into()));
            if embedding.iter().any(|v| !v.is_finite()) {
                return Err(HeadError::NotFinite);
            }
            numbers.extend(layout.features(&embedding));
            labels.push(classes.partition_point(|&class| class < example.class));
        }
        let features = Array2::from_shape_vec((examples.len(), width), numbers)
            .map_err(|_| HeadError::Damaged("the examples do not form a matrix"))?;
        Ok(Self {
            features,
            last: layout.last(),
            labels,
            bursts: examples.iter().map(|example| example.burst).collect(),
            classes: classes.len(),
        })
    }

    pub fn rows(&self) -> usize {
        self.labels.len()
    }

    /// Of the last embedding alone.
    pub fn embedding(&self) -> ArrayView2<'_, f32> {
        self.features.slice(s![.., ..self.last])
    }

    /// Of the taps alone.
    pub fn taps(&self) -> ArrayView2<'_, f32> {
        self.features.slice(s![.., self.last..])
    }

    /// Examples of each class.
    pub fn counts(&self) -> Vec<usize> {
        let mut counts = vec![0; self.classes];
        self.labels.iter().for_each(|&label| counts[label] += 1);
        counts
    }

    /// The rows of every burst, class by class, in the order of their numbers. A burst that shows two
    /// classes counts as two.
    pub fn by_burst(&self) -> Vec<Burst> {
        let mut rows: Vec<usize> = (0..self.rows()).collect();
        rows.sort_by_key(|&row| (self.labels[row], self.bursts[row]));
        rows.chunk_by(|&a, &b| (self.labels[a], self.bursts[a]) == (self.labels[b], self.bursts[b]))
            .map(|rows| Burst {
                class: self.labels[rows[0]],
                rows: rows.to_vec(),
            })
            .collect()
    }

    /// The mean of each class: `classes` rows.
    pub fn means(&self) -> Array2<f32> {
        let mut means = Array2::<f32>::zeros((self.classes, self.features.ncols()));
        for (row, &label) in self.features.outer_iter().zip(&self.labels) {
            let mut mean = means.row_mut(label);
            mean += &row;
        }
        for (mut mean, count) in means.outer_iter_mut().zip(self.counts()) {
            mean /= count.max(1) as f32;
        }
        means
    }

    /// The same classes with only these examples.
    pub fn select(&self, rows: &[usize]) -> Design {
        Design {
            features: self.features.select(Axis(0), rows),
            ..self.labels_of(rows)
        }
    }

    /// The same without features: for what goes by inner products alone.
    pub fn labels_of(&self, rows: &[usize]) -> Design {
        Design {
            features: Array2::zeros((rows.len(), 0)),
            last: self.last,
            labels: rows.iter().map(|&row| self.labels[row]).collect(),
            bursts: rows.iter().map(|&row| self.bursts[row]).collect(),
            classes: self.classes,
        }
    }
}

/// Examples that never judge one another.
#[derive(Clone, Debug)]
pub(super) struct Burst {
    pub class: usize,
    /// Ascending.
    pub rows: Vec<usize>,
}
