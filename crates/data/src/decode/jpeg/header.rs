//! What stands before the entropy-coded bytes of a baseline JPEG (ITU-T T.81, annex B).

use super::huffman::{AcTable, DcTable};

/// A baseline image of one scan: what cameras and most tools write, and nearly all of ImageNet.
pub(super) struct Header {
    pub width: usize,
    pub height: usize,
    /// One (grey) or three (Y, Cb, Cr).
    pub components: Vec<Component>,
    /// MCUs from one restart marker to the next; 0 for none.
    pub restart_interval: usize,
    pub dc: [Option<Box<DcTable>>; 4],
    pub ac: [Option<Box<AcTable>>; 4],
    /// Where the entropy-coded bytes begin.
    pub scan: usize,
}

/// One component of the frame.
#[derive(Clone)]
pub(super) struct Component {
    id: u8,
    /// Blocks of an MCU across and down.
    pub across: usize,
    pub down: usize,
    /// Steps of the quantizer, in zigzag order.
    pub steps: [i32; 64],
    quantizer: usize,
    pub dc: usize,
    pub ac: usize,
}

/// Big-endian words and bytes of a segment; `None` beyond its end.
struct Segment<'a>(&'a [u8]);

impl<'a> Segment<'a> {
    fn byte(&mut self) -> Option<u8> {
        let (&byte, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(byte)
    }

    fn word(&mut self) -> Option<usize> {
        Some(usize::from(self.byte()?) << 8 | usize::from(self.byte()?))
    }

    fn take(&mut self, n: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(n)?;
        self.0 = rest;
        Some(taken)
    }
}

impl Header {
    /// Reads everything up to the scan. `None` where the image is of another kind (progressive, CMYK, RGB, 12 bits, several
    /// scans) or in any way unusual.
    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        let mut rest = Segment(bytes);
        let (mut quantizers, mut dc, mut ac) = ([None; 4], [const { None }; 4], [const { None }; 4]);
        let mut restart_interval = 0;
        let mut frame: Option<(usize, usize, Vec<Component>)> = None;
        let (mut jfif, mut adobe) = (false, None);
        rest.take(2).filter(|soi| *soi == [0xff, 0xd8])?;
        loop {
            // Stray bytes between the segments are known in ImageNet; every decoder skips them.
            while rest.byte()? != 0xff {}
            let mut marker = rest.byte()?;
            while marker == 0xff {
                marker = rest.byte()?;
            }
            let length = rest.word()?;
            let mut segment = Segment(rest.take(length.checked_sub(2)?)?);
            match marker {
                0xc0 | 0xc1 if frame.is_none() => frame = Some(read_frame(&mut segment)?),
                0xc4 => read_huffman(&mut segment, &mut dc, &mut ac)?,
                0xdb => read_quantizers(&mut segment, &mut quantizers)?,
                0xdd => restart_interval = segment.word()?,
                0xe0 => jfif |= segment.0.starts_with(b"JFIF\0"),
                0xee if segment.0.starts_with(b"Adobe") => adobe = Some(*segment.0.get(11)?),
                0xe1..=0xef | 0xfe => {}
                0xda => {
                    let (width, height, mut components) = frame?;
                    let ids = components.iter().map(|component| component.id);
                    // libjpeg's order of evidence for three components being Y, Cb, Cr.
                    let ycc = jfif || adobe.map_or_else(|| ids.eq(1..=3), |transform| transform == 1);
                    if components.len() == 3 && !ycc {
                        return None;
                    }
                    read_scan(&mut segment, &mut components)?;
                    for component in &mut components {
                        component.steps = quantizers[component.quantizer]?;
                        (dc[component.dc].is_some() && ac[component.ac].is_some()).then_some(())?;
                    }
                    return Some(Self {
                        width,
                        height,
                        components,
                        restart_interval,
                        dc,
                        ac,
                        scan: bytes.len() - rest.0.len(),
                    });
                }
                _ => return None,
            }
        }
    }

    /// Blocks of an MCU across and down, over all components.
    pub(super) fn mcu(&self) -> (usize, usize) {
        let most = |side: fn(&Component) -> usize| self.components.iter().map(side).max().unwrap_or(1);
        (most(|component| component.across), most(|component| component.down))
    }
}

fn read_frame(segment: &mut Segment) -> Option<(usize, usize, Vec<Component>)> {
    let precision = segment.byte()?;
    let (height, width) = (segment.word()?, segment.word()?);
    let count = segment.byte()?;
    if precision != 8 || height == 0 || width == 0 || ![1, 3].contains(&count) {
        return None;
    }
    let mut components = Vec::new();
    for at in 0..count {
        let (id, sampling, quantizer) = (segment.byte()?, segment.byte()?, usize::from(segment.byte()?));
        let (across, down) = match (count, at, sampling) {
            // A component alone comes block by block, whatever its factors.
            (1, _, _) => (1, 1),
            (3, 0, 0x11 | 0x12 | 0x21 | 0x22) | (3, _, 0x11) => {
                (usize::from(sampling >> 4), usize::from(sampling & 15))
            }
            _ => return None,
        };
        components.push(Component {
            id,
            across,
            down,
            steps: [0; 64],
            quantizer: (quantizer < 4).then_some(quantizer)?,
            dc: 0,
            ac: 0,
        });
    }
    Some((width, height, components))
}

/// Which tables each component of the only scan uses.
fn read_scan(segment: &mut Segment, components: &mut [Component]) -> Option<()> {
    if usize::from(segment.byte()?) != components.len() {
        return None;
    }
    for component in components {
        let (id, tables) = (segment.byte()?, segment.byte()?);
        (component.dc, component.ac) = (usize::from(tables >> 4), usize::from(tables & 15));
        if id != component.id || component.dc > 3 || component.ac > 3 {
            return None;
        }
    }
    // All coefficients, at full precision.
    (segment.0 == [0, 63, 0]).then_some(())
}

fn read_quantizers(segment: &mut Segment, quantizers: &mut [Option<[i32; 64]>; 4]) -> Option<()> {
    while !segment.0.is_empty() {
        let head = segment.byte()?;
        let mut steps = [0; 64];
        for step in &mut steps {
            *step = match head >> 4 {
                0 => i32::from(segment.byte()?),
                1 => segment.word()? as i32,
                _ => return None,
            };
        }
        *quantizers.get_mut(usize::from(head & 15))? = Some(steps);
    }
    Some(())
}

fn read_huffman(
    segment: &mut Segment,
    dc: &mut [Option<Box<DcTable>>; 4],
    ac: &mut [Option<Box<AcTable>>; 4],
) -> Option<()> {
    while !segment.0.is_empty() {
        let head = segment.byte()?;
        let counts: &[u8; 16] = segment.take(16)?.try_into().ok()?;
        let symbols = segment.take(counts.iter().map(|&n| usize::from(n)).sum())?;
        let place = usize::from(head & 15);
        match head >> 4 {
            0 => *dc.get_mut(place)? = Some(Box::new(DcTable::new(counts, symbols)?)),
            1 => *ac.get_mut(place)? = Some(Box::new(AcTable::new(counts, symbols)?)),
            _ => return None,
        }
    }
    Some(())
}
