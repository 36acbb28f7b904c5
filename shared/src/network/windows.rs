//! Convolutions and pools: windows that move over a picture of one or two sides.

use super::{
    MOST_NUMBERS,
    node::Node,
    operators::{Inputs, Made, float, floats, wrong_inputs},
    tensor::{Value, count},
};

/// Sides of a window, steps, distances inside it, and padding: an input has up to 1024 pixels.
const MOST_REACH: usize = 1024;

/// Of one side.
struct Window {
    kernel: usize,
    stride: usize,
    dilation: usize,
    /// Positions that are put before and after; `None` as many as are needed.
    pads: Option<(usize, usize)>,
}

impl Window {
    /// The positions that it spans.
    fn reach(&self) -> usize {
        (self.kernel - 1) * self.dilation + 1
    }

    /// How many places it has on `side` positions.
    fn places(&self, side: usize, ceil: bool) -> Result<usize, String> {
        let Some((before, after)) = self.pads else {
            return Ok(side.div_ceil(self.stride));
        };
        let room = side + before + after;
        let Some(left) = room.checked_sub(self.reach()) else {
            return Err(format!(
                "looks at {} positions at once, and {room} are there",
                self.reach()
            ));
        };
        if !ceil {
            return Ok(left / self.stride + 1);
        }
        // The last window must begin in the picture.
        let places = left.div_ceil(self.stride) + 1;
        Ok(match (places - 1) * self.stride >= side + before {
            true => places - 1,
            false => places,
        })
    }
}

/// The windows of a node on each side; `kernel` is what the weights have.
fn windows(node: &Node<'_>, kernel: &[usize]) -> Result<Vec<Window>, String> {
    let rank = kernel.len();
    let list = |name: &str, default: usize, least: i64, length: usize| {
        let Some(given) = node.ints(name)? else {
            return Ok(vec![default; length]);
        };
        let range = least..=MOST_REACH as i64;
        if given.len() != length || !given.iter().all(|number| range.contains(number)) {
            return Err(format!("has {name} that cannot be"));
        }
        Ok(given.iter().map(|&number| number as usize).collect())
    };
    let strides = list("strides", 1, 1, rank)?;
    let dilations = list("dilations", 1, 1, rank)?;
    let pads = list("pads", 0, 0, 2 * rank)?;
    let same = match node.text("auto_pad")? {
        None | Some("NOTSET") => false,
        Some("VALID") if !node.has("pads") => false,
        Some("SAME_UPPER" | "SAME_LOWER") if !node.has("pads") => true,
        Some(_) => return Err("has an auto_pad that cannot be".into()),
    };
    let window = |side: usize| {
        let window = Window {
            kernel: kernel[side],
            stride: strides[side],
            dilation: dilations[side],
            pads: (!same).then(|| (pads[side], pads[side + rank])),
        };
        match window.kernel <= MOST_REACH && window.reach() <= 2 * MOST_REACH {
            true => Ok(window),
            false => Err("has a window that is too wide".into()),
        }
    };
    (0..rank).map(window).collect()
}

fn places(windows: &[Window], sides: &[usize], ceil: bool) -> Result<Vec<usize>, String> {
    let each = windows.iter().zip(sides);
    each.map(|(window, &side)| window.places(side, ceil))
        .collect()
}

pub fn convolution(node: &Node<'_>, inputs: &Inputs<'_>) -> Made {
    let (x, weights) = (float(inputs, 0)?, float(inputs, 1)?);
    let ([batch, channels, sides @ ..], [filters, depth, kernel @ ..]) =
        (&*x.shape, &*weights.shape)
    else {
        return Err(wrong_inputs());
    };
    if sides.len() != kernel.len() || !(1..=2).contains(&sides.len()) || !weights.fixed {
        return Err("has weights that do not fit, or that are computed".into());
    }
    let stated = node.ints("kernel_shape")?;
    if stated.is_some_and(|stated| !stated.iter().copied().eq(kernel.iter().map(|&k| k as i64))) {
        return Err("has another kernel_shape than its weights".into());
    }
    let group = usize::try_from(node.int("group")?.unwrap_or(1)).unwrap_or(0);
    if group == 0 || !filters.is_multiple_of(group) || depth.checked_mul(group) != Some(*channels) {
        return Err("has groups that do not divide its channels".into());
    }
    match inputs.len() {
        2 => (),
        3 => {
            let bias = float(inputs, 2)?;
            if bias.shape != [*filters] || !bias.fixed {
                return Err("has a bias that does not fit, or that is computed".into());
            }
        }
        _ => return Err(wrong_inputs()),
    }
    let windows = windows(node, kernel)?;
    let mut shape = vec![*batch, *filters];
    shape.extend(places(&windows, sides, false)?);
    // tract lays the windows of a whole picture out in memory before it multiplies.
    let looked_at = [&shape[2..], kernel].concat();
    let laid_out = count(&looked_at)?.saturating_mul(*batch as u64 * *channels as u64);
    if laid_out > MOST_NUMBERS {
        return Err(format!(
            "lays out {laid_out} numbers, more than this program keeps in memory"
        ));
    }
    let work = laid_out.saturating_mul((filters / group) as u64);
    Ok((vec![Value::float(shape, x.fixed)], work))
}

pub fn pool(node: &Node<'_>, inputs: &Inputs<'_>) -> Made {
    let [x] = floats(inputs)?;
    let kernel = node.ints("kernel_shape")?.unwrap_or_default();
    let kernel: Vec<usize> = kernel
        .iter()
        .map(|&side| usize::try_from(side).unwrap_or_default())
        .collect();
    let [batch, channels, sides @ ..] = &*x.shape else {
        return Err(wrong_inputs());
    };
    if kernel.contains(&0) || sides.len() != kernel.len() || !(1..=2).contains(&sides.len()) {
        return Err("has a window that does not fit".into());
    }
    if node.flag("storage_order", false)? {
        return Err("counts places in columns".into());
    }
    node.flag("count_include_pad", false)?;
    let ceil = node.flag("ceil_mode", false)?;
    let windows = windows(node, &kernel)?;
    // A window on nothing but padding has no maximum and no mean.
    let empty = |w: &Window| {
        w.pads
            .is_some_and(|(before, after)| before.max(after) >= w.kernel)
    };
    if windows.iter().any(empty) {
        return Err("has windows that see nothing but padding".into());
    }
    let mut shape = vec![*batch, *channels];
    shape.extend(places(&windows, sides, ceil)?);
    let looked_at = count(&kernel)?;
    let work = count(&shape)?.saturating_mul(looked_at);
    Ok((vec![Value::float(shape, x.fixed)], work))
}
