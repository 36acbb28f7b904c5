//! Does the written backbone say the same as what it was made from?

use lastlayer_shared::{contain::contain, frame::Frame, preprocess::Preprocess};
use rand::RngExt;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use tract_onnx::prelude::*;

use super::{GraphError, onnx::ModelProto, typed};

/// The number of made-up pictures that are compared.
const PICTURES: u64 = 3;

/// The largest absolute difference between any two numbers of `output` as `source` and as `backbone`
/// have it, over made-up pictures.
pub fn largest_difference(
    source: &ModelProto,
    backbone: &ModelProto,
    output: &str,
    preprocess: &Preprocess,
) -> Result<f32, GraphError> {
    let side = preprocess.input_size as usize;
    let runnable = |model: &ModelProto, output: &str| {
        let typed = typed(model, &[output])?;
        contain(|| typed.into_optimized()?.into_runnable()).map_err(GraphError::Unsupported)
    };
    let (expected, got) = (runnable(source, output)?, runnable(backbone, output)?);
    let mut largest = 0.0f32;
    for seed in 0..PICTURES {
        let picture = made_up_picture(preprocess.input_size, seed);
        let numbers = preprocess
            .normalise(&picture)
            .map_err(lastlayer_shared::backbone::BackboneError::from)?;
        let run = |plan: &Arc<TypedRunnableModel>| {
            contain(|| {
                let input = Tensor::from_shape(&[1, 3, side, side], &numbers)?;
                let output = plan.run(tvec!(input.into_tvalue()))?;
                let numbers = output[0].to_plain_array_view::<f32>()?;
                Ok(numbers.iter().copied().collect::<Vec<f32>>())
            })
            .map_err(GraphError::Unsupported)
        };
        let (a, b) = (run(&expected)?, run(&got)?);
        if a.len() != b.len() {
            return Err(GraphError::Disagrees(f32::INFINITY));
        }
        for (a, b) in a.iter().zip(&b) {
            // NaN must not pass for agreement.
            let difference = (a - b).abs();
            largest = if difference.is_nan() {
                f32::INFINITY
            } else {
                largest.max(difference)
            };
        }
    }
    Ok(largest)
}

/// A picture of coloured patches of several sizes, so that every part of a network has something
/// to do; the same for the same seed.
pub fn made_up_picture(size: u32, seed: u64) -> Frame {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut picture = image::RgbImage::from_pixel(size, size, image::Rgb([128; 3]));
    for _ in 0..60 {
        let side = random.random_range(1..=size / 2);
        let (left, top) = (random.random_range(0..size), random.random_range(0..size));
        let colour: [u8; 3] = random.random();
        for y in top..(top + side).min(size) {
            for x in left..(left + side).min(size) {
                picture.put_pixel(x, y, image::Rgb(colour));
            }
        }
    }
    picture.into()
}
