//! Size and work of a network.

use tract_onnx::tract_core::internal::DimLike;
use tract_onnx::tract_core::ops::{
    Cost,
    cnn::{Conv, Deconv},
    einsum::EinSum,
    nn::{Reduce, Reducer},
};

use lastlayer_shared::contain::contain;

use super::{GraphError, onnx, onnx::ModelProto, typed};

#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct NetworkCost {
    /// Operators in the file.
    pub operators: usize,
    pub parameters: u64,
    /// Multiply-accumulates for one picture: convolutions, matrix products, and the additions of
    /// averages over positions.
    pub macs: u64,
    pub file_bytes: u64,
}

/// Measures the part of `model` that `outputs` need. `file_bytes` is left to the caller.
pub fn of(model: &ModelProto, outputs: &[&str]) -> Result<NetworkCost, GraphError> {
    let typed = typed(model, outputs)?;
    let macs = contain(|| {
        let mut macs = 0u64;
        for node in typed.nodes() {
            let sum = node
                .op_as::<Reduce>()
                .is_some_and(|reduce| matches!(reduce.reducer, Reducer::Sum));
            let product = node.op_is::<Conv>() || node.op_is::<Deconv>() || node.op_is::<EinSum>();
            // Others have a cost too, such as 11 for one sigmoid, but nobody counts them.
            if !(product || sum) {
                continue;
            }
            let inputs = typed.node_input_facts(node.id)?;
            for (cost, amount) in node.op.cost(&inputs)? {
                if matches!(cost, Cost::FMA(_)) {
                    macs = macs.saturating_add(amount.to_usize()? as u64);
                }
            }
        }
        Ok(macs)
    })
    .map_err(GraphError::Unsupported)?;
    Ok(NetworkCost {
        operators: onnx::graph(model)?.node.len(),
        parameters: onnx::parameters(model),
        macs,
        file_bytes: 0,
    })
}
