//! Vectors of 64-bit ARM processors.

use std::arch::aarch64::*;

use super::lanes::{Lanes, PANEL, Tile};

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

    #[inline(always)]
    unsafe fn tile<const P: usize, const V: usize>(tile: Tile<Self, P, V>) {
        unsafe {
            match (P, V) {
                (5, 4) => five_by_four(tile),
                _ => tile.compute(),
            }
        }
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

/// Most of all tiles, of five pixels and four vectors, in registers that follow one another: those are
/// loaded and stored four at once. A compiler spends a fifth more instructions on it, on addresses, on
/// single vectors, and on weights in pairs.
///
/// # Safety
///
/// As `Lanes::tile` says; `P` is 5 and `V` is 4.
#[inline(always)]
unsafe fn five_by_four<const P: usize, const V: usize>(tile: Tile<Neon, P, V>) {
    /// For each pixel: its number's register, and those of its sums.
    macro_rules! pixels {
        ($rows:ident $(, $more:tt)*) => {
            concat!(
                $rows!("4", "12", "13", "14", "15" $(, $more)*),
                $rows!("5", "16", "17", "18", "19" $(, $more)*),
                $rows!("6", "20", "21", "22", "23" $(, $more)*),
                $rows!("7", "24", "25", "26", "27" $(, $more)*),
                $rows!("8", "28", "29", "30", "31" $(, $more)*),
            )
        };
    }
    macro_rules! four {
        ($a:tt, $b:tt, $c:tt, $d:tt) => {
            concat!("{{v", $a, ".4s, v", $b, ".4s, v", $c, ".4s, v", $d, ".4s}}")
        };
    }
    macro_rules! start {
        ($x:tt, $a:tt, $b:tt, $c:tt, $d:tt) => {
            concat!("ld1 ", four!($a, $b, $c, $d), ", [{bias}]\n")
        };
    }
    macro_rules! multiply {
        ($x:tt, $a:tt, $b:tt, $c:tt, $d:tt, $lane:tt) => {
            concat!(
                "fmla v",
                $a,
                ".4s, v0.4s, v",
                $x,
                ".s[",
                $lane,
                "]\n",
                "fmla v",
                $b,
                ".4s, v1.4s, v",
                $x,
                ".s[",
                $lane,
                "]\n",
                "fmla v",
                $c,
                ".4s, v2.4s, v",
                $x,
                ".s[",
                $lane,
                "]\n",
                "fmla v",
                $d,
                ".4s, v3.4s, v",
                $x,
                ".s[",
                $lane,
                "]\n",
            )
        };
    }
    macro_rules! lane {
        ($lane:tt) => {
            concat!(
                "ld1 ",
                four!("0", "1", "2", "3"),
                ", [{w}], #64\n",
                pixels!(multiply, $lane)
            )
        };
    }
    /// Four numbers of every pixel.
    macro_rules! quad {
        () => {
            concat!(
                "ldr q4, [{p0}], #16\n",
                "ldr q5, [{p1}], #16\n",
                "ldr q6, [{p2}], #16\n",
                "ldr q7, [{p3}], #16\n",
                "ldr q8, [{p4}], #16\n",
                lane!("0"),
                lane!("1"),
                lane!("2"),
                lane!("3"),
            )
        };
    }
    macro_rules! add {
        ($x:tt, $a:tt, $b:tt, $c:tt, $d:tt) => {
            concat!(
                "ld1 ",
                four!("0", "1", "2", "3"),
                ", [{added}], {columns}\n",
                "fadd v",
                $a,
                ".4s, v",
                $a,
                ".4s, v0.4s\n",
                "fadd v",
                $b,
                ".4s, v",
                $b,
                ".4s, v1.4s\n",
                "fadd v",
                $c,
                ".4s, v",
                $c,
                ".4s, v2.4s\n",
                "fadd v",
                $d,
                ".4s, v",
                $d,
                ".4s, v3.4s\n",
            )
        };
    }
    macro_rules! clamp {
        ($x:tt, $a:tt, $b:tt, $c:tt, $d:tt) => {
            concat!(clamp!($a), clamp!($b), clamp!($c), clamp!($d))
        };
        ($a:tt) => {
            concat!(
                "fmax v",
                $a,
                ".4s, v9.4s, v",
                $a,
                ".4s\n",
                "fmin v",
                $a,
                ".4s, v10.4s, v",
                $a,
                ".4s\n",
            )
        };
    }
    // SAFETY: it reads `depth` numbers of every pixel and as many rows of weights, the bias, and what is
    // added where there is any, and writes to the places of `to`, all of which `Tile` promises.
    unsafe {
        let zero = vdupq_n_f32(0.0);
        let (least, most) = tile.limits.unwrap_or((zero, zero));
        std::arch::asm!(
            pixels!(start),
            "lsr {n}, {depth}, #3",
            "cbz {n}, 3f",
            "2:",
            quad!(),
            quad!(),
            "subs {n}, {n}, #1",
            "b.ne 2b",
            "3:",
            "tbz {depth}, #2, 4f",
            quad!(),
            "4:",
            "ands {n}, {depth}, #3",
            "b.eq 6f",
            "5:",
            "ldr s4, [{p0}], #4",
            "ldr s5, [{p1}], #4",
            "ldr s6, [{p2}], #4",
            "ldr s7, [{p3}], #4",
            "ldr s8, [{p4}], #4",
            lane!("0"),
            "subs {n}, {n}, #1",
            "b.ne 5b",
            "6:",
            "cbz {added}, 7f",
            pixels!(add),
            "7:",
            "cbz {limited}, 8f",
            pixels!(clamp),
            "8:",
            concat!("st1 ", four!("12", "13", "14", "15"), ", [{t0}]"),
            concat!("st1 ", four!("16", "17", "18", "19"), ", [{t1}]"),
            concat!("st1 ", four!("20", "21", "22", "23"), ", [{t2}]"),
            concat!("st1 ", four!("24", "25", "26", "27"), ", [{t3}]"),
            concat!("st1 ", four!("28", "29", "30", "31"), ", [{t4}]"),
            p0 = inout(reg) tile.pixels[0] => _,
            p1 = inout(reg) tile.pixels[1] => _,
            p2 = inout(reg) tile.pixels[2] => _,
            p3 = inout(reg) tile.pixels[3] => _,
            p4 = inout(reg) tile.pixels[4] => _,
            t0 = in(reg) tile.to[0],
            t1 = in(reg) tile.to[1],
            t2 = in(reg) tile.to[2],
            t3 = in(reg) tile.to[3],
            t4 = in(reg) tile.to[4],
            w = inout(reg) tile.weights[0] => _,
            depth = in(reg) tile.depth,
            n = out(reg) _,
            bias = in(reg) tile.bias,
            added = inout(reg) tile.added => _,
            columns = in(reg) tile.columns * size_of::<f32>(),
            limited = in(reg) usize::from(tile.limits.is_some()),
            in("v9") least,
            in("v10") most,
            out("v0") _, out("v1") _, out("v2") _, out("v3") _, out("v4") _,
            out("v5") _, out("v6") _, out("v7") _, out("v8") _,
            out("v12") _, out("v13") _, out("v14") _, out("v15") _, out("v16") _,
            out("v17") _, out("v18") _, out("v19") _, out("v20") _, out("v21") _,
            out("v22") _, out("v23") _, out("v24") _, out("v25") _, out("v26") _,
            out("v27") _, out("v28") _, out("v29") _, out("v30") _, out("v31") _,
            options(nostack),
        );
    }
}
