//! What a layer takes, by itself, before and after.

use std::time::Instant;

use lastlayer_shared::{contain::contain, operators::Operators};
use tract_onnx::prelude::*;

use super::{PruneError, layers::Hidden};
use crate::{
    graph::{
        self, GraphError,
        onnx::{self, ModelProto},
    },
    statistics::median,
};

const RUNS: usize = 15;

/// Median milliseconds of `layer` on one core, in each of two networks, in turns.
pub fn both(
    layer: &Hidden,
    whole: &ModelProto,
    pruned: &ModelProto,
) -> Result<[f64; 2], PruneError> {
    let sides = graph::fact_of(whole, &layer.input)?.0;
    let fails = |error: String| PruneError::from(GraphError::Unsupported(error));
    let prepared = |model: &ModelProto| -> Result<_, PruneError> {
        let typed = graph::typed(&alone(layer, model, &sides)?, &[&layer.made])?;
        contain(|| Operators::default().runnable(typed)?.spawn()).map_err(fails)
    };
    let mut states = [prepared(whole)?, prepared(pruned)?];
    let mut times = [Vec::new(), Vec::new()];
    for _ in 0..=RUNS {
        for (state, times) in states.iter_mut().zip(&mut times) {
            let taken = contain(|| {
                let count = sides.iter().product();
                let input = Tensor::from_shape(&sides, &vec![0.5f32; count])?;
                let start = Instant::now();
                state.run(tvec!(input.into_tvalue()))?;
                Ok(start.elapsed())
            });
            times.push(taken.map_err(fails)?.as_secs_f64() * 1e3);
        }
    }
    // The first run makes room.
    Ok(times.map(|times| median(&times[1..])))
}

/// The network from the layer's input on.
fn alone(layer: &Hidden, model: &ModelProto, sides: &[usize]) -> Result<ModelProto, PruneError> {
    let mut model = model.clone();
    let graph = onnx::graph_mut(&mut model)?;
    graph
        .node
        .retain(|node| !node.output.contains(&layer.input));
    graph.input = vec![onnx::value(&layer.input, sides)];
    Ok(model)
}
