//! MobileNetV2 (Sandler et al., "MobileNetV2: inverted residuals and linear bottlenecks", CVPR
//! 2018) from a state dict, up to the average over positions.
//!
//! Two namings are in use (`conv.0.0.weight` in torchvision, `conv.0.weight` in the older public
//! code), with the same order. So the layers are found by order: within `features.N`, every 4-D
//! weight is a convolution and the 1-D tensors that follow it are its batch normalisation.

use super::{
    GraphError,
    onnx::{self, GraphProto, ModelProto, NodeProto, TensorProto},
};
use crate::pretrained::state_dict::{StateDict, Tensor};
use lastlayer_shared::{
    backbone::EMBEDDING,
    taps::{TAPS, Tap},
};

const NAME: &str = "MobileNetV2";
/// The stem, 17 blocks, the last convolution.
const STAGES: usize = 19;
/// Strides of the depthwise convolutions of blocks 1..=17 (table 2 of the paper).
const STRIDES: [i64; 17] = [1, 2, 1, 2, 1, 1, 2, 1, 1, 1, 1, 1, 1, 2, 1, 1, 1];
/// Torch's default, which all public MobileNetV2 weights use.
const EPSILON: f32 = 1e-5;

/// Whether batch normalisation is multiplied into the convolutions before it. Kept apart it serves
/// as the reference that the folded network is compared with.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Normalisation {
    Folded,
    Apart,
}

struct Convolution<'a> {
    name: String,
    weight: &'a Tensor,
    scale: &'a Tensor,
    shift: &'a Tensor,
    mean: &'a Tensor,
    variance: &'a Tensor,
}

fn wrong(reason: impl Into<String>) -> GraphError {
    GraphError::Weights {
        architecture: NAME,
        reason: reason.into(),
    }
}

/// The blocks whose hidden activations (after the depthwise convolution) become taps: chosen on
/// vehicle photos whose number mod 8 is 3, 5 and 7 and on CIFAR-10's first two batches
/// (docs/learning.md).
pub const TAPPED: [usize; 2] = [12, 14];

/// Input `1 x 3 x size x size`, output `embedding`; and output `taps`, the averages over positions of
/// the hidden activations of blocks `tapped`, where there are any: with what they are.
pub fn build(
    weights: &StateDict,
    size: usize,
    normalisation: Normalisation,
    tapped: &[usize],
) -> Result<(ModelProto, Vec<Tap>), GraphError> {
    let mut builder = Builder {
        normalisation,
        nodes: Vec::new(),
        weights: Vec::new(),
    };
    builder.weights.push(onnx::weights("zero", &[], &[0.0]));
    builder.weights.push(onnx::weights("six", &[], &[6.0]));
    let stages: Vec<Vec<Convolution<'_>>> = (0..STAGES)
        .map(|stage| convolutions(weights, stage))
        .collect::<Result<_, _>>()?;
    let mut top = Top {
        name: "input".into(),
        channels: 3,
    };
    let mut taps = Vec::new();
    for (stage, layers) in stages.iter().enumerate() {
        top = match (stage, layers.as_slice()) {
            (0, [stem]) => builder.dense(top, stem, 2, true)?,
            (last, [head]) if last == STAGES - 1 => builder.dense(top, head, 1, true)?,
            (1..=17, layers) => {
                let (hidden, top) = builder.block(top, layers, STRIDES[stage - 1])?;
                if tapped.contains(&stage) {
                    taps.push(hidden);
                }
                top
            }
            (_, layers) => {
                return Err(wrong(format!(
                    "features.{stage} has {} convolutions",
                    layers.len()
                )));
            }
        };
    }
    builder.average(&top, EMBEDDING);
    let mut output = vec![onnx::value(EMBEDDING, &[1, top.channels])];
    if !taps.is_empty() {
        let pooled: Vec<String> = taps
            .iter()
            .map(|tap| format!("{}.mean", tap.name))
            .collect();
        for (tap, name) in taps.iter().zip(&pooled) {
            builder.average(tap, name);
        }
        let names: Vec<&str> = pooled.iter().map(String::as_str).collect();
        let axis = vec![onnx::int("axis", 1)];
        builder.nodes.push(onnx::node("Concat", &names, TAPS, axis));
        let width = taps.iter().map(|tap| tap.channels).sum();
        output.push(onnx::value(TAPS, &[1, width]));
    }
    let model = onnx::model(GraphProto {
        name: NAME.into(),
        node: builder.nodes,
        initializer: builder.weights,
        input: vec![onnx::value("input", &[1, 3, size, size])],
        output,
        ..GraphProto::default()
    });
    let taps = taps.into_iter().map(|tap| Tap {
        layer: tap.name,
        width: tap.channels as u32,
    });
    Ok((model, taps.collect()))
}

/// The classifier that the state dict carries beside the backbone, as (inputs, classes).
pub fn classifier(weights: &StateDict) -> Option<(usize, usize)> {
    let weight = ["classifier.1.weight", "classifier.weight"]
        .iter()
        .find_map(|name| weights.get(*name))?;
    match weight.shape.as_slice() {
        [classes, inputs] => Some((*inputs, *classes)),
        _ => None,
    }
}

/// The convolutions of `features.STAGE` in order.
fn convolutions(weights: &StateDict, stage: usize) -> Result<Vec<Convolution<'_>>, GraphError> {
    let prefix = format!("features.{stage}.");
    // `conv.10` comes after `conv.9`.
    let order = |name: &str| -> Vec<u32> {
        name.split('.')
            .filter_map(|part| part.parse().ok())
            .collect()
    };
    let mut kernels: Vec<(&String, &Tensor)> = weights
        .iter()
        .filter(|(name, tensor)| {
            name.starts_with(&prefix) && name.ends_with(".weight") && tensor.shape.len() == 4
        })
        .collect();
    if let Some((name, _)) = kernels.iter().find(|(_, tensor)| tensor.shape.contains(&0)) {
        return Err(wrong(format!("{name} holds no numbers")));
    }
    kernels.sort_by_key(|(name, _)| order(name));
    if kernels.is_empty() {
        return Err(wrong(format!(
            "there is no {prefix}*.weight of 4 dimensions"
        )));
    }
    let norms: Vec<&str> = {
        let mut norms: Vec<&str> = weights
            .keys()
            .filter(|name| name.starts_with(&prefix))
            .filter_map(|name| name.strip_suffix(".running_var"))
            .collect();
        norms.sort_by_key(|name| order(name));
        norms
    };
    if norms.len() != kernels.len() {
        return Err(wrong(format!(
            "{prefix}* has {} convolutions and {} batch normalisations",
            kernels.len(),
            norms.len()
        )));
    }
    kernels
        .into_iter()
        .zip(norms)
        .map(|((name, weight), norm)| {
            let part = |suffix: &str| -> Result<&Tensor, GraphError> {
                let full = format!("{norm}.{suffix}");
                match weights.get(&full) {
                    Some(tensor) if tensor.shape == weight.shape[..1] => Ok(tensor),
                    _ => Err(wrong(format!(
                        "{full} is missing or of another size than {name}"
                    ))),
                }
            };
            Ok(Convolution {
                name: name.trim_end_matches(".weight").into(),
                weight,
                scale: part("weight")?,
                shift: part("bias")?,
                mean: part("running_mean")?,
                variance: part("running_var")?,
            })
        })
        .collect()
}

/// The tensor that the next layer reads.
#[derive(Clone)]
struct Top {
    name: String,
    channels: usize,
}

struct Builder {
    normalisation: Normalisation,
    nodes: Vec<NodeProto>,
    weights: Vec<TensorProto>,
}

impl Builder {
    /// The average over positions, as `1 x channels` numbers named `name`.
    fn average(&mut self, map: &Top, name: &str) {
        let pool = format!("{name}.pool");
        self.nodes
            .push(onnx::node("GlobalAveragePool", &[&map.name], &pool, vec![]));
        let axis = vec![onnx::int("axis", 1)];
        self.nodes.push(onnx::node("Flatten", &[&pool], name, axis));
    }

    /// Expansion (missing in the first block), depthwise, projection; the input is added where the
    /// shapes allow it. The hidden activations after the depthwise convolution, and the output.
    fn block(
        &mut self,
        input: Top,
        layers: &[Convolution<'_>],
        stride: i64,
    ) -> Result<(Top, Top), GraphError> {
        let (expand, depthwise, project) = match layers {
            [depthwise, project] => (None, depthwise, project),
            [expand, depthwise, project] => (Some(expand), depthwise, project),
            _ => return Err(wrong(format!("a block has {} convolutions", layers.len()))),
        };
        let mut top = input.clone();
        if let Some(expand) = expand {
            top = self.dense(top, expand, 1, true)?;
        }
        let channels = top.channels;
        top = self.convolution(top, depthwise, stride, channels, true)?;
        let hidden = top.clone();
        top = self.dense(top, project, 1, false)?;
        if stride == 1 && top.channels == input.channels {
            let sum = format!("{}.sum", project.name);
            self.nodes
                .push(onnx::node("Add", &[&input.name, &top.name], &sum, vec![]));
            top.name = sum;
        }
        Ok((hidden, top))
    }

    fn dense(
        &mut self,
        input: Top,
        layer: &Convolution<'_>,
        stride: i64,
        clipped: bool,
    ) -> Result<Top, GraphError> {
        self.convolution(input, layer, stride, 1, clipped)
    }

    fn convolution(
        &mut self,
        input: Top,
        layer: &Convolution<'_>,
        stride: i64,
        groups: usize,
        clipped: bool,
    ) -> Result<Top, GraphError> {
        let &[out, depth, high, wide] = layer.weight.shape.as_slice() else {
            return Err(wrong(format!("{} is not a convolution", layer.name)));
        };
        let fits = depth * groups == input.channels && out % groups == 0;
        if !fits || high != wide || !matches!(high, 1 | 3) {
            return Err(wrong(format!(
                "{} is {:?} where {} channels come in",
                layer.name, layer.weight.shape, input.channels
            )));
        }
        let name = &layer.name;
        let (weight, bias) = (format!("{name}.weight"), format!("{name}.bias"));
        let pad = (high / 2) as i64;
        let attributes = vec![
            onnx::ints("kernel_shape", &[high as i64, wide as i64]),
            onnx::ints("strides", &[stride, stride]),
            onnx::ints("pads", &[pad; 4]),
            onnx::ints("dilations", &[1, 1]),
            onnx::int("group", groups as i64),
        ];
        let mut top = format!("{name}.conv");
        match self.normalisation {
            Normalisation::Folded => {
                let (folded, shift) = fold(layer);
                self.weights
                    .push(onnx::weights(&weight, &layer.weight.shape, &folded));
                self.weights.push(onnx::weights(&bias, &[out], &shift));
                let inputs = [input.name.as_str(), &weight, &bias];
                self.nodes
                    .push(onnx::node("Conv", &inputs, &top, attributes));
            }
            Normalisation::Apart => {
                self.weights.push(onnx::weights(
                    &weight,
                    &layer.weight.shape,
                    &layer.weight.data,
                ));
                let inputs = [input.name.as_str(), &weight];
                self.nodes
                    .push(onnx::node("Conv", &inputs, &top, attributes));
                let parts = [
                    ("scale", layer.scale),
                    ("shift", layer.shift),
                    ("mean", layer.mean),
                    ("variance", layer.variance),
                ]
                .map(|(part, tensor)| (format!("{name}.{part}"), tensor));
                let mut inputs = vec![top.as_str()];
                for (part, tensor) in &parts {
                    self.weights
                        .push(onnx::weights(part, &tensor.shape, &tensor.data));
                    inputs.push(part);
                }
                let normed = format!("{name}.norm");
                let epsilon = vec![onnx::float("epsilon", EPSILON)];
                self.nodes
                    .push(onnx::node("BatchNormalization", &inputs, &normed, epsilon));
                top = normed;
            }
        }
        if clipped {
            let clip = format!("{name}.relu6");
            self.nodes
                .push(onnx::node("Clip", &[&top, "zero", "six"], &clip, vec![]));
            top = clip;
        }
        Ok(Top {
            name: top,
            channels: out,
        })
    }
}

/// Weights and bias of `norm(conv(x))` as one convolution: `w * s` and `shift - mean * s` with
/// `s = scale / sqrt(variance + epsilon)`, in f64 and rounded once.
fn fold(layer: &Convolution<'_>) -> (Vec<f32>, Vec<f32>) {
    let out = layer.scale.data.len();
    let depth = layer.weight.data.len() / out.max(1);
    let factor = |channel: usize| {
        f64::from(layer.scale.data[channel])
            / (f64::from(layer.variance.data[channel]) + f64::from(EPSILON)).sqrt()
    };
    let weights = layer
        .weight
        .data
        .chunks(depth.max(1))
        .enumerate()
        .flat_map(|(channel, row)| {
            let factor = factor(channel);
            row.iter().map(move |&w| (f64::from(w) * factor) as f32)
        })
        .collect();
    let shifts = (0..out)
        .map(|channel| {
            let mean = f64::from(layer.mean.data[channel]);
            (f64::from(layer.shift.data[channel]) - mean * factor(channel)) as f32
        })
        .collect();
    (weights, shifts)
}
