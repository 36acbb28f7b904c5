//! Knows the parts of a MobileNet in tract's graph, as it is before tract optimises it.

use std::collections::HashSet;

use tract_onnx::{
    prelude::*,
    tract_core::ops::{
        binary::{BinMiniOp, TypedBinOp},
        cnn::{Conv, KernelFormat, PaddingSpec},
        math::{Add, Max, Min},
        nn::{DataFormat, Reduce, Reducer},
    },
};

use super::{
    convolution::Limits,
    kernels::{PANEL, Panels, SIDE, Windows},
    pixels::Size,
};

/// More numbers in a window than the first layer of a network has.
const MOST_IN_WINDOW: usize = 1 << 10;

/// Of three rows that are wider than the map is high, so many numbers may be held.
const SMALL: usize = 1 << 20;
/// So few weights may take sixteen times the memory.
const FEW: usize = 1 << 12;

/// A convolution with the limits after it.
pub struct Convolution<'a> {
    pub conv: &'a Conv,
    pub from: OutletId,
    /// What comes out after the limits,
    pub to: OutletId,
    /// and of which nodes, the convolution itself first.
    pub nodes: Vec<usize>,
    pub limits: Limits,
    pub input: Size,
    /// Height and width of what comes out.
    pub output: Size,
    stride: [usize; 2],
    /// Before and after, rows and columns.
    padding: [[usize; 2]; 2],
    kernel: Arc<Tensor>,
    bias: Arc<Tensor>,
}

/// What is added to something, and what comes out.
pub struct Addition {
    pub added: OutletId,
    pub to: OutletId,
}

pub struct Finder<'a> {
    model: &'a TypedModel,
    /// Outputs of the network: nothing that comes before one may vanish.
    outputs: HashSet<OutletId>,
}

impl<'a> Finder<'a> {
    pub fn new(model: &'a TypedModel) -> Self {
        Self {
            model,
            outputs: model.outputs.iter().copied().collect(),
        }
    }

    /// `None` where the node is no convolution whose weights are known, of one frame of known size.
    pub fn convolution(&self, node: usize) -> Option<Convolution<'a>> {
        let node = &self.model.nodes[node];
        let conv = node.op_as::<Conv>()?;
        let spec = &conv.pool_spec;
        let [from, kernel, bias] = *node.inputs.as_slice() else {
            return None;
        };
        let is_plain = conv.q_params.is_none()
            && spec.data_format == DataFormat::NCHW
            && conv.kernel_fmt == KernelFormat::OIHW
            && spec.dilations.iter().flatten().all(|&step| step == 1);
        let input = Size::of_planes(self.fact(from)?)?;
        let output = Size::of_planes(&node.outputs.first()?.fact)?;
        let [height, width] = *spec.kernel_shape.as_slice() else {
            return None;
        };
        let stride = match spec.strides.as_deref() {
            None => [1, 1],
            Some(&[y, x]) => [y, x],
            Some(_) => return None,
        };
        let padding = match &spec.padding {
            PaddingSpec::Valid => [[0, 0]; 2],
            PaddingSpec::Explicit(before, after) => [
                before.as_slice().try_into().ok()?,
                after.as_slice().try_into().ok()?,
            ],
            _ => return None,
        };
        let kernel = self.constant(kernel)?;
        let bias = self.constant(bias)?;
        let per_group = input.channels.checked_div(conv.group)?;
        let fits = is_plain
            && kernel.shape() == [output.channels, per_group, height, width]
            && (bias.len() == output.channels || bias.len() == 1)
            && stride.iter().all(|&step| step > 0);
        if !fits {
            return None;
        }
        let mut found = Convolution {
            conv,
            from,
            to: OutletId::new(node.id, 0),
            nodes: vec![node.id],
            limits: (f32::NEG_INFINITY, f32::INFINITY),
            input,
            output,
            stride,
            padding,
            kernel,
            bias,
        };
        while let Some((next, limits)) = self.limit(found.to) {
            found.nodes.push(next);
            found.to = OutletId::new(next, 0);
            // One after the other, as the network has them.
            let (least, most) = found.limits;
            found.limits = (
                least.max(limits.0).min(limits.1),
                most.max(limits.0).min(limits.1),
            );
        }
        Some(found)
    }

    /// The only node that uses an outlet, where nothing else does.
    pub fn only_user(&self, outlet: OutletId) -> Option<usize> {
        match self.users(outlet).as_slice() {
            &[user] if !self.outputs.contains(&outlet) => Some(user),
            _ => None,
        }
    }

    /// Each once.
    pub fn users(&self, outlet: OutletId) -> Vec<usize> {
        let successors = &self.model.nodes[outlet.node].outputs[outlet.slot].successors;
        let mut users: Vec<usize> = successors.iter().map(|user| user.node).collect();
        users.dedup();
        users
    }

    pub fn is_output(&self, outlet: OutletId) -> bool {
        self.outputs.contains(&outlet)
    }

    /// The only use of an outlet is to have something of its own form added.
    pub fn addition(&self, outlet: OutletId) -> Option<Addition> {
        let node = self.only_user(outlet)?;
        let (a, b) = self.binary::<Add>(node)?;
        let added = if a == outlet { b } else { a };
        let alike = self.fact(a)?.shape == self.fact(b)?.shape;
        let is_other = added != outlet && self.constant(added).is_none();
        (alike && is_other).then_some(Addition {
            added,
            to: OutletId::new(node, 0),
        })
    }

    /// Whether a node is the sum of a map over its pixels.
    pub fn is_sum(&self, node: usize) -> bool {
        let reduce = self.model.nodes[node].op_as::<Reduce>();
        reduce.is_some_and(|reduce| reduce.reducer == Reducer::Sum && reduce.axes[..] == [2, 3])
    }

    /// A lower or upper limit that is the only use of an outlet.
    fn limit(&self, outlet: OutletId) -> Option<(usize, Limits)> {
        let node = self.only_user(outlet)?;
        let bounds = |number: f32, is_least: bool| match is_least {
            true => (number, f32::INFINITY),
            false => (f32::NEG_INFINITY, number),
        };
        let (a, b, is_least) = match self.binary::<Max>(node) {
            Some((a, b)) => (a, b, true),
            None => {
                let (a, b) = self.binary::<Min>(node)?;
                (a, b, false)
            }
        };
        let other = self.constant(if a == outlet { b } else { a })?;
        let numbers = other.try_as_plain_ram().ok()?;
        let numbers = numbers.as_slice::<f32>().ok()?;
        let (&number, rest) = numbers.split_first()?;
        let is_one = rest.iter().all(|v| *v == number) && !number.is_nan();
        let keeps_shape = self.fact(outlet)?.shape == self.fact(OutletId::new(node, 0))?.shape;
        (is_one && keeps_shape).then(|| (node, bounds(number, is_least)))
    }

    fn binary<O: BinMiniOp>(&self, node: usize) -> Option<(OutletId, OutletId)> {
        let node = &self.model.nodes[node];
        let TypedBinOp(operator, _) = node.op_as::<TypedBinOp>()?;
        match node.inputs.as_slice() {
            &[a, b] if operator.is::<O>() => Some((a, b)),
            _ => None,
        }
    }

    fn fact(&self, outlet: OutletId) -> Option<&'a TypedFact> {
        self.model.outlet_fact(outlet).ok()
    }

    /// In f32.
    fn constant(&self, outlet: OutletId) -> Option<Arc<Tensor>> {
        let tensor = self.fact(outlet)?.konst.clone()?;
        (tensor.datum_type() == f32::datum_type()).then_some(tensor)
    }
}

impl Convolution<'_> {
    pub fn is_pointwise(&self) -> bool {
        self.conv.group == 1
            && self.fills_panels()
            && self.window() == [1, 1]
            && self.stride == [1, 1]
            && self.padding == [[0, 0]; 2]
    }

    pub fn is_depthwise(&self) -> bool {
        let [[above, left], [below, right]] = self.padding;
        let rows = self.input.height + above + below;
        let columns = self.input.width + left + right;
        self.conv.group == self.input.channels
            && self.output.channels == self.input.channels
            && self.window() == [SIDE, SIDE]
            && self.stride[0] == self.stride[1]
            && self.stride[0] <= 2
            && [above, below, left, right].iter().all(|&rows| rows <= 1)
            && rows.min(columns) >= SIDE
            && SIDE * columns * self.input.channels <= SMALL.max(2 * self.input.numbers())
    }

    /// Whether it is one that a network may begin with.
    pub fn is_stem(&self) -> bool {
        let [height, width] = self.window();
        self.conv.group == 1
            && self.input.channels * height * width <= MOST_IN_WINDOW
            && self.fills_panels()
    }

    /// Whether its weights take hardly more memory in panels.
    fn fills_panels(&self) -> bool {
        let columns = self.output.channels;
        columns.next_multiple_of(PANEL) <= 2 * columns || self.kernel.len() <= FEW
    }

    /// How many weights it has in panels, whoever shares them.
    pub fn weights(&self) -> usize {
        let columns = self.output.channels.max(1);
        self.kernel.len() / columns * columns.next_multiple_of(PANEL)
    }

    pub fn window(&self) -> [usize; 2] {
        [self.kernel.shape()[2], self.kernel.shape()[3]]
    }

    pub fn stride(&self) -> [usize; 2] {
        self.stride
    }

    /// Before and after, rows and columns.
    pub fn padding(&self) -> [[usize; 2]; 2] {
        self.padding
    }

    /// Of a convolution that is not in groups: what a column of its window sees, of all channels and rows,
    /// before the next column.
    pub fn panels(&self) -> TractResult<Panels> {
        let depth = self.kernel.len() / self.output.channels.max(1);
        let wide = self.window()[1].max(1);
        let tall = (depth / wide).max(1);
        let kernel = self.kernel.try_as_plain_ram()?.as_slice::<f32>()?.to_vec();
        Ok(Panels::new(depth, &self.bias()?, |column, row| {
            kernel[column * depth + row % tall * wide + row / tall]
        }))
    }

    /// Of a depthwise one.
    pub fn windows(&self) -> TractResult<Windows> {
        let kernel = self.kernel.try_as_plain_ram()?.as_slice::<f32>()?.to_vec();
        Ok(Windows::new(&self.bias()?, |channel, at| {
            kernel[channel * SIDE * SIDE + at]
        }))
    }

    /// A number a channel of the output.
    fn bias(&self) -> TractResult<Vec<f32>> {
        let bias = self.bias.try_as_plain_ram()?.as_slice::<f32>()?.to_vec();
        Ok(match bias.as_slice() {
            &[one] => vec![one; self.output.channels],
            _ => bias,
        })
    }
}
