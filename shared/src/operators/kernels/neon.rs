//! Vectors of 64-bit ARM processors.

use std::arch::aarch64::*;

use super::lanes::{Lanes, PANEL};

pub struct Neon;

impl Lanes for Neon {
    type Vector = float32x4_t;
    const COUNT: usize = 4;
    const REGISTERS: usize = 32;

    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self::Vector {
        unsafe { vld1q_f32(from) }
    }
    #[inline(always)]
    unsafe fn store(to: *mut f32, vector: Self::Vector) {
        unsafe { vst1q_f32(to, vector) }
    }
    #[inline(always)]
    unsafe fn splat(number: f32) -> Self::Vector {
        unsafe { vdupq_n_f32(number) }
    }
    #[inline(always)]
    unsafe fn add(a: Self::Vector, b: Self::Vector) -> Self::Vector {
        unsafe { vaddq_f32(a, b) }
    }
    #[inline(always)]
    unsafe fn fused(a: Self::Vector, b: Self::Vector, sum: Self::Vector) -> Self::Vector {
        unsafe { vfmaq_f32(sum, a, b) }
    }
    #[inline(always)]
    unsafe fn clamp(a: Self::Vector, least: Self::Vector, most: Self::Vector) -> Self::Vector {
        unsafe { vminq_f32(most, vmaxq_f32(least, a)) }
    }

    /// A multiplication takes its number out of a vector of four: there is no need to spread it.
    #[inline(always)]
    unsafe fn multiply<const P: usize, const V: usize>(
        sums: &mut [[Self::Vector; V]; P],
        pixels: [*const f32; P],
        weights: [*const f32; V],
        depth: usize,
    ) {
        macro_rules! step {
            ($four:expr, $k:expr, $lane:literal) => {
                // A tile is within a panel, its vectors side by side.
                let row = weights[0].add(($k + $lane) * PANEL);
                for v in 0..V {
                    let weights = vld1q_f32(row.add(v * Self::COUNT));
                    for p in 0..P {
                        sums[p][v] = vfmaq_laneq_f32::<$lane>(sums[p][v], weights, $four[p]);
                    }
                }
            };
        }
        unsafe {
            let mut k = 0;
            if P == 5 && V == 4 {
                k = depth / 4 * 4;
                five_by_four(sums.as_mut_ptr().cast(), &pixels, weights[0], depth / 4);
            }
            while k + 4 <= depth {
                let four = pixels.map(|pixel| vld1q_f32(pixel.add(k)));
                step!(four, k, 0);
                step!(four, k, 1);
                step!(four, k, 2);
                step!(four, k, 3);
                k += 4;
            }
            while k < depth {
                let one = pixels.map(|pixel| vld1q_dup_f32(pixel.add(k)));
                step!(one, k, 0);
                k += 1;
            }
        }
    }
}

/// `Lanes::multiply` for most of all pixels, of `fours` times four numbers. A compiler spends a seventh
/// more instructions on it, on addresses and on weights in pairs.
///
/// # Safety
///
/// As `Lanes::multiply` says; `pixels` has five.
#[inline(always)]
unsafe fn five_by_four(
    sums: *mut [[float32x4_t; 4]; 5],
    pixels: &[*const f32],
    weights: *const f32,
    fours: usize,
) {
    if fours == 0 {
        return;
    }
    /// The products of one number of each pixel.
    macro_rules! lane {
        ($lane:literal) => {
            lane!($lane, "{x0:v}" "{a0:v}" "{a1:v}" "{a2:v}" "{a3:v}",
                "{x1:v}" "{a4:v}" "{a5:v}" "{a6:v}" "{a7:v}",
                "{x2:v}" "{a8:v}" "{a9:v}" "{a10:v}" "{a11:v}",
                "{x3:v}" "{a12:v}" "{a13:v}" "{a14:v}" "{a15:v}",
                "{x4:v}" "{a16:v}" "{a17:v}" "{a18:v}" "{a19:v}")
        };
        ($lane:literal, $($x:literal $a:literal $b:literal $c:literal $d:literal),*) => {
            concat!(
                "ld1 {{v0.4s, v1.4s, v2.4s, v3.4s}}, [{w}], #64\n",
                $("fmla ", $a, ".4s, v0.4s, ", $x, ".s[", $lane, "]\n",
                "fmla ", $b, ".4s, v1.4s, ", $x, ".s[", $lane, "]\n",
                "fmla ", $c, ".4s, v2.4s, ", $x, ".s[", $lane, "]\n",
                "fmla ", $d, ".4s, v3.4s, ", $x, ".s[", $lane, "]\n",)*
            )
        };
    }
    // SAFETY: it reads four numbers of every pixel and four rows of weights in every turn, and writes
    // to no memory.
    unsafe {
        let [
            [a0, a1, a2, a3],
            [a4, a5, a6, a7],
            [a8, a9, a10, a11],
            [a12, a13, a14, a15],
            [a16, a17, a18, a19],
        ] = &mut *sums;
        std::arch::asm!(
            "2:",
            "ldr {x0:q}, [{p0}], #16",
            "ldr {x1:q}, [{p1}], #16",
            "ldr {x2:q}, [{p2}], #16",
            "ldr {x3:q}, [{p3}], #16",
            "ldr {x4:q}, [{p4}], #16",
            lane!("0"),
            lane!("1"),
            lane!("2"),
            lane!("3"),
            "subs {n}, {n}, #1",
            "b.ne 2b",
            a0 = inout(vreg) *a0, a1 = inout(vreg) *a1, a2 = inout(vreg) *a2, a3 = inout(vreg) *a3,
            a4 = inout(vreg) *a4, a5 = inout(vreg) *a5, a6 = inout(vreg) *a6, a7 = inout(vreg) *a7,
            a8 = inout(vreg) *a8, a9 = inout(vreg) *a9, a10 = inout(vreg) *a10, a11 = inout(vreg) *a11,
            a12 = inout(vreg) *a12, a13 = inout(vreg) *a13, a14 = inout(vreg) *a14, a15 = inout(vreg) *a15,
            a16 = inout(vreg) *a16, a17 = inout(vreg) *a17, a18 = inout(vreg) *a18, a19 = inout(vreg) *a19,
            x0 = out(vreg) _, x1 = out(vreg) _, x2 = out(vreg) _, x3 = out(vreg) _, x4 = out(vreg) _,
            out("v0") _, out("v1") _, out("v2") _, out("v3") _,
            p0 = inout(reg) pixels[0] => _,
            p1 = inout(reg) pixels[1] => _,
            p2 = inout(reg) pixels[2] => _,
            p3 = inout(reg) pixels[3] => _,
            p4 = inout(reg) pixels[4] => _,
            w = inout(reg) weights => _,
            n = inout(reg) fours => _,
            options(nostack, readonly),
        );
    }
}
