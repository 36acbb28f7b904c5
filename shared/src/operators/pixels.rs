//! Maps whose pixels hold their channels side by side: `1 x height x width x channels`.

use tract_onnx::{prelude::*, tract_core::internal::*};

/// Of a map.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Size {
    pub height: usize,
    pub width: usize,
    pub channels: usize,
}

impl Size {
    pub fn pixels(self) -> usize {
        self.height * self.width
    }

    pub fn numbers(self) -> usize {
        self.pixels() * self.channels
    }

    pub fn fact(self) -> TypedFact {
        f32::fact([1, self.height, self.width, self.channels])
    }

    /// Of tract's own maps, `1 x channels x height x width`, of known size.
    pub fn of_planes(fact: &TypedFact) -> Option<Self> {
        match fact.shape.as_concrete()? {
            &[1, channels, height, width] if fact.datum_type == f32::datum_type() => Some(Self {
                height,
                width,
                channels,
            }),
            _ => None,
        }
    }
}

/// Numbers of an input, which must be `size` numbers.
pub fn numbers(input: &Tensor, size: usize) -> TractResult<&[f32]> {
    let numbers = input.try_as_plain_ram()?.as_slice::<f32>()?;
    ensure!(
        numbers.len() == size,
        "{} numbers instead of {size}",
        numbers.len()
    );
    Ok(numbers)
}

/// The sum of every channel over all pixels: pixels in, `1 x channels x 1 x 1` out.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Sum(pub Size);

impl Op for Sum {
    fn name(&self) -> StaticName {
        "LastlayerSum".into()
    }

    op_as_typed_op!();
}

impl EvalOp for Sum {
    op_out_of_plan!();

    fn eval(&self, _: &EvalContext, inputs: TVec<TValue>) -> TractResult<TVec<TValue>> {
        let input = args_1!(inputs);
        let channels = self.0.channels;
        let mut sums = vec![0.0f32; channels];
        add_pixels(&mut sums, numbers(&input, self.0.numbers())?);
        Ok(tvec!(
            Tensor::from_shape(&[1, channels, 1, 1], &sums)?.into_tvalue()
        ))
    }
}

impl TypedOp for Sum {
    as_op!();

    fn output_facts(&self, _: &[&TypedFact]) -> TractResult<TVec<TypedFact>> {
        Ok(tvec!(f32::fact([1, self.0.channels, 1, 1])))
    }
}

/// Adds every pixel's channels to `sums`.
pub fn add_pixels(sums: &mut [f32], pixels: &[f32]) {
    for pixel in pixels.chunks_exact(sums.len().max(1)) {
        add(sums, pixel);
    }
}

/// Not inlined: only of parameters is it known that they do not overlap, which vectors need.
#[inline(never)]
fn add(sums: &mut [f32], pixel: &[f32]) {
    let pairs = sums.iter_mut().zip(pixel);
    pairs.for_each(|(sum, number)| *sum += number);
}
