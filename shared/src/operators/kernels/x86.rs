//! Vectors of x86-64 processors.

use std::arch::x86_64::*;

use super::lanes::Lanes;

pub struct Avx2;

impl Lanes for Avx2 {
    type Vector = __m256;
    const COUNT: usize = 8;
    const REGISTERS: usize = 16;

    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self::Vector {
        unsafe { _mm256_loadu_ps(from) }
    }
    #[inline(always)]
    unsafe fn store(to: *mut f32, vector: Self::Vector) {
        unsafe { _mm256_storeu_ps(to, vector) }
    }
    #[inline(always)]
    unsafe fn splat(number: f32) -> Self::Vector {
        unsafe { _mm256_set1_ps(number) }
    }
    #[inline(always)]
    unsafe fn add(a: Self::Vector, b: Self::Vector) -> Self::Vector {
        unsafe { _mm256_add_ps(a, b) }
    }
    #[inline(always)]
    unsafe fn fused(a: Self::Vector, b: Self::Vector, sum: Self::Vector) -> Self::Vector {
        unsafe { _mm256_fmadd_ps(a, b, sum) }
    }
    #[inline(always)]
    unsafe fn clamp(a: Self::Vector, least: Self::Vector, most: Self::Vector) -> Self::Vector {
        // Of a number and none the second operand is the result: what is none stays none.
        unsafe { _mm256_min_ps(most, _mm256_max_ps(least, a)) }
    }
}

pub struct Avx512;

impl Lanes for Avx512 {
    type Vector = __m512;
    const COUNT: usize = 16;
    const REGISTERS: usize = 32;

    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self::Vector {
        unsafe { _mm512_loadu_ps(from) }
    }
    #[inline(always)]
    unsafe fn store(to: *mut f32, vector: Self::Vector) {
        unsafe { _mm512_storeu_ps(to, vector) }
    }
    #[inline(always)]
    unsafe fn splat(number: f32) -> Self::Vector {
        unsafe { _mm512_set1_ps(number) }
    }
    #[inline(always)]
    unsafe fn add(a: Self::Vector, b: Self::Vector) -> Self::Vector {
        unsafe { _mm512_add_ps(a, b) }
    }
    #[inline(always)]
    unsafe fn fused(a: Self::Vector, b: Self::Vector, sum: Self::Vector) -> Self::Vector {
        unsafe { _mm512_fmadd_ps(a, b, sum) }
    }
    #[inline(always)]
    unsafe fn clamp(a: Self::Vector, least: Self::Vector, most: Self::Vector) -> Self::Vector {
        unsafe { _mm512_min_ps(most, _mm512_max_ps(least, a)) }
    }
}
