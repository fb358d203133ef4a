//! Records as TensorFlow frames them: length, the length's checksum, data, the data's checksum. Little-endian.

use std::io::{self, Read};

/// Bytes before the data.
const HEADER: usize = 12;
/// Bytes after the data.
const FOOTER: usize = 4;

/// CRC-32C as records hold it: turned right by 15 bits, plus a constant. So a checksum of data that holds checksums is no weaker.
fn masked_crc(bytes: &[u8]) -> u32 {
    crc32c::crc32c(bytes).rotate_right(15).wrapping_add(0xa282_ead8)
}

/// `data` as a record.
pub fn framed(data: &[u8]) -> Vec<u8> {
    let length = (data.len() as u64).to_le_bytes();
    let mut record = Vec::with_capacity(HEADER + data.len() + FOOTER);
    record.extend(length);
    record.extend(masked_crc(&length).to_le_bytes());
    record.extend(data);
    record.extend(masked_crc(data).to_le_bytes());
    record
}

/// Reads the next record's data from `file`, of which `left` bytes are left. `None` at the end, and where what follows is no whole
/// record: a crash leaves the last one in part.
///
/// # Errors
/// The file cannot be read.
pub fn next(file: &mut impl Read, left: &mut u64) -> io::Result<Option<Vec<u8>>> {
    let frame = (HEADER + FOOTER) as u64;
    if *left < frame {
        return Ok(None);
    }
    let mut header = [0; HEADER];
    file.read_exact(&mut header)?;
    let (length, crc) = header.split_at(8);
    let is_whole = masked_crc(length).to_le_bytes() == crc;
    let length = u64::from_le_bytes(length.try_into().expect("eight bytes"));
    // No more memory than the file has bytes.
    if !is_whole || length > *left - frame {
        return Ok(None);
    }
    let mut data = vec![0; length as usize];
    file.read_exact(&mut data)?;
    let mut crc = [0; FOOTER];
    file.read_exact(&mut crc)?;
    *left -= frame + length;
    Ok((masked_crc(&data).to_le_bytes() == crc).then_some(data))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The record of `b"tensor"` as TensorBoard 2.21's `RecordWriter` writes it.
    #[test]
    fn a_record_is_tensorboards() {
        let expected = [
            6, 0, 0, 0, 0, 0, 0, 0, 115, 105, 213, 55, 116, 101, 110, 115, 111, 114, 167, 170, 157, 65,
        ];
        assert_eq!(framed(b"tensor"), expected);
    }

    #[test]
    fn whole_records_are_read_and_the_torn_one_ends_them() {
        let whole = [framed(b"one"), framed(b""), framed(&[7; 1000])].concat();
        for cut in 0..=whole.len() {
            let (mut file, mut left) = (&whole[..cut], cut as u64);
            let mut read = Vec::new();
            while let Some(data) = next(&mut file, &mut left).unwrap() {
                read.push(data.len());
            }
            let ends = [19, 35, whole.len()];
            let expected: Vec<usize> = [3, 0, 1000]
                .into_iter()
                .zip(ends)
                .filter(|(_, end)| *end <= cut)
                .map(|(len, _)| len)
                .collect();
            assert_eq!(read, expected, "{cut} bytes");
        }
    }

    #[test]
    fn a_flipped_bit_ends_the_records() {
        let whole = framed(b"tensor");
        for bit in 0..8 * whole.len() {
            let mut bytes = whole.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(
                next(&mut &bytes[..], &mut (bytes.len() as u64)).unwrap(),
                None,
                "bit {bit}"
            );
        }
    }
}
