//! Embeddings of many photos, on all cores.

use std::path::PathBuf;

use lastlayer_shared::{
    backbone::{Backbone, BackboneError, Embedder},
    frame::{Frame, FrameError},
    view::View,
};

use crate::cores;

/// Why the photos could not all be embedded.
#[derive(Debug, thiserror::Error)]
pub enum EmbedError {
    #[error(transparent)]
    Backbone(#[from] BackboneError),
    #[error("{0}; remove the file or replace it")]
    Photo(#[from] FrameError),
}

/// One result a path, in order: what `keep` makes of what the network saw of the photo and of the
/// embedding (as wide as the backbone says). `done` is called after each, and both from any thread. The first photo that cannot
/// be read ends it.
pub fn photos<T: Send>(
    backbone: &Backbone,
    paths: &[PathBuf],
    keep: impl Fn(Frame, Vec<f32>) -> Result<T, EmbedError> + Sync,
    done: impl Fn() + Sync,
) -> Result<Vec<T>, EmbedError> {
    let work = |embedder: &mut Embedder, at: usize| {
        let crop = backbone
            .preprocess()
            .crop(&Frame::open(&paths[at])?, &View::default())
            .map_err(BackboneError::from)?;
        let embedding = embedder.embed_crop(&crop)?;
        let kept = keep(crop, embedding)?;
        done();
        Ok(kept)
    };
    cores::map(paths.len(), || Ok(backbone.embedder()?), work)
}
