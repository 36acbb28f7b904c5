//! A block: a 1 x 1 convolution that widens, a depthwise 3 x 3 convolution, a 1 x 1 convolution that
//! narrows; the first or the last may be missing. It runs over a few rows of the output at a time, for
//! which it needs as many wide rows and two more: those stay in the processor's cache.

use std::cell::Cell;

use tract_onnx::{prelude::*, tract_core::internal::*};

use super::{
    convolution::{Limits, side_by_side},
    kernels::{Kind, Panels, Pixels, Places, Rows, SIDE, Windows},
    pixels::{Size, add_pixels, numbers},
};

/// Bytes of wide rows at a time: a good part of the second-level cache of the processors that boards
/// have. At least what one row of the output needs.
const WIDE: usize = 384 << 10;

/// Bytes of wide rows, of each pixel as many as a cache fetches at once: most of the first-level cache.
const NEAR: usize = 24 << 10;
const LINE: usize = 64;

/// Numbers of the room that are kept.
const KEPT: usize = 1 << 20;

thread_local! {
    /// The rows of all blocks, one after the other: made once, for memory of this size that is new for
    /// every block costs a board as much as some of them.
    static ROOM: Cell<Vec<f32>> = const { Cell::new(Vec::new()) };
}

fn with_room(size: usize, run: impl FnOnce(&mut [f32])) {
    // Taken out meanwhile, and gone after a panic.
    let mut room = ROOM.take();
    if room.len() < size {
        room.resize(size, 0.0);
    }
    run(&mut room[..size]);
    // What one unusual block needed is not kept for ever.
    if room.len() <= KEPT {
        ROOM.set(room);
    }
}

/// What a block does.
#[derive(Clone, Debug, PartialEq)]
pub struct Layers {
    pub expand: Option<(Panels, Limits)>,
    pub depthwise: (Windows, Limits),
    /// 1 or 2.
    pub stride: usize,
    /// Rows above and below, columns to the left and to the right that are zeros: 0 or 1.
    pub above: usize,
    pub below: usize,
    pub left: usize,
    pub right: usize,
    pub project: Option<(Panels, Limits)>,
    /// A second output: the sums of what the depthwise convolution gives, `1 x channels x 1 x 1`.
    pub sums: bool,
    pub input: Size,
}

impl Layers {
    fn inner(&self) -> usize {
        self.depthwise.0.channels()
    }

    fn output(&self) -> Size {
        let along = |length: usize, padding: usize| (length + padding - SIDE) / self.stride + 1;
        Size {
            height: along(self.input.height, self.above + self.below),
            width: along(self.input.width, self.left + self.right),
            channels: match &self.project {
                Some((panels, _)) => panels.columns(),
                None => self.inner(),
            },
        }
    }

    /// Rows of the output at a time.
    fn rows(&self) -> usize {
        let row = self.wide_row() * size_of::<f32>();
        let most = (WIDE / row).saturating_sub(SIDE) / self.stride + 1;
        most.min(self.output().height)
    }

    /// Rows of the output that the depthwise convolution does at once.
    fn depthwise_rows(&self) -> usize {
        let row = (self.left + self.input.width + self.right) * LINE;
        let most = (NEAR / row).saturating_sub(SIDE) / self.stride + 1;
        // In pairs.
        most.next_multiple_of(2)
    }

    /// Numbers in a wide row with its zeros.
    fn wide_row(&self) -> usize {
        (self.left + self.input.width + self.right) * self.inner()
    }

    /// Numbers that `run` needs room for.
    fn room(&self) -> usize {
        let narrow = self.rows() * self.output().width * self.inner();
        self.wide_rows() * self.wide_row() + narrow
    }

    /// Of wide rows that are in the room at once.
    fn wide_rows(&self) -> usize {
        (self.rows() - 1) * self.stride + SIDE
    }
}

/// Pixels in, pixels out. A second input of the output's size is added before the last limits.
#[derive(Clone, Debug, PartialEq)]
pub struct Block {
    layers: Layers,
    /// Where the pixels of wide rows and of the output go.
    wide_places: Places,
    places: Places,
}

impl Eq for Block {}

impl Block {
    pub fn new(layers: Layers) -> TractResult<Self> {
        let output = layers.output();
        let (wide_row, inner) = (layers.wide_row(), layers.inner());
        let rows = 0..layers.input.height.min(layers.wide_rows());
        let wide = rows.flat_map(|y| {
            let first = y * wide_row + layers.left * inner;
            (0..layers.input.width).map(move |x| first + x * inner)
        });
        Ok(Self {
            wide_places: Places::new(wide.collect()).context("a map does not fit into memory")?,
            places: side_by_side(layers.rows() * output.width, output.channels)?,
            layers,
        })
    }

    /// `room`: as much as is asked for, with anything in it.
    fn run(
        &self,
        from: &[f32],
        added: &[f32],
        to: &mut [f32],
        mut sums: Option<&mut [f32]>,
        room: &mut [f32],
    ) {
        let Self {
            layers,
            wide_places,
            places,
        } = self;
        let kind = Kind::best();
        let (inner, output, most) = (layers.inner(), layers.output(), layers.rows());
        let (wide_row, row) = (
            layers.wide_row(),
            layers.input.width * layers.input.channels,
        );
        let (narrow_row, added_row) = (output.width * inner, output.width * output.channels);
        let (wide, rest) = room.split_at_mut(layers.wide_rows() * wide_row);
        let narrow = &mut rest[..most * narrow_row];
        for row in wide.chunks_exact_mut(wide_row) {
            row[..layers.left * inner].fill(0.0);
            row[wide_row - layers.right * inner..].fill(0.0);
        }
        let mut had = 0;
        for first in (0..output.height).step_by(most) {
            let rows = most.min(output.height - first);
            let needed = (rows - 1) * layers.stride + SIDE;
            // Of the rows before, the last are needed again.
            let mut at = 0;
            if had > 0 {
                at = SIDE - layers.stride.min(SIDE);
                wide.copy_within((had - at) * wide_row..had * wide_row, 0);
            }
            // Rows count from the first of zeros.
            let top = first * layers.stride;
            while at < needed {
                let y = top + at;
                if y < layers.above || y >= layers.above + layers.input.height {
                    wide[at * wide_row..(at + 1) * wide_row].fill(0.0);
                    at += 1;
                    continue;
                }
                let y = y - layers.above;
                let count = (needed - at).min(layers.input.height - y);
                let from = &from[y * row..(y + count) * row];
                let wide = &mut wide[at * wide_row..(at + count) * wide_row];
                match &layers.expand {
                    Some((panels, limits)) => {
                        let pixels = Pixels {
                            from,
                            step: panels.depth(),
                            places: wide_places.first(count * layers.input.width),
                            added: &[],
                            limits: *limits,
                        };
                        kind.pointwise(panels, pixels, wide);
                    }
                    None => {
                        for (wide, from) in
                            wide.chunks_exact_mut(wide_row).zip(from.chunks_exact(row))
                        {
                            wide[layers.left * inner..][..row].copy_from_slice(from);
                        }
                    }
                }
                at += count;
            }
            had = needed;
            let to = &mut to[first * added_row..(first + rows) * added_row];
            let target = match &layers.project {
                Some(_) => &mut narrow[..rows * narrow_row],
                None => &mut *to,
            };
            let (windows, limits) = &layers.depthwise;
            let at_once = layers.depthwise_rows();
            for (part, target) in target.chunks_mut(at_once * narrow_row).enumerate() {
                let rows = Rows {
                    from: &wide[part * at_once * layers.stride * wide_row..],
                    row: wide_row,
                    width: output.width,
                    stride: layers.stride,
                    limits: *limits,
                };
                kind.depthwise(windows, rows, target);
            }
            if let Some(sums) = &mut sums {
                add_pixels(sums, target);
            }
            if let Some((panels, limits)) = &layers.project {
                let pixels = Pixels {
                    from: narrow,
                    step: panels.depth(),
                    places: places.first(rows * output.width),
                    added: match added {
                        [] => &[],
                        _ => &added[first * added_row..(first + rows) * added_row],
                    },
                    limits: *limits,
                };
                kind.pointwise(panels, pixels, to);
            }
        }
    }
}

impl Op for Block {
    fn name(&self) -> StaticName {
        "LastlayerBlock".into()
    }

    op_as_typed_op!();
}

impl EvalOp for Block {
    op_out_of_plan!();

    fn eval(&self, _: &EvalContext, inputs: TVec<TValue>) -> TractResult<TVec<TValue>> {
        let layers = &self.layers;
        let output = layers.output();
        let from = numbers(&inputs[0], layers.input.numbers())?;
        let added = match inputs.get(1) {
            Some(added) => numbers(added, output.numbers())?,
            None => &[],
        };
        let mut to = Tensor::zero::<f32>(&[1, output.height, output.width, output.channels])?;
        let mut sums = vec![0.0; if layers.sums { layers.inner() } else { 0 }];
        {
            let mut view = to.try_as_plain_ram_mut()?;
            let wanted = layers.sums.then_some(sums.as_mut_slice());
            let to = view.as_slice_mut::<f32>()?;
            with_room(layers.room(), |room| {
                self.run(from, added, to, wanted, room)
            });
        }
        let mut outputs = tvec!(to.into_tvalue());
        if layers.sums {
            outputs.push(Tensor::from_shape(&[1, layers.inner(), 1, 1], &sums)?.into_tvalue());
        }
        Ok(outputs)
    }
}

impl TypedOp for Block {
    as_op!();

    fn output_facts(&self, _: &[&TypedFact]) -> TractResult<TVec<TypedFact>> {
        let mut facts = tvec!(self.layers.output().fact());
        if self.layers.sums {
            facts.push(f32::fact([1, self.layers.inner(), 1, 1]));
        }
        Ok(facts)
    }
}
