//! Checksums of our own files: CRC-32 of each section, and of the record that holds them.
//!
//! The metadata entry is one JSON object that begins `{"crc32":"XXXXXXXX",`; the number is that of all text behind it, which
//! begins with the sections' numbers and goes on with the record. A section is the weights, the average (`ema`) or a slot of
//! the optimizer (`opt.SLOT`): its tensors in the order of their names, each as its name and its bytes.

use std::borrow::Cow;
use std::collections::BTreeMap;

use crc32fast::Hasher;
use serde::Deserialize;

/// What an entry with checksums begins with.
const MARK: &str = "{\"crc32\":\"";

#[derive(Deserialize)]
struct Sections {
    sections: BTreeMap<String, String>,
}

/// Adds the checksums to a record, a JSON object that is not empty. `tensors` are those that it comes with, in any order.
pub(crate) fn with_checksums<'a>(record: &str, tensors: impl IntoIterator<Item = (&'a str, Cow<'a, [u8]>)>) -> String {
    let tensors: BTreeMap<&str, Cow<[u8]>> = tensors.into_iter().collect();
    let sections = sums(tensors.iter().map(|(name, bytes)| (*name, &bytes[..])));
    let sections = serde_json::to_string(&sections).unwrap_or_default();
    let rest = format!("\"sections\":{sections},{}", record.strip_prefix('{').unwrap_or(record));
    format!("{MARK}{:08x}\",{rest}", crc32fast::hash(rest.as_bytes()))
}

/// Whether a text is an entry with checksums, whatever name a damaged file has for it.
pub(crate) fn has_checksums(text: &str) -> bool {
    text.starts_with(MARK) || text.contains("\"sections\":{")
}

/// Checks an entry against the tensors in the order of their names. Files of the first days have no checksums.
pub(crate) fn check<'a>(text: &str, tensors: impl Iterator<Item = (&'a str, &'a [u8])>) -> Result<(), String> {
    let differs = |what: &str| Err(format!("is damaged: the checksum of its {what} differs"));
    let Some((stated, rest)) = text.strip_prefix(MARK).and_then(|text| text.split_once("\",")) else {
        return if has_checksums(text) { differs("record") } else { Ok(()) };
    };
    if stated != format!("{:08x}", crc32fast::hash(rest.as_bytes())) {
        return differs("record");
    }
    let Ok(Sections { sections }) = serde_json::from_str(text) else {
        return differs("record");
    };
    let found = sums(tensors);
    let both = sections.keys().chain(found.keys());
    match both.into_iter().find(|name| sections.get(*name) != found.get(*name)) {
        Some(name) => differs(&format!("section `{name}`")),
        None => Ok(()),
    }
}

fn sums<'a>(tensors: impl Iterator<Item = (&'a str, &'a [u8])>) -> BTreeMap<String, String> {
    let mut hashers: BTreeMap<&str, Hasher> = BTreeMap::new();
    for (name, bytes) in tensors {
        let hasher = hashers.entry(section(name)).or_default();
        hasher.update(name.as_bytes());
        hasher.update(bytes);
    }
    let text = |(name, hasher): (&str, Hasher)| (name.to_owned(), format!("{:08x}", hasher.finalize()));
    hashers.into_iter().map(text).collect()
}

fn section(name: &str) -> &str {
    if name.starts_with("ema.") {
        return "ema";
    }
    let dot = name.strip_prefix("opt.").and_then(|rest| rest.find('.'));
    dot.map_or("weights", |dot| &name[.."opt.".len() + dot])
}
