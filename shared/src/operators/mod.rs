//! What tract computes slowly, computed by operators of our own.
//!
//! A MobileNet is a chain of blocks: a 1 x 1 convolution that widens, a depthwise 3 x 3 convolution, a
//! 1 x 1 convolution that narrows. tract runs each by itself on maps of one channel after the other,
//! which have to be repacked for every product and do not fit into caches. Here a pixel's channels lie
//! side by side: products need no packing, depthwise convolutions are vectors of channels, and a whole
//! block runs over a few rows at a time (`block`), so that its wide maps are never whole in memory.
//! `find` knows convolutions in tract's graph, `parts` says which of them are a block, `swap` puts ours in
//! their place; what is none of them stays tract's. The loops are in `kernels`.

mod block;
mod convolution;
mod find;
mod kernels;
mod parts;
mod pixels;
mod swap;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use tract_onnx::prelude::*;

/// What computes a network.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Operators {
    /// Ours where there are any, tract's for the rest.
    #[default]
    Lastlayer,
    /// tract's alone.
    Tract,
}

impl Operators {
    /// `model` ready to run.
    pub fn runnable(self, model: TypedModel) -> TractResult<Arc<TypedRunnableModel>> {
        let model = match self {
            // A name of the network's own may be in the way of one of ours.
            Operators::Lastlayer if kernels::Kind::best().is_fast() => {
                swap::swap(model.clone()).unwrap_or(model)
            }
            // tract has kernels of its own for processors that ours are not written for.
            Operators::Lastlayer | Operators::Tract => model,
        };
        model.into_optimized()?.into_runnable()
    }
}
