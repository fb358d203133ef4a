//! From the entropy-coded bytes of a sequential image to the samples of each component. Its scans bring components together or
//! one by one. Every code up to the last wanted row has to be read, but only blocks that hold wanted samples are transformed,
//! and nothing below them is read at all.

use fearless_simd::Simd;

use super::broken;
use super::color::Output;
use super::header::{Header, Scan};
use super::huffman::{Bits, END};
use super::idct::ZIGZAG;
use super::plane::{Held, Track};
use crate::{DecodeError, Rect, RgbImage};

/// Reads the part of the image. Where `to_the_end`, each scan is read to its end, though its lower rows may not be wanted.
#[inline(always)]
pub(super) fn read<S: Simd>(
    simd: S,
    mut header: Header,
    first: Scan,
    bytes: &[u8],
    part: Rect,
    to_the_end: bool,
    image: &mut RgbImage,
) -> Result<(), DecodeError> {
    let mut output = Output::new(header.colors(), part, image)?;
    let at_once = first.components.len() == header.components.len();
    let mut all: Vec<Option<Track>> = header.components.iter().map(|_| None).collect();
    let mut next = Some(first);
    while let Some(scan) = next {
        if scan.components.iter().any(|&which| all[which].is_some()) {
            return Err(broken("a colour comes twice"));
        }
        let held = if at_once { Held::Window } else { Held::All };
        let mut tracks = tracks(&header, &scan, part, held)?;
        let output = at_once.then_some(&mut output);
        let at = read_scan(simd, &header, &scan, bytes, &mut tracks, to_the_end, output)?;
        if at_once {
            return Ok(());
        }
        for (which, track) in scan.components.into_iter().zip(tracks) {
            all[which] = Some(track);
        }
        next = header.next_scan(bytes, at)?;
    }
    let all = all.into_iter().collect::<Option<Vec<Track>>>();
    let all = all.ok_or_else(|| broken("one of its colours is missing"))?;
    output.convert(&all);
    Ok(())
}

fn tracks(header: &Header, scan: &Scan, part: Rect, held: Held) -> Result<Vec<Track>, DecodeError> {
    if scan.band != (0, 63) || scan.bits != (0, 0) {
        return Err(broken(
            "a scan of a sequential image says that it is a progressive one's",
        ));
    }
    let alone = scan.components.len() == 1;
    let components = scan.components.iter().map(|&which| &header.components[which]);
    components
        .map(|component| Track::new(component, header, part, alone, held))
        .collect()
}

/// Reads one scan; returns where the marker behind it can be looked for. What `output` can be given after a row of MCUs goes there,
/// and need not be held.
#[inline(always)]
fn read_scan<S: Simd>(
    simd: S,
    header: &Header,
    scan: &Scan,
    bytes: &[u8],
    tracks: &mut [Track],
    to_the_end: bool,
    mut output: Option<&mut Output>,
) -> Result<usize, DecodeError> {
    let (across, down) = match tracks {
        [alone] => header.blocks(&alone.component),
        _ => header.mcus(),
    };
    let wanted = tracks.iter().map(|track| track.rows.end.div_ceil(track.mcu.1)).max();
    let down = if to_the_end { down } else { wanted.unwrap_or(down) };
    let mut bits = Bits::new(bytes, scan.start);
    let mut restarts = Restarts::new(header.restart_interval);
    for y in 0..down {
        let read = read_mcus(simd, header, tracks, y, across, &mut bits, &mut restarts);
        if read.is_none() || bits.overrun() {
            return Err(wrong_codes(bits.overrun(), header, y, down));
        }
        for track in &mut *tracks {
            track.plane.ready = (y + 1) * track.mcu.1 * 8;
        }
        if let Some(output) = &mut output {
            output.convert(tracks);
            for track in &mut *tracks {
                if track.plane.lacks_room(track.mcu.1 * 8) {
                    track.plane.forget(output.next_row());
                }
            }
        }
    }
    bits.finish().ok_or_else(|| wrong_codes(true, header, down, down))
}

/// What is the matter in row `y` of `down` rows of MCUs, where the codes have an end there or not.
#[cold]
pub(super) fn wrong_codes(ended: bool, header: &Header, y: usize, down: usize) -> DecodeError {
    let row = (header.height * y / down).min(header.height);
    broken(if ended {
        format!("the image ends near row {row} of {}", header.height)
    } else {
        format!("the codes near row {row} of {} make no sense", header.height)
    })
}

/// Reads row `y` of MCUs.
#[inline(always)]
fn read_mcus<S: Simd>(
    simd: S,
    header: &Header,
    tracks: &mut [Track],
    y: usize,
    across: usize,
    bits: &mut Bits,
    restarts: &mut Restarts,
) -> Option<()> {
    for x in 0..across {
        if restarts.due(bits)? {
            tracks.iter_mut().for_each(|track| track.dc = 0);
        }
        for track in &mut *tracks {
            let (across, down) = track.mcu;
            for row in y * down..(y + 1) * down {
                for column in x * across..(x + 1) * across {
                    read_block(simd, header, track, (column, row), bits)?;
                }
            }
        }
    }
    Some(())
}

#[inline(always)]
fn read_block<S: Simd>(
    simd: S,
    header: &Header,
    track: &mut Track,
    (column, row): (usize, usize),
    stream: &mut Bits,
) -> Option<()> {
    let bits = &mut stream.clone();
    let component = &track.component;
    let (dc, ac) = (header.dc[component.dc].as_ref()?, header.ac[component.ac].as_ref()?);
    track.dc = track.dc.wrapping_add(dc.read(bits)?);
    let mut place = 0;
    if !(track.columns.contains(&column) && track.rows.contains(&row)) {
        while place < 63 {
            place += ac.read(bits)?.0;
        }
        *stream = *bits;
        return (place == 63 || place >= END).then_some(());
    }
    let mut block = [0i16; 64];
    block[0] = track.dc.wrapping_mul(track.step(0)) as i16;
    let mut flat = true;
    while place < 63 {
        let (step, value) = ac.read(bits)?;
        place += step;
        if place > 63 {
            break;
        }
        flat = false;
        block[usize::from(ZIGZAG[place & 63]) & 63] = value.wrapping_mul(track.step(place)) as i16;
    }
    if place > 63 && place < END {
        return None;
    }
    *stream = *bits;
    track.put(simd, &block, flat, (column, row));
    Some(())
}

/// Counts MCUs from one restart marker to the next.
pub(super) struct Restarts {
    /// 0 for none.
    interval: usize,
    left: usize,
    /// Markers so far.
    passed: u8,
}

impl Restarts {
    pub(super) fn new(interval: usize) -> Self {
        Self {
            interval,
            left: interval,
            passed: 0,
        }
    }

    /// To be called before each MCU: whether a marker comes first. Then it is read, and `bits` begin behind it.
    #[inline(always)]
    pub(super) fn due(&mut self, bits: &mut Bits) -> Option<bool> {
        if self.interval == 0 {
            return Some(false);
        }
        let due = self.left == 0;
        if due {
            *bits = bits.behind(0xd0 + self.passed)?;
            (self.left, self.passed) = (self.interval, (self.passed + 1) % 8);
        }
        self.left -= 1;
        Some(due)
    }
}
