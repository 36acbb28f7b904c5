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

/// What is done with some rows of results.
#[derive(Clone, Copy, Debug)]
pub struct Rows<'a> {
    /// Rows of pixels of `channels` numbers, with one more pixel at each end than the network has: for
    /// `n` rows of results `(n - 1) * stride + SIDE` of them.
    pub from: &'a [f32],
    /// Numbers of one of those.
    pub row: usize,
    /// Pixels in a row of results.
    pub width: usize,
    /// 1 or 2.
    pub stride: usize,
    /// Results are held between these.
    pub limits: (f32, f32),
}

/// Results that are computed side by side, for they share pixels: as many as there are registers for,
/// and two rows of them where there are more.
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
    let Rows {
        from,
        row,
        width,
        stride,
        ..
    } = rows;
    assert!((1..=2).contains(&stride));
    if to.is_empty() {
        return;
    }
    // What does not fit into a number fits into no memory either.
    let needed = |count: usize| (count - 1).checked_mul(stride)?.checked_add(SIDE);
    let result = width.checked_mul(channels).filter(|&result| result > 0);
    let result = result.expect("results have numbers");
    let count = to.len() / result;
    assert!(count > 0 && to.len() == count * result);
    let wide = needed(width).and_then(|pixels| pixels.checked_mul(channels));
    assert!(wide.is_some_and(|wide| wide <= row));
    let all = needed(count).and_then(|rows| rows.checked_mul(row));
    assert!(all.is_some_and(|all| all <= from.len()));
    if channels < L::COUNT {
        return plainly(windows, rows, to);
    }
    let mut channel = 0;
    while channel < channels {
        // The last vector may do some of the one before again.
        let first = channel.min(channels - L::COUNT);
        unsafe { column::<L>(windows, rows, to.as_mut_ptr(), count, first) };
        channel += L::COUNT;
    }
}

/// One vector of channels of all rows.
#[inline(always)]
unsafe fn column<L: Lanes>(
    windows: &Windows,
    rows: Rows<'_>,
    to: *mut f32,
    count: usize,
    channel: usize,
) {
    let Rows {
        row, width, stride, ..
    } = rows;
    let channels = windows.channels;
    unsafe {
        let weights: [[L::Vector; SIDE]; SIDE] = std::array::from_fn(|i| {
            std::array::from_fn(|j| {
                let at = (i * SIDE + j) * channels + channel;
                L::load(windows.weights.as_ptr().add(at))
            })
        });
        let bias = L::load(windows.bias.as_ptr().add(channel));
        let limits = (L::splat(rows.limits.0), L::splat(rows.limits.1));
        let from = rows.from.as_ptr().add(channel);
        let to = to.add(channel);
        let pixels: [usize; FARTHEST] = std::array::from_fn(|j| opaque_offset(j * channels));
        // The widths of a network at 224 pixels are multiples of 7.
        let is_seven = L::REGISTERS >= 32 && width.is_multiple_of(SEVEN);
        let mut y = 0;
        macro_rules! steps {
            ($x:ident, $count:expr, $deep:literal, $across:expr, $stride:literal) => {
                for _ in 0..$count {
                    let start = from.add(y * $stride * row + $x * $stride * channels);
                    let ends = std::array::from_fn(|r| to.add(((y + r) * width + $x) * channels));
                    let tile = Tile::<L, $deep> {
                        from: start,
                        row,
                        pixels: &pixels,
                        weights: &weights,
                        bias,
                        limits,
                        to: ends,
                    };
                    tile.compute::<$across, $stride>();
                    $x += $across;
                }
            };
        }
        macro_rules! lines {
            ($deep:literal, $stride:literal) => {{
                let mut x = 0;
                if is_seven {
                    steps!(x, width / SEVEN, $deep, SEVEN, $stride);
                } else {
                    steps!(x, width / FOUR, $deep, FOUR, $stride);
                }
                steps!(x, width - x, $deep, 1, $stride);
                y += $deep;
            }};
        }
        macro_rules! all {
            ($stride:literal) => {{
                if L::REGISTERS >= 32 {
                    for _ in 0..count / 2 {
                        lines!(2, $stride);
                    }
                }
                for _ in 0..count - y {
                    lines!(1, $stride);
                }
            }};
        }
        match stride {
            1 => all!(1),
            _ => all!(2),
        }
    }
}

/// A vector of channels of `R` rows of results.
struct Tile<'a, L: Lanes, const R: usize> {
    /// The first pixel that is seen.
    from: *const f32,
    row: usize,
    /// From one pixel to others.
    pixels: &'a [usize; FARTHEST],
    weights: &'a [[L::Vector; SIDE]; SIDE],
    bias: L::Vector,
    limits: (L::Vector, L::Vector),
    to: [*mut f32; R],
}

/// A loop whose steps are written out: a compiler leaves one of so many steps as it is, and weights in
/// memory.
macro_rules! written_out {
    ($at:ident in [$($number:literal)*] $step:block) => {
        $({
            const $at: usize = $number;
            $step
        })*
    };
}

/// Whether a row or a column is one of those that a window sees from `first` on.
const fn is_in_window(at: usize, first: usize) -> bool {
    first <= at && at < first + SIDE
}

impl<L: Lanes, const R: usize> Tile<'_, L, R> {
    /// # Safety
    ///
    /// As `Lanes` says, of the pixels that `O` results see, and of those.
    #[inline(always)]
    unsafe fn compute<const O: usize, const STRIDE: usize>(self) {
        const { assert!(STRIDE * (O - 1) + SIDE <= FARTHEST && STRIDE * (R - 1) + SIDE <= 5) };
        unsafe {
            let mut sums = [[self.bias; O]; R];
            written_out!(I in [0 1 2 3 4] {
                if I < STRIDE * (R - 1) + SIDE {
                    let from = opaque(self.from.add(I * self.row));
                    written_out!(J in [0 1 2 3 4 5 6 7 8 9 10 11 12 13 14] {
                        if J < STRIDE * (O - 1) + SIDE {
                            let pixel = L::load(from.add(self.pixels[J]));
                            for r in 0..R {
                                let is_seen = is_in_window(I, r * STRIDE);
                                for o in 0..O {
                                    if is_seen && is_in_window(J, o * STRIDE) {
                                        let weight = self.weights[I - r * STRIDE][J - o * STRIDE];
                                        sums[r][o] = L::fused(pixel, weight, sums[r][o]);
                                    }
                                }
                            }
                        }
                    });
                }
            });
            for r in 0..R {
                let to = opaque(self.to[r]).cast_mut();
                for o in 0..O {
                    let sum = L::clamp(sums[r][o], self.limits.0, self.limits.1);
                    L::store(to.add(self.pixels[o]), sum);
                }
            }
        }
    }
}

/// Fewer channels than a vector has.
fn plainly(windows: &Windows, rows: Rows<'_>, to: &mut [f32]) {
    let channels = windows.channels;
    let (least, most) = rows.limits;
    for (at, to) in to.chunks_exact_mut(channels).enumerate() {
        let (y, x) = (at / rows.width * rows.stride, at % rows.width * rows.stride);
        for (c, to) in to.iter_mut().enumerate() {
            let mut sum = windows.bias[c];
            for i in 0..SIDE {
                for j in 0..SIDE {
                    let pixel = rows.from[(y + i) * rows.row + (x + j) * channels + c];
                    sum += pixel * windows.weights[(i * SIDE + j) * channels + c];
                }
            }
            let sum = if sum < least { least } else { sum };
            *to = if sum > most { most } else { sum };
        }
    }
}
