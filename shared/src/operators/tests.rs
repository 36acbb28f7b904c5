use proptest::prelude::*;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tract_onnx::tract_core::ops::{
    binary::TypedBinOp,
    cnn::{Conv, KernelFormat, PaddingSpec, PoolSpec},
    math::{Add, Max, Min},
    nn::{DataFormat, Reduce, Reducer},
};

use super::*;

/// A chain as MobileNets are, and as they are not.
struct Network {
    model: TypedModel,
    random: ChaCha8Rng,
    at: OutletId,
    nodes: usize,
}

impl Network {
    fn new(seed: u64, channels: usize, height: usize, width: usize) -> Self {
        let mut model = TypedModel::default();
        let fact = f32::fact([1, channels, height, width]);
        let at = model.add_source("picture", fact).unwrap();
        Self {
            model,
            random: ChaCha8Rng::seed_from_u64(seed),
            at,
            nodes: 0,
        }
    }

    fn shape(&self) -> Vec<usize> {
        let fact = self.model.outlet_fact(self.at).unwrap();
        fact.shape.as_concrete().unwrap().to_vec()
    }

    fn name(&mut self) -> String {
        self.nodes += 1;
        format!("node-{}", self.nodes)
    }

    /// As large as keeps what comes out about as large as what goes in.
    fn constant(&mut self, shape: &[usize]) -> OutletId {
        let count = shape.iter().product();
        let most = (6.0 / shape[1..].iter().product::<usize>() as f32).sqrt();
        let numbers: Vec<f32> = (0..count)
            .map(|_| (self.random.random::<f32>() * 2.0 - 1.0) * most)
            .collect();
        let tensor = Tensor::from_shape(shape, &numbers).unwrap();
        let name = self.name();
        self.model.add_const(name, tensor).unwrap()
    }

    fn wire(&mut self, op: impl Into<Box<dyn TypedOp>>, inputs: &[OutletId]) -> OutletId {
        let name = self.name();
        self.model.wire_node(name, op, inputs).unwrap()[0]
    }

    /// `depthwise`: each channel by itself.
    fn convolution(
        &mut self,
        channels: usize,
        window: usize,
        stride: usize,
        padding: [[usize; 2]; 2],
        depthwise: bool,
    ) {
        let input = self.shape()[1];
        let group = if depthwise { input } else { 1 };
        let kernel = self.constant(&[channels, input / group, window, window]);
        let bias = self.constant(&[channels]);
        let [before, after] = padding.map(|padding| padding.as_slice().into());
        let spec = PoolSpec {
            data_format: DataFormat::NCHW,
            kernel_shape: tvec!(window, window),
            padding: PaddingSpec::Explicit(before, after),
            dilations: None,
            strides: Some(tvec!(stride, stride)),
            input_channels: input,
            output_channels: channels,
        };
        let conv = Conv {
            pool_spec: spec,
            kernel_fmt: KernelFormat::OIHW,
            group,
            q_params: None,
        };
        self.at = self.wire(conv, &[self.at, kernel, bias]);
    }

    fn limits(&mut self, least: f32, most: f32) {
        for (number, is_least) in [(least, true), (most, false)] {
            let name = self.name();
            let number = Tensor::from_shape(&[1, 1, 1, 1], &[number]).unwrap();
            let number = self.model.add_const(name, number).unwrap();
            let op = match is_least {
                true => TypedBinOp(Box::new(Max), None),
                false => TypedBinOp(Box::new(Min), None),
            };
            self.at = self.wire(op, &[self.at, number]);
        }
    }

    fn add(&mut self, other: OutletId) {
        self.at = self.wire(TypedBinOp(Box::new(Add), None), &[self.at, other]);
    }

    fn sum(&mut self) -> OutletId {
        let op = Reduce {
            axes: tvec!(2, 3),
            reducer: Reducer::Sum,
        };
        self.wire(op, &[self.at])
    }
}

fn run(model: TypedModel, picture: &Tensor) -> Vec<Tensor> {
    let plan = model.into_optimized().unwrap().into_runnable().unwrap();
    let outputs = plan.run(tvec!(picture.clone().into_tvalue())).unwrap();
    outputs.into_iter().map(IntoTensor::into_tensor).collect()
}

/// To what sums in another order are rounded to.
fn alike(ours: &Tensor, theirs: &Tensor) {
    assert_eq!(ours.shape(), theirs.shape());
    let numbers = |tensor: &Tensor| -> Vec<f32> {
        let tensor = tensor.try_as_plain_ram().unwrap();
        tensor.as_slice::<f32>().unwrap().to_vec()
    };
    let (ours, theirs) = (numbers(ours), numbers(theirs));
    let largest = theirs.iter().fold(0.0f32, |most, v| most.max(v.abs()));
    for (at, (a, b)) in ours.iter().zip(&theirs).enumerate() {
        let is_alike = (a - b).abs() <= 1e-4 * (0.1 + largest);
        assert!(is_alike, "{a} is not {b} at {at}");
    }
}

/// That both give the same; and how many of the nodes are ours.
fn agree(mut network: Network, outputs: &[OutletId]) -> usize {
    network.model.select_output_outlets(outputs).unwrap();
    let source = network.model.inputs[0];
    let shape = network.model.outlet_fact(source).unwrap().shape.clone();
    let shape = shape.as_concrete().unwrap().to_vec();
    let numbers: Vec<f32> = (0..shape.iter().product())
        .map(|_| network.random.random::<f32>() * 2.0 - 1.0)
        .collect();
    let picture = Tensor::from_shape(&shape, &numbers).unwrap();
    let swapped = swap::swap(network.model.clone()).unwrap();
    let nodes = swapped.nodes.iter();
    let ours = nodes.filter(|node| node.op.name().starts_with("Lastlayer"));
    let count = ours.count();
    let theirs = run(network.model, &picture);
    let ours = run(swapped, &picture);
    assert_eq!(ours.len(), theirs.len());
    for (ours, theirs) in ours.iter().zip(&theirs) {
        alike(ours, theirs);
    }
    count
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn blocks_are_what_tract_makes_of_them(
        seed: u64,
        height in 3usize..20,
        width in 3usize..20,
        channels in 1usize..24,
        wide in 1usize..70,
        stride in 1usize..3,
        padding in [0usize..2, 0usize..2, 0usize..2, 0usize..2],
        widens: bool,
        narrows: bool,
        adds: bool,
        sums: bool,
        shown in 0usize..4,
    ) {
        let mut network = Network::new(seed, 3, height, width);
        network.convolution(channels, 3, 1, [[1, 1], [1, 1]], false);
        network.limits(-0.5, 0.7);
        let mut outputs = Vec::new();
        let start = network.at;
        if widens {
            network.convolution(wide, 1, 1, [[0; 2]; 2], false);
            network.limits(0.0, 6.0);
            if shown == 1 {
                outputs.push(network.at);
            }
        }
        let padding = [[padding[0], padding[1]], [padding[2], padding[3]]];
        let wide = network.shape()[1];
        network.convolution(wide, 3, stride, padding, true);
        network.limits(0.0, 6.0);
        if shown == 2 {
            outputs.push(network.at);
        }
        if sums {
            outputs.push(network.sum());
        }
        if narrows {
            network.convolution(channels, 1, 1, [[0; 2]; 2], false);
            if shown == 3 {
                outputs.push(network.at);
            }
            if adds && stride == 1 && padding == [[1; 2]; 2] {
                network.add(start);
            }
        }
        outputs.push(network.at);
        let last = network.sum();
        outputs.push(last);
        prop_assert!(agree(network, &outputs) >= 1);
    }

    #[test]
    fn stems_are_what_tract_makes_of_them(
        seed: u64,
        height in 5usize..20,
        width in 5usize..20,
        channels in 1usize..5,
        columns in 1usize..40,
        window in 1usize..6,
        stride in 1usize..4,
        padding in [0usize..3, 0usize..3, 0usize..3, 0usize..3],
    ) {
        let mut network = Network::new(seed, channels, height, width);
        let padding = [[padding[0], padding[1]], [padding[2], padding[3]]];
        network.convolution(columns, window, stride, padding, false);
        network.limits(0.0, 1.0);
        network.convolution(columns, 3, 1, [[1; 2]; 2], true);
        let outputs = [network.at];
        prop_assert!(agree(network, &outputs) >= 1);
    }
}

/// 17 blocks of three or two, with the first layer and the last: one operator each.
#[test]
fn a_whole_mobilenet_is_ours() {
    let mut network = Network::new(1, 3, 64, 64);
    network.convolution(32, 3, 2, [[1; 2]; 2], false);
    network.limits(0.0, 6.0);
    let blocks = [
        (1, 16, 1, 1),
        (6, 24, 2, 2),
        (6, 32, 3, 2),
        (6, 64, 4, 2),
        (6, 96, 3, 1),
    ];
    for (times, channels, count, stride) in blocks {
        for at in 0..count {
            let start = network.at;
            let wide = network.shape()[1] * times;
            if times > 1 {
                network.convolution(wide, 1, 1, [[0; 2]; 2], false);
                network.limits(0.0, 6.0);
            }
            network.convolution(wide, 3, if at == 0 { stride } else { 1 }, [[1; 2]; 2], true);
            network.limits(0.0, 6.0);
            network.convolution(channels, 1, 1, [[0; 2]; 2], false);
            if at > 0 {
                network.add(start);
            }
        }
    }
    network.convolution(128, 1, 1, [[0; 2]; 2], false);
    network.limits(0.0, 6.0);
    let last = network.sum();
    assert_eq!(agree(network, &[last]), 1 + 13 + 1 + 1);
}

/// A MobileNetV1: depthwise and 1 x 1 in turn. A 1 x 1 convolution belongs to the block before it.
#[test]
fn blocks_without_a_part_that_widens_follow_one_another() {
    let mut network = Network::new(4, 3, 32, 32);
    network.convolution(16, 3, 2, [[1; 2]; 2], false);
    network.limits(0.0, 6.0);
    for (channels, stride) in [(32, 1), (48, 2), (48, 1)] {
        let wide = network.shape()[1];
        network.convolution(wide, 3, stride, [[1; 2]; 2], true);
        network.limits(0.0, 6.0);
        network.convolution(channels, 1, 1, [[0; 2]; 2], false);
        network.limits(0.0, 6.0);
    }
    let last = network.sum();
    assert_eq!(agree(network, &[last]), 1 + 3 + 1);
}

/// One constant that a hundred convolutions name is held a hundred times by ours: it stays tract's.
#[test]
fn weights_that_are_shared_too_often_stay_tracts() {
    let mut network = Network::new(5, 3, 4, 4);
    network.convolution(1024, 3, 1, [[1; 2]; 2], false);
    network.convolution(1024, 3, 1, [[1; 2]; 2], true);
    network.convolution(1024, 1, 1, [[0; 2]; 2], false);
    let shared = network.model.nodes[network.at.node].clone();
    for _ in 0..70 {
        let inputs = [network.at, shared.inputs[1], shared.inputs[2]];
        network.at = network.wire(shared.op.clone(), &inputs);
    }
    let outputs = [network.at];
    network.model.select_output_outlets(&outputs).unwrap();
    let swapped = swap::swap(network.model).unwrap();
    let mut nodes = swapped.nodes.iter();
    assert!(!nodes.any(|node| node.op.name().starts_with("Lastlayer")));
}

/// A name of the network's own that ours would have is no reason to refuse it.
#[test]
fn a_name_that_is_taken_leaves_the_network_tracts() {
    let mut network = Network::new(6, 3, 8, 8);
    network.convolution(16, 3, 1, [[1; 2]; 2], false);
    network.convolution(16, 3, 1, [[1; 2]; 2], true);
    let taken = format!("{}.lastlayer", network.model.nodes[network.at.node].name);
    let add = TypedBinOp(Box::new(Add), None);
    let start = network.model.inputs[0];
    let twin = network
        .model
        .wire_node(taken, add, &[start, start])
        .unwrap()[0];
    let outputs = [network.at, twin];
    network.model.select_output_outlets(&outputs).unwrap();
    assert!(swap::swap(network.model.clone()).is_err());
    Operators::Lastlayer.runnable(network.model).unwrap();
}

/// Between tract's operators nothing is turned around: a network of another kind stays as it is.
#[test]
fn what_is_no_mobilenet_stays_tracts() {
    let mut network = Network::new(2, 3, 16, 16);
    network.convolution(16, 3, 1, [[1; 2]; 2], false);
    network.limits(0.0, 9.0);
    network.convolution(32, 3, 2, [[1; 2]; 2], false);
    network.convolution(32, 1, 1, [[0; 2]; 2], false);
    let last = network.sum();
    assert_eq!(agree(network, &[last]), 0);
}

/// The wide rows of a block are taken a few at a time.
#[test]
fn a_block_that_is_larger_than_the_cache_is_done_in_parts() {
    for stride in [1, 2] {
        let mut network = Network::new(3, 3, 41, 60);
        network.convolution(16, 3, 1, [[1; 2]; 2], false);
        let start = network.at;
        network.convolution(320, 1, 1, [[0; 2]; 2], false);
        network.limits(0.0, 6.0);
        network.convolution(320, 3, stride, [[1; 2]; 2], true);
        let sum = network.sum();
        network.convolution(16, 1, 1, [[0; 2]; 2], false);
        if stride == 1 {
            network.add(start);
        }
        let outputs = [network.at, sum];
        assert_eq!(agree(network, &outputs), 2);
    }
}
