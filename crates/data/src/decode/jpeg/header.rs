//! What stands before the entropy-coded bytes of a JPEG (ITU-T T.81, annex B).

use super::huffman::{AcTable, DcTable};
use super::{broken, standard, unread};
use crate::DecodeError;

/// What an image's components are.
#[derive(Clone, Copy)]
pub(super) enum Colors {
    Grey,
    Ycc,
    Rgb,
    /// Inks, inverted: 255 is none, as Adobe's programs write them.
    Cmyk,
    /// The first three inks as the YCC of their inverse.
    Ycck,
}

/// An image of 8 bits and Huffman codes, sequential or progressive: nearly all there are. Its tables change from scan to scan.
#[derive(Default)]
pub(super) struct Header {
    pub width: usize,
    pub height: usize,
    pub progressive: bool,
    /// One, three or four.
    pub components: Vec<Component>,
    /// MCUs from one restart marker to the next; 0 for none.
    pub restart_interval: usize,
    pub dc: [Option<Box<DcTable>>; 4],
    pub ac: [Option<Box<AcTable>>; 4],
    quantizers: [Option<[i32; 64]>; 4],
    /// Whether the end of the image has come.
    pub ended: bool,
    jfif: bool,
    /// The colour transform that Adobe's segment names.
    adobe: Option<u8>,
}

/// One component of the frame.
#[derive(Clone)]
pub(super) struct Component {
    id: u8,
    /// Blocks of an MCU across and down, where the MCU has other components too.
    pub across: usize,
    pub down: usize,
    /// Pixels of the image to a sample, across and down.
    pub ratio: (usize, usize),
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

/// Big-endian words and bytes of a segment.
struct Segment<'a>(&'a [u8]);

impl<'a> Segment<'a> {
    fn byte(&mut self) -> Result<u8, DecodeError> {
        Ok(self.take(1)?[0])
    }

    fn word(&mut self) -> Result<usize, DecodeError> {
        let bytes = self.take(2)?;
        Ok(usize::from(bytes[0]) << 8 | usize::from(bytes[1]))
    }

    fn take(&mut self, n: usize) -> Result<&'a [u8], DecodeError> {
        let (taken, rest) = self
            .0
            .split_at_checked(n)
            .ok_or_else(|| broken("a segment of the header is cut short"))?;
        self.0 = rest;
        Ok(taken)
    }
}

/// The most blocks of an MCU.
const MAX_BLOCKS: usize = 10;

impl Header {
    /// Reads the segments from `at` up to the next scan; the first two bytes of a file are no segment. Bytes that belong to no
    /// segment are known in ImageNet; every decoder skips them. `None` at the end of the image or of the file.
    pub(super) fn next_scan(&mut self, bytes: &[u8], at: usize) -> Result<Option<Scan>, DecodeError> {
        let mut rest = Segment(bytes.get(at..).unwrap_or_default());
        while let Some(marker) = next_marker(&mut rest) {
            match marker {
                // Markers without a segment: none at all (in entropy-coded bytes), restarts.
                0 | 1 | 0xd0..=0xd7 => continue,
                0xd8 => return Err(broken("a second image begins inside it")),
                0xd9 => {
                    self.ended = true;
                    return Ok(None);
                }
                _ => {}
            }
            let length = rest.word()?;
            let body = length
                .checked_sub(2)
                .ok_or_else(|| broken("a segment of the header has no length"))?;
            let mut segment = Segment(rest.take(body)?);
            match marker {
                0xc0..=0xc2 => {
                    self.progressive = marker == 0xc2;
                    self.read_frame(&mut segment)?;
                }
                0xc4 => self.read_huffman(&mut segment)?,
                0xc3 => return Err(unread("lossless coding")),
                0xc5..=0xc7 | 0xde | 0xdf => return Err(unread("hierarchical coding")),
                0xc9..=0xcb | 0xcd..=0xcf => return Err(unread("arithmetic coding")),
                0xda => return self.read_scan(&mut segment, bytes.len() - rest.0.len()).map(Some),
                0xdb => self.read_quantizers(&mut segment)?,
                0xdd => self.restart_interval = segment.word()?,
                0xe0 => self.jfif |= segment.0.len() >= 14 && segment.0.starts_with(b"JFIF\0"),
                0xee if segment.0.len() >= 12 && segment.0.starts_with(b"Adobe") => self.adobe = Some(segment.0[11]),
                // Conditions of arithmetic coding, number of lines (known by now), applications' own, comments.
                0xcc | 0xdc | 0xe1..=0xef | 0xfe => {}
                _ => {
                    return Err(broken(format!(
                        "the header has a segment {marker:#04x} that no image has"
                    )));
                }
            }
        }
        Ok(None)
    }

    /// What the components mean, by libjpeg's order of evidence (`jdapimin.c`).
    pub(super) fn colors(&self) -> Colors {
        match (self.components.len(), self.adobe) {
            (1, _) => Colors::Grey,
            (3, _) if self.jfif => Colors::Ycc,
            (3, Some(0)) => Colors::Rgb,
            (3, None) if self.components.iter().map(|component| component.id).eq(*b"RGB") => Colors::Rgb,
            (3, _) => Colors::Ycc,
            (_, None | Some(0)) => Colors::Cmyk,
            _ => Colors::Ycck,
        }
    }

    /// The greatest sampling factors, across and down.
    fn most(&self) -> (usize, usize) {
        let most = |side: fn(&Component) -> usize| self.components.iter().map(side).max().unwrap_or(1);
        (most(|component| component.across), most(|component| component.down))
    }

    /// MCUs of a scan of several components, across and down.
    pub(super) fn mcus(&self) -> (usize, usize) {
        let most = self.most();
        (self.width.div_ceil(8 * most.0), self.height.div_ceil(8 * most.1))
    }

    /// Blocks that hold samples of a component, across and down: the MCUs of a scan that has this one alone.
    pub(super) fn blocks(&self, component: &Component) -> (usize, usize) {
        (
            self.width.div_ceil(component.ratio.0).div_ceil(8),
            self.height.div_ceil(component.ratio.1).div_ceil(8),
        )
    }

    fn read_frame(&mut self, segment: &mut Segment) -> Result<(), DecodeError> {
        if !self.components.is_empty() {
            return Err(broken("it has two frames"));
        }
        let precision = segment.byte()?;
        (self.height, self.width) = (segment.word()?, segment.word()?);
        let count = segment.byte()?;
        match (precision, count) {
            (8, 1 | 3 | 4) => {}
            (8, _) => return Err(unread("another number of colours than 1, 3 or 4")),
            (12, _) => return Err(unread("12 bits a sample")),
            _ => return Err(broken(format!("it says {precision} bits a sample"))),
        }
        if self.height == 0 && self.width != 0 {
            return Err(unread("its height behind the image"));
        }
        for _ in 0..count {
            let (id, sampling, quantizer) = (segment.byte()?, segment.byte()?, usize::from(segment.byte()?));
            let (across, down) = (usize::from(sampling >> 4), usize::from(sampling & 15));
            if !(1..=4).contains(&across) || !(1..=4).contains(&down) || quantizer > 3 {
                return Err(broken("the frame's sampling factors or tables are out of range"));
            }
            self.components.push(Component {
                id,
                across,
                down,
                ratio: (1, 1),
                quantizer,
                steps: None,
                dc: 0,
                ac: 0,
            });
        }
        let most = self.most();
        for component in &mut self.components {
            if !most.0.is_multiple_of(component.across) || !most.1.is_multiple_of(component.down) {
                return Err(unread("sampling factors that are no multiples of each other"));
            }
            component.ratio = (most.0 / component.across, most.1 / component.down);
        }
        Ok(())
    }

    fn read_scan(&mut self, segment: &mut Segment, start: usize) -> Result<Scan, DecodeError> {
        let mut components = Vec::new();
        let mut blocks = 0;
        for _ in 0..segment.byte()? {
            let (id, tables) = (segment.byte()?, segment.byte()?);
            let place = self.components.iter().position(|component| component.id == id);
            let place = place.ok_or_else(|| broken("a scan brings a colour that the frame does not name"))?;
            let component = &mut self.components[place];
            (component.dc, component.ac) = (usize::from(tables >> 4), usize::from(tables & 15));
            if component.dc > 3 || component.ac > 3 || components.last().is_some_and(|&last| last >= place) {
                return Err(broken("a scan's colours are out of order or their tables out of range"));
            }
            if component.steps.is_none() {
                let steps = self.quantizers[component.quantizer];
                component.steps = Some(steps.ok_or_else(|| broken("a quantization table is missing"))?);
            }
            blocks += component.across * component.down;
            if !self.progressive {
                standard::fill(&mut self.dc[component.dc], component.dc);
                standard::fill(&mut self.ac[component.ac], component.ac);
            }
            components.push(place);
        }
        if components.is_empty() || (components.len() > 1 && blocks > MAX_BLOCKS) {
            return Err(broken(format!("a scan brings {blocks} blocks at a time")));
        }
        let &[first, last, bits] = segment.0 else {
            return Err(broken("a scan's header has a wrong length"));
        };
        Ok(Scan {
            components,
            band: (usize::from(first), usize::from(last)),
            bits: (u32::from(bits >> 4), u32::from(bits & 15)),
            start,
        })
    }

    fn read_quantizers(&mut self, segment: &mut Segment) -> Result<(), DecodeError> {
        while !segment.0.is_empty() {
            let head = segment.byte()?;
            let mut steps = [0; 64];
            for step in &mut steps {
                *step = match head >> 4 {
                    0 => i32::from(segment.byte()?),
                    _ => segment.word()? as i32,
                };
            }
            let place = self.quantizers.get_mut(usize::from(head & 15));
            *place.ok_or_else(|| broken("a quantization table's number is out of range"))? = Some(steps);
        }
        Ok(())
    }

    fn read_huffman(&mut self, segment: &mut Segment) -> Result<(), DecodeError> {
        while !segment.0.is_empty() {
            let head = segment.byte()?;
            let mut counts = [0; 16];
            counts.copy_from_slice(segment.take(16)?);
            let symbols = segment.take(counts.iter().map(|&n| usize::from(n)).sum())?;
            let place = usize::from(head & 15);
            let wrong = || broken("a table of codes is not one");
            match head >> 4 {
                0 => {
                    let table = DcTable::new(&counts, symbols).ok_or_else(wrong)?;
                    *self.dc.get_mut(place).ok_or_else(wrong)? = Some(Box::new(table));
                }
                1 => {
                    let table = AcTable::new(&counts, symbols).ok_or_else(wrong)?;
                    *self.ac.get_mut(place).ok_or_else(wrong)? = Some(Box::new(table));
                }
                _ => return Err(wrong()),
            }
        }
        Ok(())
    }
}

/// The second byte of the next marker.
fn next_marker(rest: &mut Segment) -> Option<u8> {
    let first = rest.0.iter().position(|&byte| byte == 0xff)?;
    let fill = rest.0[first..].iter().take_while(|&&byte| byte == 0xff).count();
    let marker = *rest.0.get(first + fill)?;
    rest.0 = &rest.0[first + fill + 1..];
    Some(marker)
}
