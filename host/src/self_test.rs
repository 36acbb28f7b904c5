//! Makes the self-test of a package: made-up pictures, and what the backbone makes of them here.

use lastlayer_shared::{
    backbone::{Backbone, BackboneError},
    package::SelfTest,
};

use crate::graph::compare::made_up_picture;

const PICTURES: u64 = 3;

/// Three crops of the backbone's input size with their embeddings, the same crops on every machine.
/// Fails where tract cannot run the backbone.
pub fn self_test(backbone: &Backbone) -> Result<Vec<SelfTest>, BackboneError> {
    let mut embedder = backbone.embedder()?;
    (0..PICTURES)
        .map(|seed| {
            let crop = made_up_picture(backbone.preprocess().input_size, seed);
            let embedding = embedder.embed_crop(&crop)?;
            Ok(SelfTest { crop, embedding })
        })
        .collect()
}
