//! Operators that reshape, move, cut and join, also on the whole numbers that shapes are made of.

use super::{
    MOST_SIDE, MOST_SIDES,
    node::Node,
    operators::{Inputs, Made, float, one, wrong_inputs},
    tensor::{Value, count},
};

pub fn apply(node: &Node<'_>, inputs: &Inputs<'_>, opset: i64) -> Made {
    let first = || inputs.first().copied().flatten().ok_or_else(wrong_inputs);
    match (node.op(), inputs.len()) {
        ("ConstantOfShape", 1) => constant_of_shape(node, inputs),
        ("Shape", 1) => shape_of(node, first()?),
        ("Reshape", 2) => {
            let allow_zero = node.flag("allowzero", false)?;
            let shape = reshaped(first()?, numbers(inputs, 1)?, allow_zero)?;
            one(with_shape(first()?, shape))
        }
        ("Flatten", 1) => {
            let x = float(inputs, 0)?;
            let rank = x.shape.len();
            let at = match node.int("axis")?.unwrap_or(1) {
                end if end == rank as i64 => rank,
                at => axis(at, rank)?,
            };
            let halves = [count(&x.shape[..at])?, count(&x.shape[at..])?];
            one(with_shape(x, halves.map(|half| half as usize).to_vec()))
        }
        ("Squeeze", 1 | 2) => squeeze(node, inputs, opset),
        ("Unsqueeze", 1 | 2) => unsqueeze(node, inputs, opset),
        ("Transpose", 1) => transpose(node, float(inputs, 0)?),
        ("Concat", 1..) => concat(node, inputs),
        ("Split", 1 | 2) => split(node, inputs, opset),
        ("Slice", 1 | 3..=5) => slice(node, inputs, opset),
        ("Gather", 2) => gather(node, inputs),
        ("Expand", 2) => {
            let x = float(inputs, 0)?;
            let target = Value::float(sides(numbers(inputs, 1)?)?, true);
            one(Value::float(broadcast(&[x, &target])?, x.fixed))
        }
        ("Pad", 1..=4) => pad(node, inputs, opset),
        ("DepthToSpace" | "SpaceToDepth", 1) => blocks(node, float(inputs, 0)?),
        _ => Err(wrong_inputs()),
    }
}

/// An axis as it may be given, from the end too.
pub fn axis(axis: i64, rank: usize) -> Result<usize, String> {
    let rank = rank as i64;
    let at = if axis < 0 {
        axis.saturating_add(rank)
    } else {
        axis
    };
    match (0..rank).contains(&at) {
        true => Ok(at as usize),
        false => Err(format!("names an axis {axis} of {rank}")),
    }
}

/// Several axes, each once.
fn axes(given: &[i64], rank: usize) -> Result<Vec<usize>, String> {
    let mut all = Vec::new();
    for &one in given {
        let at = axis(one, rank)?;
        if all.contains(&at) {
            return Err(format!("names the axis {at} twice"));
        }
        all.push(at);
    }
    Ok(all)
}

/// The shape that all of them are stretched to.
pub fn broadcast(all: &[&Value]) -> Result<Vec<usize>, String> {
    let rank = all.iter().map(|value| value.shape.len()).max();
    let mut shape = vec![1; rank.unwrap_or_default()];
    for value in all {
        let skipped = shape.len() - value.shape.len();
        for (side, &other) in shape[skipped..].iter_mut().zip(&value.shape) {
            if *side == 1 {
                *side = other;
            } else if other != 1 && other != *side {
                return Err("reads shapes that do not fit one another".into());
            }
        }
    }
    Ok(shape)
}

/// The whole numbers of an input, in a row.
fn numbers<'a>(inputs: &Inputs<'a>, at: usize) -> Result<&'a [i64], String> {
    let value = inputs.get(at).copied().flatten();
    match value.map(|value| (value.shape.len(), &value.whole)) {
        Some((1, Some(numbers))) => Ok(numbers),
        _ => Err("has places or a shape that are not known".into()),
    }
}

/// Numbers that are the sides of a tensor.
fn sides(numbers: &[i64]) -> Result<Vec<usize>, String> {
    let side = |&number: &i64| usize::try_from(number).unwrap_or(0);
    let sides: Vec<usize> = numbers.iter().map(side).collect();
    count(&sides)?;
    Ok(sides)
}

/// The same numbers in another shape.
fn with_shape(value: &Value, shape: Vec<usize>) -> Value {
    Value {
        shape,
        ..value.clone()
    }
}

/// Of whole numbers of one shape, or one of them a single number.
pub fn arithmetic(op: &str, a: &Value, b: &Value) -> Result<Value, String> {
    let shape = broadcast(&[a, b])?;
    let (Some(left), Some(right), true) = (&a.whole, &b.whole, shape.len() <= 1) else {
        return Err("computes with tables of whole numbers".into());
    };
    let computed = (0..shape.first().copied().unwrap_or(1)).map(|at| {
        let of = |numbers: &[i64]| numbers.get(at).or(numbers.first()).copied();
        let (a, b) = of(left).zip(of(right))?;
        let result = match op {
            "Add" => a.checked_add(b)?,
            "Sub" => a.checked_sub(b)?,
            "Mul" => a.checked_mul(b)?,
            // Of what is below 0 not everybody makes the same.
            "Div" if a >= 0 && b > 0 => a / b,
            _ => return None,
        };
        (result.unsigned_abs() <= MOST_SIDE as u64).then_some(result)
    });
    let computed: Option<Vec<i64>> = computed.collect();
    Value::whole(
        shape,
        computed.ok_or("computes a number that is too large")?,
    )
}

fn constant_of_shape(node: &Node<'_>, inputs: &Inputs<'_>) -> Made {
    let shape = sides(numbers(inputs, 0)?)?;
    // tract takes a value that is not stated for one of 64 bits.
    let tensor = node.tensor("value")?.ok_or("states no value")?;
    let value = Value::of_tensor(tensor)?;
    if value.numbers()? != 1 {
        return Err("has more than one value".into());
    }
    match &value.whole {
        None => one(Value::float(shape, true)),
        Some(numbers) => match usize::try_from(count(&shape)?) {
            Ok(length @ ..=64) => one(Value::whole(shape, vec![numbers[0]; length])?),
            _ => Err("makes too many whole numbers".into()),
        },
    }
}

fn shape_of(node: &Node<'_>, x: &Value) -> Made {
    let rank = x.shape.len() as i64;
    let at = |name: &str, default: i64| {
        let given = node.int(name)?.unwrap_or(default);
        let at = if given < 0 { given + rank } else { given };
        Ok::<_, String>(at.clamp(0, rank) as usize)
    };
    let (start, end) = (at("start", 0)?, at("end", rank)?);
    let sides = x
        .shape
        .get(start..end)
        .ok_or("takes sides from the end on")?;
    let sides: Vec<i64> = sides.iter().map(|&side| side as i64).collect();
    match sides.is_empty() {
        true => Err("takes no sides".into()),
        false => one(Value::whole(vec![sides.len()], sides)?),
    }
}

/// 0 keeps a side, and one -1 takes what is left.
fn reshaped(x: &Value, target: &[i64], allow_zero: bool) -> Result<Vec<usize>, String> {
    let wrong = || "gives a shape that does not fit".to_owned();
    let mut shape = Vec::new();
    let mut free = None;
    if target.len() > MOST_SIDES || (allow_zero && target.contains(&0)) {
        return Err(wrong());
    }
    for (at, &side) in target.iter().enumerate() {
        shape.push(match side {
            0 => *x.shape.get(at).ok_or_else(wrong)?,
            -1 if free.is_none() => {
                free = Some(at);
                1
            }
            side => usize::try_from(side).map_err(|_| wrong())?,
        });
    }
    let (all, known) = (x.numbers()?, count(&shape)?);
    if let Some(at) = free {
        shape[at] = usize::try_from(all / known).map_err(|_| wrong())?.max(1);
    }
    match count(&shape)? == all {
        true => Ok(shape),
        false => Err(wrong()),
    }
}

/// Axes are an attribute before version 13, and an input since.
fn given_axes<'a>(
    node: &Node<'a>,
    inputs: &Inputs<'a>,
    since: i64,
    opset: i64,
) -> Result<Option<&'a [i64]>, String> {
    let misplaced = match opset < since {
        true => inputs.len() > 1,
        false => node.has("axes"),
    };
    if misplaced {
        return Err("names its axes as another version does".into());
    }
    match inputs.len() {
        1 => node.ints("axes"),
        _ => numbers(inputs, 1).map(Some),
    }
}

fn squeeze(node: &Node<'_>, inputs: &Inputs<'_>, opset: i64) -> Made {
    let x = inputs[0].ok_or_else(wrong_inputs)?;
    // Without axes tract does not know what to do in older versions.
    let given = given_axes(node, inputs, 13, opset)?.ok_or("names no axes")?;
    let gone = axes(given, x.shape.len())?;
    if gone.iter().any(|&at| x.shape[at] != 1) {
        return Err("takes away sides that are not 1".into());
    }
    let kept = x.shape.iter().enumerate();
    let kept = kept.filter(|(at, _)| !gone.contains(at));
    one(with_shape(x, kept.map(|(_, &side)| side).collect()))
}

fn unsqueeze(node: &Node<'_>, inputs: &Inputs<'_>, opset: i64) -> Made {
    let x = inputs[0].ok_or_else(wrong_inputs)?;
    let given = given_axes(node, inputs, 13, opset)?.ok_or("names no axes")?;
    let mut new = axes(given, x.shape.len() + given.len())?;
    new.sort_unstable();
    let mut shape = x.shape.clone();
    new.iter().for_each(|&at| shape.insert(at, 1));
    one(with_shape(x, shape))
}

fn transpose(node: &Node<'_>, x: &Value) -> Made {
    let rank = x.shape.len();
    let order: Vec<usize> = match node.ints("perm")? {
        None => (0..rank).rev().collect(),
        Some(perm) => {
            let order = axes(perm, rank)?;
            if order.len() != rank || perm.iter().any(|&at| at < 0) {
                return Err("names not every axis".into());
            }
            order
        }
    };
    let shape = order.iter().map(|&at| x.shape[at]).collect();
    one(with_shape(x, shape))
}

fn concat(node: &Node<'_>, inputs: &Inputs<'_>) -> Made {
    let all: Option<Vec<&Value>> = inputs.iter().copied().collect();
    let all = all.ok_or_else(wrong_inputs)?;
    let first = all[0];
    let at = node.int("axis")?.ok_or("names no axis")?;
    let at = axis(at, first.shape.len())?;
    let others = |value: &Value| {
        let mut shape = value.shape.clone();
        (at < shape.len()).then(|| shape.remove(at));
        shape
    };
    let fits = |value: &&Value| {
        value.shape.len() == first.shape.len()
            && others(value) == others(first)
            && value.whole.is_some() == first.whole.is_some()
    };
    if !all.iter().all(fits) {
        return Err("joins shapes that do not fit one another".into());
    }
    let mut shape = first.shape.clone();
    shape[at] = all.iter().map(|value| value.shape[at]).sum();
    if first.whole.is_none() {
        let fixed = all.iter().all(|value| value.fixed);
        return one(Value::float(shape, fixed));
    }
    if shape.len() != 1 {
        return Err("joins tables of whole numbers".into());
    }
    let numbers = all.iter().filter_map(|value| value.whole.clone());
    one(Value::whole(shape, numbers.flatten().collect())?)
}

fn split(node: &Node<'_>, inputs: &Inputs<'_>, opset: i64) -> Made {
    let x = float(inputs, 0)?;
    let at = axis(node.int("axis")?.unwrap_or(0), x.shape.len())?;
    let parts = node.outputs().len();
    if (opset < 13 && inputs.len() > 1) || (opset >= 13 && node.has("split")) {
        return Err("names its parts as another version does".into());
    }
    if node
        .int("num_outputs")?
        .is_some_and(|stated| stated != parts as i64)
    {
        return Err("has other num_outputs than outputs".into());
    }
    let lengths = match inputs.len() {
        1 => node.ints("split")?,
        _ => Some(numbers(inputs, 1)?),
    };
    let lengths = match lengths {
        Some(lengths) => sides(lengths)?,
        None if parts > 0 && x.shape[at].is_multiple_of(parts) => vec![x.shape[at] / parts; parts],
        None => return Err("has parts of different lengths".into()),
    };
    if lengths.len() != parts || lengths.iter().sum::<usize>() != x.shape[at] {
        return Err("has parts that are not the whole".into());
    }
    let part = |length: &usize| {
        let mut shape = x.shape.clone();
        shape[at] = *length;
        Value::float(shape, x.fixed)
    };
    Ok((lengths.iter().map(part).collect(), x.numbers()?))
}

fn slice(node: &Node<'_>, inputs: &Inputs<'_>, opset: i64) -> Made {
    let x = inputs[0].ok_or_else(wrong_inputs)?;
    let optional = |at: usize| match inputs.get(at) {
        Some(Some(_)) => numbers(inputs, at).map(Some),
        _ => Ok(None),
    };
    let old = opset < 10;
    let (starts, ends, along, steps) = match (old, inputs.len()) {
        (true, 1) => {
            let list = |name| node.ints(name)?.ok_or_else(wrong_inputs);
            (list("starts")?, list("ends")?, node.ints("axes")?, None)
        }
        (false, 3..) if !["axes", "starts", "ends"].iter().any(|name| node.has(name)) => {
            let (along, steps) = (optional(3)?, optional(4)?);
            (numbers(inputs, 1)?, numbers(inputs, 2)?, along, steps)
        }
        _ => return Err("names its places as another version does".into()),
    };
    let rank = x.shape.len();
    let along = match along {
        // tract counts only from the front here.
        Some(along) if old && along.iter().any(|&at| at < 0) => return Err(wrong_inputs()),
        Some(along) => axes(along, rank)?,
        None if old && starts.len() != rank => return Err(wrong_inputs()),
        None => (0..rank.min(starts.len())).collect(),
    };
    let length = along.len();
    if [starts.len(), ends.len(), steps.map_or(length, <[i64]>::len)] != [length; 3] {
        return Err("has not as many places as axes".into());
    }
    let mut shape = x.shape.clone();
    let mut range = (0, x.shape.first().copied().unwrap_or_default(), 1);
    for (number, &at) in along.iter().enumerate() {
        let side = x.shape[at] as i64;
        let place = |place: i64| {
            let place = if place < 0 {
                place.saturating_add(side)
            } else {
                place
            };
            place.clamp(0, side) as usize
        };
        let (start, end) = (place(starts[number]), place(ends[number]));
        let step = steps.map_or(1, |steps| steps[number]);
        if !(1..=MOST_SIDE as i64).contains(&step) || start >= end {
            return Err("takes nothing, or goes backwards".into());
        }
        shape[at] = (end - start).div_ceil(step as usize);
        range = (start, end, step as usize);
    }
    match (&x.whole, rank) {
        (None, _) => one(Value::float(shape, x.fixed)),
        (Some(whole), 1) => {
            let (start, end, step) = range;
            let taken = whole.get(start..end).ok_or_else(wrong_inputs)?;
            one(Value::whole(
                shape,
                taken.iter().step_by(step).copied().collect(),
            )?)
        }
        _ => Err("cuts tables of whole numbers".into()),
    }
}

fn gather(node: &Node<'_>, inputs: &Inputs<'_>) -> Made {
    let (Some(x), Some(places)) = (inputs[0], inputs[1]) else {
        return Err(wrong_inputs());
    };
    let at = axis(node.int("axis")?.unwrap_or(0), x.shape.len())?;
    let wanted = places.whole.as_ref().filter(|wanted| !wanted.is_empty());
    let wanted = wanted.ok_or("has places or a shape that are not known")?;
    let found: Result<Vec<usize>, String> = wanted
        .iter()
        .map(|&place| axis(place, x.shape[at]))
        .collect();
    let found = found.map_err(|_| "takes a place that is not there")?;
    let shape = [&x.shape[..at], &places.shape, &x.shape[at + 1..]].concat();
    match (&x.whole, x.shape.len()) {
        (None, _) => one(Value::float(shape, x.fixed)),
        (Some(whole), 1) => one(Value::whole(
            shape,
            found.iter().map(|&place| whole[place]).collect(),
        )?),
        _ => Err("takes from tables of whole numbers".into()),
    }
}

fn pad(node: &Node<'_>, inputs: &Inputs<'_>, opset: i64) -> Made {
    let x = float(inputs, 0)?;
    let rank = x.shape.len();
    let pads = match (opset < 11, inputs.len()) {
        (true, 1) => node.ints("pads")?.ok_or_else(wrong_inputs)?,
        (false, 2..) if !node.has("pads") && !node.has("value") => numbers(inputs, 1)?,
        _ => return Err("names its pads as another version does".into()),
    };
    node.float("value")?;
    if let Some(Some(value)) = inputs.get(2)
        && !(value.fixed && value.whole.is_none() && value.shape.is_empty())
    {
        return Err("pads with what is not one fixed number".into());
    }
    let along = match inputs.get(3) {
        Some(Some(_)) => axes(numbers(inputs, 3)?, rank)?,
        _ => (0..rank).collect(),
    };
    if pads.len() != 2 * along.len() {
        return Err("has not two pads for an axis".into());
    }
    let reflect = match node.text("mode")? {
        None | Some("constant" | "edge") => false,
        Some("reflect") => true,
        Some(_) => return Err("has a mode that is not known".into()),
    };
    let mut shape = x.shape.clone();
    for (number, &at) in along.iter().enumerate() {
        for pad in [pads[number], pads[number + along.len()]] {
            let side = x.shape[at];
            let most = if reflect { side - 1 } else { MOST_SIDE };
            match usize::try_from(pad) {
                Ok(pad) if pad <= most => shape[at] += pad,
                _ => return Err("has pads that cannot be".into()),
            }
        }
    }
    one(Value::float(shape, x.fixed))
}

pub fn reduce(node: &Node<'_>, inputs: &Inputs<'_>, opset: i64) -> Made {
    let x = float(inputs, 0)?;
    if inputs.len() > 2 {
        return Err(wrong_inputs());
    }
    let since = if node.op() == "ReduceSum" { 13 } else { 18 };
    let given = given_axes(node, inputs, since, opset)?;
    if node.flag("noop_with_empty_axes", false)? {
        return Err("may do nothing".into());
    }
    let rank = x.shape.len();
    let gone = match given {
        None | Some([]) => (0..rank).collect(),
        Some(given) => axes(given, rank)?,
    };
    let keep = node.flag("keepdims", true)?;
    let side = |(at, &side): (usize, &usize)| match (gone.contains(&at), keep) {
        (false, _) => Some(side),
        (true, true) => Some(1),
        (true, false) => None,
    };
    let shape = x.shape.iter().enumerate().filter_map(side).collect();
    Ok((vec![Value::float(shape, x.fixed)], x.numbers()?))
}

/// Channels become positions, or the other way round.
fn blocks(node: &Node<'_>, x: &Value) -> Made {
    let size = node.int("blocksize")?.unwrap_or(0);
    let (Ok(size @ 1..=64), &[batch, channels, high, wide]) = (usize::try_from(size), &*x.shape)
    else {
        return Err("has blocks that do not fit".into());
    };
    let area = size * size;
    let shape = match node.op() {
        "DepthToSpace" if channels.is_multiple_of(area) => {
            if !matches!(node.text("mode")?, None | Some("DCR" | "CRD")) {
                return Err("has a mode that is not known".into());
            }
            vec![batch, channels / area, high * size, wide * size]
        }
        "SpaceToDepth" if high.is_multiple_of(size) && wide.is_multiple_of(size) => {
            vec![batch, channels * area, high / size, wide / size]
        }
        _ => return Err("has blocks that do not fit".into()),
    };
    one(Value::float(shape, x.fixed))
}
