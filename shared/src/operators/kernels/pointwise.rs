//! Many pixels' channels times a matrix of weights.

use super::lanes::{Lanes, PANEL, Tile, opaque};

/// Limits that hold nothing.
const UNLIMITED: (f32, f32) = (f32::NEG_INFINITY, f32::INFINITY);

/// A matrix of `depth` rows, in panels of `PANEL` columns: every panel has its rows one after the
/// other. Columns beyond the last are zeros.
#[derive(Clone, Debug, PartialEq)]
pub struct Panels {
    depth: usize,
    columns: usize,
    weights: Vec<f32>,
    /// `PANEL` numbers a panel.
    bias: Vec<f32>,
}

impl Panels {
    /// `weight(column, row)`; `bias` has a number a column.
    pub fn new(depth: usize, bias: &[f32], weight: impl Fn(usize, usize) -> f32) -> Self {
        let columns = bias.len();
        let count = columns.div_ceil(PANEL);
        let size = count
            .checked_mul(PANEL)
            .and_then(|wide| wide.checked_mul(depth));
        let mut weights = vec![0.0; size.expect("weights that were read fit into memory")];
        for (panel, weights) in weights.chunks_exact_mut((depth * PANEL).max(1)).enumerate() {
            for (row, weights) in weights.chunks_exact_mut(PANEL).enumerate() {
                let columns = panel * PANEL..columns.min((panel + 1) * PANEL);
                for (to, column) in weights.iter_mut().zip(columns) {
                    *to = weight(column, row);
                }
            }
        }
        let mut padded = bias.to_vec();
        padded.resize(count * PANEL, 0.0);
        Self {
            depth,
            columns,
            weights,
            bias: padded,
        }
    }

    pub fn depth(&self) -> usize {
        self.depth
    }

    pub fn columns(&self) -> usize {
        self.columns
    }
}

/// Where the numbers of each pixel go, one after the other: found once, for that takes as long as some of
/// the products.
#[derive(Clone, Debug, PartialEq)]
pub struct Places(Vec<usize>);

impl Places {
    /// None where they do not ascend: the last one must be the farthest.
    pub fn new(places: Vec<usize>) -> Option<Self> {
        places.is_sorted().then_some(Self(places))
    }

    /// Those of the first pixels.
    pub fn first(&self, count: usize) -> AscendingPlaces<'_> {
        AscendingPlaces(&self.0[..count])
    }
}

/// Some of `Places`.
#[derive(Clone, Copy, Debug)]
pub struct AscendingPlaces<'a>(&'a [usize]);

/// What is done with the products of one pixel.
#[derive(Clone, Copy, Debug)]
pub struct Pixels<'a> {
    /// `depth` numbers a pixel,
    pub from: &'a [f32],
    /// and how many on the next pixel begins.
    pub step: usize,
    /// Where each pixel's `columns` numbers go.
    pub places: AscendingPlaces<'a>,
    /// Added to them, `columns` numbers a pixel, one pixel after the other; empty adds nothing.
    pub added: &'a [f32],
    /// Then they are held between these.
    pub limits: (f32, f32),
}

/// # Safety
///
/// As `Lanes` says. Lengths are checked.
#[inline(always)]
pub unsafe fn run<L: Lanes, T: Tiles<L>>(panels: &Panels, pixels: Pixels<'_>, to: &mut [f32]) {
    let Panels { depth, columns, .. } = *panels;
    let places = pixels.places.0;
    let count = places.len();
    let has = |numbers: &[f32], each: usize| {
        let needed = count.checked_mul(each);
        needed.is_some_and(|needed| needed <= numbers.len())
    };
    let last = (count.max(1) - 1).checked_mul(pixels.step);
    let end = last.and_then(|last| last.checked_add(depth));
    assert!(end.is_some_and(|end| end <= pixels.from.len()));
    assert!(places.last().is_none_or(|place| {
        let end = place.checked_add(columns);
        end.is_some_and(|end| end <= to.len())
    }));
    assert!(pixels.added.is_empty() || has(pixels.added, columns));
    if count == 0 {
        return;
    }
    let to = to.as_mut_ptr();
    let per_tile = const {
        let columns = T::VECTORS * L::COUNT;
        assert!(columns.is_multiple_of(PANEL) || PANEL.is_multiple_of(columns));
        columns
    };
    // All tiles are nearly alike, larger ones first: one of a single pixel takes as long as one of many.
    let tiles = count.div_ceil(T::PIXELS);
    let (less, larger) = (count / tiles, count % tiles);
    for column in (0..columns).step_by(per_tile) {
        let wide = per_tile.min(columns - column);
        let vectors = wide.div_ceil(L::COUNT);
        let strip = |first: usize, tiles: usize| Strip {
            panels,
            pixels,
            to,
            first,
            tiles,
            column,
            wide,
        };
        unsafe {
            if larger > 0 {
                T::run(strip(0, larger), less + 1, vectors);
            }
            T::run(strip(larger * (less + 1), tiles - larger), less, vectors);
        }
    }
}

/// Tiles of as many pixels and the same columns, one after the other.
pub struct Strip<'a> {
    panels: &'a Panels,
    pixels: Pixels<'a>,
    to: *mut f32,
    /// Of all pixels.
    first: usize,
    tiles: usize,
    column: usize,
    /// Columns of a tile.
    wide: usize,
}

/// The sizes of tiles that keep a processor's registers busy, and no more.
pub trait Tiles<L: Lanes> {
    const PIXELS: usize;
    const VECTORS: usize;

    /// # Safety
    ///
    /// `pixels` and `vectors` are 1 to the most, and every tile of `strip` has as many.
    unsafe fn run(strip: Strip<'_>, pixels: usize, vectors: usize);
}

impl Strip<'_> {
    /// # Safety
    ///
    /// As above: `P` and `V` are what a tile has.
    #[inline(always)]
    pub unsafe fn multiply<L: Lanes, const P: usize, const V: usize>(self) {
        let Strip {
            panels,
            pixels,
            to,
            first,
            tiles,
            column,
            wide,
        } = self;
        let (depth, columns) = (panels.depth, panels.columns);
        unsafe {
            // A tile begins with a panel, or is within one.
            let panel = column / PANEL * (PANEL * depth) + column % PANEL;
            // Where there are no rows, there is nothing to point at.
            let panel = panels.weights.as_ptr().wrapping_add(panel);
            let weights = std::array::from_fn(|v| {
                let column = v * L::COUNT;
                panel.wrapping_add(column / PANEL * (PANEL * depth) + column % PANEL)
            });
            let bias = panels.bias.as_ptr().add(column);
            let bounds = (L::splat(pixels.limits.0), L::splat(pixels.limits.1));
            let limits = (pixels.limits != UNLIMITED).then_some(bounds);
            let to = to.add(column);
            let step = pixels.step;
            let mut from = pixels.from.as_ptr().add(first * step);
            let mut places = pixels.places.0.as_ptr().add(first);
            let mut added = match pixels.added {
                [] => std::ptr::null(),
                added => added.as_ptr().add(first * columns + column),
            };
            for _ in 0..tiles {
                // Made where it is used: what two would share must be in memory.
                let tile = || Tile::<L, P, V> {
                    pixels: std::array::from_fn(|p| opaque(from.add(p * step))),
                    weights,
                    depth,
                    bias,
                    added,
                    columns,
                    limits,
                    to: std::array::from_fn(|p| to.add(*places.add(p))),
                };
                match wide == V * L::COUNT {
                    true => L::tile(tile()),
                    false => part(tile(), bounds, wide),
                }
                from = from.wrapping_add(P * step);
                places = places.add(P);
                if !added.is_null() {
                    added = added.wrapping_add(P * columns);
                }
            }
        }
    }
}

/// A tile whose columns are not whole vectors, through a buffer of whole ones.
///
/// # Safety
///
/// As `Tile` says, but that `added` and `to` have `wide` numbers only, less than `V` vectors.
#[inline(always)]
unsafe fn part<L: Lanes, const P: usize, const V: usize>(
    tile: Tile<L, P, V>,
    limits: (L::Vector, L::Vector),
    wide: usize,
) {
    const MOST: usize = 4 * PANEL;
    const { assert!(V * L::COUNT <= MOST) };
    unsafe {
        for (p, sums) in tile.products().into_iter().enumerate() {
            let mut buffer = [0.0f32; MOST];
            if !tile.added.is_null() {
                let added = tile.added.add(p * tile.columns);
                std::ptr::copy_nonoverlapping(added, buffer.as_mut_ptr(), wide);
            }
            for (v, sum) in sums.into_iter().enumerate() {
                let at = buffer.as_mut_ptr().add(v * L::COUNT);
                L::store(at, L::clamp(L::add(sum, L::load(at)), limits.0, limits.1));
            }
            std::ptr::copy_nonoverlapping(buffer.as_ptr(), tile.to[p], wide);
        }
    }
}
