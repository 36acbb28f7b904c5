//! What of the examples a fit needs beside their features.

use crate::head::design::{Burst, Design};

/// The examples that are judged by heads without their burst, and how many there are of each class.
#[derive(Clone)]
pub struct Taught {
    /// The judged examples' places in the design,
    pub rows: Vec<usize>,
    /// and their bursts, whose rows are places in `rows`.
    pub bursts: Vec<Burst>,
    /// Of the whole design: examples and bursts of each class.
    pub examples_of: Vec<f64>,
    pub bursts_of: Vec<f64>,
    /// The sum of the squared sizes of its bursts.
    pub squares_of: Vec<f64>,
}

impl Taught {
    /// `bursts` are the design's, and `judged` some of them, or all.
    pub fn new(design: &Design, bursts: &[Burst], judged: &[Burst]) -> Self {
        let mut bursts_of = vec![0.0; design.classes];
        let mut squares_of = vec![0.0; design.classes];
        for burst in bursts {
            bursts_of[burst.class] += 1.0;
            squares_of[burst.class] += (burst.rows.len() as f64).powi(2);
        }
        let mut rows = Vec::new();
        let judged = judged.iter().map(|burst| {
            let start = rows.len();
            rows.extend(&burst.rows);
            Burst {
                class: burst.class,
                rows: (start..rows.len()).collect(),
            }
        });
        Self {
            bursts: judged.collect(),
            rows,
            examples_of: design
                .counts()
                .into_iter()
                .map(|count| count as f64)
                .collect(),
            bursts_of,
            squares_of,
        }
    }
}
