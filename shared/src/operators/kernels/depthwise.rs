//! Every channel of a row of pixels times its own 3 x 3 weights.

use super::lanes::{Lanes, opaque, opaque_offset};

/// The weights of one position after those of another, nine in all, each `channels` numbers, and a bias
/// of as many.
#[derive(Clone, Debug, PartialEq)]
pub struct Windows {
    channels: usize,
    weights: Vec<f32>,
    bias: Vec<f32>,
}

pub const SIDE: usize = 3;

impl Windows {
    /// `weight(channel, position)`, of positions row after row; `bias` has a number a channel.
    pub fn new(bias: &[f32], weight: impl Fn(usize, usize) -> f32) -> Self {
        let channels = bias.len();
        let positions = 0..SIDE * SIDE;
        let weights = positions.flat_map(|at| (0..channels).map(move |c| (c, at)));
        Self {
            channels,
            weights: weights.map(|(c, at)| weight(c, at)).collect(),
            bias: bias.to_vec(),
        }
    }

    pub fn channels(&self) -> usize {
        self.channels
    }
}

/// What is done with one row of results.
#[derive(Clone, Copy, Debug)]
pub struct Rows<'a> {
    /// Three rows, of `channels` numbers a pixel, with one more pixel at each end than the network has.
    pub from: [&'a [f32]; SIDE],
    /// 1 or 2.
    pub stride: usize,
    /// Results are held between these.
    pub limits: (f32, f32),
}

/// Results that are computed side by side, for they share pixels: as many as there are registers for.
const FOUR: usize = 4;
const SEVEN: usize = 7;
/// Pixels of a row that they share.
const FARTHEST: usize = 2 * (SEVEN - 1) + SIDE;

/// # Safety
///
/// As `Lanes` says. Lengths are checked.
#[inline(always)]
pub unsafe fn run<L: Lanes>(windows: &Windows, rows: Rows<'_>, to: &mut [f32]) {
    let channels = windows.channels;
    let width = to.len() / channels.max(1);
    let needed = ((width.max(1) - 1) * rows.stride + SIDE) * channels;
    assert!(rows.from.iter().all(|row| row.len() >= needed));
    assert!(to.len() == width * channels && (1..=2).contains(&rows.stride));
    if width == 0 {
        return;
    }
    if channels < L::COUNT {
        return plainly(windows, rows, to, width);
    }
    let mut channel = 0;
    while channel < channels {
        // The last vector may do some of the one before again.
        let first = channel.min(channels - L::COUNT);
        unsafe { column::<L>(windows, rows, to.as_mut_ptr(), width, first, channels) };
        channel += L::COUNT;
    }
}

/// One vector of channels of the whole row.
#[inline(always)]
unsafe fn column<L: Lanes>(
    windows: &Windows,
    rows: Rows<'_>,
    to: *mut f32,
    width: usize,
    channel: usize,
    channels: usize,
) {
    unsafe {
        let weights: [[L::Vector; SIDE]; SIDE] = std::array::from_fn(|i| {
            std::array::from_fn(|j| {
                let at = (i * SIDE + j) * channels + channel;
                L::load(windows.weights.as_ptr().add(at))
            })
        });
        let bias = L::load(windows.bias.as_ptr().add(channel));
        let limits = (L::splat(rows.limits.0), L::splat(rows.limits.1));
        let from = rows.from.map(|row| row.as_ptr().add(channel));
        let to = to.add(channel);
        let pixels: [usize; FARTHEST] = std::array::from_fn(|j| opaque_offset(j * channels));
        let mut x = 0;
        macro_rules! step {
            ($across:expr, $stride:literal, $pixels:expr) => {{
                let mut sums = [bias; $across];
                for i in 0..SIDE {
                    let from = opaque(from[i].add(x * $stride * channels));
                    for j in 0..$pixels {
                        let pixel = L::load(from.add(pixels[j]));
                        for o in 0..$across {
                            if j >= o * $stride && j < o * $stride + SIDE {
                                sums[o] = L::fused(pixel, weights[i][j - o * $stride], sums[o]);
                            }
                        }
                    }
                }
                let to = opaque(to.add(x * channels)).cast_mut();
                for o in 0..$across {
                    let sum = L::clamp(sums[o], limits.0, limits.1);
                    L::store(to.add(pixels[o]), sum);
                }
                x += $across;
            }};
        }
        macro_rules! row {
            ($across:expr, $stride:literal) => {
                for _ in 0..(width - x) / $across {
                    step!($across, $stride, $stride * ($across - 1) + SIDE);
                }
            };
        }
        // The widths of a network at 224 pixels are multiples of 7.
        let is_seven = L::REGISTERS >= 32 && width.is_multiple_of(SEVEN);
        match (rows.stride, is_seven) {
            (1, true) => row!(SEVEN, 1),
            (1, false) => row!(FOUR, 1),
            (_, true) => row!(SEVEN, 2),
            (_, false) => row!(FOUR, 2),
        }
        match rows.stride {
            1 => row!(1, 1),
            _ => row!(1, 2),
        }
    }
}

/// Fewer channels than a vector has.
fn plainly(windows: &Windows, rows: Rows<'_>, to: &mut [f32], width: usize) {
    let channels = windows.channels;
    let (least, most) = rows.limits;
    for x in 0..width {
        for c in 0..channels {
            let mut sum = windows.bias[c];
            for (i, row) in rows.from.iter().enumerate() {
                for j in 0..SIDE {
                    let pixel = row[(x * rows.stride + j) * channels + c];
                    sum += pixel * windows.weights[(i * SIDE + j) * channels + c];
                }
            }
            let sum = if sum < least { least } else { sum };
            to[x * channels + c] = if sum > most { most } else { sum };
        }
    }
}
