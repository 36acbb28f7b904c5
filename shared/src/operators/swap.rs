//! Builds tract's graph anew with our operators in it.

use std::collections::HashMap;

use tract_onnx::{
    prelude::*,
    tract_core::{internal::TractErrorContext as _, ops::change_axes::AxisOp},
};

use super::{
    block::{Block, Layers},
    convolution::{Pointwise, Stem},
    find::Convolution,
    parts::{BlockPart, Chain, Part, Parts},
    pixels::{Size, Sum},
};

/// Ten times what the largest MobileNet has.
const MOST_WEIGHTS: usize = 1 << 26;

/// The same network with our operators in place of what they can do; `model` is tract's before it
/// optimises.
pub fn swap(mut model: TypedModel) -> TractResult<TypedModel> {
    // Weights that are computed from constants are known then.
    model.prop_consts()?;
    let order = model.eval_order()?;
    let parts = Parts::find(&model, &order);
    // Our operators do not share weights, and a file of a few can name them thousands of times.
    if parts.weights() > MOST_WEIGHTS {
        return Ok(model);
    }
    let mut swap = Swap {
        model: &model,
        new: TypedModel::default(),
        known: HashMap::new(),
    };
    for node in order {
        match parts.starts.get(&node) {
            Some(part) => swap.part(part)?,
            None if parts.gone.contains(&node) => {}
            None => swap.copy(node)?,
        }
    }
    let outputs: Vec<OutletId> = model
        .outputs
        .iter()
        .map(|&output| swap.planes(output))
        .collect::<TractResult<_>>()?;
    swap.new.select_output_outlets(&outputs)?;
    Ok(swap.new)
}

/// An outlet of the new graph.
#[derive(Clone, Copy, Default)]
struct Known {
    planes: Option<OutletId>,
    pixels: Option<OutletId>,
}

struct Swap<'a> {
    model: &'a TypedModel,
    new: TypedModel,
    /// What the old graph's outlets are in the new one.
    known: HashMap<OutletId, Known>,
}

impl Swap<'_> {
    /// A node as it was.
    fn copy(&mut self, node: usize) -> TractResult<()> {
        let node = &self.model.nodes[node];
        let outlets = if node.inputs.is_empty() && self.model.inputs.contains(&node.id.into()) {
            tvec!(
                self.new
                    .add_source(&node.name, node.outputs[0].fact.clone())?
            )
        } else {
            let inputs = node.inputs.iter().map(|&input| self.planes(input));
            let inputs = inputs.collect::<TractResult<Vec<OutletId>>>()?;
            self.new.wire_node(&node.name, node.op.clone(), &inputs)?
        };
        for (slot, outlet) in outlets.into_iter().enumerate() {
            self.known
                .entry(OutletId::new(node.id, slot))
                .or_default()
                .planes = Some(outlet);
        }
        Ok(())
    }

    fn part(&mut self, part: &Part<'_>) -> TractResult<()> {
        let name = |outlet: OutletId| format!("{}.lastlayer", self.model.nodes[outlet.node].name);
        let name = name(part.to());
        match part {
            Part::Sum(node) => {
                let input = self.model.nodes[*node].inputs[0];
                let size = Size::of_planes(self.model.outlet_fact(input)?);
                let size = size.context("a map that was of known size")?;
                let from = self.pixels(input)?;
                let sum = self.new.wire_node(name, Sum(size), &[from])?[0];
                self.known.entry(part.to()).or_default().planes = Some(sum);
            }
            Part::Stem(convolution) => {
                let operator = Stem {
                    panels: convolution.panels()?,
                    limits: convolution.limits,
                    input: convolution.input,
                    window: convolution.window(),
                    output: [convolution.output.height, convolution.output.width],
                    stride: convolution.stride(),
                    padding: convolution.padding()[0],
                };
                let from = self.planes(convolution.from)?;
                let to = self.new.wire_node(name, operator, &[from])?[0];
                self.known.entry(part.to()).or_default().pixels = Some(to);
            }
            Part::Pointwise(Chain {
                convolution, added, ..
            }) => {
                let operator = Pointwise {
                    panels: convolution.panels()?,
                    limits: convolution.limits,
                    input: convolution.input,
                };
                let inputs = self.inputs(convolution.from, *added)?;
                let to = self.new.wire_node(name, operator, &inputs)?[0];
                self.known.entry(part.to()).or_default().pixels = Some(to);
            }
            Part::Block(block) => {
                let BlockPart {
                    expand,
                    depthwise,
                    project,
                    sums,
                } = &**block;
                let first = expand.as_ref().unwrap_or(depthwise);
                let [[above, left], [below, right]] = depthwise.padding();
                let wide = |convolution: &Convolution<'_>| {
                    TractResult::Ok((convolution.panels()?, convolution.limits))
                };
                let operator = Block::new(Layers {
                    expand: expand.as_ref().map(wide).transpose()?,
                    depthwise: (depthwise.windows()?, depthwise.limits),
                    stride: depthwise.stride()[0],
                    above,
                    below,
                    left,
                    right,
                    project: match project {
                        Some(chain) => Some(wide(&chain.convolution)?),
                        None => None,
                    },
                    sums: !sums.is_empty(),
                    input: first.input,
                })?;
                let added = project.as_ref().and_then(|chain| chain.added);
                let inputs = self.inputs(first.from, added)?;
                let outlets = self.new.wire_node(name, operator, &inputs)?;
                self.known.entry(part.to()).or_default().pixels = Some(outlets[0]);
                for &node in sums {
                    self.known.entry(node.into()).or_default().planes = Some(outlets[1]);
                }
            }
        }
        Ok(())
    }

    fn inputs(&mut self, from: OutletId, added: Option<OutletId>) -> TractResult<Vec<OutletId>> {
        let all = [from].into_iter().chain(added);
        all.map(|outlet| self.pixels(outlet)).collect()
    }

    /// An outlet of the old graph with its channels first, as tract has it.
    fn planes(&mut self, old: OutletId) -> TractResult<OutletId> {
        self.turned(
            old,
            |known| &mut known.planes,
            |known| known.pixels,
            AxisOp::Move(3, 1),
        )
    }

    /// The same with its channels last, as we have it.
    fn pixels(&mut self, old: OutletId) -> TractResult<OutletId> {
        self.turned(
            old,
            |known| &mut known.pixels,
            |known| known.planes,
            AxisOp::Move(1, 3),
        )
    }

    fn turned(
        &mut self,
        old: OutletId,
        wanted: impl Fn(&mut Known) -> &mut Option<OutletId>,
        other: impl Fn(&Known) -> Option<OutletId>,
        turn: AxisOp,
    ) -> TractResult<OutletId> {
        let mut known = self.known.get(&old).copied().unwrap_or_default();
        if let Some(outlet) = *wanted(&mut known) {
            return Ok(outlet);
        }
        let from = other(&known).context("a node before those that it needs")?;
        let name = format!("{}.{}.{turn:?}", self.model.nodes[old.node].name, old.slot);
        let outlet = self.new.wire_node(name, turn, &[from])?[0];
        *wanted(&mut known) = Some(outlet);
        self.known.insert(old, known);
        Ok(outlet)
    }
}
