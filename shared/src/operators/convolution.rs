//! Convolutions that are products of pixels and a matrix.

use tract_onnx::{prelude::*, tract_core::internal::*};

use super::{
    kernels::{Kind, Panels, Pixels},
    pixels::{Size, numbers},
};

/// Numbers that results are held between; infinities where they are not.
pub type Limits = (f32, f32);

/// A 1 x 1 convolution, pixels in, pixels out. A second input of the output's size is added before the
/// limits.
#[derive(Clone, Debug, PartialEq)]
pub struct Pointwise {
    pub panels: Panels,
    pub limits: Limits,
    pub input: Size,
}

impl Pointwise {
    fn output(&self) -> Size {
        Size {
            channels: self.panels.columns(),
            ..self.input
        }
    }
}

// What is compared are weights; none of them is no number where it matters.
impl Eq for Pointwise {}

impl Op for Pointwise {
    fn name(&self) -> StaticName {
        "LastlayerPointwise".into()
    }

    op_as_typed_op!();
}

impl EvalOp for Pointwise {
    op_out_of_plan!();

    fn eval(&self, _: &EvalContext, inputs: TVec<TValue>) -> TractResult<TVec<TValue>> {
        let output = self.output();
        let from = numbers(&inputs[0], self.input.numbers())?;
        let added = match inputs.get(1) {
            Some(added) => numbers(added, output.numbers())?,
            None => &[],
        };
        let places: Vec<usize> = (0..output.pixels())
            .map(|pixel| pixel * output.channels)
            .collect();
        let mut to = Tensor::zero::<f32>(&[1, output.height, output.width, output.channels])?;
        let pixels = Pixels {
            from,
            places: &places,
            added,
            limits: self.limits,
        };
        let mut view = to.try_as_plain_ram_mut()?;
        Kind::best().pointwise(&self.panels, pixels, view.as_slice_mut::<f32>()?);
        Ok(tvec!(to.into_tvalue()))
    }
}

impl TypedOp for Pointwise {
    as_op!();

    fn output_facts(&self, _: &[&TypedFact]) -> TractResult<TVec<TypedFact>> {
        Ok(tvec!(self.output().fact()))
    }
}

/// Any convolution of few channels, as a network begins with: tract's map in, pixels out.
#[derive(Clone, Debug, PartialEq)]
pub struct Stem {
    /// Of depth `channels * window * window`, in the order of the weights of ONNX.
    pub panels: Panels,
    pub limits: Limits,
    pub input: Size,
    /// Height and width of the window, and of the output.
    pub window: [usize; 2],
    pub output: [usize; 2],
    pub stride: [usize; 2],
    /// Rows above and columns to the left that are zeros.
    pub padding: [usize; 2],
}

impl Eq for Stem {}

impl Stem {
    fn size(&self) -> Size {
        Size {
            height: self.output[0],
            width: self.output[1],
            channels: self.panels.columns(),
        }
    }

    /// What the windows of one row of the output see, one after the other.
    fn patches(&self, from: &[f32], y: usize, patches: &mut [f32]) {
        let Size {
            height,
            width,
            channels,
        } = self.input;
        let depth = self.panels.depth();
        let [high, wide] = self.window;
        patches.fill(0.0);
        for (channel, i) in (0..channels).flat_map(|channel| (0..high).map(move |i| (channel, i))) {
            let row = (y * self.stride[0] + i).checked_sub(self.padding[0]);
            let Some(row) = row.filter(|&row| row < height) else {
                continue;
            };
            let row = &from[(channel * height + row) * width..][..width];
            let at = (channel * high + i) * wide;
            for (x, patch) in patches.chunks_exact_mut(depth).enumerate() {
                let patch = &mut patch[at..at + wide];
                let start = x * self.stride[1];
                let whole = start.checked_sub(self.padding[1]);
                match whole.and_then(|start| row.get(start..start + wide)) {
                    Some(window) => copy(patch, window),
                    // In part beyond an edge.
                    None => {
                        for (j, place) in patch.iter_mut().enumerate() {
                            let column = (start + j).checked_sub(self.padding[1]);
                            if let Some(&number) = column.and_then(|column| row.get(column)) {
                                *place = number;
                            }
                        }
                    }
                }
            }
        }
    }
}

/// Nearly always three numbers: a call for so few would take longer.
fn copy(to: &mut [f32], from: &[f32]) {
    match (
        <&mut [f32; 3]>::try_from(&mut *to),
        <&[f32; 3]>::try_from(from),
    ) {
        (Ok(to), Ok(from)) => *to = *from,
        _ => to.copy_from_slice(from),
    }
}

impl Op for Stem {
    fn name(&self) -> StaticName {
        "LastlayerStem".into()
    }

    op_as_typed_op!();
}

impl EvalOp for Stem {
    op_out_of_plan!();

    fn eval(&self, _: &EvalContext, inputs: TVec<TValue>) -> TractResult<TVec<TValue>> {
        let input = args_1!(inputs);
        let from = numbers(&input, self.input.numbers())?;
        let size = self.size();
        let mut to = Tensor::zero::<f32>(&[1, size.height, size.width, size.channels])?;
        let mut view = to.try_as_plain_ram_mut()?;
        let mut patches = vec![0.0; size.width * self.panels.depth()];
        let places: Vec<usize> = (0..size.width).map(|x| x * size.channels).collect();
        let rows = view.as_slice_mut::<f32>()?;
        let rows = rows.chunks_exact_mut((size.width * size.channels).max(1));
        let kind = Kind::best();
        for (y, row) in rows.enumerate() {
            self.patches(from, y, &mut patches);
            let pixels = Pixels {
                from: &patches,
                places: &places,
                added: &[],
                limits: self.limits,
            };
            kind.pointwise(&self.panels, pixels, row);
        }
        Ok(tvec!(to.into_tvalue()))
    }
}

impl TypedOp for Stem {
    as_op!();

    fn output_facts(&self, _: &[&TypedFact]) -> TractResult<TVec<TypedFact>> {
        Ok(tvec!(self.size().fact()))
    }
}
