//! Which instruction set runs: detected once, or forced by `MNASNET_ISA`.

#[cfg(target_arch = "x86_64")]
use crate::simd::{Avx2, Avx512};
use crate::simd::{Kernel, Portable, Vector};
#[cfg(target_arch = "x86_64")]
use crate::tiles::Dots;
use crate::tiles::Tiles;

/// An instruction set that kernels are compiled for. A value exists only on a machine that has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Isa(Kind);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Portable,
    /// The portable arithmetic in AVX-512's shape: lets tests cover the wide code paths anywhere.
    #[cfg(feature = "stand-ins")]
    PortableWide,
    /// With an emulated matrix unit, for the same reason.
    #[cfg(feature = "stand-ins")]
    PortableTiles,
    #[cfg(target_arch = "x86_64")]
    Avx2,
    #[cfg(target_arch = "x86_64")]
    Avx512,
    /// With AVX512_BF16, for rounding alone.
    #[cfg(target_arch = "x86_64")]
    Avx512Bf16,
    /// With AVX512_BF16's dot products too, which multiply tiles.
    #[cfg(target_arch = "x86_64")]
    Avx512Dots,
    /// With AMX's tiles.
    #[cfg(all(target_arch = "x86_64", target_os = "linux"))]
    Amx,
}

/// Why a forced choice cannot be had.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IsaError(String);

impl std::fmt::Display for IsaError {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for IsaError {}

/// A piece of work that can run on any unit that multiplies tiles.
pub(crate) trait TileKernel {
    /// Runs it. Implementations are `#[inline(always)]`, as those of [`Kernel`] are.
    ///
    /// # Safety
    /// The unit is there, and the kernel's pointers are valid as its constructor's caller promised.
    unsafe fn run<T: Tiles>(self, tiles: &mut T);
}

impl Isa {
    /// The environment variable that forces a choice: `portable`, `avx2`, `avx512`, `avx512bf16`, `avx512dots` or `amx`.
    pub const VARIABLE: &'static str = "MNASNET_ISA";

    /// The name of every instruction set, of other machines and builds too.
    pub const NAMES: [&'static str; 8] = [
        "portable",
        "portable-wide",
        "portable-tiles",
        "avx2",
        "avx512",
        "avx512bf16",
        "avx512dots",
        "amx",
    ];

    /// The best instruction set of this machine, or the one that [`Isa::VARIABLE`] names; empty, it names none.
    pub fn detect() -> Result<Self, IsaError> {
        let all = Self::available();
        match std::env::var_os(Self::VARIABLE).filter(|name| !name.is_empty()) {
            None => Ok(*all.iter().rfind(|isa| isa.pays()).expect("portable is always there")),
            Some(name) => all.iter().copied().find(|isa| name == isa.name()).ok_or_else(|| {
                let names: Vec<_> = all.iter().map(|isa| isa.name()).collect();
                IsaError(format!(
                    "{}={}: this machine has {}",
                    Self::VARIABLE,
                    name.display(),
                    names.join(", ")
                ))
            }),
        }
    }

    /// Whether this machine does it faster than those before it in [`Isa::available`]: of dot products only a measurement tells.
    fn pays(self) -> bool {
        match self.0 {
            #[cfg(target_arch = "x86_64")]
            Kind::Avx512Dots => Dots::pay(),
            _ => true,
        }
    }

    /// Every instruction set of this machine, slowest first but for those that do not pay.
    pub fn available() -> Vec<Self> {
        #[allow(unused_mut)]
        let mut all = vec![
            #[cfg(feature = "stand-ins")]
            Kind::PortableTiles,
            #[cfg(feature = "stand-ins")]
            Kind::PortableWide,
            Kind::Portable,
        ];
        #[cfg(target_arch = "x86_64")]
        {
            // Exactly the features that `run` enables.
            let avx2 = is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma");
            if avx2 {
                all.push(Kind::Avx2);
            }
            let avx512 = is_x86_feature_detected!("avx512f")
                && is_x86_feature_detected!("avx512bw")
                && is_x86_feature_detected!("avx512vl");
            if avx2 && avx512 {
                all.push(Kind::Avx512);
                if is_x86_feature_detected!("avx512bf16") {
                    all.push(Kind::Avx512Bf16);
                    all.push(Kind::Avx512Dots);
                    #[cfg(target_os = "linux")]
                    if crate::tiles::Amx::is_there() {
                        all.push(Kind::Amx);
                    }
                }
            }
        }
        all.into_iter().map(Isa).collect()
    }

    /// Whether it stands in for what the machine may lack, so that tests can run it; never the fastest. The feature `stand-ins`
    /// compiles them.
    pub fn is_stand_in(self) -> bool {
        match self.0 {
            #[cfg(feature = "stand-ins")]
            Kind::PortableWide | Kind::PortableTiles => true,
            _ => false,
        }
    }

    /// Its name, as [`Isa::VARIABLE`] takes it.
    pub fn name(self) -> &'static str {
        match self.0 {
            Kind::Portable => "portable",
            #[cfg(feature = "stand-ins")]
            Kind::PortableWide => "portable-wide",
            #[cfg(feature = "stand-ins")]
            Kind::PortableTiles => "portable-tiles",
            #[cfg(target_arch = "x86_64")]
            Kind::Avx2 => "avx2",
            #[cfg(target_arch = "x86_64")]
            Kind::Avx512 => "avx512",
            #[cfg(target_arch = "x86_64")]
            Kind::Avx512Bf16 => "avx512bf16",
            #[cfg(target_arch = "x86_64")]
            Kind::Avx512Dots => "avx512dots",
            #[cfg(all(target_arch = "x86_64", target_os = "linux"))]
            Kind::Amx => "amx",
        }
    }

    /// Whether it multiplies tiles of bfloat16.
    pub fn has_tiles(self) -> bool {
        match self.0 {
            #[cfg(feature = "stand-ins")]
            Kind::PortableTiles => true,
            #[cfg(target_arch = "x86_64")]
            Kind::Avx512Dots => true,
            #[cfg(all(target_arch = "x86_64", target_os = "linux"))]
            Kind::Amx => true,
            _ => false,
        }
    }

    /// Runs a kernel on this instruction set's tiles.
    ///
    /// # Safety
    /// It has one, and the kernel's pointers are valid for what it reads and writes.
    pub(crate) unsafe fn run_on_tiles<K: TileKernel>(self, kernel: K) {
        #[cfg(all(target_arch = "x86_64", target_os = "linux"))]
        #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bf16,avx2,fma")]
        unsafe fn amx<K: TileKernel>(kernel: K) {
            // SAFETY: the vectors' features are enabled here; the unit was asked for when this value was made.
            unsafe { on::<crate::tiles::Amx, K>(kernel) }
        }
        #[cfg(target_arch = "x86_64")]
        #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bf16,avx2,fma")]
        unsafe fn dots<K: TileKernel>(kernel: K) {
            // SAFETY: the features are enabled here, and were asked for when this value was made.
            unsafe { on::<Dots, K>(kernel) }
        }
        #[cfg(any(feature = "stand-ins", target_arch = "x86_64"))]
        #[inline(always)]
        unsafe fn on<T: Tiles, K: TileKernel>(kernel: K) {
            // SAFETY: the caller's promise; the unit is left before the thread does anything else.
            unsafe {
                let mut tiles = T::begin();
                kernel.run(&mut tiles);
                tiles.end();
            }
        }
        // SAFETY: the caller's promise.
        unsafe {
            match self.0 {
                #[cfg(all(target_arch = "x86_64", target_os = "linux"))]
                Kind::Amx => amx(kernel),
                #[cfg(target_arch = "x86_64")]
                Kind::Avx512Dots => dots(kernel),
                #[cfg(feature = "stand-ins")]
                Kind::PortableTiles => on::<crate::tiles::Emulated, K>(kernel),
                _ => unreachable!("{} has no tiles", self.name()),
            }
        }
    }

    /// Float32 values in one vector.
    pub fn lanes(self) -> usize {
        match self.0 {
            Kind::Portable => Portable::<8>::LANES,
            #[cfg(feature = "stand-ins")]
            Kind::PortableWide | Kind::PortableTiles => Portable::<16>::LANES,
            #[cfg(target_arch = "x86_64")]
            Kind::Avx2 => Avx2::LANES,
            #[cfg(target_arch = "x86_64")]
            Kind::Avx512 | Kind::Avx512Bf16 | Kind::Avx512Dots => Avx512::<false>::LANES,
            #[cfg(all(target_arch = "x86_64", target_os = "linux"))]
            Kind::Amx => Avx512::<true>::LANES,
        }
    }

    /// Runs a kernel on this instruction set.
    ///
    /// # Safety
    /// The kernel's pointers are valid for what it reads and writes.
    pub(crate) unsafe fn run<K: Kernel>(self, kernel: K) {
        // SAFETY: a value of this type exists only where its instruction set was detected.
        unsafe {
            match self.0 {
                Kind::Portable => Portable::<8>::call(kernel),
                #[cfg(feature = "stand-ins")]
                Kind::PortableWide | Kind::PortableTiles => Portable::<16>::call(kernel),
                #[cfg(target_arch = "x86_64")]
                Kind::Avx2 => Avx2::call(kernel),
                #[cfg(target_arch = "x86_64")]
                Kind::Avx512 => Avx512::<false>::call(kernel),
                #[cfg(target_arch = "x86_64")]
                Kind::Avx512Bf16 | Kind::Avx512Dots => Avx512::<true>::call(kernel),
                #[cfg(all(target_arch = "x86_64", target_os = "linux"))]
                Kind::Amx => Avx512::<true>::call(kernel),
            }
        }
    }
}
