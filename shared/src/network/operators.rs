//! The operators that backbones are made of, and the shapes of what they make.
//!
//! The list is what `lastlayer export` writes itself (Conv, BatchNormalization, Clip, Add,
//! GlobalAveragePool, Flatten, Transpose, Cast), and what exporters of PyTorch and TensorFlow write
//! for the image classifiers that it cuts: MobileNet V1 to V3, EfficientNet, ResNet, DenseNet,
//! SqueezeNet, ShuffleNet, Inception, ConvNeXt. An operator that is not here can be added where its
//! shape follows from those of its inputs; what repeats, branches, sorts, draws at random or reads
//! elsewhere never is.

use super::{
    node::Node,
    places,
    tensor::{FLOAT, INT64, Value, count},
    windows,
};

/// Operators and their attributes.
#[rustfmt::skip]
pub const ALLOWED: [(&str, &[&str]); 65] = [
    // Layers.
    ("Conv", &["auto_pad", "dilations", "group", "kernel_shape", "pads", "strides"]),
    ("Gemm", &["alpha", "beta", "broadcast", "transA", "transB"]),
    ("MatMul", &[]),
    ("BatchNormalization", &["epsilon", "momentum", "spatial", "training_mode"]),
    ("InstanceNormalization", &["epsilon"]),
    ("LayerNormalization", &["axis", "epsilon", "stash_type"]),
    ("LRN", &["alpha", "beta", "bias", "size"]),
    // Windows and whole pictures.
    ("AveragePool", &["auto_pad", "ceil_mode", "count_include_pad", "dilations", "kernel_shape",
        "pads", "strides"]),
    ("MaxPool", &["auto_pad", "ceil_mode", "dilations", "kernel_shape", "pads", "storage_order",
        "strides"]),
    ("GlobalAveragePool", &[]),
    ("GlobalMaxPool", &[]),
    ("ReduceMean", REDUCE),
    ("ReduceSum", REDUCE),
    ("ReduceMax", REDUCE),
    ("ReduceL2", REDUCE),
    // Activations.
    ("Relu", &[]),
    ("Clip", &["max", "min"]),
    ("LeakyRelu", &["alpha"]),
    ("PRelu", &[]),
    ("Elu", &["alpha"]),
    ("Sigmoid", &[]),
    ("HardSigmoid", &["alpha", "beta"]),
    ("HardSwish", &[]),
    ("Tanh", &[]),
    ("Erf", &[]),
    ("Gelu", &["approximate"]),
    ("Mish", &[]),
    ("Softplus", &[]),
    ("Softmax", &["axis"]),
    // Numbers by numbers.
    ("Add", &[]),
    ("Sub", &[]),
    ("Mul", &[]),
    ("Div", &[]),
    ("Pow", &[]),
    ("Max", &[]),
    ("Min", &[]),
    ("Sum", &[]),
    ("Mean", &[]),
    ("Abs", &[]),
    ("Neg", &[]),
    ("Exp", &[]),
    ("Log", &[]),
    ("Sqrt", &[]),
    ("Reciprocal", &[]),
    ("Floor", &[]),
    ("Ceil", &[]),
    ("Identity", &[]),
    ("Dropout", &["ratio", "seed"]),
    ("Cast", &["to"]),
    // Shapes and places.
    ("Constant", &["value", "value_float", "value_floats", "value_int", "value_ints"]),
    ("ConstantOfShape", &["value"]),
    ("Shape", &["end", "start"]),
    ("Reshape", &["allowzero"]),
    ("Flatten", &["axis"]),
    ("Squeeze", &["axes"]),
    ("Unsqueeze", &["axes"]),
    ("Transpose", &["perm"]),
    ("Concat", &["axis"]),
    ("Split", &["axis", "num_outputs", "split"]),
    ("Slice", &["axes", "ends", "starts"]),
    ("Gather", &["axis"]),
    ("Expand", &[]),
    ("Pad", &["mode", "pads", "value"]),
    ("DepthToSpace", &["blocksize", "mode"]),
    ("SpaceToDepth", &["blocksize"]),
];
const REDUCE: &[&str] = &["axes", "keepdims", "noop_with_empty_axes"];

/// What a node makes, and its multiply-adds.
pub type Made = Result<(Vec<Value>, u64), String>;

/// The inputs of a node; `None` for one that is left out.
pub type Inputs<'a> = [Option<&'a Value>];

pub fn one(value: Value) -> Made {
    let work = value.numbers()?;
    Ok((vec![value], work))
}

pub fn apply(node: &Node<'_>, inputs: &Inputs<'_>, opset: i64) -> Made {
    match node.op() {
        "Conv" => windows::convolution(node, inputs),
        "AveragePool" | "MaxPool" => windows::pool(node, inputs),
        "GlobalAveragePool" | "GlobalMaxPool" => {
            let x = picture(inputs)?;
            let mut shape = x.shape.clone();
            shape[2..].fill(1);
            Ok((vec![Value::float(shape, x.fixed)], x.numbers()?))
        }
        "Gemm" => gemm(node, inputs),
        "MatMul" => matmul(inputs),
        "BatchNormalization" => {
            let [x, parameters @ ..] = floats::<5>(inputs)?;
            let channels = *x.shape.get(1).ok_or("reads a tensor without channels")?;
            if node.int("spatial")?.unwrap_or(1) != 1
                || node.int("training_mode")?.unwrap_or(0) != 0
            {
                return Err("is set up for training".into());
            }
            of_channels(&parameters, &[channels])?;
            one(x.clone())
        }
        "InstanceNormalization" => {
            let [x, parameters @ ..] = floats::<3>(inputs)?;
            if x.shape.len() < 3 {
                return Err("reads no picture".into());
            }
            of_channels(&parameters, &[x.shape[1]])?;
            one(x.clone())
        }
        "LayerNormalization" => {
            let x = float(inputs, 0)?;
            let axis = places::axis(node.int("axis")?.unwrap_or(-1), x.shape.len())?;
            let parameters = match inputs.len() {
                2 => vec![float(inputs, 1)?],
                3 => vec![float(inputs, 1)?, float(inputs, 2)?],
                _ => return Err(wrong_inputs()),
            };
            of_channels(&parameters, &x.shape[axis..])?;
            one(x.clone())
        }
        "LRN" => {
            let [x] = floats(inputs)?;
            let size = node.int("size")?.unwrap_or(0);
            if x.shape.len() != 4 || !(1..=31).contains(&size) {
                return Err("has a size, or reads a shape, that it cannot have".into());
            }
            Ok((vec![x.clone()], x.numbers()? * size as u64))
        }
        "ReduceMean" | "ReduceSum" | "ReduceMax" | "ReduceL2" => {
            places::reduce(node, inputs, opset)
        }
        "Clip" => clip(node, inputs, opset),
        "PRelu" => {
            let [x, slope] = floats(inputs)?;
            if !slope.fixed || slope.shape.len() > x.shape.len() {
                return Err("has slopes that do not fit".into());
            }
            match places::broadcast(&[x, slope])? == x.shape {
                true => one(x.clone()),
                false => Err("has slopes that do not fit".into()),
            }
        }
        "Softmax" => {
            let [x] = floats(inputs)?;
            let default = if opset < 13 { 1 } else { -1 };
            places::axis(node.int("axis")?.unwrap_or(default), x.shape.len())?;
            one(x.clone())
        }
        "Relu" | "LeakyRelu" | "Elu" | "Sigmoid" | "HardSigmoid" | "HardSwish" | "Tanh" | "Erf"
        | "Gelu" | "Mish" | "Softplus" | "Abs" | "Neg" | "Exp" | "Log" | "Sqrt" | "Reciprocal"
        | "Floor" | "Ceil" => {
            let [x] = floats(inputs)?;
            for name in ["alpha", "beta"] {
                node.float(name)?;
            }
            node.text("approximate")?;
            one(x.clone())
        }
        "Identity" | "Dropout" => match inputs {
            [Some(x)] => one((*x).clone()),
            _ => Err(wrong_inputs()),
        },
        "Add" | "Sub" | "Mul" | "Div" => match inputs {
            [Some(a), Some(b)] if a.whole.is_some() && b.whole.is_some() => {
                one(places::arithmetic(node.op(), a, b)?)
            }
            _ => by_numbers(&floats::<2>(inputs)?),
        },
        "Pow" => by_numbers(&floats::<2>(inputs)?),
        "Max" | "Min" | "Sum" | "Mean" => {
            let all: Result<Vec<&Value>, String> =
                (0..inputs.len()).map(|at| float(inputs, at)).collect();
            match all?.as_slice() {
                [] | [_] => Err(wrong_inputs()),
                all => by_numbers(all),
            }
        }
        "Cast" => cast(node, inputs),
        "Constant" => constant(node, inputs),
        _ => places::apply(node, inputs, opset),
    }
}

pub fn wrong_inputs() -> String {
    "does not have the inputs that it needs".into()
}

/// The input at a place, where it is of floats.
pub fn float<'a>(inputs: &Inputs<'a>, at: usize) -> Result<&'a Value, String> {
    match inputs.get(at) {
        Some(Some(value)) if value.whole.is_none() => Ok(value),
        _ => Err(wrong_inputs()),
    }
}

/// All inputs, which are so many, and floats.
pub fn floats<'a, const N: usize>(inputs: &Inputs<'a>) -> Result<[&'a Value; N], String> {
    let all: Result<Vec<&Value>, String> = (0..inputs.len()).map(|at| float(inputs, at)).collect();
    all?.try_into().map_err(|_| wrong_inputs())
}

/// The only input: batch, channels, and one or two sides.
fn picture<'a>(inputs: &Inputs<'a>) -> Result<&'a Value, String> {
    match floats(inputs)? {
        [x] if (3..=4).contains(&x.shape.len()) => Ok(x),
        _ => Err("reads no picture".into()),
    }
}

fn of_channels(parameters: &[&Value], shape: &[usize]) -> Result<(), String> {
    match parameters.iter().all(|p| p.fixed && p.shape == shape) {
        true => Ok(()),
        false => Err("has parameters that do not fit, or that are computed".into()),
    }
}

fn by_numbers(all: &[&Value]) -> Made {
    let fixed = all.iter().all(|value| value.fixed);
    one(Value::float(places::broadcast(all)?, fixed))
}

fn gemm(node: &Node<'_>, inputs: &Inputs<'_>) -> Made {
    let (a, b) = (float(inputs, 0)?, float(inputs, 1)?);
    let turned = |name: &str, value: &Value| match (node.flag(name, false)?, &*value.shape) {
        (false, &[rows, columns]) | (true, &[columns, rows]) => Ok((rows, columns)),
        _ => Err(wrong_inputs()),
    };
    let ((rows, inner), (inner_b, columns)) = (turned("transA", a)?, turned("transB", b)?);
    if inner != inner_b {
        return Err("multiplies shapes that do not fit".into());
    }
    node.float("alpha")?;
    node.float("beta")?;
    let shape = vec![rows, columns];
    let mut fixed = a.fixed && b.fixed;
    match inputs.len() {
        2 => (),
        3 => {
            let c = float(inputs, 2)?;
            fixed &= c.fixed;
            let made = Value::float(shape.clone(), fixed);
            if places::broadcast(&[&made, c])? != shape {
                return Err("adds a shape that does not fit".into());
            }
        }
        _ => return Err(wrong_inputs()),
    }
    let work = count(&shape)?.saturating_mul(inner as u64);
    Ok((vec![Value::float(shape, fixed)], work))
}

fn matmul(inputs: &Inputs<'_>) -> Made {
    let [a, b] = floats(inputs)?;
    let ([before_a @ .., rows, inner], [before_b @ .., inner_b, columns]) = (&*a.shape, &*b.shape)
    else {
        return Err("multiplies what are no tables".into());
    };
    if inner != inner_b {
        return Err("multiplies shapes that do not fit".into());
    }
    let before = [before_a, before_b].map(|sides| Value::float(sides.to_vec(), true));
    let mut shape = places::broadcast(&[&before[0], &before[1]])?;
    shape.extend([*rows, *columns]);
    let work = count(&shape)?.saturating_mul(*inner as u64);
    Ok((vec![Value::float(shape, a.fixed && b.fixed)], work))
}

fn clip(node: &Node<'_>, inputs: &Inputs<'_>, opset: i64) -> Made {
    let x = float(inputs, 0)?;
    let limits = &inputs[1..];
    let fits = |limit: &&Value| limit.whole.is_none() && limit.fixed && limit.shape.is_empty();
    // Limits are attributes in older versions; in newer ones tract does not look at attributes.
    let old = opset < 11;
    if limits.len() > if old { 0 } else { 2 }
        || !limits.iter().flatten().all(fits)
        || (!old && (node.has("min") || node.has("max")))
    {
        return Err("has limits that are not two fixed numbers".into());
    }
    let (min, max) = (node.float("min")?, node.float("max")?);
    if min.zip(max).is_some_and(|(min, max)| min > max) {
        return Err("has limits in the wrong order".into());
    }
    one(x.clone())
}

fn cast(node: &Node<'_>, inputs: &Inputs<'_>) -> Made {
    let [Some(x)] = inputs else {
        return Err(wrong_inputs());
    };
    match (node.int("to")?, &x.whole) {
        (Some(to), None) if to == i64::from(FLOAT) => one((*x).clone()),
        (Some(to), Some(_)) if to == i64::from(INT64) => one((*x).clone()),
        (Some(to), Some(_)) if to == i64::from(FLOAT) => one(Value::float(x.shape.clone(), true)),
        _ => Err("gives neither 32-bit floats nor known 64-bit whole numbers".into()),
    }
}

fn constant(node: &Node<'_>, inputs: &Inputs<'_>) -> Made {
    if !inputs.is_empty() {
        return Err(wrong_inputs());
    }
    let names = [
        "value",
        "value_float",
        "value_floats",
        "value_int",
        "value_ints",
    ];
    if names.iter().filter(|name| node.has(name)).count() != 1 {
        return Err("does not have one value".into());
    }
    let value = if let Some(tensor) = node.tensor("value")? {
        Value::of_tensor(tensor).map_err(|reason| format!("holds numbers that {reason}"))?
    } else if let Some(number) = node.int("value_int")? {
        Value::whole(vec![], vec![number])?
    } else if let Some(numbers) = node.ints("value_ints")? {
        Value::whole(vec![numbers.len()], numbers.to_vec())?
    } else if let Some(numbers) = node.floats("value_floats")? {
        Value::float(vec![numbers.len()], true)
    } else if node.float("value_float")?.is_some() {
        Value::float(vec![], true)
    } else {
        return Err("does not have one value".into());
    };
    Ok((vec![value], 0))
}
