//! What the first bytes of a file tell.

use super::Format;

/// What the first bytes of a file tell.
#[derive(Clone, Copy)]
pub(crate) enum Kind {
    /// A format that is read.
    Read(Format),
    /// An image of a format that is not.
    Known(&'static str),
    /// No image: what it is, and what to do.
    Else(&'static str, &'static str),
}

use Kind::{Else, Known, Read};

const UNPACK: &str = "unpack it";
const FRAMES: &str = "save frames of it as JPEG or PNG";
const EXPORT: &str = "export it as JPEG or PNG";
const AGAIN: &str = "fetch the file again";
/// What Excel writes, by its first members.
pub(crate) const OFFICE: &str = "an Office file such as Excel's";
pub(crate) const AS_CSV: &str = "save its table as CSV";

/// Where which bytes are, and what they tell. The first that fits counts.
const MAGIC: [(usize, &[u8], Kind); 40] = [
    (0, &[0xff, 0xd8, 0xff], Read(Format::Jpeg)),
    (0, b"\x89PNG", Read(Format::Png)),
    (8, b"WEBP", Read(Format::Webp)),
    (0, b"BM", Read(Format::Bmp)),
    (0, b"GIF8", Read(Format::Gif)),
    (0, b"II*\0\x10\0\0\0CR", Known("camera raw")),
    (0, b"II*\0", Read(Format::Tiff)),
    (0, b"MM\0*", Read(Format::Tiff)),
    (0, b"FUJIFILM", Known("camera raw")),
    (4, b"ftypcrx", Known("camera raw")),
    (4, b"ftypavi", Known("AVIF")),
    (4, b"ftyphei", Known("HEIC")),
    (4, b"ftyphev", Known("HEIC")),
    (4, b"ftypmif1", Known("HEIC or AVIF")),
    (4, b"jP  ", Known("JPEG 2000")),
    (0, &[0xff, 0x4f, 0xff, 0x51], Known("JPEG 2000")),
    (0, &[0xff, 0x0a], Known("JPEG XL")),
    (4, b"JXL ", Known("JPEG XL")),
    (0, b"qoif", Known("QOI")),
    (0, b"8BPS", Known("Photoshop's PSD")),
    (128, b"DICM", Known("DICOM")),
    (4, b"ftyp", Else("a video (MP4 or MOV)", FRAMES)),
    (8, b"AVI ", Else("a video (AVI)", FRAMES)),
    (0, b"\x1a\x45\xdf\xa3", Else("a video (MKV or WebM)", FRAMES)),
    (0, b"%PDF", Else("a PDF", EXPORT)),
    (0, b"<svg", Else("a drawing (SVG)", EXPORT)),
    (30, b"[Content_Types].xml", Else(OFFICE, AS_CSV)),
    (30, b"docProps/", Else(OFFICE, AS_CSV)),
    (30, b"_rels/", Else(OFFICE, AS_CSV)),
    (30, b"xl/", Else(OFFICE, AS_CSV)),
    (0, b"\xd0\xcf\x11\xe0", Else(OFFICE, AS_CSV)),
    (0, b"PK\x03\x04", Else("a zip archive", UNPACK)),
    (0, b"PK\x05\x06", Else("an empty zip archive", AGAIN)),
    (0, b"Rar!", Else("a RAR archive", UNPACK)),
    (0, b"7z\xbc\xaf\x27\x1c", Else("a 7-Zip archive", UNPACK)),
    (0, &[0x1f, 0x8b], Else("a gzip archive", UNPACK)),
    (4, b"1AY&SY", Else("a bzip2 archive", UNPACK)),
    (0, b"\xfd7zXZ\0", Else("an xz archive", UNPACK)),
    (
        0,
        b"version https://git-lfs",
        Else(
            "a Git LFS pointer, which stands for the file",
            "`git lfs pull` fetches the file",
        ),
    ),
    (0, &[0; 16], Else("zeros, as a copy that failed leaves them", AGAIN)),
];

/// Tells a format by its first bytes; those that people try and that are not read are named, so that the error can.
pub(crate) fn sniff(bytes: &[u8]) -> Option<Kind> {
    let found = MAGIC
        .iter()
        .find(|(at, magic, _)| bytes.get(*at..).is_some_and(|rest| rest.starts_with(magic)));
    // A letter and a digit begin other texts too: a number has to follow.
    let is_pnm = |bytes: &[u8]| {
        matches!(bytes, [b'P', b'1'..=b'6', space, next, ..]
            if space.is_ascii_whitespace() && (next.is_ascii_digit() || next.is_ascii_whitespace() || *next == b'#'))
            || bytes.starts_with(b"P7\nWIDTH")
    };
    found
        .map(|&(_, _, kind)| kind)
        .or_else(|| is_pnm(bytes).then_some(Read(Format::Pnm)))
        .or_else(|| markup(bytes))
}

/// What a text of markup is. Servers answer with such where a file is not to be had.
fn markup(bytes: &[u8]) -> Option<Kind> {
    let text = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes).trim_ascii_start();
    let begins = |tag: &str| {
        text.get(..tag.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(tag.as_bytes()))
    };
    if begins("<!doctype html") || begins("<html") {
        return Some(Else("an HTML page, as a download that failed leaves it", AGAIN));
    }
    if !begins("<?xml") {
        return None;
    }
    match text.windows(4).any(|part| part == b"<svg") {
        true => Some(Else("a drawing (SVG)", EXPORT)),
        false => Some(Else("an XML text, as a download that failed leaves it", AGAIN)),
    }
}
