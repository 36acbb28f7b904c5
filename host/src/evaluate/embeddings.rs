//! The photos of an evaluation as the backbone sees them.

use std::{collections::BTreeMap, path::PathBuf};

use lastlayer_shared::{backbone::Backbone, file, framed, head::Layout};

use super::EvaluateError;
use crate::{
    embed,
    photos::LabelledPhotos,
    pretrained::cache::{Cache, CacheError, MAX_FILE},
};

const CACHE: framed::Kind = framed::Kind {
    name: *b"LLEM",
    version: 1,
};

/// One embedding a photo with its class.
pub struct Embeddings {
    /// Names, in order.
    pub classes: Vec<String>,
    /// One a photo; indexes `classes`.
    pub labels: Vec<usize>,
    /// Of the backbone.
    pub layout: Layout,
    /// One a photo, as `layout` describes them.
    pub embeddings: Vec<Vec<f32>>,
}

/// Embeds photos, taking those from the cache that this backbone has seen before. A cache that
/// cannot be read is made anew; one that cannot be written is told to `not_kept`, and no error.
/// `started` is given the number of photos to embed, `done` is called after each, from any thread.
pub fn embeddings(
    backbone: &Backbone,
    labelled: &LabelledPhotos,
    cache: &Cache,
    started: impl Fn(u64),
    done: impl Fn() + Sync,
    not_kept: impl FnOnce(CacheError),
) -> Result<Embeddings, EvaluateError> {
    let name = format!("embeddings-{}", backbone.id());
    let mut known = read_cache(cache, &name, backbone.width());
    let sums: Vec<String> = labelled
        .photos
        .iter()
        .map(|(_, path)| Ok(file::sha256(&file::read(path, MAX_FILE)?)))
        .collect::<Result<_, file::FileError>>()?;
    let missing: Vec<usize> = (0..sums.len())
        .filter(|&i| !known.contains_key(&sums[i]))
        .collect();
    let paths: Vec<PathBuf> = missing
        .iter()
        .map(|&i| labelled.photos[i].1.clone())
        .collect();
    started(paths.len() as u64);
    let embedded = embed::photos(backbone, &paths, |_, embedding| Ok(embedding), done)?;
    for (&photo, embedding) in missing.iter().zip(embedded) {
        known.insert(sums[photo].clone(), embedding);
    }
    if !missing.is_empty()
        && let Ok(bytes) = framed::seal(CACHE, &known)
        && let Err(error) = cache.write(&name, &bytes)
    {
        not_kept(error);
    }
    Ok(Embeddings {
        classes: labelled.classes.clone(),
        layout: backbone.layout().clone(),
        labels: labelled.photos.iter().map(|(class, _)| *class).collect(),
        embeddings: sums.iter().map(|sum| known[sum].clone()).collect(),
    })
}

fn read_cache(cache: &Cache, name: &str, width: usize) -> BTreeMap<String, Vec<f32>> {
    let read =
        || -> Option<BTreeMap<String, Vec<f32>>> { framed::open(CACHE, &cache.read(name)?).ok() };
    let mut known = read().unwrap_or_default();
    known.retain(|_, embedding| embedding.len() == width);
    known
}
