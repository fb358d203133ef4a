//! Progressive images: scans that each bring a band of coefficients, or one more bit of them (ITU-T T.81, annex G, as
//! libjpeg's `jdphuff.c` reads it).

use std::ops::Range;

use fearless_simd::Simd;

use super::broken;
use super::color::Output;
use super::header::{Component, Header, Scan};
use super::huffman::Bits;
use super::idct::ZIGZAG;
use super::plane::{Held, Track};
use super::scan::{Restarts, wrong_codes};
use crate::decode::filled;
use crate::{DecodeError, Rect, RgbImage};

/// Encoders write about ten scans; each one costs a pass over all coefficients.
const MAX_SCANS: usize = 64;

/// The coefficients of one component.
struct Coefficients {
    /// `[row][column]`, of whole MCUs.
    blocks: Vec<[i16; 64]>,
    /// Blocks in a row, and those of them that hold samples; rows likewise.
    stride: usize,
    across: usize,
    down: usize,
    /// The lowest bit that has come of each coefficient, in zigzag order.
    known: [Option<u32>; 64],
}

impl Coefficients {
    fn new(component: &Component, header: &Header) -> Result<Self, DecodeError> {
        let mcus = header.mcus();
        let stride = mcus.0 * component.across;
        let (across, down) = header.blocks(component);
        Ok(Self {
            blocks: filled([0; 64], stride * mcus.1 * component.down)?,
            stride,
            across,
            down,
            known: [None; 64],
        })
    }

    /// Whether all bits of the first `count` coefficients have come.
    fn complete(&self, count: usize) -> bool {
        self.known[..count].iter().all(|&bit| bit == Some(0))
    }
}

/// Reads the part of the image.
#[inline(always)]
pub(super) fn read<S: Simd>(
    simd: S,
    mut header: Header,
    first: Scan,
    bytes: &[u8],
    part: Rect,
    image: &mut RgbImage,
) -> Result<(), DecodeError> {
    let components = header.components.iter();
    let mut all: Vec<Coefficients> = components
        .map(|component| Coefficients::new(component, &header))
        .collect::<Result<_, _>>()?;
    let mut scans = 0;
    let mut next = Some(first);
    while let Some(scan) = next {
        scans += 1;
        if scans > MAX_SCANS {
            return Err(broken(format!("it has more than {MAX_SCANS} scans")));
        }
        let at = read_scan(&header, &scan, bytes, &mut all)?;
        next = header.next_scan(bytes, at)?;
    }
    // Where bits of the first ten coefficients never come, libjpeg smooths the blocks' edges (`smoothing_ok` in `jdcoefct.c`).
    let needed = if header.ended { 10 } else { 64 };
    if !all.iter().all(|coefficients| coefficients.complete(needed)) {
        return Err(broken("scans are missing"));
    }
    let mut tracks = Vec::new();
    for (component, coefficients) in header.components.iter().zip(all) {
        let mut track = Track::new(component, &header, part, false, Held::All)?;
        for row in track.rows.clone() {
            for column in track.columns.clone() {
                let block = &coefficients.blocks[row * coefficients.stride + column];
                track.put_coefficients(simd, block, (column, row));
            }
        }
        track.plane.ready = track.plane.height;
        tracks.push(track);
    }
    Output::new(header.colors(), part, image)?.convert(&tracks);
    Ok(())
}

/// Reads one scan; returns where the marker behind it can be looked for.
fn read_scan(header: &Header, scan: &Scan, bytes: &[u8], all: &mut [Coefficients]) -> Result<usize, DecodeError> {
    let &Scan {
        ref components,
        band: (first, last),
        bits: (before, low),
        start,
    } = scan;
    let dc = first == 0;
    let lawful = first <= last && last < 64 && low < 14 && (!dc || last == 0) && (dc || components.len() == 1);
    let out_of_order = || broken("its scans are out of order");
    if !lawful {
        return Err(out_of_order());
    }
    for &which in components {
        for known in &mut all[which].known[first..=last] {
            // Either nothing has come before, or all but this bit.
            let expected = (before != 0).then_some(before);
            if *known != expected || (before != 0 && before != low + 1) {
                return Err(out_of_order());
            }
            *known = Some(low);
        }
    }
    let mut reader = Reader {
        bits: Bits::new(bytes, start),
        restarts: Restarts::new(header.restart_interval),
        refine: before != 0,
        low,
        band: first..last + 1,
        run: 0,
        dc: [0; 4],
    };
    let (across, down) = match *components.as_slice() {
        [which] => (all[which].across, all[which].down),
        _ => header.mcus(),
    };
    for y in 0..down {
        let read = reader.mcus(header, components, all, y, across);
        if read.is_none() || reader.bits.overrun() {
            return Err(wrong_codes(reader.bits.overrun(), header, y, down));
        }
    }
    let end = reader.bits.finish();
    end.ok_or_else(|| wrong_codes(true, header, down, down))
}

/// What a scan carries from block to block.
struct Reader<'a> {
    bits: Bits<'a>,
    restarts: Restarts,
    /// Whether the coefficients have come before, but for this bit.
    refine: bool,
    low: u32,
    band: Range<usize>,
    /// Blocks in a row, from this one on, to whose bands nothing is added.
    run: u32,
    /// DC of the block before, for each component.
    dc: [i32; 4],
}

impl Reader<'_> {
    fn restart(&mut self) -> Option<()> {
        if self.restarts.due(&mut self.bits)? {
            (self.run, self.dc) = (0, [0; 4]);
        }
        Some(())
    }

    /// Reads row `y` of MCUs.
    fn mcus(
        &mut self,
        header: &Header,
        components: &[usize],
        all: &mut [Coefficients],
        y: usize,
        across: usize,
    ) -> Option<()> {
        for x in 0..across {
            self.restart()?;
            for &which in components {
                let (across, down) = match components {
                    [_] => (1, 1),
                    _ => (header.components[which].across, header.components[which].down),
                };
                for row in y * down..(y + 1) * down {
                    for column in x * across..(x + 1) * across {
                        let Coefficients { blocks, stride, .. } = &mut all[which];
                        self.block(header, which, &mut blocks[row * *stride + column])?;
                    }
                }
            }
        }
        Some(())
    }

    fn block(&mut self, header: &Header, which: usize, block: &mut [i16; 64]) -> Option<()> {
        let component = &header.components[which];
        match (self.band.start, self.refine) {
            (0, false) => {
                let difference = header.dc[component.dc].as_ref()?.read(&mut self.bits)?;
                self.dc[which] = self.dc[which].wrapping_add(difference);
                block[0] = (self.dc[which] << self.low) as i16;
                Some(())
            }
            (0, true) => {
                block[0] |= (self.bits.take(1) << self.low) as i16;
                Some(())
            }
            (_, false) => self.first_bits(header, component, block),
            (_, true) => self.next_bit(header, component, block),
        }
    }

    /// The length of the run that a symbol without a value begins.
    fn run(&mut self, exponent: u32) -> u32 {
        (1 << exponent) + self.bits.take(exponent)
    }

    fn first_bits(&mut self, header: &Header, component: &Component, block: &mut [i16; 64]) -> Option<()> {
        if self.run > 0 {
            self.run -= 1;
            return Some(());
        }
        let codes = &header.ac[component.ac].as_ref()?.codes;
        let mut place = self.band.start;
        while place < self.band.end {
            let symbol = codes.read(&mut self.bits)?;
            match (u32::from(symbol >> 4), u32::from(symbol & 15)) {
                (15, 0) => place += 16,
                (exponent, 0) => {
                    self.run = self.run(exponent) - 1;
                    return Some(());
                }
                (zeros, size) => {
                    place += zeros as usize;
                    let value = self.bits.value(size);
                    block[usize::from(*ZIGZAG.get(place)?)] = (value << self.low) as i16;
                    place += 1;
                }
            }
        }
        (place <= 64).then_some(())
    }

    fn next_bit(&mut self, header: &Header, component: &Component, block: &mut [i16; 64]) -> Option<()> {
        let codes = &header.ac[component.ac].as_ref()?.codes;
        let one = 1i16 << self.low;
        let mut place = self.band.start;
        while self.run == 0 && place < self.band.end {
            let symbol = codes.read(&mut self.bits)?;
            let (zeros, value) = match (u32::from(symbol >> 4), symbol & 15) {
                (15, 0) => (15, 0),
                (exponent, 0) => {
                    self.run = self.run(exponent);
                    break;
                }
                (zeros, 1) => (zeros, if self.bits.take(1) == 1 { one } else { -one }),
                _ => return None,
            };
            place = self.refine_until(place, zeros, one, block);
            if value != 0 {
                block[usize::from(*ZIGZAG.get(place)?)] = value;
            }
            place += 1;
        }
        if self.run > 0 {
            self.refine_until(place, u32::MAX, one, block);
            self.run -= 1;
        }
        Some(())
    }

    /// Gives each coefficient that is not zero its next bit, up to the zero after `zeros` others or the end of the band;
    /// returns that place.
    fn refine_until(&mut self, mut place: usize, mut zeros: u32, one: i16, block: &mut [i16; 64]) -> usize {
        while place < self.band.end {
            let value = &mut block[usize::from(ZIGZAG[place & 63]) & 63];
            if *value == 0 {
                if zeros == 0 {
                    break;
                }
                zeros -= 1;
            } else if self.bits.take(1) == 1 && *value & one == 0 {
                *value = value.wrapping_add(if *value > 0 { one } else { -one });
            }
            place += 1;
        }
        place
    }
}
