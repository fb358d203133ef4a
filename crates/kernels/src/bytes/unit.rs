//! What multiplies bytes.

#[cfg(target_arch = "x86_64")]
use super::lanes::{Avx2, Avx512};
use super::lanes::{Lanes, Portable};
use super::tiles::Tiles;
use crate::Isa;

/// A way of a machine to multiply bytes. A value exists only on a machine that has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unit(Kind);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// With an emulated matrix unit, so that any machine tests the code that runs on one.
    #[cfg(feature = "stand-ins")]
    PortableTiles,
    Portable,
    #[cfg(target_arch = "x86_64")]
    Avx2,
    #[cfg(target_arch = "x86_64")]
    AvxVnni,
    #[cfg(target_arch = "x86_64")]
    Avx512,
    #[cfg(target_arch = "x86_64")]
    Avx512Vnni,
    #[cfg(all(target_arch = "x86_64", target_os = "linux"))]
    Amx,
}

/// Work on vectors.
pub(crate) trait Work {
    /// Runs it. Implementations are `#[inline(always)]`.
    ///
    /// # Safety
    /// The machine has `L`'s instruction set, and the work's pointers are valid as its maker's caller promised.
    unsafe fn run<L: Lanes>(self);
}

/// Work on a matrix unit.
pub(crate) trait TileWork {
    /// Runs it. Implementations are `#[inline(always)]`.
    ///
    /// # Safety
    /// As [`Work::run`]; the unit is there.
    unsafe fn run<T: Tiles>(self, tiles: &mut T);
}

impl Unit {
    /// Every unit of this machine, slowest first.
    pub fn available() -> Vec<Self> {
        #[allow(unused_mut)]
        let mut all = vec![
            #[cfg(feature = "stand-ins")]
            Kind::PortableTiles,
            Kind::Portable,
        ];
        #[cfg(target_arch = "x86_64")]
        {
            let avx2 = is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma");
            if avx2 {
                all.push(Kind::Avx2);
            }
            if avx2 && is_x86_feature_detected!("avxvnni") {
                all.push(Kind::AvxVnni);
            }
            let avx512 = is_x86_feature_detected!("avx512f")
                && is_x86_feature_detected!("avx512bw")
                && is_x86_feature_detected!("avx512vl");
            if avx2 && avx512 {
                all.push(Kind::Avx512);
                if is_x86_feature_detected!("avx512vnni") {
                    all.push(Kind::Avx512Vnni);
                    #[cfg(target_os = "linux")]
                    if super::tiles::Amx::is_there() {
                        all.push(Kind::Amx);
                    }
                }
            }
        }
        all.into_iter().map(Unit).collect()
    }

    /// The best of this machine that `isa` has: where an instruction set is forced, bytes are multiplied by no better one.
    pub fn of(isa: Isa) -> Self {
        let has = |unit: &Unit| match isa.name() {
            "portable" | "portable-wide" => unit.name() == "portable",
            "portable-tiles" => unit.name() == "portable-tiles",
            "avx2" => unit.lanes() <= 8 && unit.name() != "portable-tiles",
            "avx512" | "avx512bf16" | "avx512dots" => !unit.has_tiles(),
            _ => true,
        };
        let all = Self::available();
        *all.iter().rfind(|unit| has(unit)).expect("portable is always there")
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        match self.0 {
            #[cfg(feature = "stand-ins")]
            Kind::PortableTiles => "portable-tiles",
            Kind::Portable => "portable",
            #[cfg(target_arch = "x86_64")]
            Kind::Avx2 => "avx2",
            #[cfg(target_arch = "x86_64")]
            Kind::AvxVnni => "avx-vnni",
            #[cfg(target_arch = "x86_64")]
            Kind::Avx512 => "avx512",
            #[cfg(target_arch = "x86_64")]
            Kind::Avx512Vnni => "avx512-vnni",
            #[cfg(all(target_arch = "x86_64", target_os = "linux"))]
            Kind::Amx => "amx-int8",
        }
    }

    /// Whether it is written for this machine. Plain Rust is slower than float32.
    pub fn pays(self) -> bool {
        self.0 != Kind::Portable && !self.is_stand_in()
    }

    /// Whether it stands in for what the machine may lack, so that tests can run it.
    pub fn is_stand_in(self) -> bool {
        match self.0 {
            #[cfg(feature = "stand-ins")]
            Kind::PortableTiles => true,
            _ => false,
        }
    }

    /// Whether it multiplies tiles.
    pub(crate) fn has_tiles(self) -> bool {
        match self.0 {
            #[cfg(feature = "stand-ins")]
            Kind::PortableTiles => true,
            #[cfg(all(target_arch = "x86_64", target_os = "linux"))]
            Kind::Amx => true,
            _ => false,
        }
    }

    /// Integers in one vector.
    pub(crate) fn lanes(self) -> usize {
        match self.0 {
            #[cfg(feature = "stand-ins")]
            Kind::PortableTiles => 16,
            Kind::Portable => 8,
            #[cfg(target_arch = "x86_64")]
            Kind::Avx2 | Kind::AvxVnni => 8,
            #[cfg(target_arch = "x86_64")]
            Kind::Avx512 | Kind::Avx512Vnni => 16,
            #[cfg(all(target_arch = "x86_64", target_os = "linux"))]
            Kind::Amx => 16,
        }
    }

    /// Runs work on vectors.
    ///
    /// # Safety
    /// The work's pointers are valid for what it reads and writes.
    pub(crate) unsafe fn run<W: Work>(self, work: W) {
        #[inline(never)]
        unsafe fn portable<W: Work, const N: usize>(work: W) {
            // SAFETY: the caller's promise.
            unsafe { work.run::<Portable<N>>() }
        }
        #[cfg(target_arch = "x86_64")]
        #[target_feature(enable = "avx2,fma")]
        #[inline(never)]
        unsafe fn avx2<W: Work>(work: W) {
            // SAFETY: the caller's promise.
            unsafe { work.run::<Avx2<false>>() }
        }
        #[cfg(target_arch = "x86_64")]
        #[target_feature(enable = "avx2,fma,avxvnni")]
        #[inline(never)]
        unsafe fn avx_vnni<W: Work>(work: W) {
            // SAFETY: the caller's promise.
            unsafe { work.run::<Avx2<true>>() }
        }
        #[cfg(target_arch = "x86_64")]
        #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx2,fma")]
        #[inline(never)]
        unsafe fn avx512<W: Work>(work: W) {
            // SAFETY: the caller's promise.
            unsafe { work.run::<Avx512<false>>() }
        }
        #[cfg(target_arch = "x86_64")]
        #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni,avx2,fma")]
        #[inline(never)]
        unsafe fn avx512_vnni<W: Work>(work: W) {
            // SAFETY: the caller's promise.
            unsafe { work.run::<Avx512<true>>() }
        }
        // SAFETY: a value of this type exists only where its instruction set was detected.
        unsafe {
            match self.0 {
                #[cfg(feature = "stand-ins")]
                Kind::PortableTiles => portable::<W, 16>(work),
                Kind::Portable => portable::<W, 8>(work),
                #[cfg(target_arch = "x86_64")]
                Kind::Avx2 => avx2(work),
                #[cfg(target_arch = "x86_64")]
                Kind::AvxVnni => avx_vnni(work),
                #[cfg(target_arch = "x86_64")]
                Kind::Avx512 => avx512(work),
                #[cfg(target_arch = "x86_64")]
                Kind::Avx512Vnni => avx512_vnni(work),
                #[cfg(all(target_arch = "x86_64", target_os = "linux"))]
                Kind::Amx => avx512_vnni(work),
            }
        }
    }

    /// Runs work on the matrix unit.
    ///
    /// # Safety
    /// There is one, and the work's pointers are valid for what it reads and writes.
    pub(crate) unsafe fn run_on_tiles<W: TileWork>(self, work: W) {
        #[cfg(all(target_arch = "x86_64", target_os = "linux"))]
        #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni,avx2,fma")]
        #[inline(never)]
        unsafe fn amx<W: TileWork>(work: W) {
            // SAFETY: the vectors' features are enabled here; the unit was asked for when this value was made.
            unsafe { on::<super::tiles::Amx, W>(work) }
        }
        #[cfg(any(feature = "stand-ins", all(target_arch = "x86_64", target_os = "linux")))]
        #[inline(always)]
        unsafe fn on<T: Tiles, W: TileWork>(work: W) {
            // SAFETY: the caller's promise; the unit is left before the thread does anything else.
            unsafe {
                let mut tiles = T::begin();
                work.run(&mut tiles);
                tiles.end();
            }
        }
        // SAFETY: the caller's promise.
        unsafe {
            match self.0 {
                #[cfg(feature = "stand-ins")]
                Kind::PortableTiles => on::<super::tiles::Emulated, W>(work),
                #[cfg(all(target_arch = "x86_64", target_os = "linux"))]
                Kind::Amx => amx(work),
                _ => unreachable!("{} has no tiles", self.name()),
            }
        }
    }
}
