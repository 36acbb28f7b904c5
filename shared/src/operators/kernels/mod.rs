//! Inner loops, for every kind of processor.
//!
//! The only unsafe code beside `heap`. It reads and writes through pointers, for bounds would be checked
//! in the innermost loop otherwise, and calls instructions that not every processor has. Why that is
//! sound: lengths are asserted before the first pointer is made (`pointwise::run`, `depthwise::run`),
//! from the same numbers that offsets are computed with; and a `Kind` that a processor lacks cannot be
//! had (`Kind::best` asks it). Every kind is compared with the portable one over random
//! shapes (`tests`).

#![allow(unsafe_code)]
// Pixels and vectors of a tile are numbers into several arrays at once.
#![allow(clippy::needless_range_loop)]

mod depthwise;
mod lanes;
#[cfg(target_arch = "aarch64")]
mod neon;
mod pointwise;
#[cfg(test)]
mod tests;
#[cfg(target_arch = "x86_64")]
mod x86;

pub use depthwise::{Rows, SIDE, Windows};
pub use lanes::PANEL;
use lanes::Portable;
#[cfg(target_arch = "aarch64")]
use neon::Neon;
pub use pointwise::{Panels, Pixels, Places};
use pointwise::{Strip, Tiles};
#[cfg(target_arch = "x86_64")]
use x86::{Avx2, Avx512};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Which {
    #[cfg_attr(target_arch = "aarch64", allow(dead_code))]
    Portable,
    #[cfg(target_arch = "x86_64")]
    Avx2,
    #[cfg(target_arch = "x86_64")]
    Avx512,
    #[cfg(target_arch = "aarch64")]
    Neon,
}

/// Instructions that this processor has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Kind(Which);

impl Kind {
    /// All that can be used here, the best last.
    #[cfg(test)]
    fn all() -> Vec<Kind> {
        let mut all = vec![Which::Portable];
        #[cfg(target_arch = "x86_64")]
        if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
            all.push(Which::Avx2);
            if is_x86_feature_detected!("avx512f") {
                all.push(Which::Avx512);
            }
        }
        // Every 64-bit ARM has it.
        #[cfg(target_arch = "aarch64")]
        all.push(Which::Neon);
        assert_eq!(all.last(), Some(&Self::best().0));
        all.into_iter().map(Kind).collect()
    }

    /// The fastest that can be used here.
    pub fn best() -> Kind {
        #[cfg(target_arch = "aarch64")]
        return Kind(Which::Neon);
        #[cfg(target_arch = "x86_64")]
        {
            let has_fused = is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma");
            match has_fused {
                true if is_x86_feature_detected!("avx512f") => return Kind(Which::Avx512),
                true => return Kind(Which::Avx2),
                false => {}
            }
        }
        #[cfg(not(target_arch = "aarch64"))]
        Kind(Which::Portable)
    }

    /// Whether it is more than what is the same everywhere.
    pub fn is_fast(self) -> bool {
        self.0 != Which::Portable
    }

    /// Pixels times weights: `to` gets `panels.columns` numbers at every place of `pixels`.
    pub fn pointwise(self, panels: &Panels, pixels: Pixels<'_>, to: &mut [f32]) {
        match self.0 {
            // SAFETY: there is a `Kind` of what the processor has only.
            Which::Portable => unsafe { pointwise::run::<Portable, Portable>(panels, pixels, to) },
            #[cfg(target_arch = "x86_64")]
            Which::Avx2 => unsafe { pointwise_avx2(panels, pixels, to) },
            #[cfg(target_arch = "x86_64")]
            Which::Avx512 => unsafe { pointwise_avx512(panels, pixels, to) },
            #[cfg(target_arch = "aarch64")]
            Which::Neon => unsafe { pointwise::run::<Neon, Neon>(panels, pixels, to) },
        }
    }

    /// Some rows of a depthwise convolution: `to` gets as many as fit into it.
    pub fn depthwise(self, windows: &Windows, rows: Rows<'_>, to: &mut [f32]) {
        match self.0 {
            // SAFETY: there is a `Kind` of what the processor has only.
            Which::Portable => unsafe { depthwise::run::<Portable>(windows, rows, to) },
            #[cfg(target_arch = "x86_64")]
            Which::Avx2 => unsafe { depthwise_avx2(windows, rows, to) },
            #[cfg(target_arch = "x86_64")]
            Which::Avx512 => unsafe { depthwise_avx512(windows, rows, to) },
            #[cfg(target_arch = "aarch64")]
            Which::Neon => unsafe { depthwise::run::<Neon>(windows, rows, to) },
        }
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
unsafe fn pointwise_avx2(panels: &Panels, pixels: Pixels<'_>, to: &mut [f32]) {
    unsafe { pointwise::run::<Avx2, Avx2>(panels, pixels, to) }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f")]
unsafe fn pointwise_avx512(panels: &Panels, pixels: Pixels<'_>, to: &mut [f32]) {
    unsafe { pointwise::run::<Avx512, Avx512>(panels, pixels, to) }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
unsafe fn depthwise_avx2(windows: &Windows, rows: Rows<'_>, to: &mut [f32]) {
    unsafe { depthwise::run::<Avx2>(windows, rows, to) }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f")]
unsafe fn depthwise_avx512(windows: &Windows, rows: Rows<'_>, to: &mut [f32]) {
    unsafe { depthwise::run::<Avx512>(windows, rows, to) }
}

/// Tiles of 1 to so many pixels and 1 to so many vectors: their sums, the weights of one row and what
/// is multiplied by them fill the registers.
macro_rules! tiles {
    ($lanes:ty, $pixels:literal: [$($p:literal)*], $vectors:literal: $v:tt) => {
        impl Tiles<$lanes> for $lanes {
            const PIXELS: usize = $pixels;
            const VECTORS: usize = $vectors;

            #[inline(always)]
            unsafe fn run(strip: Strip<'_>, pixels: usize, vectors: usize) {
                match pixels {
                    $($p => tiles!(@ $lanes, strip, vectors, $p, $v),)*
                    _ => unreachable!("a tile has up to {} pixels", $pixels),
                }
            }
        }
    };
    (@ $lanes:ty, $strip:ident, $vectors:ident, $p:literal, [$($v:literal)*]) => {
        match $vectors {
            $($v => unsafe { $strip.multiply::<$lanes, $p, $v>() },)*
            _ => unreachable!("a tile has a few vectors"),
        }
    };
}

tiles!(Portable, 2: [1 2], 4: [1 2 3 4]);
#[cfg(target_arch = "x86_64")]
tiles!(Avx2, 6: [1 2 3 4 5 6], 2: [1 2]);
#[cfg(target_arch = "x86_64")]
tiles!(Avx512, 12: [1 2 3 4 5 6 7 8 9 10 11 12], 2: [1 2]);
#[cfg(target_arch = "aarch64")]
tiles!(Neon, 5: [1 2 3 4 5], 4: [1 2 3 4]);
