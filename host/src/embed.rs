//! Embeddings of many photos, on all cores.

use std::{
    num::NonZero,
    path::PathBuf,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use lastlayer_shared::{
    backbone::{Backbone, BackboneError},
    frame::{Frame, FrameError},
    view::View,
};

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
    let next = AtomicUsize::new(0);
    let results = Mutex::new(Vec::with_capacity(paths.len()));
    let failed = Mutex::new(None);
    let work = || -> Result<(), EmbedError> {
        let mut embedder = backbone.embedder()?;
        loop {
            let at = next.fetch_add(1, Ordering::Relaxed);
            let Some(path) = paths.get(at) else {
                return Ok(());
            };
            let crop = backbone
                .preprocess()
                .crop(&Frame::open(path)?, &View::default())
                .map_err(BackboneError::from)?;
            let embedding = embedder.embed_crop(&crop)?;
            let kept = keep(crop, embedding)?;
            if let Ok(mut results) = results.lock() {
                results.push((at, kept));
            }
            done();
        }
    };
    let threads = std::thread::available_parallelism().map_or(1, NonZero::get);
    std::thread::scope(|scope| {
        for _ in 0..threads.min(paths.len()) {
            scope.spawn(|| {
                if let Err(error) = work() {
                    // The others stop at their next photo.
                    next.store(paths.len(), Ordering::Relaxed);
                    if let Ok(mut failed) = failed.lock() {
                        failed.get_or_insert(error);
                    }
                }
            });
        }
    });
    if let Some(error) = failed.into_inner().ok().flatten() {
        return Err(error);
    }
    let mut results = results.into_inner().unwrap_or_default();
    results.sort_by_key(|(at, _)| *at);
    Ok(results.into_iter().map(|(_, kept)| kept).collect())
}
