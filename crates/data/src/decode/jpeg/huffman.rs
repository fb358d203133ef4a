//! Huffman codes and the bits that they are read from (ITU-T T.81, annexes C and F).

/// Bits that one look into a table decides.
const LOOK: u32 = 10;

/// The bits of an entropy-coded segment; small, to be copied into registers for each block. Beyond its end come zeros, which [`Bits::overrun`] tells.
#[derive(Clone, Copy)]
pub(super) struct Bits<'a> {
    bytes: &'a [u8],
    /// Next byte to take.
    at: usize,
    /// The next bits, the first one highest.
    ahead: u64,
    /// How many there are.
    count: u32,
    /// How many of them, the last ones, are not from the file.
    made_up: u32,
}

impl<'a> Bits<'a> {
    pub(super) fn new(bytes: &'a [u8], at: usize) -> Self {
        Self {
            bytes,
            at,
            ahead: 0,
            count: 0,
            made_up: 0,
        }
    }

    /// The bits of the same file from another place on.
    pub(super) fn after(&self, at: usize) -> Self {
        Self::new(self.bytes, at)
    }

    /// Sees to it that there are more than 32 bits: enough for a code and the bits that follow it.
    #[inline(always)]
    fn refill(&mut self) {
        if self.count > 32 {
            return;
        }
        if let Some(&[a, b, c, d]) = self.bytes.get(self.at..).and_then(|rest| rest.first_chunk()) {
            let word = u32::from_be_bytes([a, b, c, d]);
            // Whether a byte of it is 0xff: then the inverse has a zero byte.
            let zeros = (!word).wrapping_sub(0x0101_0101) & word & 0x8080_8080;
            if zeros == 0 {
                self.ahead |= u64::from(word) << (32 - self.count);
                self.count += 32;
                self.at += 4;
                return;
            }
        }
        *self = self.refill_bytes();
    }

    /// By value: a reference would keep the bits out of the registers.
    #[cold]
    #[inline(never)]
    fn refill_bytes(mut self) -> Self {
        while self.count <= 56 {
            let byte = match *self.bytes.get(self.at..).unwrap_or_default() {
                [0xff, 0, ..] => {
                    self.at += 2;
                    0xff
                }
                [byte, ..] if byte != 0xff => {
                    self.at += 1;
                    byte
                }
                // A marker, or the end of the file.
                _ => {
                    self.made_up += 8;
                    0
                }
            };
            self.ahead |= u64::from(byte) << (56 - self.count);
            self.count += 8;
        }
        self
    }

    #[inline(always)]
    fn skip(&mut self, bits: u32) {
        self.ahead <<= bits;
        self.count -= bits;
    }

    /// The next `n` bits, at most 16.
    #[inline(always)]
    pub(super) fn take(&mut self, n: u32) -> u32 {
        self.refill();
        let value = (self.ahead >> 1 >> (63 - n)) as u32;
        self.skip(n);
        value
    }

    /// A value of `size` bits, at most 15, in JPEG's form: the high half positive, the low half negative.
    #[inline(always)]
    pub(super) fn value(&mut self, size: u32) -> i32 {
        let value = extend((self.ahead >> 1 >> (63 - size)) as i32, size);
        self.skip(size);
        value
    }

    /// Whether more bits were taken than there are.
    pub(super) fn overrun(&self) -> bool {
        self.count < self.made_up
    }

    /// Where the marker behind the bits can be looked for; `None` where more bits were taken than there are.
    pub(super) fn finish(self) -> Option<usize> {
        (!self.overrun()).then_some(self.at)
    }
}

/// T.81's EXTEND.
#[inline(always)]
fn extend(value: i32, size: u32) -> i32 {
    let low = value < (1 << size) >> 1;
    if low { value - (1 << size) + 1 } else { value }
}

/// Codes in canonical order.
pub(super) struct Codes {
    /// For each length, the first code that is longer, as 16 bits with the code at the top.
    limits: [u32; 17],
    /// For each length, what to add to a code to find its symbol's place.
    offsets: [i32; 17],
    symbols: [u8; 256],
    /// For each ten bits: length in the low byte, symbol in the high one; 0 where the code is longer.
    look: [u16; 1 << LOOK],
}

impl Codes {
    fn new(counts: &[u8; 16], symbols: &[u8]) -> Option<Self> {
        let mut codes = Self {
            limits: [0; 17],
            offsets: [0; 17],
            symbols: [0; 256],
            look: [0; 1 << LOOK],
        };
        codes.symbols.get_mut(..symbols.len())?.copy_from_slice(symbols);
        let (mut code, mut place) = (0u32, 0);
        for (length, &count) in (1..).zip(counts) {
            codes.offsets[length] = place - code as i32;
            code += u32::from(count);
            place += i32::from(count);
            if code > 1 << length {
                return None;
            }
            codes.limits[length] = code << (16 - length);
            code <<= 1;
        }
        for bits in 0..1 << LOOK {
            let found = codes.find(bits << (16 - LOOK));
            if let Some((length, symbol)) = found.filter(|found| found.0 <= LOOK) {
                codes.look[bits as usize] = u16::from(symbol) << 8 | length as u16;
            }
        }
        Some(codes)
    }

    /// Length and symbol of the code that begins these 16 bits.
    #[inline(always)]
    fn find(&self, bits: u32) -> Option<(u32, u8)> {
        let length = (1..17).find(|&length| bits < self.limits[length])?;
        let place = (bits >> (16 - length)) as i32 + self.offsets[length];
        Some((length as u32, self.symbols[place as usize & 255]))
    }

    /// The next symbol; after it there are still 16 bits.
    #[inline(always)]
    pub(super) fn read(&self, bits: &mut Bits) -> Option<u8> {
        bits.refill();
        let entry = self.look[(bits.ahead >> (64 - LOOK)) as usize & ((1 << LOOK) - 1)];
        let (length, symbol) = match entry {
            0 => self.find((bits.ahead >> 48) as u32)?,
            entry => (u32::from(entry & 255), (entry >> 8) as u8),
        };
        bits.skip(length);
        Some(symbol)
    }
}

/// Codes of the sizes of DC differences.
pub(super) struct DcTable(Codes);

impl DcTable {
    pub(super) fn new(counts: &[u8; 16], symbols: &[u8]) -> Option<Self> {
        let sizes = symbols.iter().all(|&size| size <= 15);
        Codes::new(counts, symbols).filter(|_| sizes).map(Self)
    }

    /// The next difference.
    #[inline(always)]
    pub(super) fn read(&self, bits: &mut Bits) -> Option<i32> {
        let size = self.0.read(bits)?;
        Some(bits.value(u32::from(size)))
    }
}

/// Codes of runs of zeros and the sizes of the coefficients behind them.
pub(super) struct AcTable {
    pub(super) codes: Codes,
    /// For each ten bits that hold a code and all of its value: the value in the high half, the step to its coefficient in
    /// the second byte, the bits in the first. 0 where ten bits do not suffice.
    look: [i32; 1 << LOOK],
}

/// The step that ends a block.
pub(super) const END: usize = 128;

impl AcTable {
    pub(super) fn new(counts: &[u8; 16], symbols: &[u8]) -> Option<Self> {
        let codes = Codes::new(counts, symbols)?;
        let mut look = [0; 1 << LOOK];
        for (bits, entry) in (0..).zip(&mut look) {
            let window = bits << (16 - LOOK);
            let Some((length, symbol)) = codes.find(window) else {
                continue;
            };
            let (step, size) = step(symbol);
            if length + size <= LOOK {
                let value = (window << length & 0xffff) >> (16 - size);
                *entry = extend(value as i32, size) << 16 | (step as i32) << 8 | (length + size) as i32;
            }
        }
        Some(Self { codes, look })
    }

    /// The step to the next coefficient that is not zero ([`END`] where there is none, 16 with value 0 for sixteen zeros),
    /// and its value.
    #[inline(always)]
    pub(super) fn read(&self, bits: &mut Bits) -> Option<(usize, i32)> {
        bits.refill();
        let entry = self.look[(bits.ahead >> (64 - LOOK)) as usize & ((1 << LOOK) - 1)];
        if entry != 0 {
            bits.skip(entry as u32 & 255);
            return Some(((entry >> 8) as usize & 255, entry >> 16));
        }
        let (length, symbol) = self.codes.find((bits.ahead >> 48) as u32)?;
        bits.skip(length);
        let (step, size) = step(symbol);
        Some((step, bits.value(size)))
    }
}

/// How far the next coefficient is, and the bits of its value.
#[inline(always)]
fn step(symbol: u8) -> (usize, u32) {
    match (symbol >> 4, symbol & 15) {
        (15, 0) => (16, 0),
        (_, 0) => (END, 0),
        (run, size) => (usize::from(run) + 1, u32::from(size)),
    }
}
