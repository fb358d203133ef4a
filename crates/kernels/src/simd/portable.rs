//! Plain arrays, which the compiler vectorises for whatever the target has (SSE2, NEON, …).

use super::Vector;

/// `N` lanes as an array.
#[derive(Clone, Copy)]
#[repr(align(16))]
pub(crate) struct Portable<const N: usize>([f32; N]);

#[inline(always)]
fn zip<const N: usize>(a: [f32; N], b: [f32; N], f: impl Fn(f32, f32) -> f32) -> Portable<N> {
    let mut out = [0.0; N];
    for i in 0..N {
        out[i] = f(a[i], b[i]);
    }
    Portable(out)
}

impl<const N: usize> Vector for Portable<N> {
    const LANES: usize = N;
    const REGISTERS: usize = 2 * N;

    #[inline(always)]
    unsafe fn splat(value: f32) -> Self {
        Self([value; N])
    }
    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        // SAFETY: the caller promises N readable values.
        Self(unsafe { from.cast::<[f32; N]>().read() })
    }
    #[inline(always)]
    unsafe fn load_part(from: *const f32, count: usize) -> Self {
        let mut out = [0.0; N];
        // SAFETY: the caller promises `count < N` readable values.
        unsafe { std::ptr::copy_nonoverlapping(from, out.as_mut_ptr(), count) };
        Self(out)
    }
    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        // SAFETY: the caller promises room for N values.
        unsafe { to.cast::<[f32; N]>().write(self.0) }
    }
    #[inline(always)]
    unsafe fn store_part(self, to: *mut f32, count: usize) {
        // SAFETY: the caller promises room for `count < N` values.
        unsafe { std::ptr::copy_nonoverlapping(self.0.as_ptr(), to, count) }
    }
    #[inline(always)]
    unsafe fn add(self, other: Self) -> Self {
        zip(self.0, other.0, |a, b| a + b)
    }
    #[inline(always)]
    unsafe fn sub(self, other: Self) -> Self {
        zip(self.0, other.0, |a, b| a - b)
    }
    #[inline(always)]
    unsafe fn mul(self, other: Self) -> Self {
        zip(self.0, other.0, |a, b| a * b)
    }
    #[inline(always)]
    unsafe fn mul_add(self, factor: Self, term: Self) -> Self {
        let mut out = term.0;
        for i in 0..N {
            // `f32::mul_add` is a library call where the target does not promise the instruction.
            out[i] = if cfg!(target_arch = "aarch64") {
                self.0[i].mul_add(factor.0[i], out[i])
            } else {
                self.0[i] * factor.0[i] + out[i]
            };
        }
        Self(out)
    }
    #[inline(always)]
    unsafe fn at_least(self, floor: Self) -> Self {
        zip(self.0, floor.0, |a, b| if a < b { b } else { a })
    }
    #[inline(always)]
    unsafe fn where_positive(self, test: Self) -> Self {
        zip(self.0, test.0, |a, t| if t > 0.0 { a } else { 0.0 })
    }
}
