//! One taught example, as packages and the board's memory keep it.

use serde::{Deserialize, Serialize};

use crate::view::View;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sample {
    /// Index into the class list that lies beside the samples.
    pub class: u16,
    /// Samples of one button press are near-copies and share this number; a photo from a folder is
    /// a burst of its own.
    pub burst: u32,
    /// Counts upwards over the life of a memory: boards may have no clock.
    pub sequence: u64,
    /// The backbone's answer, as it came out of the network.
    pub embedding: Vec<f32>,
    /// What the network saw: a JPEG of `input_size` x `input_size` pixels, so that another
    /// backbone can embed the sample again.
    pub crop: Vec<u8>,
    /// What of the camera's picture the crop was taken from; the default for a photo.
    pub view: View,
}

/// Samples that are about to be learned from, whoever keeps them.
pub fn examples(samples: &[Sample]) -> Vec<crate::head::Example<'_>> {
    samples
        .iter()
        .map(|sample| crate::head::Example {
            embedding: &sample.embedding,
            class: usize::from(sample.class),
            burst: sample.burst,
        })
        .collect()
}
