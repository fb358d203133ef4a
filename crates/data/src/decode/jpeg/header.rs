//! What stands before the entropy-coded bytes of a JPEG (ITU-T T.81, annex B).

use super::huffman::{AcTable, DcTable};

/// An image of one or three components of 8 bits, baseline or progressive: nearly all there are. Its tables change from scan
/// to scan.
#[derive(Default)]
pub(super) struct Header {
    pub width: usize,
    pub height: usize,
    pub progressive: bool,
    /// One (grey) or three (Y, Cb, Cr).
    pub components: Vec<Component>,
    /// MCUs from one restart marker to the next; 0 for none.
    pub restart_interval: usize,
    pub dc: [Option<Box<DcTable>>; 4],
    pub ac: [Option<Box<AcTable>>; 4],
    quantizers: [Option<[i32; 64]>; 4],
    jfif: bool,
    /// The colour transform that Adobe's segment names.
    adobe: Option<u8>,
}

/// One component of the frame.
#[derive(Clone)]
pub(super) struct Component {
    id: u8,
    /// Blocks of an MCU across and down.
    pub across: usize,
    pub down: usize,
    quantizer: usize,
    /// Steps of the quantizer, in zigzag order, from the component's first scan on.
    pub steps: Option<[i32; 64]>,
    /// Tables of the current scan.
    pub dc: usize,
    pub ac: usize,
}

/// What a scan brings.
pub(super) struct Scan {
    /// Its components, by place in the frame.
    pub components: Vec<usize>,
    /// First and last coefficient, in zigzag order.
    pub band: (usize, usize),
    /// Bit of the coefficients that came last before, 0 for none; and the one that comes last now.
    pub bits: (u32, u32),
    /// Where the entropy-coded bytes begin.
    pub start: usize,
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
    /// Reads the segments from `at` up to the next scan; the first two bytes of a file are no segment. `None` where the image
    /// is of another kind (CMYK, RGB, 12 bits, lossless, arithmetic) or in any way unusual, and at its end.
    pub(super) fn next_scan(&mut self, bytes: &[u8], at: usize) -> Option<Scan> {
        let mut rest = Segment(bytes.get(at..)?);
        loop {
            // Stray bytes between the segments are known in ImageNet; every decoder skips them.
            while rest.byte()? != 0xff {}
            let mut marker = rest.byte()?;
            while marker == 0xff {
                marker = rest.byte()?;
            }
            if marker == 0xd9 {
                return None;
            }
            let length = rest.word()?;
            let mut segment = Segment(rest.take(length.checked_sub(2)?)?);
            match marker {
                0xc0..=0xc2 if self.components.is_empty() => {
                    self.progressive = marker == 0xc2;
                    self.read_frame(&mut segment)?;
                }
                0xc4 => self.read_huffman(&mut segment)?,
                0xdb => self.read_quantizers(&mut segment)?,
                0xdd => self.restart_interval = segment.word()?,
                0xe0 => self.jfif |= segment.0.starts_with(b"JFIF\0"),
                0xee if segment.0.starts_with(b"Adobe") => self.adobe = Some(*segment.0.get(11)?),
                0xe1..=0xef | 0xfe => {}
                0xda => return self.read_scan(&mut segment, bytes.len() - rest.0.len()),
                _ => return None,
            }
        }
    }

    /// Whether three components are Y, Cb and Cr, by libjpeg's order of evidence.
    fn is_ycc(&self) -> bool {
        let ids = self.components.iter().map(|component| component.id);
        self.jfif || self.adobe.map_or_else(|| ids.eq(1..=3), |transform| transform == 1)
    }

    /// Blocks of an MCU across and down, over all components.
    pub(super) fn mcu(&self) -> (usize, usize) {
        let most = |side: fn(&Component) -> usize| self.components.iter().map(side).max().unwrap_or(1);
        (most(|component| component.across), most(|component| component.down))
    }

    fn read_frame(&mut self, segment: &mut Segment) -> Option<()> {
        let precision = segment.byte()?;
        (self.height, self.width) = (segment.word()?, segment.word()?);
        let count = segment.byte()?;
        if precision != 8 || self.height == 0 || self.width == 0 || ![1, 3].contains(&count) {
            return None;
        }
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
            self.components.push(Component {
                id,
                across,
                down,
                quantizer: (quantizer < 4).then_some(quantizer)?,
                steps: None,
                dc: 0,
                ac: 0,
            });
        }
        Some(())
    }

    fn read_scan(&mut self, segment: &mut Segment, start: usize) -> Option<Scan> {
        if self.components.len() == 3 && !self.is_ycc() {
            return None;
        }
        let mut components = Vec::new();
        for _ in 0..segment.byte()? {
            let (id, tables) = (segment.byte()?, segment.byte()?);
            let place = self.components.iter().position(|component| component.id == id)?;
            let component = &mut self.components[place];
            (component.dc, component.ac) = (usize::from(tables >> 4), usize::from(tables & 15));
            if component.dc > 3 || component.ac > 3 || components.last().is_some_and(|&last| last >= place) {
                return None;
            }
            if component.steps.is_none() {
                component.steps = Some(self.quantizers[component.quantizer]?);
            }
            components.push(place);
        }
        let &[first, last, bits] = segment.0 else {
            return None;
        };
        Some(Scan {
            components,
            band: (usize::from(first), usize::from(last)),
            bits: (u32::from(bits >> 4), u32::from(bits & 15)),
            start,
        })
    }

    fn read_quantizers(&mut self, segment: &mut Segment) -> Option<()> {
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
            *self.quantizers.get_mut(usize::from(head & 15))? = Some(steps);
        }
        Some(())
    }

    fn read_huffman(&mut self, segment: &mut Segment) -> Option<()> {
        while !segment.0.is_empty() {
            let head = segment.byte()?;
            let counts: &[u8; 16] = segment.take(16)?.try_into().ok()?;
            let symbols = segment.take(counts.iter().map(|&n| usize::from(n)).sum())?;
            let place = usize::from(head & 15);
            match head >> 4 {
                0 => *self.dc.get_mut(place)? = Some(Box::new(DcTable::new(counts, symbols)?)),
                1 => *self.ac.get_mut(place)? = Some(Box::new(AcTable::new(counts, symbols)?)),
                _ => return None,
            }
        }
        Some(())
    }
}
