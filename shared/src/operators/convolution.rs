//! Convolutions that are products of pixels and a matrix.

use tract_onnx::{prelude::*, tract_core::internal::*};

use super::{
    kernels::{Kind, Panels, Pixels, Places},
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

/// The places of pixels one after the other, of so many channels.
pub fn side_by_side(pixels: usize, channels: usize) -> TractResult<Places> {
    let places = (0..pixels).map(|pixel| pixel * channels);
    Places::new(places.collect()).context("a map does not fit into memory")
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
        let places = side_by_side(output.pixels(), output.channels)?;
        let mut to = Tensor::zero::<f32>(&[1, output.height, output.width, output.channels])?;
        let pixels = Pixels {
            from,
            step: self.panels.depth(),
            places: places.first(output.pixels()),
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
    /// Of depth `channels * window * window`: column after column of the window.
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

    /// Numbers in a column of a window.
    fn tall(&self) -> usize {
        self.input.channels * self.window[0]
    }

    /// Numbers in the columns that one row of the output sees.
    fn seen(&self) -> usize {
        let columns = (self.output[1].max(1) - 1) * self.stride[1] + self.window[1];
        columns * self.tall()
    }

    /// What one row of the output sees, column after column: windows that overlap share them.
    fn look(&self, from: &[f32], y: usize, seen: &mut [f32]) {
        let Size {
            height,
            width,
            channels,
        } = self.input;
        let tall = self.tall();
        seen.fill(0.0);
        for at in 0..tall {
            let (channel, i) = (at / self.window[0], at % self.window[0]);
            let row = (y * self.stride[0] + i).checked_sub(self.padding[0]);
            let Some(row) = row.filter(|&row| channel < channels && row < height) else {
                continue;
            };
            let row = &from[(channel * height + row) * width..][..width];
            let columns = seen.chunks_exact_mut(tall).skip(self.padding[1]);
            for (column, &number) in columns.zip(row) {
                column[at] = number;
            }
        }
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
        let mut seen = vec![0.0; self.seen()];
        let places = side_by_side(size.width, size.channels)?;
        let rows = view.as_slice_mut::<f32>()?;
        let rows = rows.chunks_exact_mut((size.width * size.channels).max(1));
        let kind = Kind::best();
        for (y, row) in rows.enumerate() {
            self.look(from, y, &mut seen);
            let pixels = Pixels {
                from: &seen,
                step: self.stride[1] * self.tall(),
                places: places.first(size.width),
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
