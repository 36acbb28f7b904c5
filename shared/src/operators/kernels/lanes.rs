//! A processor's vectors of `f32`.
//!
//! # Safety
//!
//! Of every function: the processor has the instructions (`Kind::best` asks it), and what a pointer
//! points at is `COUNT` numbers long (`multiply` says for itself). Implementations are inlined into
//! functions that enable the instructions.

/// Numbers in a panel of weights: as many as the widest vector has.
pub const PANEL: usize = 16;

/// The same, of which the compiler knows no more: it would keep a dozen addresses that follow from one
/// another each in a register, and add to each in every turn.
#[inline(always)]
pub fn opaque<T>(pointer: *const T) -> *const T {
    #[cfg(target_arch = "aarch64")]
    let pointer = {
        let mut pointer = pointer;
        // SAFETY: it does nothing.
        unsafe {
            std::arch::asm!("/* {0} */", inout(reg) pointer,
                options(pure, nomem, nostack, preserves_flags));
        }
        pointer
    };
    pointer
}

/// As `opaque`.
#[inline(always)]
pub fn opaque_offset(offset: usize) -> usize {
    #[cfg(target_arch = "aarch64")]
    let offset = {
        let mut offset = offset;
        // SAFETY: it does nothing.
        unsafe {
            std::arch::asm!("/* {0} */", inout(reg) offset,
                options(pure, nomem, nostack, preserves_flags));
        }
        offset
    };
    offset
}

pub trait Lanes {
    type Vector: Copy;
    /// Numbers in a vector,
    const COUNT: usize;
    /// and vectors that a processor holds.
    const REGISTERS: usize;

    unsafe fn load(from: *const f32) -> Self::Vector;
    unsafe fn store(to: *mut f32, vector: Self::Vector);
    unsafe fn splat(number: f32) -> Self::Vector;
    unsafe fn add(a: Self::Vector, b: Self::Vector) -> Self::Vector;
    /// `a b + sum`.
    unsafe fn fused(a: Self::Vector, b: Self::Vector, sum: Self::Vector) -> Self::Vector;
    /// At least `least` and at the most `most`, a number each.
    unsafe fn clamp(a: Self::Vector, least: Self::Vector, most: Self::Vector) -> Self::Vector;

    /// Computes and stores a tile.
    #[inline(always)]
    unsafe fn tile<const P: usize, const V: usize>(tile: Tile<Self, P, V>)
    where
        Self: Sized,
    {
        unsafe { tile.compute() }
    }

    /// Adds to `sums` the products of `depth` numbers at each of `pixels` with `depth` rows of
    /// `PANEL` numbers, of which each of `weights` is a vector's place in the first.
    #[inline(always)]
    unsafe fn multiply<const P: usize, const V: usize>(
        sums: &mut [[Self::Vector; V]; P],
        pixels: [*const f32; P],
        weights: [*const f32; V],
        depth: usize,
    ) {
        for k in 0..depth {
            unsafe {
                let weights = weights.map(|weights| Self::load(weights.add(k * PANEL)));
                for p in 0..P {
                    let number = Self::splat(*pixels[p].add(k));
                    for v in 0..V {
                        sums[p][v] = Self::fused(number, weights[v], sums[p][v]);
                    }
                }
            }
        }
    }
}

/// `V` vectors of `P` pixels: bias and products, what is added to them, and limits.
pub struct Tile<L: Lanes, const P: usize, const V: usize> {
    /// `depth` numbers each.
    pub pixels: [*const f32; P],
    /// As in `multiply`.
    pub weights: [*const f32; V],
    pub depth: usize,
    /// `V` vectors.
    pub bias: *const f32,
    /// `V` vectors for the first pixel, as many `columns` numbers on for the next; or null.
    pub added: *const f32,
    pub columns: usize,
    /// Where there are any.
    pub limits: Option<(L::Vector, L::Vector)>,
    /// `V` vectors each.
    pub to: [*mut f32; P],
}

impl<L: Lanes, const P: usize, const V: usize> Tile<L, P, V> {
    /// # Safety
    ///
    /// As above.
    #[inline(always)]
    pub unsafe fn compute(self) {
        unsafe {
            let mut sums = self.products();
            for (p, sums) in sums.iter_mut().enumerate() {
                for (v, sum) in sums.iter_mut().enumerate() {
                    if !self.added.is_null() {
                        let added = self.added.add(p * self.columns + v * L::COUNT);
                        *sum = L::add(*sum, L::load(added));
                    }
                    if let Some((least, most)) = self.limits {
                        *sum = L::clamp(*sum, least, most);
                    }
                    L::store(self.to[p].add(v * L::COUNT), *sum);
                }
            }
        }
    }

    /// With the bias.
    ///
    /// # Safety
    ///
    /// As above; `added` and `to` are not used.
    #[inline(always)]
    pub unsafe fn products(&self) -> [[L::Vector; V]; P] {
        unsafe {
            let start: [L::Vector; V] =
                std::array::from_fn(|v| L::load(self.bias.add(v * L::COUNT)));
            let mut sums = [start; P];
            L::multiply(&mut sums, self.pixels, self.weights, self.depth);
            sums
        }
    }
}

/// Without special instructions: what others are tested against.
pub struct Portable;

impl Lanes for Portable {
    type Vector = [f32; 4];
    const COUNT: usize = 4;
    const REGISTERS: usize = 16;

    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self::Vector {
        unsafe { from.cast::<[f32; 4]>().read_unaligned() }
    }
    #[inline(always)]
    unsafe fn store(to: *mut f32, vector: Self::Vector) {
        unsafe { to.cast::<[f32; 4]>().write_unaligned(vector) }
    }
    #[inline(always)]
    unsafe fn splat(number: f32) -> Self::Vector {
        [number; 4]
    }
    #[inline(always)]
    unsafe fn add(a: Self::Vector, b: Self::Vector) -> Self::Vector {
        std::array::from_fn(|i| a[i] + b[i])
    }
    #[inline(always)]
    unsafe fn fused(a: Self::Vector, b: Self::Vector, sum: Self::Vector) -> Self::Vector {
        // In two steps: where there is no instruction for it, `mul_add` is a slow function.
        std::array::from_fn(|i| a[i] * b[i] + sum[i])
    }
    #[inline(always)]
    unsafe fn clamp(a: Self::Vector, least: Self::Vector, most: Self::Vector) -> Self::Vector {
        std::array::from_fn(|i| {
            let a = if a[i] < least[i] { least[i] } else { a[i] };
            if a > most[i] { most[i] } else { a }
        })
    }
}
