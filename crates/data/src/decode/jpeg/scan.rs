//! From the entropy-coded bytes of a sequential image to the samples of each component. Its scans bring components together or
//! one by one. Every code up to the last wanted row has to be read, but only blocks that hold wanted samples are transformed,
//! and nothing below them is read at all.

use fearless_simd::Simd;

use super::broken;
use super::color::Output;
use super::header::{Header, Scan};
use super::huffman::{Bits, END};
use super::plane::{Held, Track};
use crate::{DecodeError, Rect, RgbImage};

/// Place of a coefficient in a block, by its place in the stream.
pub(super) const ZIGZAG: [u8; 64] = [
    0, 1, 8, 16, 9, 2, 3, 10, 17, 24, 32, 25, 18, 11, 4, 5, 12, 19, 26, 33, 40, 48, 41, 34, 27, 20, 13, 6, 7, 14, 21,
    28, 35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51, 58, 59, 52, 45, 38, 31, 39, 46, 53, 60, 61, 54,
    47, 55, 62, 63,
];

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
    if first.components.len() == header.components.len() {
        let mut output = Output::new(header.colors(), part, image)?;
        let mut tracks = tracks(&header, &first, part, Held::Window)?;
        read_scan(simd, &header, &first, bytes, &mut tracks, to_the_end, |tracks| {
            output.convert(tracks);
            for track in tracks {
                track.plane.forget(output.next_row());
            }
        })?;
        return Ok(());
    }
    let mut all: Vec<Option<Track>> = header.components.iter().map(|_| None).collect();
    let mut next = Some(first);
    while let Some(scan) = next {
        if scan.components.iter().any(|&which| all[which].is_some()) {
            return Err(broken("a colour comes twice"));
        }
        let mut tracks = tracks(&header, &scan, part, Held::All)?;
        let at = read_scan(simd, &header, &scan, bytes, &mut tracks, to_the_end, |_| {})?;
        for (which, track) in scan.components.into_iter().zip(tracks) {
            all[which] = Some(track);
        }
        next = header.next_scan(bytes, at)?;
    }
    let all = all.into_iter().collect::<Option<Vec<Track>>>();
    let all = all.ok_or_else(|| broken("one of its colours is missing"))?;
    Output::new(header.colors(), part, image)?.convert(&all);
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

/// Reads one scan, and calls `row` after each row of MCUs; returns where the marker behind the scan can be looked for.
#[inline(always)]
fn read_scan<S: Simd>(
    simd: S,
    header: &Header,
    scan: &Scan,
    bytes: &[u8],
    tracks: &mut [Track],
    to_the_end: bool,
    mut row: impl FnMut(&mut [Track]),
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
        let read = read_mcus(simd, header, bytes, tracks, y, across, &mut bits, &mut restarts);
        if read.is_none() || bits.overrun() {
            return Err(wrong_codes(&bits, header, y, down));
        }
        for track in &mut *tracks {
            track.plane.ready = (y + 1) * track.mcu.1 * 8;
        }
        row(tracks);
    }
    bits.finish().ok_or_else(|| wrong_codes(&bits, header, down, down))
}

/// What is the matter in row `y` of `down` rows of MCUs.
#[cold]
pub(super) fn wrong_codes(bits: &Bits, header: &Header, y: usize, down: usize) -> DecodeError {
    let row = (header.height * y / down).min(header.height);
    broken(if bits.overrun() {
        format!("the image ends near row {row} of {}", header.height)
    } else {
        format!("the codes near row {row} of {} make no sense", header.height)
    })
}

/// Reads row `y` of MCUs.
#[inline(always)]
#[expect(clippy::too_many_arguments, reason = "the inner loop of `read_scan`")]
fn read_mcus<S: Simd>(
    simd: S,
    header: &Header,
    bytes: &[u8],
    tracks: &mut [Track],
    y: usize,
    across: usize,
    bits: &mut Bits,
    restarts: &mut Restarts,
) -> Option<()> {
    for x in 0..across {
        if restarts.due(bytes, bits)? {
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
    pub(super) fn due(&mut self, bytes: &[u8], bits: &mut Bits) -> Option<bool> {
        if self.interval == 0 {
            return Some(false);
        }
        let due = self.left == 0;
        if due {
            // Bytes before the marker that belong to nothing are passed over, as libjpeg does.
            let rest = &bytes[bits.finish()?..];
            let markers = rest
                .windows(2)
                .position(|two| two[0] == 0xff && !matches!(two[1], 0 | 0xff));
            let at = markers.filter(|&at| rest[at + 1] == 0xd0 + self.passed)?;
            *bits = bits.after(bytes.len() - rest.len() + at + 2);
            (self.left, self.passed) = (self.interval, (self.passed + 1) % 8);
        }
        self.left -= 1;
        Some(due)
    }
}
