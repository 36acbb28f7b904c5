//! Do the windows of convolutions and pools fit into what they look at? tract goes on where they do
//! not and gives one position; other runtimes refuse to load such a file.

use tract_onnx::{
    prelude::*,
    tract_core::ops::cnn::{Conv, MaxPool, PaddingSpec, PoolSpec, SumPool},
};

use lastlayer_shared::error::plain;

use super::{GraphError, Shape};

pub fn check(model: &TypedModel) -> Result<(), GraphError> {
    for node in model.nodes() {
        let spec = if let Some(conv) = node.op_as::<Conv>() {
            &conv.pool_spec
        } else if let Some(pool) = node.op_as::<MaxPool>() {
            &pool.pool_spec
        } else if let Some(pool) = node.op_as::<SumPool>() {
            &pool.pool_spec
        } else {
            continue;
        };
        let facts = model.node_input_facts(node.id);
        let shape = facts.ok().and_then(|facts| {
            let shape = facts.first()?.shape.as_concrete()?;
            spec.data_format.shape(shape).ok()
        });
        let Some(shape) = shape else { continue };
        let (window, room) = (reach(spec), room(spec, shape.hw_dims()));
        if window.iter().zip(&room).any(|(window, room)| window > room) {
            return Err(GraphError::Window {
                node: plain(&node.name),
                window: Shape(&window).to_string(),
                room: Shape(&room).to_string(),
            });
        }
    }
    Ok(())
}

/// The positions that a window spans.
fn reach(spec: &PoolSpec) -> Vec<usize> {
    let dilation = |axis: usize| {
        spec.dilations
            .as_ref()
            .map_or(1, |dilations| dilations[axis])
    };
    let sides = spec.kernel_shape.iter().enumerate();
    sides
        .map(|(axis, &side)| {
            side.saturating_sub(1)
                .saturating_mul(dilation(axis))
                .saturating_add(1)
        })
        .collect()
}

/// The positions that are there, padding included.
fn room(spec: &PoolSpec, sides: &[usize]) -> Vec<usize> {
    let padded = |axis: usize, side: usize| match &spec.padding {
        PaddingSpec::Explicit(before, after) | PaddingSpec::ExplicitOnnxPool(before, after, _) => {
            before
                .get(axis)
                .zip(after.get(axis))
                .map_or(side, |(b, a)| side.saturating_add(b.saturating_add(*a)))
        }
        PaddingSpec::Valid => side,
        // These pad as much as the window needs.
        PaddingSpec::SameUpper | PaddingSpec::SameLower => usize::MAX,
    };
    let sides = sides.iter().enumerate();
    sides.map(|(axis, &side)| padded(axis, side)).collect()
}
