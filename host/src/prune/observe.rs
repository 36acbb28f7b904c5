//! What a network says of photos: inner maps at some of their positions, and embeddings.

use lastlayer_shared::{
    contain::contain, frame::Frame, operators::Operators, preprocess::Preprocess,
};
use rand::{SeedableRng, seq::index};
use rand_chacha::ChaCha8Rng;
use tract_onnx::prelude::*;

use super::{PruneError, least_squares::Rows};
use crate::{
    cores,
    graph::{self, GraphError, onnx::ModelProto},
};

/// Positions of a map that are looked at, a photo: neighbours say nearly the same.
const POSITIONS: usize = 40;
/// Positions of all photos together: more only take memory.
const ALL_POSITIONS: usize = 60_000;

/// Photos as the network gets them.
pub struct Photos<'a> {
    pub crops: &'a [Frame],
    pub preprocess: &'a Preprocess,
    pub seed: u64,
}

impl Photos<'_> {
    /// Each of `maps` at the same positions of every photo, whatever the network: those are chosen by
    /// the seed, the photo's number and the map's size.
    pub fn rows(&self, model: &ModelProto, maps: &[&str]) -> Result<Vec<Rows>, PruneError> {
        let seen = self.run(model, maps, |photo, output| {
            let map = output
                .to_plain_array_view::<f32>()?
                .into_dimensionality::<tract_ndarray::Ix4>()?;
            let (_, channels, height, width) = map.dim();
            let at = self.positions(photo, height * width);
            let rows = at.iter().flat_map(|&at| {
                let column = map.slice(tract_ndarray::s![0, .., at / width, at % width]);
                column.into_iter().copied().collect::<Vec<f32>>()
            });
            Ok((channels, rows.collect::<Vec<f32>>()))
        })?;
        let mut rows: Vec<Rows> = Vec::with_capacity(maps.len());
        for photo in seen {
            for (at, (columns, numbers)) in photo.into_iter().enumerate() {
                match rows.get_mut(at) {
                    Some(rows) => rows.numbers.extend(numbers),
                    None => rows.push(Rows { columns, numbers }),
                }
            }
        }
        Ok(rows)
    }

    /// The numbers of each output of `1 x D`, photo by photo.
    pub fn embeddings(
        &self,
        model: &ModelProto,
        outputs: &[&str],
    ) -> Result<Vec<Vec<Vec<f32>>>, PruneError> {
        self.run(model, outputs, |_, output| {
            Ok(output
                .to_plain_array_view::<f32>()?
                .iter()
                .copied()
                .collect())
        })
    }

    fn positions(&self, photo: usize, all: usize) -> Vec<usize> {
        let seed = self.seed ^ (photo as u64) << 32 ^ all as u64;
        let positions = POSITIONS.min(ALL_POSITIONS / self.crops.len().max(1));
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        index::sample(&mut random, all, positions.min(all)).into_vec()
    }

    fn run<T: Send>(
        &self,
        model: &ModelProto,
        outputs: &[&str],
        keep: impl Fn(usize, &TValue) -> TractResult<T> + Sync,
    ) -> Result<Vec<Vec<T>>, PruneError> {
        let fails = |error: String| PruneError::from(GraphError::Unsupported(error));
        let typed = graph::typed(model, outputs)?;
        let plan = contain(|| Operators::default().runnable(typed)).map_err(fails)?;
        let side = self.preprocess.input_size as usize;
        let spawn = || contain(|| plan.spawn()).map_err(fails);
        cores::map(self.crops.len(), spawn, |state, photo| {
            let numbers = self.preprocess.normalise(&self.crops[photo])?;
            contain(|| {
                let input = Tensor::from_shape(&[1, 3, side, side], &numbers)?;
                let outputs = state.run(tvec!(input.into_tvalue()))?;
                outputs.iter().map(|output| keep(photo, output)).collect()
            })
            .map_err(fails)
        })
    }
}
